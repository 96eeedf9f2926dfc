"""The KRaft leader moved by a clean restart of the controller that leads, timed: KRaft has no election by command.

The process is asked to stop, another controller leads in a later epoch, the process is started again and catches up; no
partition is without a leader then that had one before. What forbids a stop forbids this, too (`guards.guard_stop`).
"""

from collections.abc import Sequence
from datetime import timedelta

from kafab import supervisor
from kafab.command import Unknown
from kafab.errors import Failed, Interrupted, KafabError, OutcomeUnknown
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.interruption import interruptible
from kafab.metadata import QuorumState
from kafab.model import Cluster, Node
from kafab.ops import gates, quorum_gates
from kafab.ops.election import CHECK, LIMIT, leaderless, lost_leaders, views
from kafab.ops.guards import guard_stop
from kafab.ops.lock import operating
from kafab.ops.probe import Wait, until
from kafab.ops.world import World
from kafab.supervisor import State

ASK = timedelta(seconds=2)
OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


def election(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    """Move the leader and time it; ``live`` are the brokers that answer.

    Passed when another controller leads in a later epoch, the restarted one has caught up (a combined one serves as a
    broker again), every live broker reaches the new leader, and no partition is without a leader that had one.
    ``seconds`` in the evidence is the time without a leader as the other controllers saw it.
    """

    def not_run(severity: Severity, why: str) -> Finding:
        return Finding(CHECK, cluster.name, severity, f"not run: {why}")

    before = world.quorum.describe()
    if isinstance(before, Unknown):
        return not_run(UNKNOWN, before.reason)
    leader = next((node for node in cluster.controllers if node.id == before.leader), None)
    if leader is None:
        return not_run(UNKNOWN, f"controller {before.leader} leads and is not in the inventory")
    if len(cluster.controllers) == 1:
        return not_run(WARN, f"{leader.name} is the only controller, so no other one can lead")
    move = _Move(cluster, leader, before, [node for node in live if node != leader], world)
    try:
        with interruptible(move.where), operating(cluster, world.fleet, world.owner):
            guard_stop(cluster, [leader], world)
            return move.run()
    except Interrupted:
        raise
    except KafabError as error:
        if not move.asked:
            return not_run(UNKNOWN, error.message)
        detail = f"{move.where().strip()}: {error.message}"
        return Finding(CHECK, cluster.name, CRIT, detail, move.evidence, "fab start")


class _Move:
    """One move of the leader; the evidence grows with what is learned."""

    def __init__(
        self, cluster: Cluster, leader: Node, before: QuorumState, live: Sequence[Node], world: World
    ) -> None:
        self._cluster = cluster
        self._leader = leader
        self._others = [node for node in cluster.controllers if node != leader]
        self._before = before
        self._live = live
        self._world = world
        self._led_until = 0.0
        self.asked = False
        self.started = False
        self.evidence: dict[str, object] = {"old": before.leader, "old_epoch": before.epoch}

    def where(self) -> str:
        """Say what was done to the controller."""
        if not self.asked:
            return "  nothing was changed"
        done = "was restarted" if self.started else "was asked to stop; `fab start` brings it back"
        return f"  {self._leader.name} {done}"

    def run(self) -> Finding:
        clock, name = self._world.clock, self._cluster.name
        without_leader = leaderless(views(self._live, self._world.admin))
        text = f"moving the leader: {self._leader.name} leads in epoch {self._before.epoch} and is restarted"
        self._world.emit(Note(name, text))
        self._stop()
        wait = Wait(name, "a new leader", LIMIT)
        missing = until(self._not_elected, wait, clock=clock, emit=self._world.emit)
        self.evidence["seconds"] = round(clock.now() - self._led_until, 2)
        # It comes back whatever became of the election.
        gates.gone([self._leader], self._world, lambda node: self._world.emit(Note(node, "stopped")))
        self._start()
        missing = missing or self._not_agreed(without_leader)
        if missing:
            detail = f"after {self.evidence['seconds']:g} s: {'; '.join(missing)}"
            return Finding(CHECK, name, CRIT, detail, self.evidence)
        detail = (
            f"controller {self._before.leader} -> {self.evidence['new']}, epoch {self._before.epoch} -> "
            f"{self.evidence['new_epoch']}, {self.evidence['seconds']:g} s without a leader,"
            f" {self._leader.name} caught up {self.evidence['back_seconds']:g} s after its start"
        )
        return Finding(CHECK, name, OK, detail, self.evidence)

    def _stop(self) -> None:
        self._led_until = self._world.clock.now()
        self.asked = True
        report = gates.ask(supervisor.stop, [self._leader], self._world.fleet)[self._leader.name]
        if isinstance(report, Unknown):
            raise OutcomeUnknown(f"UNKNOWN: {report.reason}")

    def _not_elected(self) -> list[str] | None:
        """Look who leads; the time at which the old leader was named last is kept."""
        seen = self._world.clock.now()
        quorum = self._world.quorum
        named = gates.side_by_side(
            self._others, lambda node: quorum.leader(node.controller_endpoint, timeout=ASK)
        )
        if self._before.leader in named.values():
            self._led_until = seen
        if not {leader for leader in named.values() if isinstance(leader, int)} - {self._before.leader}:
            return [f"no controller leads since epoch {self._before.epoch}"]
        state = quorum.describe(timeout=ASK)
        if isinstance(state, Unknown):
            return [state.reason]
        self.evidence |= {"new": state.leader, "new_epoch": state.epoch}
        if state.epoch <= self._before.epoch or state.leader == self._before.leader:
            return [f"controller {state.leader} leads in epoch {state.epoch}"]
        return None

    def _start(self) -> None:
        node, world = self._leader, self._world
        begun = world.clock.now()
        report = gates.ask(supervisor.start, [node], world.fleet)[node.name]
        if isinstance(report, Unknown):
            raise OutcomeUnknown(f"UNKNOWN: {report.reason}")
        if report.state in (State.TAKEN, State.FAILED):
            raise Failed(f"not started: {report.state.value} {report.detail}")
        self.started = True
        world.emit(Note(node.name, f"started, pid {report.detail}"))
        quorum_gates.elected(self._cluster, [node], world)
        watch = gates.Watch([node], world).alive
        gates.wait(self._behind, "the restarted controller to catch up", LIMIT, world, watch=watch)
        self.evidence["back_seconds"] = round(world.clock.now() - begun, 2)
        if node.combined:
            quorum_gates.unfenced(self._cluster, [node], world, started=[node.name])

    def _behind(self) -> dict[str, str]:
        state, name = self._world.quorum.describe(timeout=ASK), self._leader.name
        if isinstance(state, Unknown):
            return {name: state.reason}
        replica = next((voter for voter in state.voters if voter.id == self._leader.id), None)
        if replica is None:
            return {name: "it is not in the voter set"}
        return {} if replica.follows else {name: f"{replica.behind} records behind"}

    def _not_agreed(self, without_leader: set[str]) -> list[str]:
        reached = gates.side_by_side(self._live, lambda node: self._world.quorum.describe(node.endpoint))
        told = [f"{name}: {state.reason}" for name, state in reached.items() if isinstance(state, Unknown)]
        told += [
            f"{name} reaches controller {state.leader} in epoch {state.epoch}"
            for name, state in reached.items()
            if not isinstance(state, Unknown) and state.epoch <= self._before.epoch
        ]
        return told + lost_leaders(views(self._live, self._world.admin), without_leader, self.evidence)
