"""The KRaft leader moved by a restart, over hosts that answer the real scripts and controllers in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.cluster.metadata import QuorumState, TopicSpec
from kafab.command import Outcome, Result, Script
from kafab.errors import Interrupted
from kafab.events import Event
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Endpoint, Node, Version
from kafab.ops.check.controller_election import election
from kafab.testing.admin import FakeAdmin
from kafab.testing.controllers import FakeControllers
from kafab.testing.fleet import FakeClock, FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.kraft_by_hand import kraft_in

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


@dataclass
class Hosts:
    """A cluster that runs; ``calls`` has what was asked of a node's process, in order."""

    cluster: Cluster
    calls: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """Call -> answer in the place of the usual one."""
    events: list[Event] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    lock: str = "locked"
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens to the cluster just before the first of these calls is answered; `lock` is one, too."""
    heard: dict[str, tuple[float, QuorumState | Unknown]] = field(default_factory=dict)
    """Broker -> until this second it tells this of the quorum."""
    named: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    """Controller -> until this second it names this leader."""

    def __post_init__(self) -> None:
        self.kafka = FakeKafka(self.cluster, min_isr=2)
        self.clock = FakeClock()
        self.admin = FakeAdmin(self.kafka)
        self.admin.create_topic(TopicSpec("orders", 3, 3))
        self.nodes = {node.name: node for node in self.cluster.nodes}

    def elect(self) -> Finding:
        """Move the leader."""
        world = FakeWorld.of(
            self.kafka,
            self.admin,
            fleet=FakeFleet({host.name: self._answer for host in self.cluster.hosts}),
            controllers=_LateQuorum(self),
            clock=self.clock,
            emit=self.events.append,
        )
        return election(self.cluster, self.cluster.brokers, world)

    def changes(self) -> list[tuple[str, str]]:
        """Return what was asked beyond looking."""
        return [call for call in self.calls if call[0] != "check"]

    def _answer(self, script: Script) -> Outcome:
        if script.called("lock"):
            self._happens("lock")
            return Result(0, f"{self.lock}\n".encode(), "")
        answers = [
            self._call(*map(str, call.words[:2])) for call in script.calls if call.words[0] != "remember"
        ]
        return Result(0, "".join(answers).encode(), "")

    def _call(self, call: str, name: str) -> str:
        self._happens(call)
        self.calls.append((call, name))
        if call in self.answers:
            return f"{name} {self.answers[call]}\n"
        if call == "check":
            return f"{name} {'stopped' if name in self.stopped else 'running 7'}\n"
        (self.stopped.add if call == "stop" else self.stopped.discard)(name)
        self._changed(self.nodes[name], runs=call == "start")
        return f"{name} {'started 8' if call == 'start' else 'stopping 7'}\n"

    def _happens(self, call: str) -> None:
        self.before.pop(call, lambda: None)()

    def _changed(self, node: Node, *, runs: bool) -> None:
        if node in self.cluster.controllers and not node.combined:
            (self.kafka.voters.start if runs else self.kafka.voters.stop)(node.id)
        elif runs:
            self.kafka.start_broker(node.id, node.endpoint)
        else:
            self.kafka.stop_broker(node.id)


class _LateQuorum(FakeControllers):
    """Nodes that hear of a new leader late."""

    def __init__(self, given: Hosts) -> None:
        super().__init__(given.kafka)
        self._given = given
        self._brokers = {node.endpoint: node.name for node in given.cluster.brokers}
        self._voters = {node.controller_endpoint: node.name for node in given.cluster.controllers}

    def describe(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> QuorumState | Unknown:
        until, told = self._given.heard.get(self._brokers[at] if at else "", (0.0, Unknown("")))
        return told if self._given.clock.time < until else super().describe(at, timeout=timeout)

    def leader(self, at: Endpoint, *, timeout: timedelta = timedelta(seconds=5)) -> int | Unknown | None:
        until, told = self._given.named.get(self._voters[at], (0.0, None))
        return told if self._given.clock.time < until else super().leader(at, timeout=timeout)


def hosts(*, isolated: bool = False) -> Hosts:
    """Return three hosts that are well; node 1 or 11 leads."""
    return Hosts(kraft_in(Path("/srv"), Version(4, 3, 1), isolated=isolated))


@pytest.mark.parametrize(("isolated", "old", "new"), [(False, 1, 2), (True, 11, 12)])
def test_the_leader_is_moved_by_a_restart(isolated: bool, old: int, new: int) -> None:
    """The leading controller is stopped and started, another one leads in the next epoch, no partition lost its leader."""
    given = hosts(isolated=isolated)
    name = next(node.name for node in given.cluster.controllers if node.id == old)
    finding = given.elect()
    assert finding.severity is OK, finding
    assert given.changes() == [("stop", name), ("start", name)]
    evidence = finding.evidence
    assert {key: evidence[key] for key in ("old", "new", "old_epoch", "new_epoch", "leaderless")} == {
        "old": old,
        "new": new,
        "old_epoch": 1,
        "new_epoch": 2,
        "leaderless": 0,
    }


def _alone(given: Hosts) -> None:
    given.cluster = given.kafka.cluster = kraft_of_one(given.cluster)
    given.kafka.voters.ids = (1,)


def kraft_of_one(cluster: Cluster) -> Cluster:
    """Return the cluster with its first node only."""
    return Cluster(
        "one", cluster.version, cluster.hosts[:1], cluster.nodes[:1], voter_source=cluster.voter_source
    )


def _degraded(given: Hosts) -> None:
    given.kafka.voters.lagging.add(13)


def _locked(given: Hosts) -> None:
    given.lock = "held 7 bob"


def _leaderless(given: Hosts) -> None:
    given.kafka.voters.stopped |= {12, 13}


@pytest.mark.parametrize(
    ("change", "severity", "words"),
    [
        (_alone, WARN, "node1/broker is the only controller, so no other one can lead"),
        (_leaderless, UNKNOWN, "no controller leads"),
        (_degraded, UNKNOWN, "would leave 1 of 3 controllers, fewer than the majority of 2"),
        (_locked, UNKNOWN, "is being changed by bob"),
    ],
)
def test_what_forbids_a_stop_forbids_an_election(
    change: Callable[[Hosts], None], severity: Severity, words: str
) -> None:
    """Nothing is stopped where no other can lead, a majority would be lost, or another operator is at work."""
    given = hosts(isolated=change is not _alone)
    change(given)
    finding = given.elect()
    assert (finding.severity, words in finding.detail) == (severity, True), finding.detail
    assert finding.detail.startswith("not run: ")
    assert given.changes() == []


def test_a_combined_leader_that_partitions_need_is_not_restarted() -> None:
    """Where a partition would go below its min ISR the leader stays."""
    given = hosts()
    given.kafka.fence(3)
    finding = given.elect()
    assert (finding.severity, given.changes()) == (UNKNOWN, [])
    assert "min.insync.replicas is 2" in finding.detail


def moves_to(given: Hosts, controller: int) -> None:
    """Let another controller lead in the next epoch, as after a moment's loss of the network."""
    voters = given.kafka.voters
    voters.leader = voters.last = controller
    voters.epoch += 1


def told_before(given: Hosts) -> QuorumState:
    """Return what the quorum says of itself by now."""
    state = FakeControllers(given.kafka).describe()
    assert isinstance(state, QuorumState)
    return state


def test_the_leader_of_the_moment_is_moved() -> None:
    """Where the leader has changed until the lock is held, the new one is restarted and not a follower."""
    given = hosts(isolated=True)
    given.before["lock"] = lambda: moves_to(given, 12)
    finding = given.elect()
    assert given.changes() == [("stop", "node2/controller"), ("start", "node2/controller")]
    assert (finding.severity, finding.evidence["old"], finding.evidence["old_epoch"]) == (OK, 12, 2)


def test_a_leader_that_moves_by_itself_is_left_alone() -> None:
    """Where it changes while it is looked at whether it can be spared, nothing is restarted."""
    given = hosts(isolated=True)
    given.before["check"] = lambda: moves_to(given, 12)
    finding = given.elect()
    assert (finding.severity, given.changes()) == (UNKNOWN, [])
    assert "the leader has just moved by itself, to controller 12 in epoch 2" in finding.detail


@pytest.mark.parametrize("isolated", [False, True])
def test_a_broker_that_answers_late_is_waited_for(isolated: bool) -> None:
    """A broker that is silent for some seconds, or still names the old leader, is asked again."""
    given = hosts(isolated=isolated)
    given.heard = {"node1/broker": (9.0, told_before(given)), "node2/broker": (5.0, Unknown("timed out"))}
    finding = given.elect()
    assert finding.severity is OK, finding.detail
    assert given.clock.time == pytest.approx(9.0, abs=0.5)


def test_a_broker_that_reaches_the_old_leader_is_critical() -> None:
    """After 30 seconds it is told with both leaders and epochs."""
    given = hosts(isolated=True)
    given.heard = {"node3/broker": (99.0, told_before(given))}
    finding = given.elect()
    words = "node3/broker reaches controller 11 in epoch 1, the leader is 12 in epoch 2"
    assert (finding.severity, words in finding.detail) == (CRIT, True), finding.detail
    assert 30 <= given.clock.time < 33


def test_a_controller_that_names_the_old_leader_is_waited_for() -> None:
    """The election ends once the other controllers name the new leader, too: `verify` would tell it otherwise."""
    given = hosts(isolated=True)
    given.named = {"node3/controller": (6.0, 11)}
    finding = given.elect()
    assert finding.severity is OK, finding.detail
    assert given.clock.time == pytest.approx(6.0, abs=0.5)


def test_a_leader_that_moves_once_more_is_a_warning() -> None:
    """The nodes agree on the leader of the moment, which is told as the new one."""
    given = hosts(isolated=True)
    given.before["start"] = lambda: moves_to(given, 13)
    finding = given.elect()
    assert (finding.severity, finding.evidence["new"], finding.evidence["new_epoch"]) == (WARN, 13, 3)
    assert finding.detail.endswith("it moved more than once")


def test_a_controller_that_does_not_come_back_is_critical() -> None:
    """What a failed start leaves is told with the command that mends it."""
    given = hosts(isolated=True)
    given.answers["start"] = "failed no Java"
    finding = given.elect()
    assert (finding.severity, finding.hint) == (CRIT, "fab start")
    assert finding.detail.startswith("node1/controller was asked to stop")
    assert "not started: failed no Java" in finding.detail


def test_a_controller_comes_back_also_where_nobody_else_leads() -> None:
    """After 30 seconds without a new leader the old one is started again, and the finding is CRIT."""
    given = hosts(isolated=True)
    voters = given.kafka.voters
    leaves, comes = voters.stop, voters.start

    def stop(controller: int) -> None:
        voters.stopped |= {12, 13}
        leaves(controller)

    def start(controller: int) -> None:
        voters.stopped -= {12, 13}
        comes(controller)

    voters.stop, voters.start = stop, start  # type: ignore[method-assign]  # the others fail in that moment
    finding = given.elect()
    assert (finding.severity, given.changes()[-1][0]) == (CRIT, "start")
    assert "no controller leads since epoch 1" in finding.detail
    assert 30 <= given.clock.time < 32


def test_ctrl_c_says_what_was_done() -> None:
    """An interruption between stop and start names the command that brings the controller back."""
    given = hosts(isolated=True)

    def interrupt(_time: float) -> None:
        raise KeyboardInterrupt

    given.clock.during = interrupt
    given.answers["check"] = "running 7"
    with pytest.raises(Interrupted, match="node1/controller was asked to stop; `fab start` brings it back"):
        given.elect()
