"""The KRaft leader moved by a restart, over hosts that answer the real scripts and controllers in memory."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Interrupted
from kafab.events import Event
from kafab.findings import Finding, Severity
from kafab.metadata import TopicSpec
from kafab.model import Cluster, Node, Version
from kafab.ops.quorum_election import election
from kafab.ops.world import World
from kafab.ports import Store
from kafab.testing.fleet import FakeClock, FakeFleet
from kafab.testing.kafka import FakeAdmin, FakeKafka, FakeZooKeeper
from kafab.testing.quorum import FakeQuorum
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

    def __post_init__(self) -> None:
        self.kafka = FakeKafka(self.cluster, min_isr=2)
        self.clock = FakeClock()
        self.admin = FakeAdmin(self.kafka)
        self.admin.create_topic(TopicSpec("orders", 3, 3))
        self.nodes = {node.name: node for node in self.cluster.nodes}

    def elect(self) -> Finding:
        """Move the leader."""
        world = World(
            fleet=FakeFleet({host.name: self._answer for host in self.cluster.hosts}),
            zookeeper=FakeZooKeeper(self.kafka),
            quorum=FakeQuorum(self.kafka),
            admin=self.admin,
            store=cast("Store", None),
            clock=self.clock,
            emit=self.events.append,
            owner="ann",
        )
        return election(self.cluster, self.cluster.brokers, world)

    def changes(self) -> list[tuple[str, str]]:
        """Return what was asked beyond looking."""
        return [call for call in self.calls if call[0] != "check"]

    def _answer(self, script: Script) -> Outcome:
        lines = script.text.rsplit("\n}\n", 1)[-1].splitlines()
        called = [shlex.split(line) for line in lines if line]
        if called[-1][0] == "lock":
            return Result(0, f"{self.lock}\n".encode(), "")
        return Result(0, "".join(self._call(words[0], words[1]) for words in called).encode(), "")

    def _call(self, call: str, name: str) -> str:
        self.calls.append((call, name))
        if call in self.answers:
            return f"{name} {self.answers[call]}\n"
        if call == "check":
            return f"{name} {'stopped' if name in self.stopped else 'running 7'}\n"
        (self.stopped.add if call == "stop" else self.stopped.discard)(name)
        self._changed(self.nodes[name], runs=call == "start")
        return f"{name} {'started 8' if call == 'start' else 'stopping 7'}\n"

    def _changed(self, node: Node, *, runs: bool) -> None:
        if node in self.cluster.controllers and not node.combined:
            (self.kafka.voters.start if runs else self.kafka.voters.stop)(node.id)
        elif runs:
            self.kafka.start_broker(node.id, node.endpoint)
        else:
            self.kafka.stop_broker(node.id)


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
    return Cluster("one", cluster.version, cluster.hosts[:1], cluster.nodes[:1], quorum=cluster.quorum)


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

    given.clock._during = interrupt
    given.answers["check"] = "running 7"
    with pytest.raises(Interrupted, match="node1/controller was asked to stop; `fab start` brings it back"):
        given.elect()
