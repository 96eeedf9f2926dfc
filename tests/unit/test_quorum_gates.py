"""The gates of KRaft: a leader that a majority elected, brokers that are registered and unfenced, an old session's end."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.errors import Failed, OutcomeUnknown
from kafab.events import Note, Waiting
from kafab.ops.run import controller_gates
from kafab.testing.fleet import FakeClock
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def isolated(tmp_path: Path) -> Cosmos:
    """Three brokers and three controllers, all of which run."""
    return Cosmos(cluster_in(tmp_path, 3, "isolated")).up()


def notes(cosmos: Cosmos) -> list[str]:
    """Return what was told."""
    return [event.text for event in cosmos.told(Note) if isinstance(event, Note)]


def waits(cosmos: Cosmos) -> list[str]:
    """Return what was waited for, each text once."""
    return list(dict.fromkeys(event.what for event in cosmos.told(Waiting) if isinstance(event, Waiting)))


def test_elected_majority_passes(isolated: Cosmos) -> None:
    """A quorum that has its leader is told, without a wait."""
    controller_gates.elected(isolated.cluster, isolated.cluster.controllers, isolated.world)
    assert (notes(isolated), waits(isolated)) == (
        ["the controllers have a majority and one leader (3 controllers)"],
        [],
    )


def test_controller_that_is_down_is_not_waited_for(isolated: Cosmos) -> None:
    """Two of three that elect one are enough where nobody awaits the third."""
    isolated.kafka.voters.stop(103)
    controller_gates.elected(isolated.cluster, isolated.cluster.controllers[:2], isolated.world)
    assert waits(isolated) == []


def test_awaited_controller_must_answer(isolated: Cosmos) -> None:
    """One that was started and does not answer is waited for, though the others have elected a leader."""
    isolated.kafka.voters.stop(103)
    with pytest.raises(
        OutcomeUnknown, match=r"KRaft quorum: not within 120 s:\n  node3/controller: .*refused"
    ):
        controller_gates.elected(isolated.cluster, isolated.cluster.controllers, isolated.world)


def test_late_controller_is_waited_for(isolated: Cosmos) -> None:
    """The gate opens as soon as the last awaited one answers."""
    isolated.kafka.voters.stop(103)
    isolated.clock = FakeClock(lambda now: isolated.kafka.voters.start(103) if now >= 5 else None)
    controller_gates.elected(isolated.cluster, isolated.cluster.controllers, isolated.world)
    assert 5 <= isolated.clock.now() < 6


def test_majority_that_is_gone_is_no_leader(isolated: Cosmos) -> None:
    """A follower of Kafka 4 names the last leader for ever: without an answer of the leader itself there is none."""
    isolated.kafka.voters.frozen = {101, 102}
    with pytest.raises(OutcomeUnknown, match=r"small: no leader among 3 controllers: no controller leads"):
        controller_gates.elected(isolated.cluster, isolated.cluster.controllers[2:], isolated.world)


def test_dead_controller_is_told_with_its_last_lines(isolated: Cosmos) -> None:
    """A process that exits ends the wait within two seconds (fault 12)."""
    isolated.kafka.voters.stop(102)
    isolated.answers["check", "node2/controller"] = "exited 123\n| FATAL: no meta.properties"
    with pytest.raises(Failed, match=r"(?s)node2/controller: the process exited.*no meta.properties"):
        controller_gates.elected(isolated.cluster, isolated.cluster.controllers, isolated.world)
    assert isolated.clock.now() <= 2


def test_unfenced_brokers_pass(isolated: Cosmos) -> None:
    """The brokers that serve are counted, with the leader and its epoch."""
    controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, isolated.world, started=())
    epoch = isolated.kafka.voters.epoch
    assert notes(isolated) == [f"3 brokers registered and unfenced, leader 101, epoch {epoch}"]


def test_fenced_broker_is_waited_for(isolated: Cosmos) -> None:
    """A broker that answers and is fenced serves nobody yet."""
    isolated.kafka.fence(2)
    isolated.clock = FakeClock(lambda now: isolated.kafka.unfence(2) if now >= 3 else None)
    controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, isolated.world, started=())
    assert waits(isolated) == ["brokers to serve: answers, and is fenced still"]


def test_broker_whose_metadata_lags_is_waited_for(isolated: Cosmos) -> None:
    """A broker that does not know of another one yet would tell `verify` that it is missing."""
    isolated.kafka.unheard = {1: {3}}
    isolated.clock = FakeClock(lambda now: isolated.kafka.unheard.clear() if now >= 3 else None)
    controller_gates.unfenced(
        isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node1/broker"]
    )
    assert waits(isolated) == ["brokers to serve: does not name node3/broker to its clients yet"]


def test_broker_that_ran_before_and_is_cut_off_fails_nothing(isolated: Cosmos) -> None:
    """It is given 10 s to hear of the started one and is told; that it is cut off is no fault of the start."""
    isolated.kafka.unheard = {3: {2}}
    controller_gates.unfenced(
        isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node2/broker"]
    )
    assert (isolated.clock.now() < 12, any("it may be cut off" in text for text in notes(isolated))) == (
        True,
        True,
    )


def test_broker_that_stays_silent_is_told_as_it_is(isolated: Cosmos) -> None:
    """The new process registers under the old one's id: after any sensible session its silence is a fault of its own."""
    isolated.kafka.frozen = {2}
    with pytest.raises(OutcomeUnknown, match=r"node2/broker: .*did not answer") as caught:
        controller_gates.unfenced(
            isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node2/broker"]
        )
    assert "old session" not in caught.value.message


def killed(cosmos: Cosmos, seconds: float) -> None:
    """Let broker 2 be silent and registered, as after kill -9 and a start, for so long."""
    cosmos.kafka.frozen = {2}
    cosmos.clock = FakeClock(lambda now: cosmos.kafka.frozen.clear() if now >= seconds else None)


def test_old_session_is_waited_for_and_said(isolated: Cosmos) -> None:
    """After kill -9 the new process is refused until the old session ends: a wait of 9 s that is no fault."""
    killed(isolated, 9)
    controller_gates.unfenced(
        isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node2/broker"]
    )
    (told,) = waits(isolated)
    assert told.endswith("; its old session has not ended yet (broker.session.timeout.ms); this is no fault")


def test_old_session_that_has_ended_is_said_no_more(isolated: Cosmos) -> None:
    """Once the old registration is fenced, a broker in log recovery is told with what it says itself."""
    isolated.kafka.frozen = {2}

    def during(now: float) -> None:
        if now >= 9:
            isolated.kafka.fence(2)
        if now >= 60:
            isolated.kafka.frozen.clear()
            isolated.kafka.unfence(2)

    isolated.clock = FakeClock(during)
    controller_gates.unfenced(
        isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node2/broker"]
    )
    told = [event for event in isolated.told(Waiting) if isinstance(event, Waiting)]
    ended = max(event.elapsed.total_seconds() for event in told if "old session" in event.what)
    assert (9 <= ended < 13, "did not answer" in told[-1].what) == (True, True)


def test_silence_of_a_broker_that_we_did_not_start_is_no_old_session(isolated: Cosmos) -> None:
    """What ran before is registered because it runs: that it does not answer is told as it is."""
    killed(isolated, 9)
    controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, isolated.world, started=())
    assert all("did not answer" in text for text in waits(isolated))
    assert waits(isolated) != []


def test_unread_registrations_are_no_old_session(isolated: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody could tell who was registered, nothing is said of old sessions."""
    killed(isolated, 9)
    world = isolated.world
    monkeypatch.setattr(world.controllers, "brokers", lambda **_: Unknown("no broker answers"))
    controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, world, started=["node2/broker"])
    assert not any("old session" in text for text in waits(isolated))


def test_leader_that_does_not_answer_at_once_is_waited_for(
    isolated: Cosmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers may serve a moment before the leader's answer comes: one question without an answer fails nothing."""
    world, state = isolated.world, isolated.world.controllers.describe()
    late = Unknown("no controller leads")
    monkeypatch.setattr(world.controllers, "describe", lambda **_: late if world.clock.now() < 3 else state)
    controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, world, started=())
    assert waits(isolated) == ["brokers to serve: no controller leads"]


def test_recovery_beyond_the_deadline_is_left_alone(isolated: Cosmos) -> None:
    """A broker whose process runs and does not serve in time is told as running, with how to go on (fault 15)."""
    isolated.kafka.frozen = {2}
    isolated.kafka.fence(2)
    with pytest.raises(
        OutcomeUnknown, match=r"node2/broker: .*; its process runs and was left alone"
    ) as caught:
        controller_gates.unfenced(
            isolated.cluster, isolated.cluster.brokers, isolated.world, started=["node2/broker"]
        )
    assert ("`fab start` again" in str(caught.value.hint), isolated.of("start")) == (True, [])


def test_other_brokers_and_replicas_are_waited_for(isolated: Cosmos) -> None:
    """A broker that was started alone is named by the others, and in the ISR, when the gate opens."""
    isolated.kafka.add("orders", [(1, 2, 3)])
    isolated.kafka.unheard = {1: {3}}
    isolated.kafka.outdated = {2: tuple(replace(p, isr=(1, 2)) for p in isolated.kafka.partitions)}

    def during(now: float) -> None:
        if now >= 3:
            isolated.kafka.unheard.clear()
        if now >= 6:
            isolated.kafka.outdated.clear()

    isolated.clock = FakeClock(during)
    last = isolated.cluster.brokers[2]
    controller_gates.unfenced(isolated.cluster, [last], isolated.world, started=[last.name])
    assert waits(isolated) == [
        "the other brokers to hear of it: does not name node3/broker to its clients yet",
        "replicas to catch up: 1 replica not in the ISR yet",
    ]


def test_brokers_without_a_leader_do_not_pass(isolated: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that serve under controllers without a leader are no whole cluster."""
    world = isolated.world
    monkeypatch.setattr(world.controllers, "describe", lambda **_: Unknown("no controller leads"))
    with pytest.raises(
        OutcomeUnknown, match=r"brokers to serve: not within 300 s:\n  small: no controller leads"
    ):
        controller_gates.unfenced(isolated.cluster, isolated.cluster.brokers, world, started=())
