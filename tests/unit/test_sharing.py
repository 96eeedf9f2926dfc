"""Two hosts of an inventory that are one machine: seen in a real shell, and refused before anything is written twice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.checks.preflight.across import judge_machines
from kafab.command import Result
from kafab.errors import Unsafe
from kafab.findings import Severity
from kafab.hosts.facts import HostFacts, NodeFacts
from kafab.hosts.observation import observation, parse
from kafab.hosts.sharing import folders, shared
from kafab.model import Cluster
from kafab.ops.run import lifecycle, startable
from kafab.plans.plan import diff, guard_places
from kafab.plans.state import desire
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.preflight_hosts import healthy

Shell = Callable[..., Result]


def twice(folder: Path, *, other: str = "node1") -> Cluster:
    """Return a cluster of two hosts; the second one's folders are those below ``other``."""
    cluster = cluster_in(folder, 2)
    first, second = cluster.hosts
    moved = {
        name: PurePosixPath(str(path).replace(f"{folder}/node2", f"{folder}/{other}"))
        for name, path in vars(second.paths).items()
    }
    second = replace(second, address="alias.example.org", paths=replace(second.paths, **moved))
    nodes = tuple(
        replace(node, host=second, data=(second.paths.data / str(node.role),))
        if node.host.name == "node2"
        else node
        for node in cluster.nodes
    )
    return replace(cluster, hosts=(first, second), nodes=nodes)


def seen(cluster: Cluster, shell: Shell) -> dict[str, HostFacts]:
    """Ask this machine once for each host."""
    answers = {}
    for host in cluster.hosts:
        nodes = cluster.on(host)
        facts = parse(host, nodes, shell(observation(host, dict.fromkeys(nodes, ()))))
        assert isinstance(facts, HostFacts)
        answers[host.name] = facts
    return answers


@pytest.mark.parametrize("made", [False, True], ids=["before a deploy", "deployed"])
@pytest.mark.parametrize(("other", "times"), [("node1", 1), ("link", 1), ("node2", 0)])
def test_one_machine_twice_is_seen(
    tmp_path: Path, shell: Shell, other: str, times: int, *, made: bool
) -> None:
    """One folder under two hosts is found whether it is there or not, through a link, too; folders apart are none."""
    cluster = twice(tmp_path, other=other)
    (tmp_path / "node1").mkdir()
    (tmp_path / "link").symlink_to("node1")
    for host in cluster.hosts if made else ():
        for path in folders(cluster, host):
            Path(path).mkdir(parents=True, exist_ok=True)
    found = shared(cluster, seen(cluster, shell))
    assert [(pair.first.name, pair.second.name) for pair in found] == [("node1", "node2")] * times


@pytest.mark.parametrize("same", [{"boot": "b"}, {"inodes": {PurePosixPath("/"): "2:1"}}])
def test_machines_that_look_alike_are_two(tmp_path: Path, same: dict[str, object]) -> None:
    """Neither the numbers of a cloned disk nor the kernel that containers share make one machine of two."""
    cluster = twice(tmp_path)
    facts = {
        name: replace(HostFacts({}, boot=name, inodes={PurePosixPath("/"): name}), **same)  # type: ignore[arg-type]
        for name in ("node1", "node2")
    }
    assert shared(cluster, facts) == ()


def test_unknown_machine_is_not_judged(tmp_path: Path) -> None:
    """Where a host does not say which kernel it runs, nothing is concluded."""
    inodes = {PurePosixPath("/"): "2:1"}
    facts = {name: HostFacts({}, inodes=inodes) for name in ("node1", "node2")}
    assert shared(twice(tmp_path), facts) == ()


def test_second_name_of_a_machine_refuses_a_plan(tmp_path: Path, shell: Shell) -> None:
    """The refusal has both hosts, where ssh finds them, a folder, and what to take out."""
    cluster = twice(tmp_path)
    with pytest.raises(Unsafe) as caught:
        diff(desire(cluster, cluster.nodes, None), seen(cluster, shell))
    words = ["node1 (127.0.0.1) and node2 (alias.example.org) are one machine", f"{tmp_path}/node1/"]
    assert [word in caught.value.message for word in words] == [True, True]


def test_second_name_of_a_machine_refuses_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start asks the same question before anything is started: the inventory may have changed since the deploy."""

    def refuse(cluster: Cluster, hosts: dict[str, HostFacts]) -> None:
        guard_places(cluster, {name: replace(facts, boot="b", inodes=one) for name, facts in hosts.items()})

    one = {PurePosixPath("/"): "2:1"}
    monkeypatch.setattr(startable, "guard_places", refuse)
    world = Cosmos(twice(tmp_path))
    with pytest.raises(Unsafe):
        lifecycle.start(world.cluster, None, world.world)
    assert world.of("start") == []


def test_preflight_names_the_host_that_is_there_twice(tmp_path: Path) -> None:
    """The finding is about the later host, and has the boot id."""
    cluster = twice(tmp_path)
    facts = HostFacts({"broker": NodeFacts()}, boot="0f1e", inodes={PurePosixPath("/"): "2:1"})
    looks = dict.fromkeys(("node1", "node2"), replace(healthy(), facts=facts))
    (finding,) = judge_machines(cluster, looks)
    assert (finding.subject, finding.severity, "boot id 0f1e" in finding.detail) == (
        "node2",
        Severity.CRIT,
        True,
    )
