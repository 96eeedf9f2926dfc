"""The gates of brokers: that they serve, that the others have heard of them, that their replicas are in the ISR again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.cluster.metadata import Controller, Metadata
from kafab.errors import Failed, OutcomeUnknown
from kafab.events import Note, Waiting
from kafab.model import Endpoint, Node
from kafab.ops.run import broker_gates
from kafab.testing.fleet import FakeClock
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.worlds import MeetingBrokers

"""Seconds for three threads to meet; asked one after the other they never do."""
SERVE, HEAR, CATCH_UP = "brokers to serve", "the other brokers to hear of it", "replicas to catch up"


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three ZooKeeper servers and three brokers, all of which run."""
    return Cosmos(cluster_in(tmp_path, 3)).up()


def opened(cosmos: Cosmos, brokers: tuple[Node, ...] | None = None, *started: str) -> None:
    """Pass the gate for these brokers, for all unless told otherwise."""
    brokers = cosmos.cluster.brokers if brokers is None else brokers
    broker_gates.serving(cosmos.cluster, brokers, cosmos.world, started=started)


def third(cosmos: Cosmos) -> None:
    """Pass the gate for the third broker, that was started just now."""
    opened(cosmos, cosmos.cluster.brokers[2:], "node3/broker")


def waits(cosmos: Cosmos) -> list[tuple[str, str]]:
    """Return who was waited for and with what words, each once."""
    told = [(event.subject, event.what) for event in cosmos.told(Waiting) if isinstance(event, Waiting)]
    return list(dict.fromkeys(told))


def notes(cosmos: Cosmos) -> list[tuple[str, str]]:
    """Return what was told of whom."""
    return [(event.subject, event.text) for event in cosmos.told(Note) if isinstance(event, Note)]


def after(seconds: float, change: Callable[[], object]) -> FakeClock:
    """Return a clock with which something changes once so many seconds have passed."""

    def during(now: float) -> None:
        if now >= seconds:
            change()

    return FakeClock(during)


PASSED = ("small", "1 broker registered and answering, controller 1, epoch 3")


def test_brokers_are_asked_side_by_side(cosmos: Cosmos) -> None:
    """All of them are asked at once, so silent ones cost one timeout and not one each."""
    world = replace(cosmos.world, brokers=MeetingBrokers(cosmos.kafka))
    broker_gates.serving(cosmos.cluster, cosmos.cluster.brokers, world, started=())
    assert notes(cosmos) == [("small", "3 brokers registered and answering, controller 1, epoch 3")]


def test_broker_whose_metadata_lags_is_waited_for(cosmos: Cosmos) -> None:
    """A broker that does not know of another one yet would tell a client that it is missing."""
    cosmos.kafka.unheard = {2: {1, 3}}
    cosmos.clock = after(3, cosmos.kafka.unheard.clear)
    opened(cosmos, None, "node2/broker")
    told = f"{SERVE}: does not name node1/broker, node3/broker to its clients yet"
    assert waits(cosmos) == [("node2/broker", told)]


def test_broker_that_names_an_old_controller_is_waited_for(cosmos: Cosmos) -> None:
    """Until it has heard who controls, its clients ask the wrong one."""
    cosmos.kafka.controller_of = {2: 3}
    cosmos.clock = after(3, cosmos.kafka.controller_of.clear)
    opened(cosmos, None, "node2/broker")
    told = f"{SERVE}: names controller 3 to its clients still, ZooKeeper names 1"
    assert waits(cosmos) == [("node2/broker", told)]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Unknown("ZooKeeper: session expired"), "ZooKeeper: session expired"),
        (Controller(None, 1), "no controller is elected"),
    ],
)
def test_controller_that_is_not_told_at_once_is_waited_for(
    answer: Controller | Unknown, told: str, cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question without an answer, on a slow host, fails nothing."""
    world, found = cosmos.world, cosmos.world.zookeeper.controller()
    monkeypatch.setattr(world.zookeeper, "controller", lambda: answer if world.clock.now() < 3 else found)
    broker_gates.serving(cosmos.cluster, cosmos.cluster.brokers, world, started=())
    assert waits(cosmos) == [("small", f"{SERVE}: {told}")]


def test_recovery_beyond_the_deadline_is_left_alone(cosmos: Cosmos) -> None:
    """A broker whose process runs and does not serve in time is told as running, with how to go on (fault 15)."""
    cosmos.kafka.frozen = {2}
    with pytest.raises(
        OutcomeUnknown, match=r"node2/broker: .*; its process runs and was left alone"
    ) as caught:
        opened(cosmos, None, "node2/broker")
    assert ("`fab start` again" in str(caught.value.hint), cosmos.of("start")) == (True, [])


def test_other_brokers_are_witnesses(cosmos: Cosmos) -> None:
    """A broker that was started alone is known to all when the gate opens: any of them may be asked next."""
    cosmos.kafka.unheard = {1: {3}}
    cosmos.clock = after(3, cosmos.kafka.unheard.clear)
    third(cosmos)
    told = f"{HEAR}: does not name node3/broker to its clients yet"
    assert waits(cosmos) == [("node1/broker", told)]


def test_witness_that_names_an_old_controller_is_waited_for(cosmos: Cosmos) -> None:
    """The start may have moved the controller: a witness hears of that, too."""
    cosmos.kafka.controller_of = {2: 3}
    cosmos.clock = after(3, cosmos.kafka.controller_of.clear)
    third(cosmos)
    told = f"{HEAR}: names controller 3 to its clients still, ZooKeeper names 1"
    assert waits(cosmos) == [("node2/broker", told)]


def test_silent_witness_is_not_waited_for(cosmos: Cosmos) -> None:
    """One that is stopped or frozen is no part of this start."""
    cosmos.kafka.frozen = {2}
    cosmos.kafka.stop_broker(1)
    third(cosmos)
    assert waits(cosmos) == []


def test_witness_that_is_cut_off_is_told_and_the_start_goes_on(cosmos: Cosmos) -> None:
    """It may hear of nothing for long, and what was started serves."""
    cosmos.kafka.unheard = {1: {3}}
    third(cosmos)
    told = "does not name node3/broker to its clients yet, after 10 s: it may be cut off, `fab verify` tells more"
    assert (notes(cosmos), cosmos.clock.now() < 11) == ([PASSED, ("node1/broker", told)], True)


def test_witness_that_is_cut_off_does_not_hold_up_the_replicas(cosmos: Cosmos) -> None:
    """Its old copy of the ISR tells nothing about the brokers that were started."""
    cosmos.kafka.add("orders", [(1, 2, 3)])
    cosmos.kafka.unheard = {1: {3}}
    cosmos.kafka.outdated = {1: tuple(replace(p, isr=(1, 2)) for p in cosmos.kafka.partitions)}
    third(cosmos)
    assert not any(what.startswith(CATCH_UP) for _, what in waits(cosmos))


def behind(cosmos: Cosmos) -> None:
    """Let all know broker 3 as a replica outside of two ISRs."""
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (1, 2)])
    cosmos.kafka.partitions = [
        replace(p, isr=tuple(broker for broker in p.isr if broker != 3)) for p in cosmos.kafka.partitions
    ]


def test_replicas_are_waited_for(cosmos: Cosmos) -> None:
    """After a start the next command finds no under-replicated partition."""
    behind(cosmos)
    cosmos.clock = after(5, lambda: cosmos.kafka.unfence(3))
    third(cosmos)
    assert waits(cosmos) == [("node3/broker", f"{CATCH_UP}: 2 replicas not in the ISR yet")]


def test_every_broker_must_show_a_replica_in_the_isr(cosmos: Cosmos) -> None:
    """`verify` may be answered by the one that has not heard of it."""
    cosmos.kafka.add("orders", [(1, 2, 3)])
    cosmos.kafka.outdated = {2: tuple(replace(p, isr=(1, 2)) for p in cosmos.kafka.partitions)}
    cosmos.clock = after(5, cosmos.kafka.outdated.clear)
    third(cosmos)
    assert 5 <= cosmos.clock.now() < 6


def test_replicas_that_take_longer_are_counted(cosmos: Cosmos) -> None:
    """A broker that was away for hours has long to catch up: the start is a success, and says what is open."""
    behind(cosmos)
    third(cosmos)
    told = "after 60 s still catching up: 2 replicas on node3/broker; `fab verify` tells more"
    assert notes(cosmos) == [PASSED, ("small", told)]


def test_replicas_of_what_was_not_started_are_not_waited_for(cosmos: Cosmos) -> None:
    """What ran before may be behind for reasons of its own."""
    behind(cosmos)
    opened(cosmos)
    assert waits(cosmos) == []


def test_partition_that_nobody_can_lead_is_not_waited_for(cosmos: Cosmos) -> None:
    """Its last in-sync broker is away: nobody can join the ISR before that one is back."""
    cosmos.kafka.add("orders", [(1, 3)])
    cosmos.kafka.stop_broker(1)
    cosmos.kafka.partitions = [replace(p, leader=None, isr=(1,)) for p in cosmos.kafka.partitions]
    third(cosmos)
    assert waits(cosmos) == []


def test_brokers_are_asked_once_where_all_is_well(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first start pays nothing for replicas: what the brokers said when they served is enough."""
    world, asked = cosmos.world, []
    answer = world.brokers.metadata

    def counted(at: Endpoint | None = None, *, timeout: timedelta) -> Metadata | Unknown:
        asked.append(at)
        return answer(at, timeout=timeout)

    monkeypatch.setattr(world.brokers, "metadata", counted)
    names = [broker.name for broker in cosmos.cluster.brokers]
    broker_gates.serving(cosmos.cluster, cosmos.cluster.brokers, world, started=names)
    assert sorted(map(str, asked)) == sorted(str(broker.endpoint) for broker in cosmos.cluster.brokers)


def test_exit_while_replicas_catch_up_is_told(cosmos: Cosmos) -> None:
    """A broker that ends a moment after it served is no success (fault 13)."""
    behind(cosmos)
    cosmos.answers["check", "node3/broker"] = "exited 123\n| FATAL: disk error"
    with pytest.raises(Failed, match=r"(?s)node3/broker: the process exited.*disk error"):
        third(cosmos)


def exits(cosmos: Cosmos, *answers: str) -> None:
    """Let the second broker, which ran before this start, be silent and its host answer so, each for three seconds."""
    cosmos.kafka.stop_broker(2)
    cosmos.answers["check", "node2/broker"] = answers[0]

    def during(now: float) -> None:
        cosmos.answers["check", "node2/broker"] = answers[min(int(now / 3), len(answers) - 1)]

    cosmos.clock = FakeClock(during)


def test_each_exit_during_a_wait_is_a_line(cosmos: Cosmos) -> None:
    """A broker that ran before us and dies while a start waits is told with its cause, each exit once."""
    exits(
        cosmos,
        "restarting 1 50 7\n| java.io.IOException: a",
        "restarting 2 51 8\n| java.io.IOException: b",
        "running 52 9",
    )
    with pytest.raises(Failed, match="node2/broker: not registered"):
        opened(cosmos)
    assert notes(cosmos) == [
        ("node2/broker", "the process exited (pid 50): java.io.IOException: a; systemd starts it again"),
        ("node2/broker", "the process exited (pid 51): java.io.IOException: b; systemd starts it again"),
    ]


def test_exit_that_no_look_has_seen_is_a_line(cosmos: Cosmos) -> None:
    """Another pid, or another start time under the same pid, tells of an exit between two looks."""
    exits(cosmos, "running 50 7", "running 50 8", "running 51 9")
    with pytest.raises(Failed, match="node2/broker: not registered"):
        opened(cosmos)
    assert notes(cosmos) == [
        ("node2/broker", "the process exited (pid 50) and was started again as pid 50"),
        ("node2/broker", "the process exited (pid 50) and was started again as pid 51"),
    ]


def test_crash_loop_with_one_error_ends_the_wait(cosmos: Cosmos) -> None:
    """The same error twice does not go by itself: it is told at the second exit, not at the deadline."""
    exits(cosmos, "restarting 1 50 7\n| org.x.Exception: no", "restarting 2 51 8\n| org.x.Exception: no")
    with pytest.raises(Failed, match=r"node2/broker: the process exits again and again: org.x.Exception: no"):
        opened(cosmos)
    assert cosmos.clock.now() < 6


def test_old_session_ends_no_wait(cosmos: Cosmos) -> None:
    """A killed broker exits until ZooKeeper has ended its old session; systemd's next start goes well."""
    said = "| org.apache.zookeeper.KeeperException$NodeExistsException: NodeExists"
    exits(cosmos, f"restarting 1 50 7\n{said}", f"restarting 2 51 8\n{said}", "running 52 9")
    with pytest.raises(Failed, match="node2/broker: not registered"):
        opened(cosmos)


def test_broker_that_recovers_its_logs_is_told_as_that(cosmos: Cosmos) -> None:
    """A wait of minutes says what for and how much is left, in the line of the wait and at the deadline (fault 15)."""
    cosmos.kafka.stop_broker(2)
    counted = "INFO Completed load of log with 1 segments in 9ms (3/10 completed in /data)"
    cosmos.answers["loading", "node2/broker"] = (
        f"running 123 7\n| no clean shutdown file was found\n| {counted}"
    )
    told = "not registered: it recovers its logs after an unclean stop, 7 of 10 remain; leave it alone"
    with pytest.raises(Failed, match=f"node2/broker: {told}"):
        opened(cosmos, None, "node2/broker")
    assert any(what.startswith(f"{SERVE}: {told}") for _, what in waits(cosmos))
