"""Voters that lost the cluster's metadata: what may be made and started of them, the same in both modes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kafab.errors import Failed, KafabError, Unreachable, Unsafe, UsageError
from kafab.model import Cluster
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.run.lifecycle import restart, start
from tasks.cluster import _anew
from tests.conftest import cluster_in
from tests.cosmos import ALL, Cosmos

MODES = ["zookeeper", "isolated", "combined"]


@dataclass(frozen=True)
class Situation:
    """What is at hand, and what becomes of each command: None where it is done."""

    emptied: frozenset[str]
    """Hosts whose voter holds nothing."""
    up: frozenset[str] = frozenset()
    """Hosts whose nodes run."""
    limit: str | None = None
    ran: bool = True
    silent: frozenset[str] = frozenset()
    plan: type[KafabError] | None = None
    start: type[KafabError] | None = None
    restart: type[KafabError] | None = None


def hosts(*numbers: int) -> frozenset[str]:
    """Return the names of hosts."""
    return frozenset(f"node{number}" for number in numbers)


# One list for both modes: what forbids a step in one of them forbids it in the other.
SITUATIONS = {
    "nothing is lost": Situation(hosts()),
    "one of three is lost": Situation(hosts(1)),
    "one of three is lost, the others run": Situation(hosts(1), hosts(2, 3), "node1"),
    "one of three is lost, the others do not run": Situation(
        hosts(1), limit="node1", start=Unsafe, restart=Unsafe
    ),
    "one of three is lost, one of the others runs": Situation(
        hosts(1), hosts(2), "node1", start=Unsafe, restart=Unsafe
    ),
    "one of three is lost while it runs": Situation(hosts(1), hosts(1, 2, 3)),
    "two of three are lost": Situation(hosts(1, 2), plan=Unsafe, start=Unsafe, restart=Unsafe),
    "two of three are lost, of which one is asked for": Situation(
        hosts(1, 2), limit="node1", plan=Unsafe, start=Unsafe, restart=Unsafe
    ),
    "two of three are lost, which are asked for": Situation(
        hosts(1, 2), limit="node1,node2", plan=Unsafe, start=Unsafe, restart=Unsafe
    ),
    "two of three are lost while they run": Situation(
        hosts(1, 2), hosts(1, 2, 3), plan=Unsafe, restart=Unsafe
    ),
    "one is lost, and what another one has is unknown": Situation(
        hosts(1), silent=hosts(3), limit="node1", plan=Unreachable, start=Unreachable, restart=Unreachable
    ),
    "the cluster never ran": Situation(hosts(1, 2, 3), ran=False),
    "the cluster never ran, and begins with a part": Situation(
        hosts(1, 2, 3), limit="node1,node2", ran=False
    ),
}


def at_hand(folder: Path, mode: str, situation: Situation) -> Cosmos:
    """Return a world in which this is so."""
    cosmos = Cosmos(cluster_in(folder, 3, "" if mode == "zookeeper" else mode))
    voters = cosmos.cluster.controllers or cosmos.cluster.zookeepers
    cosmos.emptied = {node.name for node in voters if node.host.name in situation.emptied}
    if not situation.ran:
        cosmos.emptied = set(cosmos.nodes)
    elif mode == "zookeeper":
        cosmos.cluster_ids = dict.fromkeys(ALL, str(cosmos.kafka.cluster_id))
    for name, node in cosmos.nodes.items():
        if node.host.name in situation.up:
            cosmos.change(name, True)
    cosmos.fleet.unreachable = dict.fromkeys(situation.silent, "no route")
    return cosmos


def outcome(run: Callable[[], object]) -> type[KafabError] | None:
    """Return what forbids a command; None where it is done."""
    try:
        run()
    except (Unsafe, Unreachable) as error:
        return type(error)
    return None


def plan(cosmos: Cosmos, limit: str | None = None, *, anew: bool = False) -> None:
    """Compare, as `plan` and `deploy` do."""
    make_plan(cosmos.cluster, limit, cosmos.world, anew=anew)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SITUATIONS)
def test_what_may_be_planned(tmp_path: Path, mode: str, name: str) -> None:
    """Folders are made for a voter that lost its data only beside a majority that has them."""
    situation = SITUATIONS[name]
    cosmos = at_hand(tmp_path, mode, situation)
    assert outcome(lambda: plan(cosmos, situation.limit)) is situation.plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SITUATIONS)
def test_what_may_be_started(tmp_path: Path, mode: str, name: str) -> None:
    """A voter that lost its data is started only where a majority that has them runs; else nothing is."""
    situation = SITUATIONS[name]
    cosmos = at_hand(tmp_path, mode, situation)
    found = outcome(lambda: start(cosmos.cluster, situation.limit, cosmos.world))
    assert (found, bool(found and cosmos.of("start"))) == (situation.start, False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SITUATIONS)
def test_what_may_be_restarted(tmp_path: Path, mode: str, name: str) -> None:
    """What forbids the start forbids the stop before it."""
    situation = SITUATIONS[name]
    cosmos = at_hand(tmp_path, mode, situation)
    found = outcome(lambda: restart(cosmos.cluster, situation.limit, cosmos.world, unsafe=True))
    assert (found, bool(found and cosmos.of("stop"))) == (situation.restart, False)


@pytest.mark.parametrize("mode", MODES)
def test_voter_without_data_is_started_behind_those_that_have_them(tmp_path: Path, mode: str) -> None:
    """Those that have the metadata lead before the empty one comes, which reads from them."""
    cosmos = at_hand(tmp_path, mode, Situation(hosts(1)))
    first = [node.name for node in cosmos.cluster.controllers or cosmos.cluster.zookeepers]
    start(cosmos.cluster, None, cosmos.world)
    assert cosmos.of("start")[:3] == [*first[1:], first[0]]


@pytest.mark.parametrize("mode", MODES)
def test_refusal_tells_what_every_voter_holds(tmp_path: Path, mode: str) -> None:
    """The table has each voter with its folder, and the hint the way."""
    cosmos = at_hand(tmp_path, mode, Situation(hosts(1, 2)))
    with pytest.raises(Unsafe, match=r"2 of 3 (controllers|ZooKeeper servers)") as caught:
        start(cosmos.cluster, None, cosmos.world)
    rows = [line.rpartition(": ")[2] for line in caught.value.message.splitlines()[1:]]
    told = ["NO metadata, does not run"] * 2 + ["has metadata, does not run"]
    assert (rows, "bring their folders back" in str(caught.value.hint)) == (told, True)


def test_new_ensemble_is_begun_where_it_is_asked_for(tmp_path: Path) -> None:
    """Whoever types the cluster's name begins with nothing, at once."""
    cosmos = at_hand(tmp_path, "zookeeper", Situation(hosts(1, 2)))
    plan(cosmos, anew=True)
    start(cosmos.cluster, "node1/zookeeper,node2/zookeeper", cosmos.world, anew=True)
    assert cosmos.of("start") == ["node1/zookeeper", "node2/zookeeper"]


def test_refusal_names_the_flag_with_the_cluster(tmp_path: Path) -> None:
    """The hint can be typed as it is."""
    cosmos = at_hand(tmp_path, "zookeeper", Situation(hosts(1, 2)))
    with pytest.raises(Unsafe) as caught:
        plan(cosmos)
    assert "--new-ensemble small" in str(caught.value.hint)


def test_name_of_another_cluster_begins_nothing(small: Cluster) -> None:
    """The flag takes the name of the cluster and no other, and a cluster without ZooKeeper has no use for it."""
    with pytest.raises(
        UsageError, match="expected the name of the cluster whose metadata begins anew, small"
    ):
        _anew(small, "prod")
    with pytest.raises(UsageError, match="has no ZooKeeper"):
        _anew(cluster_in(Path("/srv"), 1, "combined"), "small")


def test_server_without_an_id_is_not_started(tmp_path: Path) -> None:
    """As a controller that is not formatted: its folder is to be made by a deploy, which looks at the others."""
    cosmos = at_hand(tmp_path, "zookeeper", Situation(hosts()))
    cosmos.bare = {"node1/zookeeper"}
    with pytest.raises(Failed, match=r"without a myid: node1/zookeeper .*/zookeeper"):
        start(cosmos.cluster, None, cosmos.world)


def test_voters_with_data_need_no_other_host(tmp_path: Path) -> None:
    """A silent host does not keep those that have the metadata from being started."""
    cosmos = at_hand(tmp_path, "zookeeper", Situation(hosts(), hosts(2), limit="node1", silent=hosts(3)))
    assert start(cosmos.cluster, "node1", cosmos.world) == ("node1/zookeeper", "node1/broker")
