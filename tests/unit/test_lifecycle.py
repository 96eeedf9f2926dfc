"""start, stop and restart against a small world: hosts that answer the real scripts, and a Kafka in memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafab.errors import Failed, Locked, OutcomeUnknown, Unreachable, Unsafe
from kafab.events import Note, Waiting
from kafab.ops.run import gates
from kafab.ops.run.lifecycle import restart, start, stop
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos, names


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three deployed hosts on which nothing runs."""
    return Cosmos(cluster_in(tmp_path, 3))


def test_start_begins_with_zookeeper(cosmos: Cosmos) -> None:
    """All ZooKeeper servers are started before any broker."""
    start(cosmos.cluster, None, cosmos.world)
    assert cosmos.of("start") == names("zookeeper") + names("broker")


def test_start_of_what_runs_changes_nothing(cosmos: Cosmos) -> None:
    """On a running cluster no process is touched and no lock is taken."""
    started = start(cosmos.up().cluster, None, cosmos.world)
    assert (started, cosmos.of("start"), cosmos.of("lock")) == ((), [], [])


def test_start_starts_only_what_is_missing(cosmos: Cosmos) -> None:
    """A broker that ended is started, the others are left alone."""
    cosmos.up().kill("node2/broker")
    cosmos.kafka.stop_broker(2)
    assert start(cosmos.cluster, None, cosmos.world) == ("node2/broker",)


def test_unreachable_host_is_told_before_anything_starts(cosmos: Cosmos) -> None:
    """With hosts down nothing is started, and all of them are named at once (fault 5)."""
    cosmos.fleet.unreachable = {"node2": "no route", "node3": "timed out"}
    with pytest.raises(Unreachable) as caught:
        start(cosmos.cluster, None, cosmos.world)
    assert (caught.value.reasons, cosmos.calls) == ({"node2": "no route", "node3": "timed out"}, [])


def test_hint_of_a_dead_host_is_a_limit_that_works(cosmos: Cosmos) -> None:
    """The hint names the hosts that answer; with it the start goes on (the dead host's nodes ran nothing)."""
    cosmos.fleet.unreachable = {"node3": "no route"}
    with pytest.raises(Unreachable) as caught:
        start(cosmos.cluster, None, cosmos.world)
    assert "`--limit node1,node2` goes on without" in str(caught.value.hint)
    assert start(cosmos.cluster, "node1,node2", cosmos.world) == (
        *(f"{host}/zookeeper" for host in ("node1", "node2")),
        *(f"{host}/broker" for host in ("node1", "node2")),
    )


def test_limit_leaves_a_dead_host_out(cosmos: Cosmos) -> None:
    """A majority of ZooKeeper is enough for the brokers of the hosts that live."""
    cosmos.up().change("node3/zookeeper", False)
    cosmos.change("node3/broker", False)
    cosmos.change("node1/broker", False)
    cosmos.fleet.unreachable = {"node3": "no route"}
    assert start(cosmos.cluster, "node1,node2", cosmos.world) == ("node1/broker",)


def test_start_of_what_is_not_deployed_names_the_next_command(cosmos: Cosmos) -> None:
    """Without files there is nothing to start: the hint says what to type."""
    cosmos.deployed = False
    with pytest.raises(Failed, match="not deployed: node1/zookeeper") as caught:
        start(cosmos.cluster, None, cosmos.world)
    assert "fab deploy" in str(caught.value.hint)


def test_start_from_an_edited_file_is_said(cosmos: Cosmos) -> None:
    """What starts is not what the inventory says: the file and where it was edited are named, of nodes that start only."""
    for name in ("node1/broker", "node2/broker"):
        cosmos.edits[cosmos.nodes[name].config / "server.properties"] = "broker.id=1\n"
    cosmos.up().change("node2/broker", False)
    start(cosmos.cluster, None, cosmos.world)
    told = [
        note.subject for note in cosmos.told(Note) if isinstance(note, Note) and "edited by hand" in note.text
    ]
    assert told == ["node2/broker"]


def test_restart_with_a_foreign_drop_in_says_so(cosmos: Cosmos) -> None:
    """A file that systemd reads besides kafab's own may change all of it: it is named when the node starts."""
    path = "/etc/systemd/system/kafka-broker@broker.service.d/override.conf"
    cosmos.up().drop_ins = {"node1/broker": path}
    restart(cosmos.cluster, "node1/broker", cosmos.world, unsafe=True)
    assert Note("node1/broker", f"starts with {path} in effect, which is not kafab's") in cosmos.events


def test_old_registration_is_waited_for(cosmos: Cosmos) -> None:
    """After a kill the broker is started only when ZooKeeper has ended its old session, and the wait is visible."""
    cosmos.up().kill("node2/broker")

    def session_ends(now: float) -> None:
        if now >= 18 and not cosmos.of("start") and 2 in cosmos.kafka.registrations:
            cosmos.kafka.stop_broker(2)

    cosmos.clock.during = session_ends
    start(cosmos.cluster, None, cosmos.world)
    waited = [
        event for event in cosmos.told(Waiting) if isinstance(event, Waiting) and "registration" in event.what
    ]
    assert (cosmos.of("start"), waited[-1].elapsed.total_seconds() > 17) == (["node2/broker"], True)


def test_registration_that_stays_is_somebody_else(cosmos: Cosmos) -> None:
    """An id whose registration does not go is held by a broker elsewhere: nothing is started under it."""
    cosmos.up().kill("node2/broker")
    with pytest.raises(Failed, match="id 2 is still registered"):
        start(cosmos.cluster, None, cosmos.world)
    assert cosmos.of("start") == []


def test_taken_port_is_told_with_its_holder(cosmos: Cosmos) -> None:
    """The port and who holds it are named (fault 10)."""
    cosmos.answers["start", "node1/zookeeper"] = "taken 2181 pid 77, nc -l 2181"
    with pytest.raises(Failed, match="node1/zookeeper: port 2181 is taken by pid 77, nc -l 2181"):
        start(cosmos.cluster, None, cosmos.world)


def test_no_quorum_is_told_at_the_deadline(cosmos: Cosmos) -> None:
    """Servers that run and do not serve are named with what they say, and the deadline is in the message."""
    for name in names("zookeeper"):
        cosmos.answers["start", name] = cosmos.answers["check", name] = "running 123"
    with pytest.raises(OutcomeUnknown, match=r"(?s)ZooKeeper quorum: not within 120 s:.*node3/zookeeper"):
        start(cosmos.cluster, None, cosmos.world)


def test_lost_connection_at_start_is_unknown(cosmos: Cosmos) -> None:
    """When the answer to a start is lost, the outcome is unknown and the hint is to look again."""
    cosmos.answers["start", "node1/zookeeper"] = "???"
    with pytest.raises(OutcomeUnknown, match="node1/zookeeper: UNKNOWN"):
        start(cosmos.cluster, None, cosmos.world)


def test_other_operator_is_named(cosmos: Cosmos) -> None:
    """The second operator is refused with the first one's words (fault 20)."""
    cosmos.lock = "held 77 ann on desk (`start`, pid 1)"
    with pytest.raises(Locked, match="ann on desk"):
        start(cosmos.cluster, None, cosmos.world)


def test_stop_ends_brokers_before_zookeeper(cosmos: Cosmos) -> None:
    """No ZooKeeper server is asked to stop before every broker is gone."""
    stop(cosmos.up().cluster, None, cosmos.world, unsafe=False)
    assert cosmos.of("stop") == names("broker") + names("zookeeper")


def test_zookeeper_is_kept_under_a_broker_that_does_not_end(cosmos: Cosmos) -> None:
    """A slow broker is waited for, named at the deadline, never killed, and its ensemble is not touched (fault 28)."""
    cosmos.up().stubborn = {"node3/broker"}
    with pytest.raises(Failed, match=r"(?s)clean shutdown: not within 600 s.*node3/broker"):
        stop(cosmos.cluster, None, cosmos.world, unsafe=False)
    assert cosmos.of("stop") == names("broker")


def test_stop_of_what_is_stopped_changes_nothing(cosmos: Cosmos) -> None:
    """Where nothing runs, nothing is asked to stop."""
    assert (stop(cosmos.cluster, None, cosmos.world, unsafe=False), cosmos.of("stop")) == ((), [])


def test_broker_that_the_rest_needs_is_kept(cosmos: Cosmos) -> None:
    """A limited stop that would take a partition below its min ISR is refused, and nothing is stopped."""
    cosmos.up().kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2)])
    with pytest.raises(Unsafe, match="orders-0"):
        stop(cosmos.cluster, "node1/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_unsafe_overrides(cosmos: Cosmos) -> None:
    """The named flag does what was refused."""
    cosmos.up().kafka.add("orders", [(1,)])
    assert stop(cosmos.cluster, "node1/broker", cosmos.world, unsafe=True) == ("node1/broker",)


def test_majority_of_zookeeper_is_kept(cosmos: Cosmos) -> None:
    """Two of three servers are not stopped under running brokers (fault 17)."""
    with pytest.raises(Unsafe, match=r"1 of 3 ZooKeeper servers"):
        stop(cosmos.up().cluster, "node1/zookeeper,node2/zookeeper", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_spare_broker_is_stopped(cosmos: Cosmos) -> None:
    """A broker that every partition can spare is stopped without a flag, and only that one."""
    cosmos.up().kafka.add("orders", [(1, 2, 3)])
    assert stop(cosmos.cluster, "node1/broker", cosmos.world, unsafe=False) == ("node1/broker",)


def test_state_that_cannot_be_read_stops_nothing(cosmos: Cosmos) -> None:
    """An unreachable host is not a stopped one."""
    cosmos.up().fleet.unreachable = {"node3": "timed out"}
    with pytest.raises(Unreachable):
        stop(cosmos.cluster, None, cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_what_another_operator_has_stopped_counts(cosmos: Cosmos) -> None:
    """The verdict is made under the lock: a broker stopped between our look and our lock can cost the next one."""
    cosmos.up().kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2, 3)])
    cosmos.on_lock = lambda: cosmos.change("node1/broker", False)
    with pytest.raises(Unsafe, match="orders-0"):
        stop(cosmos.cluster, "node2/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_archives_are_made_of_those_that_record(cosmos: Cosmos) -> None:
    """Once all is proven, the host of a node without an archive of its classes is asked to make it; no other host is."""
    cosmos.up().kill("node2/zookeeper")
    cosmos.answers["start", "node2/zookeeper"] = "recording 123"
    cosmos.answers["check", "node2/zookeeper"] = "running 123"
    start(cosmos.cluster, None, cosmos.world)
    launch = cosmos.nodes["node2/zookeeper"].config / "launch"
    asked = [(host, call.words) for host, script in cosmos.fleet.ran for call in script.called("archives")]
    assert asked == [("node2", ("archives", "", launch))]


def test_start_tells_recording_nodes_as_started(cosmos: Cosmos) -> None:
    """That classes are recorded is kafab's own affair."""
    cosmos.up().kill("node2/zookeeper")
    cosmos.answers["start", "node2/zookeeper"] = "recording 123"
    cosmos.answers["check", "node2/zookeeper"] = "running 123"
    started = start(cosmos.cluster, None, cosmos.world)
    assert (started, Note("node2/zookeeper", "started, pid 123") in cosmos.events) == (
        ("node2/zookeeper",),
        True,
    )


def test_node_that_another_operator_has_started_is_left(cosmos: Cosmos) -> None:
    """A broker that came up between our look and our lock is neither waited for nor started again."""
    cosmos.up().change("node2/broker", False)
    cosmos.on_lock = lambda: cosmos.change("node2/broker", True)
    assert (start(cosmos.cluster, None, cosmos.world), cosmos.of("start")) == ((), [])


@pytest.mark.parametrize(
    "run", [lambda c: start(c.cluster, None, c.world), lambda c: stop(c.cluster, None, c.world, unsafe=False)]
)
def test_host_that_falls_silent_is_unknown(cosmos: Cosmos, run: Callable[[Cosmos], object]) -> None:
    """A host that gives no answer for 20 s in the middle is told as UNKNOWN, not as a state (fault 4)."""
    if "stop" in run.__code__.co_names:
        cosmos.up()
    cosmos.stubborn = {"node3/broker"}
    cosmos.answers["start", "node3/broker"] = "started 123"

    def falls_silent(now: float) -> None:
        cosmos.fleet.unreachable = {"node3": "no answer within 5 s"}

    cosmos.clock.during = falls_silent
    with pytest.raises(OutcomeUnknown, match="node3/broker: UNKNOWN: no answer"):
        run(cosmos)
    assert 20 <= cosmos.clock.now() < 25


def test_data_of_another_cluster_is_refused(cosmos: Cosmos) -> None:
    """A broker whose data belongs to another cluster than ZooKeeper's is not started, also when it alone is named."""
    cosmos.up().change("node3/broker", False)
    cosmos.cluster_ids["node3"] = "anotheranotheranotherA"
    with pytest.raises(Unsafe, match=r"belongs to cluster anotheranother"):
        start(cosmos.cluster, "node3/broker", cosmos.world)
    assert cosmos.of("start") == []


def test_first_dead_host_does_not_keep_the_lock(cosmos: Cosmos) -> None:
    """With the first host down the lock is taken on the next one, so --limit helps as the hint says."""
    cosmos.up().kafka.add("orders", [(1, 2, 3)])
    cosmos.fleet.unreachable = {"node1": "no route"}
    assert stop(cosmos.cluster, "node3/broker", cosmos.world, unsafe=True) == ("node3/broker",)


def test_dead_broker_does_not_count_as_in_sync(cosmos: Cosmos) -> None:
    """A broker that was killed a moment ago is still in the ISR: the next one is not stopped on its account."""
    cosmos.up().kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2, 3)])
    cosmos.kill("node1/broker")
    with pytest.raises(Unsafe, match="from 2 to 1"):
        stop(cosmos.cluster, "node2/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_silent_broker_forbids_a_stop(cosmos: Cosmos) -> None:
    """Whether a frozen broker is in sync is unknown, whatever the ISR says."""
    cosmos.up().kafka.add("orders", [(1, 2, 3)])
    cosmos.kafka.frozen.add(1)
    with pytest.raises(Unsafe, match="run and do not answer"):
        stop(cosmos.cluster, "node2/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_start_waits_for_a_stop_that_is_not_over(cosmos: Cosmos) -> None:
    """A broker that was asked to stop and still runs is not running: it is awaited, and then started."""
    cosmos.up().stubborn = {"node2/broker"}
    cosmos.asked = {"node2/broker"}

    def ends(now: float) -> None:
        if now >= 3 and "node2/broker" in cosmos.asked:
            cosmos.asked.clear()
            cosmos.change("node2/broker", False)

    cosmos.clock.during = ends
    assert start(cosmos.cluster, None, cosmos.world) == ("node2/broker",)


def test_what_was_started_is_back_in_the_isr(cosmos: Cosmos) -> None:
    """The next broker may be restarted at once: nothing is under-replicated when the command ends."""
    cosmos.up().kafka.add("orders", [(1, 2, 3)])
    cosmos.change("node3/broker", False)
    cosmos.kafka.outdated = {1: tuple(cosmos.kafka.partitions)}
    cosmos.clock.during = lambda now: cosmos.kafka.outdated.clear() if now >= 5 else None
    start(cosmos.cluster, "node3/broker", cosmos.world)
    assert 5 <= cosmos.clock.now() < 6


def test_cluster_id_is_asked_for_again(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question without an answer, a moment after the quorum was formed, fails no start."""
    world, ours = cosmos.world, cosmos.kafka.cluster_id
    late = Unknown("ZooKeeper: session expired")
    monkeypatch.setattr(world.zookeeper, "cluster_id", lambda: late if world.clock.now() < 5 else ours)
    start(cosmos.cluster, None, world)
    assert cosmos.of("start") == names("zookeeper") + names("broker")


def test_cluster_id_that_cannot_be_read_starts_no_broker(
    cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the data are this cluster's is unknown, and unknown is not yes."""
    world = cosmos.world
    monkeypatch.setattr(world.zookeeper, "cluster_id", lambda: Unknown("silence"))
    with pytest.raises(Failed, match=r"ZooKeeper's cluster id: not within 20 s:\n  ZooKeeper: silence"):
        start(cosmos.cluster, None, world)
    assert cosmos.of("start") == names("zookeeper")


def test_restart_without_java_stops_nothing(cosmos: Cosmos) -> None:
    """What forbids a start forbids the stop before it."""
    cosmos.up().java = False
    with pytest.raises(Failed, match="no Java"):
        restart(cosmos.cluster, "node1/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_restart_into_another_cluster_stops_nothing(cosmos: Cosmos) -> None:
    """With another chroot ZooKeeper has no such cluster id: the brokers would not come back, so they are not stopped."""
    cosmos.up().cluster_ids["node1"] = "anotheranotheranotherA"
    with pytest.raises(Unsafe, match="belongs to cluster"):
        restart(cosmos.cluster, "node1/broker", cosmos.world, unsafe=False)
    assert cosmos.of("stop") == []


def test_restart_stops_and_starts(cosmos: Cosmos) -> None:
    """After a restart every process is another one and everything serves."""
    restarted = restart(cosmos.up().cluster, None, cosmos.world, unsafe=False)
    assert (len(restarted), len(cosmos.of("stop")), len(cosmos.running)) == (6, 6, 6)


@settings(max_examples=40)
@given(st.sets(st.sampled_from(names("zookeeper") + names("broker"))))
def test_start_converges_from_every_state(running: set[str]) -> None:
    """Law: whatever an interruption left running, start ends with everything running, and touches nothing that ran."""
    cosmos = Cosmos(cluster_in(Path("/nowhere"), 3))
    for name in running:
        cosmos.change(name, True)
    start(cosmos.cluster, None, cosmos.world)
    assert (cosmos.running, set(cosmos.of("start")) & running) == (set(cosmos.nodes), set())


def test_gate_without_an_answer_is_not_passed(cosmos: Cosmos) -> None:
    """A quorum whose servers are Unknown is waited for, not assumed."""
    with pytest.raises(OutcomeUnknown):
        gates.quorum(
            cosmos.cluster,
            cosmos.cluster.zookeepers,
            replace(cosmos.up().world, zookeeper=_Silent()),  # type: ignore[arg-type]  # only member() is asked
        )
    assert not cosmos.told(Note)


class _Silent:
    def member(self, _at: object) -> Unknown:
        return Unknown("silence")
