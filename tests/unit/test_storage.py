"""KRaft's storage: one cluster id from the first deploy on, whatever interrupts it; and nothing that ran is formatted anew."""

import base64
import fcntl
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Outcome, Script
from kafab.errors import Failed, OutcomeUnknown, Unreachable, Unsafe
from kafab.hosts.facts import Identity, NodeFacts, NodesFacts
from kafab.model import Cluster, VoterSource
from kafab.plans.steps import FormatStorage
from kafab.plans.storage import directory_id, format_steps, initial_controllers, uuid
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.deployed import Deployed, Lab, Shell, one_release
from tests.storage_tool import StorageTool

ID, OTHER = "MkU3OEVBNTcwNTJENDM2Qg", "q1Sh-9_ISia_zwGINzRvyQ"


@given(st.binary(min_size=16, max_size=16))
def test_uuid_is_one_of_kafkas(random: bytes) -> None:
    """Any 16 bytes give what Kafka's Uuid.randomUuid could give: version 4, and no leading dash."""
    text = uuid(random)
    octets = base64.urlsafe_b64decode(text + "==")
    assert (len(octets), octets[6] >> 4, octets[8] >> 6, text[0] == "-") == (16, 4, 2, False)


def test_directory_ids_follow_from_cluster_and_node() -> None:
    """A deploy that goes on from an interrupted one names the very same voters; no two nodes share one."""
    found = [directory_id(cluster, node) for cluster in (ID, OTHER) for node in (1, 2)]
    again = [directory_id(cluster, node) for cluster in (ID, OTHER) for node in (1, 2)]
    assert (found == again, len(set(found))) == (True, 4)


# What is formatted with what: values in, steps out.


def three(quorum: VoterSource = VoterSource.DYNAMIC, controllers: str = "combined") -> Cluster:
    """Return three hosts of a KRaft cluster."""
    return replace(cluster_in(Path("/srv"), 3, controllers), voter_source=quorum)


def said(cluster: Cluster, **identities: Identity | None) -> NodesFacts:
    """Return what every node's first data directory holds; those that are not named hold nothing."""
    return {
        node: NodeFacts(identities={node.data[0]: found} if (found := identities.get(node.host.name)) else {})
        for node in cluster.nodes
    }


def formatted(number: int, *, joined: bool = False, cluster_id: str = ID) -> Identity:
    """Return the mark of a formatted directory."""
    return Identity(number, cluster_id, kraft=True, joined=joined)


def steps(cluster: Cluster, facts: NodesFacts, others: NodesFacts | None = None) -> list[FormatStorage]:
    """Return the steps for hosts that all have the one Java."""
    java = dict.fromkeys((host.name for host in cluster.hosts), "/j/bin/java")
    return list(format_steps(cluster, facts, java, others or {}))


def test_first_voters_are_all_controllers() -> None:
    """Each node of a new dynamic quorum is formatted with the same whole voter set (KIP-853)."""
    cluster = three()
    found = steps(cluster, said(cluster))
    sets = {initial_controllers(replace(step, cluster_id=ID)) for step in found}
    voters = ",".join(
        f"{node.id}@{node.controller_endpoint}:{directory_id(ID, node.id)}" for node in cluster.controllers
    )
    assert (len(found), sets) == (3, {voters})


def test_voters_need_a_cluster_id() -> None:
    """Directory ids follow from the cluster's, so there is no voter set before it."""
    cluster = three()
    with pytest.raises(ValueError, match="no cluster id"):
        initial_controllers(steps(cluster, said(cluster))[0])


@pytest.mark.parametrize(
    ("quorum", "controllers", "role"),
    [(VoterSource.STATIC, "combined", ""), (VoterSource.DYNAMIC, "isolated", "broker")],
)
def test_no_voters_are_named(quorum: VoterSource, controllers: str, role: str) -> None:
    """In a static quorum the configuration names the voters; an isolated broker never is one."""
    cluster = three(quorum, controllers)
    found = [
        step for step in steps(cluster, said(cluster)) if step.subject.partition("/")[2].startswith(role)
    ]
    assert [(dict(step.voters), step.joins) for step in found] == [({}, False)] * 3


def test_what_is_formatted_gives_the_id() -> None:
    """A deploy that was cut off behind one of three nodes goes on with the id of that one."""
    cluster = three()
    found = steps(cluster, said(cluster, node2=formatted(2)))
    assert [(step.subject, step.cluster_id) for step in found] == [("node1/broker", ID), ("node3/broker", ID)]


def test_only_bare_directories_are_formatted() -> None:
    """A disk that came to a node is formatted, and the one that was there is not named."""
    cluster = three(controllers="isolated")
    disks = (PurePosixPath("/d1"), PurePosixPath("/d2"))
    nodes = tuple(replace(n, data=disks) if n.name == "node1/broker" else n for n in cluster.nodes)
    cluster = replace(cluster, nodes=nodes)
    facts = said(cluster, **{f"node{at}": formatted(at) for at in (1, 2, 3)})
    assert [(step.subject, step.directories) for step in steps(cluster, facts)] == [
        ("node1/broker", (disks[1],))
    ]


def test_voter_that_comes_to_a_quorum_that_ran_is_none_yet() -> None:
    """A controller whose disk was replaced takes no vote that it may have had (KIP-853): it is added later."""
    cluster = three()
    facts = said(cluster, node1=formatted(1, joined=True), node2=formatted(2, joined=True))
    assert [(step.subject, dict(step.voters), step.joins) for step in steps(cluster, facts)] == [
        ("node3/broker", {}, True)
    ]


def test_half_of_a_controller_is_not_formatted() -> None:
    """A controller whose first disk is bare and whose second is not has lost its metadata: a disk that is not mounted."""
    cluster = three()
    disks = (PurePosixPath("/d1"), PurePosixPath("/d2"))
    cluster = replace(cluster, nodes=tuple(replace(node, data=disks) for node in cluster.nodes))
    facts = {node: NodeFacts(identities={disks[1]: formatted(node.id)}) for node in cluster.nodes}
    with pytest.raises(Unsafe, match="node1/broker: /d1 is not formatted, /d2 is"):
        steps(cluster, facts)


# The whole of a deploy, with the real scripts in a real shell.


def bare(folder: Path, tool: StorageTool, shell: Shell) -> Lab:
    """Return three hosts of combined nodes on which nothing was deployed yet."""
    root = folder / "hosts"
    cluster = tool.on(cluster_in(root, 3, "combined"))
    for host in cluster.hosts:
        Path(host.paths.releases).parent.mkdir(parents=True)
    return Lab(cluster, root, shell, one_release(cluster, folder))


@pytest.fixture
def new_lab(tmp_path: Path, shell: Shell) -> Lab:
    """Three such hosts."""
    return bare(tmp_path, StorageTool(tmp_path), shell)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> tuple[Deployed, StorageTool]:
    """Three hosts that have all of a deploy but the formatted storage: releases and files are the matter of other tests."""
    folder = tmp_path_factory.mktemp("storage")
    tool = StorageTool(folder)
    lab = bare(folder, tool, shell)
    lab.deploy()
    for node in lab.cluster.nodes:
        for directory in map(Path, node.data):
            shutil.rmtree(directory)
            directory.mkdir()
    shutil.copytree(lab.root, folder / "kept", symlinks=True)
    return Deployed(lab.cluster, lab.root, lab.store, shell, folder / "kept"), tool


@pytest.fixture
def tool(laid_out: tuple[Deployed, StorageTool]) -> StorageTool:
    """A stand-in for StorageTool, that was not called yet."""
    laid_out[1].forget()
    return laid_out[1]


@pytest.fixture
def lab(laid_out: tuple[Deployed, StorageTool], tool: StorageTool) -> Lab:  # its calls are this test's
    """Those hosts, with nothing formatted."""
    return laid_out[0].lab()


def meta(lab: Lab, host: str) -> Path:
    """Return the mark of a host's data."""
    return lab.root / host / "data" / "broker" / "meta.properties"


def ids(lab: Lab) -> list[str]:
    """Return the cluster id of each node, in order; of the formatted ones."""
    files = [meta(lab, host.name) for host in lab.cluster.hosts]
    return [file.read_text().split("cluster.id=")[1].strip() for file in files if file.exists()]


def lose(lab: Lab, hosts: set[str], *, before: bool) -> Callable[[], None]:
    """Let these hosts' answers to the formatting be lost, and with ``before`` the call; return what mends it."""
    handlers = dict(lab.fleet.hosts)

    def lossy(name: str) -> Callable[[Script], Outcome]:
        def answer(script: Script) -> Outcome:
            if not script.called("format") or name not in hosts:
                return handlers[name](script)
            if not before:
                handlers[name](script)
            return Unknown("the connection was lost")

        return answer

    lab.fleet.hosts.update({name: lossy(name) for name in handlers})
    return lambda: lab.fleet.hosts.update(handlers)


def test_first_deploy_makes_one_id(new_lab: Lab) -> None:
    """Every node gets the same one."""
    new_lab.deploy()
    assert (len(ids(new_lab)), len(set(ids(new_lab)))) == (3, 1)


def test_one_java_a_node(lab: Lab, tool: StorageTool) -> None:
    """Formatting costs one JVM a node, and a second deploy none."""
    lab.deploy()
    lab.deploy()
    assert len(tool.calls) == 3


def test_pinned_id_is_used(lab: Lab) -> None:
    """The inventory may say which id the cluster has."""
    lab.cluster = replace(lab.cluster, cluster_id=ID)
    lab.deploy()
    assert ids(lab) == [ID] * 3


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("lost", [{"node1"}, {"node2", "node3"}, {"node1", "node2", "node3"}])
def test_interrupted_formatting_converges(lab: Lab, lost: set[str], before: bool) -> None:
    """Whichever hosts were formatted before the connections went, the next deploy ends with one id (fault 2)."""
    mend = lose(lab, lost, before=before)
    if before:
        with pytest.raises(OutcomeUnknown):
            lab.deploy()
    else:
        lab.deploy()  # it looks again, and sees that all is done
    mend()
    lab.deploy()
    assert (len(ids(lab)), len(set(ids(lab)))) == (3, 1)


def test_voters_of_an_interrupted_deploy_are_kept(lab: Lab, tool: StorageTool) -> None:
    """The second deploy formats the rest with the voter set of the first."""
    mend = lose(lab, {"node2", "node3"}, before=True)
    with pytest.raises(OutcomeUnknown):
        lab.deploy()
    mend()
    lab.deploy()
    sets = {call.partition("--initial-controllers ")[2].split()[0] for call in tool.calls}
    assert (len(tool.calls), len(sets)) == (3, 1)


def test_tool_that_is_left_at_work_is_waited_for(lab: Lab, tool: StorageTool) -> None:
    """A deploy was killed while its tool ran on a host: the next one waits for that tool, and takes its id."""
    tool.gate.mkdir()
    first = threading.Thread(target=lab.deploy)
    first.start()
    try:
        reached(tool.gate / "1")
        second = threading.Thread(target=Lab(lab.cluster, lab.root, lab.shell, lab.store).deploy)
        second.start()
        second.join(1.0)
        waits = second.is_alive()
    finally:
        shutil.rmtree(tool.gate)
    for thread in (first, second):
        thread.join(30)
    assert (waits, len(tool.calls), len(set(ids(lab)))) == (True, 3, 1)


def reached(file: Path) -> None:
    """Wait until the stand-in has come to its gate."""
    pause = threading.Event()
    for _ in range(600):
        if file.exists():
            return
        pause.wait(0.05)
    pytest.fail(f"{file} was not reached within 30 s")


def test_limit_then_all_is_one_cluster(lab: Lab) -> None:
    """The host that came first gave the id."""
    lab.deploy("node1")
    (first,) = ids(lab)
    lab.deploy()
    assert ids(lab) == [first] * 3


def test_limited_first_deploy_asks_the_others(new_lab: Lab) -> None:
    """With a host that is left out and silent no id is made: it may have one already."""
    new_lab.fleet.unreachable = {"node3": "no route"}
    with pytest.raises(Unreachable, match="node3: no route"):
        new_lab.deploy("node1")
    assert new_lab.tree() == ["node1", "node2", "node3"]


def test_limited_deploy_takes_no_side(lab: Lab) -> None:
    """Where the hosts that are left out have two ids, nothing is formatted with either of them."""
    lab.deploy()
    meta(lab, "node1").unlink()
    meta(lab, "node3").write_text(f"version=1\nnode.id=3\ncluster.id={OTHER}\n")
    with pytest.raises(Unsafe, match=f"node3/broker .*: cluster.id {OTHER}"):
        lab.deploy("node1")
    assert not meta(lab, "node1").exists()


def test_limited_deploy_keeps_the_pin_of_the_others(lab: Lab) -> None:
    """A pinned id that is not the one of the hosts that are left out would make a second cluster."""
    lab.deploy("node2")
    lab.cluster = replace(lab.cluster, cluster_id=OTHER)
    with pytest.raises(Unsafe, match=f"kraft.cluster_id {OTHER}"):
        lab.deploy("node1")
    assert not meta(lab, "node1").exists()


def test_foreign_cluster_is_refused_with_the_ids(lab: Lab) -> None:
    """Every directory with its id is told, and nothing is changed."""
    lab.deploy()
    ours = ids(lab)[0]
    meta(lab, "node3").write_text(f"version=1\nnode.id=3\ncluster.id={OTHER}\n")
    before = lab.tree()
    with pytest.raises(Unsafe) as caught:
        lab.deploy()
    told = [line.rpartition(" ")[2] for line in caught.value.message.splitlines() if "cluster.id" in line]
    assert (told, lab.tree() == before) == ([ours, ours, OTHER], True)


def test_id_that_came_in_between_fails_the_step(lab: Lab) -> None:
    """What was formatted between the look and the step is not touched: the host fails with what was found."""
    handler = lab.fleet.hosts["node2"]

    def late(script: Script) -> Outcome:
        if script.called("format"):
            meta(lab, "node2").write_text(f"version=1\nnode.id=2\ncluster.id={OTHER}\n")
        return handler(script)

    lab.fleet.hosts["node2"] = late
    with pytest.raises(
        Failed, match=r"node2: failed: .* was formatted for another cluster id in the meantime"
    ):
        lab.deploy()
    assert OTHER in meta(lab, "node2").read_text()


def test_tool_that_does_not_end_makes_the_host_unknown(lab: Lab, shell: Shell) -> None:
    """What is being formatted is neither bare nor formatted: after 20 s the host is told with the folder, and nothing is guessed."""
    lab.deploy()
    meta(lab, "node2").unlink()
    folder = meta(lab, "node2").parent
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        lab.fleet.hosts["node2"] = lambda script: shell(
            replace(script, text=script.text.replace("sleep 0.1", ":"))
        )
        with pytest.raises(Unreachable, match=f"node2: .*{folder} has been formatted for 20 s and still is"):
            lab.deploy()
    finally:
        os.close(handle)
