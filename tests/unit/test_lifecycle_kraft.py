"""start and stop of a KRaft cluster, combined and isolated, against a small world."""

from pathlib import Path

import pytest

from kafab.errors import Failed, Unsafe
from kafab.events import Note
from kafab.ops.lifecycle import start, stop
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
    with pytest.raises(Failed, match=r"KRaft quorum: not within 60 s"):
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


def test_node_of_another_cluster_is_not_brought_to_a_running_one(isolated: Cosmos) -> None:
    """With a --limit the hosts are not all compared: then the running cluster says which one it is."""
    isolated.up().kill("node3/broker")
    isolated.kafka.stop_broker(3)
    isolated.cluster_ids = {"node3": "another-another-another"}
    with pytest.raises(Unsafe, match=r"node3/broker: .* belongs to cluster another-another-another"):
        start(isolated.cluster, "node3/broker", isolated.world)
    assert isolated.of("start") == []
