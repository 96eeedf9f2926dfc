"""What a stop asks of the nodes that stay: what they are now, and not what Kafka remembers of them."""

from pathlib import Path

import pytest

from kafab.errors import Failed, Unreachable, Unsafe
from kafab.events import Waiting
from kafab.ops.run.guards import PATIENCE, guard_stop
from kafab.ops.run.lifecycle import restart, stop
from kafab.testing.fleet import FakeClock
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def ensemble(tmp_path: Path) -> Cosmos:
    """Three hosts with a ZooKeeper server and a broker each, all running, and a topic that needs two in-sync replicas."""
    return _with_orders(Cosmos(cluster_in(tmp_path, 3)))


@pytest.fixture
def isolated(tmp_path: Path) -> Cosmos:
    """Three brokers and three controllers, all running, and a topic that needs two in-sync replicas."""
    return _with_orders(Cosmos(cluster_in(tmp_path, 3, "isolated")))


def _with_orders(cosmos: Cosmos) -> Cosmos:
    cosmos.up().kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2, 3)])
    return cosmos


def guard(cosmos: Cosmos, *names: str) -> None:
    """Ask whether these nodes can be spared."""
    guard_stop(cosmos.cluster, [cosmos.nodes[name] for name in names], cosmos.world)


def test_voter_that_stopped_a_moment_ago_does_not_count(isolated: Cosmos) -> None:
    """The leader takes a dead voter for caught up for seconds: a second stop at once would cost the majority (fault 17)."""
    stop(isolated.cluster, "node2/controller", isolated.world, unsafe=False)
    isolated.kafka.voters.remembered = {102}
    with pytest.raises(Unsafe, match="would leave 1 of 3 controllers"):
        stop(isolated.cluster, "node3/controller", isolated.world, unsafe=False)


def test_voter_that_froze_a_moment_ago_does_not_count(isolated: Cosmos) -> None:
    """A process that runs and does not answer holds no majority up, whatever the leader remembers."""
    isolated.kafka.voters.frozen = isolated.kafka.voters.remembered = {103}
    with pytest.raises(Unsafe, match="would leave 1 of 3 controllers"):
        guard(isolated, "node2/controller")


def test_broker_that_was_asked_to_stop_does_not_count(ensemble: Cosmos) -> None:
    """A broker in its controlled shutdown still answers and is in sync; in a moment it is gone."""
    ensemble.asked = {"node2/broker"}
    with pytest.raises(Unsafe, match="from 2 to 1"):
        guard(ensemble, "node3/broker")


def test_controller_that_was_asked_to_stop_does_not_count(isolated: Cosmos) -> None:
    """A controller that ends is no part of the majority that stays."""
    isolated.asked = {"node2/controller"}
    with pytest.raises(Unsafe, match="would leave 1 of 3 controllers"):
        guard(isolated, "node3/controller")


def test_server_that_was_asked_to_stop_does_not_count(ensemble: Cosmos) -> None:
    """A ZooKeeper server that ends is no part of the majority that stays."""
    ensemble.asked = {"node2/zookeeper"}
    with pytest.raises(Unsafe, match="would leave 1 of 3 ZooKeeper servers"):
        guard(ensemble, "node3/zookeeper")


@pytest.mark.parametrize(("mode", "role"), [("ensemble", "zookeeper"), ("isolated", "controller")])
def test_refusal_names_who_does_not_answer(mode: str, role: str, request: pytest.FixtureRequest) -> None:
    """A server or controller that runs and is silent is not "down": it is named, with what came in place of an answer."""
    cosmos: Cosmos = request.getfixturevalue(mode)
    cosmos.kafka.stopped_servers = {3}
    cosmos.kafka.voters.frozen = cosmos.kafka.voters.remembered = {103}
    with pytest.raises(Unsafe, match=rf"node3/{role} runs and does not answer: \w"):
        guard(cosmos, f"node2/{role}")


def test_server_that_serves_nobody_may_go(ensemble: Cosmos) -> None:
    """One that runs without serving is no loss: the two others are the majority."""
    ensemble.kafka.stopped_servers = {3}
    guard(ensemble, "node3/zookeeper")
    assert ensemble.told(Waiting) == []


def test_broker_that_is_cut_off_does_not_vouch_for_others(ensemble: Cosmos) -> None:
    """One broker's copy has all in sync, another one knows better: the more careful reading counts."""
    ensemble.kafka.outdated = {2: tuple(ensemble.kafka.partitions)}
    ensemble.kafka.partitions = [ensemble.kafka.shrunk(p, 2) for p in ensemble.kafka.partitions]
    with pytest.raises(Unsafe, match="from 2 to 1"):
        guard(ensemble, "node1/broker")


def test_copy_that_lags_is_waited_for(ensemble: Cosmos) -> None:
    """An ISR that has just grown again is not heard of everywhere: that is looked at again before a stop is refused."""
    ensemble.kafka.outdated = {2: tuple(ensemble.kafka.shrunk(p, 3) for p in ensemble.kafka.partitions)}
    ensemble.clock = FakeClock(lambda now: ensemble.kafka.outdated.clear() if now >= 2 else None)
    guard(ensemble, "node1/broker")
    assert 2 <= ensemble.clock.now() < 3


def test_refusal_that_all_agree_on_is_told_at_once(ensemble: Cosmos) -> None:
    """Where every broker says the same there is nothing to wait for."""
    ensemble.kafka.partitions = [ensemble.kafka.shrunk(p, 2) for p in ensemble.kafka.partitions]
    with pytest.raises(Unsafe, match="from 2 to 1"):
        guard(ensemble, "node1/broker")
    assert ensemble.clock.now() == 0


def test_busy_broker_is_asked_again(ensemble: Cosmos) -> None:
    """A pause of a few seconds in a broker's answers refuses nothing."""
    ensemble.kafka.frozen = {2}
    ensemble.clock = FakeClock(lambda now: ensemble.kafka.frozen.clear() if now >= 5 else None)
    guard(ensemble, "node1/broker")
    assert ensemble.clock.now() < PATIENCE.total_seconds()


def test_topic_whose_min_isr_cannot_be_read_forbids_the_stop(ensemble: Cosmos) -> None:
    """What a topic needs is unknown: it does not count as one replica."""
    del ensemble.kafka.configs["orders"]
    with pytest.raises(Failed, match=r"min.insync.replicas cannot be read: orders"):
        guard(ensemble, "node1/broker")


def test_majority_is_counted_again_after_the_brokers(ensemble: Cosmos) -> None:
    """A server that died while a broker was shutting down is seen before the next server is stopped."""
    ensemble.stubborn = {"node3/broker"}

    def during(now: float) -> None:
        if now >= 60:
            ensemble.change("node3/broker", False)
            ensemble.change("node1/zookeeper", False)

    ensemble.clock = FakeClock(during)
    with pytest.raises(
        Unsafe, match=r"(?s)would leave 1 of 3 ZooKeeper servers.*stopped by then: node3/broker"
    ):
        stop(ensemble.cluster, "node3", ensemble.world, unsafe=False)
    assert ensemble.of("stop") == ["node3/broker"]


def test_voter_that_catches_up_is_waited_for(isolated: Cosmos) -> None:
    """A controller that was restarted a moment ago has yet to catch up: that refuses no stop of the next one."""
    isolated.kafka.voters.lagging = {102}
    isolated.clock = FakeClock(lambda now: isolated.kafka.voters.lagging.clear() if now >= 3 else None)
    guard(isolated, "node3/controller")
    assert 3 <= isolated.clock.now() < 4


def test_broker_that_dies_while_it_is_asked_again_is_gone(ensemble: Cosmos) -> None:
    """A silent broker whose process then ends is judged as one that does not run."""
    ensemble.kafka.frozen = {2}

    def during(now: float) -> None:
        if now >= 2:
            ensemble.kill("node2/broker")

    ensemble.clock = FakeClock(during)
    with pytest.raises(Unsafe, match="from 2 to 1"):
        guard(ensemble, "node1/broker")


def test_unreachable_host_names_the_way_out(ensemble: Cosmos) -> None:
    """The silent host is left out already: only the flag helps, and it is named."""
    ensemble.fleet.unreachable = {"node3": "no route"}
    with pytest.raises(Unreachable) as caught:
        guard(ensemble, "node1/broker")
    assert "--unsafe" in str(caught.value.hint)


def test_restart_holds_one_lock(ensemble: Cosmos) -> None:
    """Nobody gets in between the stop and the start: the nodes would stay down."""
    restart(ensemble.cluster, "node3/broker", ensemble.world, unsafe=False)
    locked = [host for host, script in ensemble.fleet.ran if script.called("lock")]
    assert locked == ["node1", "node2"]


def test_what_cannot_be_asked_ends_with_4(ensemble: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was changed, and a later try may find out: that is no failure of a thing that was tried."""
    world = ensemble.world
    monkeypatch.setattr(world.brokers, "topic_configs", lambda *_: Unknown("silence"))
    with pytest.raises(Failed) as caught:
        guard_stop(ensemble.cluster, [ensemble.nodes["node2/broker"]], world)
    assert caught.value.exit_code == 4


def test_wait_for_a_stop_names_what_it_waits_for(ensemble: Cosmos) -> None:
    """The line is the cluster's, not that of a node that is well; names behind a colon are in it."""
    ensemble.kafka.frozen = {1}
    with pytest.raises(Unsafe):
        guard(ensemble, "node2/broker")
    waits = [(event.subject, event.what) for event in ensemble.told(Waiting) if isinstance(event, Waiting)]
    assert waits[0][0] == ensemble.cluster.name
    assert waits[0][1].startswith("safe to stop node2/broker: ")
    assert waits[0][1].count("node1/broker") == 1
