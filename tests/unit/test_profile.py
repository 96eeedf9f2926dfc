"""What login shells of a host read: real shells read it, and plan and destroy know whose it is."""

import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.render import RenderedFile
from kafab.hosts.facts import FileFact, HostFacts, NodeFacts
from kafab.hosts.profile import PROFILE, profile_file
from kafab.hosts.remains import HostRemains
from kafab.inventory import load
from kafab.model import Cluster, Node, Supervisor
from kafab.plans.plan import diff
from kafab.plans.removal import Removals, removals
from kafab.plans.state import desire
from kafab.plans.steps import WriteFile
from tests.conftest import cluster_in


def under_systemd(root: Path, name: str = "small", controllers: str = "") -> Cluster:
    """Return a cluster of one host under systemd, its folders below ``root``."""
    cluster = cluster_in(root, 1, controllers)
    host = replace(cluster.hosts[0], supervisor=Supervisor.SYSTEMD, user="kafka")
    nodes = tuple(replace(node, host=host) for node in cluster.nodes)
    return replace(cluster, name=name, hosts=(host,), nodes=nodes)


def written(cluster: Cluster) -> RenderedFile:
    """Return the file of the cluster's only host."""
    file = profile_file(cluster, cluster.hosts[0])
    assert file is not None
    return file


def standing(file: RenderedFile, text: str | None = None) -> FileFact:
    """Return what a host says of the file, or of another text in its place."""
    other = replace(file, text=file.text if text is None else text)
    return FileFact(other.sha256, "644", other.text, "root:root")


def login(file: RenderedFile, path: str = "/usr/bin:/bin") -> list[str]:
    """Return KAFKA_HOME and PATH of a POSIX shell that has read the file twice, as nested login shells do, and its errors."""
    script = f'{file.text}{file.text}\necho "${{KAFKA_HOME-none}}"\necho "$PATH"\n'
    done = subprocess.run(
        ["/bin/sh", "-eu"], input=script, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def planned(cluster: Cluster, found: FileFact | None) -> list[str]:
    """Return what a plan does about the file, where this stands on the host."""
    nodes = {node.instance: NodeFacts() for node in cluster.nodes}
    asked = desire(cluster, cluster.nodes, None)
    plan = diff(asked, {"node1": HostFacts(nodes, account=True, profile=found)}, anew=True)
    files = [step for step in plan.steps if isinstance(step, WriteFile)]
    return [str(step) for step in files if step.file.path == PROFILE]


def destroyed(
    cluster: Cluster, found: FileFact, *nodes: Node, links: tuple[str, ...] = ()
) -> tuple[list[str], list[str]]:
    """Return what a destroy of these nodes, or of all, would do about the file: its steps, and what it keeps and why."""
    wanted = nodes or cluster.nodes
    facts = HostFacts({node.instance: NodeFacts() for node in wanted}, profile=found)
    there = HostRemains(links=dict.fromkeys(links))
    decided: Removals = removals(
        desire(cluster, wanted, None), {"node1": facts}, {"node1": there}, {}, data=False
    )
    steps = [str(step) for step in decided.steps if step.path in (PROFILE, PROFILE.parent)]
    return steps, [str(kept) for kept in decided.kept if kept.path == PROFILE]


def test_login_shell_finds_the_release(tmp_path: Path) -> None:
    """KAFKA_HOME is the broker's link, and its tools stand at the end of the PATH, once."""
    cluster = under_systemd(tmp_path / "with a blank")
    home = Path(cluster.brokers[0].current)
    home.mkdir(parents=True)
    assert login(written(cluster)) == [str(home), f"/usr/bin:/bin:{home}/bin"]


def test_login_shell_is_silent_where_the_release_is_gone(tmp_path: Path) -> None:
    """Without the folder nothing is set and nothing is said."""
    assert login(written(under_systemd(tmp_path))) == ["none", "/usr/bin:/bin"]


@pytest.mark.parametrize(
    ("roles", "instance"),
    [
        ("zookeeper: 1, broker: [{id: 7}, {id: 2, port: 9093}]", "broker-7"),
        ("zookeeper: 1", "zookeeper"),
    ],
)
def test_first_broker_leads(roles: str, instance: str, tmp_path: Path) -> None:
    """Of several brokers the first of the inventory gives KAFKA_HOME; a host without one has another node's."""
    inventory = tmp_path / "prod.yaml"
    inventory.write_text(
        f"kafka: {{version: 3.9.2}}\nhosts:\n  a: {{address: 10.0.0.1, {roles}}}\n"
        "  b: {address: 10.0.0.2, broker: 9}\n"
    )
    assert f"KAFKA_HOME=/opt/kafka/current-{instance}\n" in written(load(inventory)[0]).text


def test_controller_leads_a_host_without_a_broker(tmp_path: Path) -> None:
    """A host with nothing but a controller has its release."""
    cluster = under_systemd(tmp_path, controllers="isolated")
    only = replace(cluster, nodes=cluster.controllers)
    assert f"KAFKA_HOME={cluster.controllers[0].current}\n" in written(only).text


def test_no_file_without_systemd(tmp_path: Path) -> None:
    """Under the `process` supervisor nothing is root's, and nothing is put below /etc."""
    cluster = cluster_in(tmp_path)
    assert profile_file(cluster, cluster.hosts[0]) is None


def test_it_is_roots(tmp_path: Path) -> None:
    """Everybody reads it, root alone writes it."""
    file = written(under_systemd(tmp_path))
    assert (file.path, file.mode, file.owner) == (
        PurePosixPath("/etc/profile.d/kafab.sh"),
        "644",
        "root:root",
    )


def test_deploy_writes_it_once_a_host(tmp_path: Path) -> None:
    """All nodes of a host share it."""
    assert planned(under_systemd(tmp_path), None) == [f"write {PROFILE}"]


def test_deploy_leaves_it_as_it_should_be(tmp_path: Path) -> None:
    """What stands there already is not written again."""
    cluster = under_systemd(tmp_path)
    assert planned(cluster, standing(written(cluster))) == []


def test_deploy_renews_what_an_older_inventory_gave(tmp_path: Path) -> None:
    """A file of the same cluster with other paths is changed, and is no edit by hand."""
    before = written(under_systemd(tmp_path / "before"))
    assert planned(under_systemd(tmp_path), standing(before)) == [f"change {PROFILE}"]


@pytest.mark.parametrize("text", ["export KAFKA_HOME=/srv\n", "{made}export MORE=1\n"])
def test_deploy_shows_an_edit_by_hand(text: str, tmp_path: Path) -> None:
    """What no kafab has written there is named as such, whether kafab's first line is left or not."""
    cluster = under_systemd(tmp_path)
    found = standing(written(cluster), text.format(made=written(cluster).text))
    assert planned(cluster, found) == [f"change {PROFILE} (edited by hand on the host)"]


def test_deploy_leaves_another_clusters(tmp_path: Path) -> None:
    """The first cluster on a host has the file: two deploys do not take turns at it."""
    others = written(under_systemd(tmp_path, "first"))
    assert planned(under_systemd(tmp_path, "second"), standing(others)) == []


def test_destroy_takes_it_along(tmp_path: Path) -> None:
    """With the last node of its cluster it goes."""
    cluster = under_systemd(tmp_path)
    assert destroyed(cluster, standing(written(cluster))) == (["/etc/profile.d: kafab.sh"], [])


def test_destroy_says_that_it_was_edited(tmp_path: Path) -> None:
    """An edit by hand is named before it is gone."""
    cluster = under_systemd(tmp_path)
    found = standing(written(cluster), f"{written(cluster).text}export MORE=1\n")
    assert destroyed(cluster, found) == (["/etc/profile.d: kafab.sh (kafab.sh: edited by hand)"], [])


def test_destroy_of_some_nodes_leaves_it(tmp_path: Path) -> None:
    """As long as another node of the cluster is on the host it stays, and says for whom."""
    cluster = under_systemd(tmp_path)
    broker, server = cluster.brokers[0], cluster.zookeepers[0]
    found = destroyed(cluster, standing(written(cluster)), broker, links=(server.current.name,))
    assert found == ([], [f"{PROFILE} (it is for {server.name}, too)"])


def test_destroy_leaves_another_clusters(tmp_path: Path) -> None:
    """The file of a cluster that stays is not taken away with one that goes."""
    others = written(under_systemd(tmp_path, "first"))
    found = destroyed(under_systemd(tmp_path, "second"), standing(others))
    assert found == ([], [f"{PROFILE} (the cluster first has it)"])


def test_destroy_leaves_a_file_that_is_not_kafabs(tmp_path: Path) -> None:
    """A file of that name without kafab's mark is somebody's own."""
    cluster = under_systemd(tmp_path)
    found = destroyed(cluster, standing(written(cluster), "export KAFKA_HOME=/srv\n"))
    assert found == ([], [f"{PROFILE} (not kafab's)"])
