"""start and stop of a KRaft cluster, combined and isolated, against a small world."""

from pathlib import Path

import pytest

from kafab.errors import Failed, OutcomeUnknown, Unsafe
from kafab.events import Note, Waiting
from kafab.ops.run.lifecycle import start, stop
from tests.conftest import cluster_in
from tests.cosmos import Cosmos, names


@pytest.fixture
def combined(tmp_path: Path) -> Cosmos:
    """Three brokers that are controllers, too."""
    return Cosmos(cluster_in(tmp_path, 3, "combined"))


@pytest.fixture
def isolated(tmp_path: Path) -> Cosmos:
    """Three brokers and three controllers."""
    return Cosmos(cluster_in(tmp_path, 3, "isolated"))


def test_isolated_controllers_are_started_first(isolated: Cosmos) -> None:
    """All controllers are started before any broker."""
    start(isolated.cluster, None, isolated.world)
    assert isolated.of("start") == names("controller") + names("broker")


def test_brokers_wait_for_a_leader(isolated: Cosmos) -> None:
    """No broker is started where the controllers elect nobody."""
    silent = ("node1/controller", "node2/controller")
    isolated.answers = {(call, name): "running 123" for call in ("start", "check") for name in silent}
    with pytest.raises(OutcomeUnknown, match=r"KRaft quorum: not within 120 s"):
        start(isolated.cluster, None, isolated.world)
    assert isolated.of("start") == names("controller")


def test_combined_nodes_are_started_together(combined: Cosmos) -> None:
    """A combined process is started once, and is proven as a controller and as a broker."""
    started = start(combined.cluster, None, combined.world)
    proofs = [event.text for event in combined.told(Note)[-2:] if isinstance(event, Note)]
    assert (list(started), proofs) == (
        names("broker"),
        [
            "the controllers have a majority and one leader (3 controllers)",
            f"3 brokers registered and unfenced, leader 1, epoch {combined.kafka.voters.epoch}",
        ],
    )


def test_start_of_what_runs_changes_nothing(isolated: Cosmos) -> None:
    """A running cluster is proven, and nothing is asked to start."""
    start(isolated.up().cluster, None, isolated.world)
    assert isolated.of("start") == []


def test_fenced_broker_is_waited_for(isolated: Cosmos) -> None:
    """A broker that answers and is fenced does not serve: start tells so at its deadline."""
    isolated.up().kafka.fence(2)
    with pytest.raises(Failed, match=r"node2/broker: answers, and is fenced still"):
        start(isolated.cluster, None, isolated.world)


def test_isolated_controllers_are_stopped_last(isolated: Cosmos) -> None:
    """Every broker has ended before a controller is asked to end."""
    stop(isolated.up().cluster, None, isolated.world, unsafe=False)
    assert isolated.of("stop") == names("broker") + names("controller")


def test_majority_of_controllers_is_kept(isolated: Cosmos) -> None:
    """Two of three controllers are not stopped under running brokers, and the numbers are told (fault 17)."""
    with pytest.raises(Unsafe, match="would leave 1 of 3 controllers, fewer than the majority of 2, under 3"):
        stop(isolated.up().cluster, "node1/controller,node2/controller", isolated.world, unsafe=False)
    assert isolated.of("stop") == []


def test_voter_that_lags_does_not_count(isolated: Cosmos) -> None:
    """A controller that is behind the leader cannot take the place of one that is stopped."""
    isolated.up().kafka.voters.lagging = {103}
    with pytest.raises(Unsafe, match="would leave 1 of 3 controllers"):
        stop(isolated.cluster, "node2/controller", isolated.world, unsafe=False)


def test_combined_node_needs_both_guards(combined: Cosmos) -> None:
    """A combined node of which the partitions can spare the broker is kept for the controllers' majority."""
    combined.up().kafka.voters.lagging = {3}
    with pytest.raises(Unsafe, match="controllers"):
        stop(combined.cluster, "node2", combined.world, unsafe=False)


def test_last_combined_node_says_what_it_waits_for(combined: Cosmos) -> None:
    """Its controlled shutdown needs a majority of the controllers, which have ended: Kafka gives up after 5 minutes."""
    combined.up().stubborn = {"node3/broker"}

    def ends(now: float) -> None:
        if now >= 300:
            combined.change("node3/broker", False)

    combined.clock.during = ends
    stop(combined.cluster, None, combined.world, unsafe=False)
    waits = [event.what for event in combined.told(Waiting) if isinstance(event, Waiting)]
    assert waits[-1].endswith("where too few controllers are left to let it go, Kafka gives up after 5 min")


def test_node_of_another_cluster_is_not_brought_to_a_running_one(isolated: Cosmos) -> None:
    """With a --limit the hosts are not all compared: then the running cluster says which one it is."""
    isolated.up().kill("node3/broker")
    isolated.kafka.stop_broker(3)
    isolated.cluster_ids = {"node3": "another-another-another"}
    with pytest.raises(Unsafe, match=r"node3/broker: .* belongs to cluster another-another-another"):
        start(isolated.cluster, "node3/broker", isolated.world)
    assert isolated.of("start") == []


def test_start_names_the_ids_of_a_foreign_node(isolated: Cosmos) -> None:
    """A node of another cluster among them: nothing starts, and every directory's id is told (fault 22)."""
    isolated.cluster_ids = {"node3": "another-another-another"}
    with pytest.raises(Unsafe, match=r"node3/broker .*: cluster.id another-another-another") as caught:
        start(isolated.cluster, None, isolated.world)
    told = [line for line in caught.value.message.splitlines() if "cluster.id" in line]
    assert (len(told), isolated.calls) == (6, [])


def test_start_of_what_is_not_formatted_names_the_next_command(isolated: Cosmos) -> None:
    """A deploy that was cut off before the storage: Kafka would exit, so nothing is started."""
    isolated.bare = {"node2/controller"}
    with pytest.raises(Failed, match="not formatted: node2/controller ") as caught:
        start(isolated.cluster, None, isolated.world)
    assert ("fab deploy" in str(caught.value.hint), isolated.calls) == (True, [])


def test_controller_may_go_where_no_broker_runs(isolated: Cosmos) -> None:
    """Nobody is left to be served: two of three isolated controllers may be stopped."""
    isolated.up()
    stop(isolated.cluster, ",".join(names("broker")), isolated.world, unsafe=True)
    stopped = stop(isolated.cluster, "node1/controller,node2/controller", isolated.world, unsafe=False)
    assert stopped == ("node1/controller", "node2/controller")


def test_unsafe_stops_a_majority(isolated: Cosmos) -> None:
    """The flag that the refusal names does override it."""
    limit = "node1/controller,node2/controller"
    assert len(stop(isolated.up().cluster, limit, isolated.world, unsafe=True)) == 2


def test_controller_that_does_not_count_may_go(isolated: Cosmos) -> None:
    """One that has no vote to lose, for it is behind, is stopped: the majority stays as it is."""
    isolated.up().kafka.voters.lagging = {103}
    assert stop(isolated.cluster, "node3/controller", isolated.world, unsafe=False) == ("node3/controller",)


def test_quorum_that_cannot_be_read_forbids_the_stop(isolated: Cosmos) -> None:
    """Nobody leads: whether a controller can be spared is unknown, and unknown is not yes."""
    isolated.up().kafka.voters.frozen = {101, 102}
    with pytest.raises(
        Failed, match="whether node3/controller can be spared is unknown: no controller leads"
    ):
        stop(isolated.cluster, "node3/controller", isolated.world, unsafe=False)
