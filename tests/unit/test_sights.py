"""What a node's process finds at its paths: a real shell looks, and each fault is one that a start would die of."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Result, Script
from kafab.errors import Failed
from kafab.hosts import sights
from kafab.hosts.facts import HostFacts, NodeFacts
from kafab.hosts.observation import observation, parse
from kafab.model import Cluster, Node, Supervisor
from kafab.ops.run import lifecycle, startable
from tests.cosmos import Cosmos

Shell = Callable[..., Result]


@pytest.fixture
def broker(small: Cluster, tmp_path: Path) -> Node:
    """Return a broker with an agent and a Java of its own, and every folder there."""
    agent, settings = tmp_path / "agent.jar", tmp_path / "agent.yml"
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    for file in (agent, settings, java):
        file.touch()
    java.chmod(0o755)
    (node,) = small.brokers
    host = replace(node.host, java=PurePosixPath(java.parents[1]))
    node = replace(node, host=host, jvm=(f"-javaagent:{agent}=7071:{settings}",))
    for path in (*node.data, node.logs, node.scratch):
        Path(path).mkdir(parents=True)
    return node


def found(node: Node, shell: Shell) -> list[str]:
    """Observe the node in a real shell; return what is wrong with it."""
    facts = parse(node.host, (node,), shell(observation(node.host, {node: ()})))
    assert isinstance(facts, HostFacts)
    seen = facts.nodes[node.instance]
    assert seen.sights
    return [trouble.text for trouble in sights.troubles(node, seen.sights, seen.strange, account=True)]


def test_files_that_properties_name(broker: Node) -> None:
    """Key stores and jars of plug-ins are looked at, once each; the name of a class and a relative path are no files."""
    named = {
        "ssl.keystore.location": "/k/a.p12",
        "listener.name.x.ssl.truststore.location": "/k/a.p12",
        "sasl.oauthbearer.assertion.file": "/k/token",
        "remote.log.storage.manager.class.path": "/t/a.jar:/t/lib/*:b.jar:/t/c.jar",
        "remote.log.storage.manager.class.name": "/no.Path",
        "ssl.truststore.location": "relative.p12",
    }
    node = replace(broker, jvm=(), properties=named)
    files = [str(path) for kind, path in sights.needed(node) if kind == sights.FILE]
    assert files == ["/k/a.p12", "/k/token", "/t/a.jar", "/t/c.jar"]


def test_nothing_is_wrong_with_what_is_there(broker: Node, shell: Shell) -> None:
    """Folders, agent, its settings and Java are there: no word."""
    assert found(broker, shell) == []


def test_folders_of_a_first_deploy_may_be_missing(broker: Node, shell: Shell) -> None:
    """A deploy makes the folders: that they are not there is no fault."""
    for path in (*broker.data, broker.logs):
        Path(path).rmdir()
    assert found(broker, shell) == []


def _gone(path: Path) -> None:
    path.unlink()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILED: dict[Callable[[Path], None], str] = {
    _gone: "is not there",
    _dangling: "leads to nothing",
    _folder: "where a file is meant",
}


@pytest.mark.parametrize("name", ["agent.jar", "agent.yml", "java/bin/java"])
@pytest.mark.parametrize("spoil", SPOILED)
def test_file_that_cannot_be_used(
    broker: Node, shell: Shell, tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    """An agent, its settings or Java that is not there, leads to nothing, or is a folder."""
    spoil(tmp_path / name)
    (text,) = found(broker, shell)
    assert (str(tmp_path / name) in text, SPOILED[spoil] in text) == (True, True)


@pytest.mark.parametrize("which", ["data", "logs"])
@pytest.mark.parametrize("above", [False, True])
def test_file_where_a_folder_is_meant(broker: Node, shell: Shell, which: str, *, above: bool) -> None:
    """A plain file in the place of a folder, or of one above it."""
    path = Path(broker.data[0] if which == "data" else broker.logs)
    path.rmdir()
    place = path.parent if above else path
    if above:
        for other in place.iterdir():
            other.rmdir()
        place.rmdir()
    place.touch()
    assert [str(path) in text and "is no folder" in text for text in found(broker, shell)] == [True]


def test_link_that_leads_to_nothing(broker: Node, shell: Shell) -> None:
    """A data folder that is a link to a disk that is not there."""
    path = Path(broker.data[0])
    path.rmdir()
    path.symlink_to("/no/such/disk")
    assert found(broker, shell) == [f"{path} is a link that leads to nothing"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look as another account")
def test_rights_are_those_of_the_account(broker: Node, tmp_path: Path) -> None:
    """Root reads and writes everything, and says nothing about the account: it is the account that looks."""
    for path in (*tmp_path.parents, tmp_path):
        path.chmod(path.stat().st_mode | 0o011)
    (tmp_path / "agent.jar").chmod(0o600)

    def as_nobody(script: Script) -> Result:
        done = subprocess.run(
            ["runuser", "-u", "nobody", "--", "sh", "-eu"],
            input=script.text.encode(),
            capture_output=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    data, logs, *_, agent = (*broker.data, broker.logs, broker.scratch, tmp_path / "agent.jar")
    wanted = [f"folder {data}", f"folder {logs}", f"folder {broker.scratch}", f"file {agent}"]
    assert [f"{text.split()[-2]} {text.split()[-1]}" for text in found(broker, as_nobody)] == wanted


@pytest.mark.parametrize(
    ("name", "files", "strange"),
    [
        ("lost+found", [], True),
        (".snapshot", [], True),
        ("backup", ["a"], True),
        ("backup-2026", ["a"], True),
        ("old-delete", ["a"], True),
        ("orders-1", [], False),
        ("-0", [], True),
        ("orders-0", ["00000000000000000000.log"], False),
        ("orders-0", ["leader-epoch-checkpoint"], False),
        ("a.b_c-d-12", ["partition.metadata"], False),
        ("orders-0.3b1f-delete", [], False),
        ("orders-0.3b1f-future", [], False),
        ("orders-0.3b1f-stray", [], False),
        ("__cluster_metadata-0", ["00000000000000000000.log"], False),
        ("remote-log-index-cache", [], False),
        ("__cluster_metadata-0", ["00000000000000000000-0000000000.checkpoint"], False),
    ],
)
def test_folders_that_are_no_partitions(
    broker: Node, shell: Shell, name: str, files: list[str], *, strange: bool
) -> None:
    """What Kafka would take for a partition and is none is named; partitions and Kafka's own folders are not."""
    folder = Path(broker.data[0]) / name
    folder.mkdir()
    for file in files:
        (folder / file).touch()
    assert [str(folder) in text for text in found(broker, shell)] == [True] * strange


@pytest.mark.parametrize(("real", "words"), [("/home/kafka/data", ["ProtectHome"]), ("/data/kafka", [])])
def test_link_into_what_the_unit_hides(broker: Node, real: str, words: list[str]) -> None:
    """Under systemd it is where a path leads to that counts, and not how it is spelled."""
    node = replace(broker, host=replace(broker.host, supervisor=Supervisor.SYSTEMD, user="kafka"))
    sight = sights.Sight(sights.FOLDER, node.data[0], "there", node.data[0], PurePosixPath(real))
    texts = [trouble.text for trouble in sights.troubles(node, [sight], (), account=True)]
    assert [word in text for text, word in zip(texts, words, strict=True)] == [True] * len(words)


def test_folder_that_a_deploy_gives_to_nobody(broker: Node) -> None:
    """Before there is an account, a data folder that is there is root's, and stays so: it is told before the deploy."""
    node = replace(broker, host=replace(broker.host, supervisor=Supervisor.SYSTEMD, user="kafka"))
    path = PurePosixPath("/data/kafka")
    sight = sights.Sight(sights.FOLDER, path, "there", path, path)
    (trouble,) = sights.troubles(node, [sight], (), account=False)
    assert "chown kafka: /data/kafka" in trouble.mend


def test_java_of_root_alone(broker: Node) -> None:
    """A Java that only root finds starts no node."""
    node = replace(
        broker, host=replace(broker.host, java=None, user="kafka", supervisor=Supervisor.SYSTEMD), jvm=()
    )
    lines = [line for path in sights.needed(node) for line in (("sight", f"there {path[1]}"), ("real", "/x"))]
    seen, _ = sights.read(node, lines)
    assert [trouble.text.partition(",")[0] for trouble in sights.troubles(node, seen, (), account=True)] == [
        "kafka finds no Java to run"
    ]


def test_agent_that_is_gone_stops_no_broker(small: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart says what its start would die of before it stops anything."""
    path = PurePosixPath("/opt/agent.jar")
    gone = sights.Sight(sights.FILE, path, "gone", PurePosixPath("/opt"), path)
    observed = startable.startable

    def without_agent(*words: object) -> dict[Node, NodeFacts]:
        return {node: replace(seen, sights=(gone,)) for node, seen in observed(*words).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "startable", without_agent)
    world = Cosmos(small).up()
    with pytest.raises(Failed, match=r"agent\.jar is not there"):
        lifecycle.restart(world.cluster, None, world.world, unsafe=True)
    assert world.of("stop") == []


@pytest.mark.parametrize(("runs", "refused"), [(False, True), (True, False)])
def test_agent_that_is_gone_refuses_a_start_of_what_does_not_run(
    small: Cluster, monkeypatch: pytest.MonkeyPatch, *, runs: bool, refused: bool
) -> None:
    """A start begins nothing where one of the nodes to start would die; what runs already needs its jar no more."""
    path = PurePosixPath("/opt/agent.jar")
    gone = sights.Sight(sights.FILE, path, "gone", PurePosixPath("/opt"), path)
    observed = startable.startable

    def without_agent(*words: object) -> dict[Node, NodeFacts]:
        return {node: replace(seen, sights=(gone,)) for node, seen in observed(*words).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "startable", without_agent)
    world = Cosmos(small).up() if runs else Cosmos(small)
    raised = False
    try:
        lifecycle.start(world.cluster, None, world.world)
    except Failed as error:
        raised = "agent.jar is not there" in error.message
    assert (raised, world.of("start") == []) == (refused, True)
