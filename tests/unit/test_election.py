"""A controller election forced in ZooKeeper mode, over hosts that lend the lock and a cluster in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.cluster.metadata import Controller, Metadata, TopicSpec
from kafab.command import Outcome, Result, Script
from kafab.findings import Finding, Severity
from kafab.model import Endpoint
from kafab.ops.check.ensemble_election import election
from kafab.testing.admin import FakeAdmin
from kafab.testing.fleet import FakeClock, FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.testing.zookeeper import FakeZooKeeper
from kafab.unknown import Unknown
from tests.conftest import cluster_in

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


@dataclass
class Rivals:
    """A cluster that is well, with one topic; ``lock`` is what a host says of it, ``held`` who held it at each election."""

    kafka: FakeKafka
    lock: str = "locked"
    held: list[str] = field(default_factory=list)
    obeys: bool = True
    """False where the order to elect changes nothing."""
    late: dict[int, float] = field(default_factory=dict)
    """Broker -> the second from which on it names the controller of the moment."""

    def __post_init__(self) -> None:
        self.clock = FakeClock(self._during)
        self.fleet = FakeFleet({host.name: self._answer for host in self.kafka.cluster.hosts})
        self.zookeeper = _Elections(self)
        self.moves: list[float] = []
        """Seconds at which the controller moves by itself."""

    def elect(self) -> Finding:
        """Force an election."""
        admin = _LateAdmin(self)
        world = FakeWorld.of(self.kafka, admin, zookeeper=self.zookeeper, clock=self.clock, fleet=self.fleet)
        cluster = self.kafka.cluster
        return election(cluster, cluster.brokers, world)

    def _answer(self, _script: Script) -> Outcome:
        return Result(0, f"{self.lock}\n".encode(), "")

    def _during(self, time: float) -> None:
        while self.moves and self.moves[0] <= time:
            self.moves.pop(0)
            self.kafka.elect()


class _Elections(FakeZooKeeper):
    """Notes who holds the lock as an election is forced."""

    def __init__(self, given: Rivals) -> None:
        super().__init__(given.kafka)
        self._given = given

    def force_election(self) -> Unknown | None:
        self._given.held += self._given.fleet.held
        return super().force_election() if self._given.obeys else None


class _LateAdmin(FakeAdmin):
    """Brokers that hear of a controller late name the first one until then."""

    def __init__(self, given: Rivals) -> None:
        super().__init__(given.kafka)
        self._given = given
        self._late = {
            node.endpoint: given.late[node.id]
            for node in given.kafka.cluster.brokers
            if node.id in given.late
        }
        self._first = given.kafka.controller

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        view = super().metadata(at, timeout=timeout)
        if isinstance(view, Unknown) or at is None or self._given.clock.time >= self._late.get(at, 0):
            return view
        return replace(view, controller=self._first)


@pytest.fixture
def given(tmp_path: Path) -> Rivals:
    """Three brokers, of which broker 1 is the controller."""
    kafka = FakeKafka(cluster_in(tmp_path, hosts=3), min_isr=2)
    FakeAdmin(kafka).create_topic(TopicSpec("orders", 6, 3))
    return Rivals(kafka)


def test_an_election_is_told_with_both_controllers(given: Rivals) -> None:
    """The finding carries the old and new controller and their epochs."""
    finding = given.elect()
    assert finding.severity is OK
    assert {key: finding.evidence[key] for key in ("old", "new", "old_epoch", "new_epoch", "leaderless")} == {
        "old": 1,
        "new": 2,
        "old_epoch": 1,
        "new_epoch": 2,
        "leaderless": 0,
    }


def test_the_lock_is_held_while_the_controller_moves(given: Rivals) -> None:
    """The election is forced under the cluster's lock, which is free again afterwards."""
    given.elect()
    assert (given.held, given.fleet.held) == (["node1", "node2"], [])


def _another_operator(given: Rivals) -> None:
    given.lock = "held 7 bob"


def _silent_ensemble(given: Rivals) -> None:
    given.kafka.stopped_servers = {1, 2, 3}


def _silent_hosts(given: Rivals) -> None:
    given.fleet.unreachable = dict.fromkeys(("node1", "node2", "node3"), "no route to host")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_another_operator, "is being changed by bob"),
        (_silent_ensemble, "no quorum"),
        (_silent_hosts, "3 hosts did not answer"),
    ],
)
def test_nothing_moves_where_another_may_be_at_work(
    given: Rivals, change: Callable[[Rivals], None], words: str
) -> None:
    """Without the lock or an answer of ZooKeeper the election is not run, and UNKNOWN with the reason."""
    change(given)
    finding = given.elect()
    assert (finding.severity, given.zookeeper.calls) == (UNKNOWN, []), finding.detail
    assert (finding.detail.startswith("not run: "), words in finding.detail) == (True, True), finding.detail


def test_the_election_ends_once_every_broker_names_the_controller(given: Rivals) -> None:
    """A broker that hears of it later is waited for."""
    given.late = {3: 7.0}
    finding = given.elect()
    assert (finding.severity, finding.evidence["agreed_seconds"]) == (OK, pytest.approx(7.0, abs=0.1))


def test_a_broker_that_names_another_controller_is_critical(given: Rivals) -> None:
    """After 30 seconds it is told by its id with both controllers."""
    given.late = {3: 99.0}
    finding = given.elect()
    assert finding.severity is CRIT
    assert "broker 3 names broker 1, elected is 2" in finding.detail


def test_a_controller_that_moves_once_more_is_a_warning(given: Rivals) -> None:
    """The brokers agree on the controller of the moment, not on the first one that was seen; the second move is told."""
    given.late = {3: 99.0}
    given.moves = [3.0]
    finding = given.elect()
    seconds = finding.evidence["agreed_seconds"]
    assert (finding.severity, finding.evidence["new"], seconds) == (WARN, 1, pytest.approx(3.0, abs=0.1))
    assert finding.detail.endswith("it moved more than once")


def test_an_election_that_does_not_happen_is_critical(given: Rivals) -> None:
    """No new epoch by the deadline is CRIT, after 30 seconds and not later."""
    given.obeys = False
    finding = given.elect()
    assert finding.severity is CRIT
    assert 30 <= given.clock.time < 31


def test_an_absent_controller_is_told_with_the_last_epoch(given: Rivals) -> None:
    """One that was elected and has gone again leaves the epoch of its election in the message."""

    class Gone(_Elections):
        def controller(self) -> Controller | Unknown:
            return Controller(None, 5) if self.calls else super().controller()

    given.zookeeper = Gone(given)
    assert "since epoch 5" in given.elect().detail
