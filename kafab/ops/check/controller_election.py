"""The KRaft leader moved by a clean restart of the controller that leads, timed: KRaft has no election by command.

The process is asked to stop, another controller leads in a later epoch, the process is started again and catches up; no
partition is without a leader then that had one before. What forbids a stop forbids this, too (`guards.guard_stop`).
"""

from collections.abc import Sequence

from kafab.cluster.metadata import QuorumState
from kafab.cluster.seen import Ask, Seen
from kafab.errors import Failed, Interrupted, KafabError, Locked, OutcomeUnknown
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.hosts import supervisor
from kafab.hosts.supervisor import State
from kafab.interruption import interruptible
from kafab.model import Cluster, Node
from kafab.ops.check.ensemble_election import CHECK, LIMIT, leaderless, lost_leaders
from kafab.ops.lock import operating
from kafab.ops.run import controller_gates, gates
from kafab.ops.run.controller_gates import LEADER
from kafab.ops.run.gates import ASK
from kafab.ops.run.guards import guard_stop
from kafab.ops.see import reports, see
from kafab.ops.until import until, wait
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


def election(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    """Move the leader under the cluster's lock and time it; ``live`` are the brokers that answer.

    Passed when another controller leads in a later epoch, the restarted one has caught up (a combined one serves as a
    broker again), every controller that answers names the leader, every live broker reaches it, and no partition is
    without a leader that had one. ``seconds`` in the evidence is the time without a leader as the other controllers saw it.
    """
    if len(cluster.controllers) == 1:
        only = cluster.controllers[0].name
        return Finding(
            CHECK, cluster.name, WARN, f"not run: {only} is the only controller, so no other one can lead"
        )
    try:
        with operating(cluster, world, "verify --election") as held:
            found = _moved(cluster, live, world)
            held.run.result = f"{found.severity.value}: {found.detail}"
            return found
    except Interrupted:
        raise
    except Locked as error:
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {error.message}", hint=error.hint)
    except KafabError as error:
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {error.message}")


def _moved(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    """Move the leader that the quorum has under the lock. Raises KafabError where nothing was asked of a process."""
    before = see(cluster, world, Ask(controller=True)).controllers.state
    if isinstance(before, Unknown):
        raise Failed(before.reason)
    leader = next((node for node in cluster.controllers if node.id == before.leader), None)
    if leader is None:
        raise Failed(f"controller {before.leader} leads and is not in the inventory")
    move = _Move(cluster, leader, before, [node for node in live if node != leader], world)
    try:
        with interruptible(move.where):
            guard_stop(cluster, [leader], world)
            return move.run()
    except Interrupted:
        raise
    except KafabError as error:
        if not move.asked:
            raise
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
        """Stop the leader, await another one, start it again, await that all agree. Raises KafabError."""
        clock, emit, name = self._world.clock, self._world.emit, self._cluster.name
        without_leader = leaderless(self._see(Ask(views=self._live)))
        self._still_leads()
        text = f"moving the leader: {self._leader.name} leads in epoch {self._before.epoch} and is restarted"
        emit(Note(name, text))
        begun = clock.now()
        self._stop()
        missing = until(self._not_elected, "a new leader", LIMIT, self._world)
        self.evidence["seconds"] = round(clock.now() - self._led_until, 2)
        elected = self.evidence.get("new_epoch")
        # It comes back whatever became of the election.
        gates.gone([self._leader], self._world, lambda node: emit(Note(node, "stopped")))
        self._start()
        if not missing:
            what = "every node names the new leader"
            missing = until(lambda: self._not_agreed(without_leader), what, LIMIT, self._world)
        if missing:
            detail = f"after {round(clock.now() - begun, 2):g} s: {missing[name]}"
            return Finding(CHECK, name, CRIT, detail, self.evidence)
        detail = (
            f"controller {self._before.leader} -> {self.evidence['new']}, epoch {self._before.epoch} -> "
            f"{self.evidence['new_epoch']}, {self.evidence['seconds']:g} s without a leader,"
            f" {self._leader.name} caught up {self.evidence['back_seconds']:g} s after its start"
        )
        if self.evidence["new_epoch"] == elected:
            return Finding(CHECK, name, OK, detail, self.evidence)
        return Finding(CHECK, name, WARN, f"{detail}; it moved more than once", self.evidence)

    def _see(self, ask: Ask) -> Seen:
        return see(self._cluster, self._world, ask)

    def _still_leads(self) -> None:
        """Raise Failed where the leader has moved while partitions and hosts were looked at: a follower is not restarted."""
        now = self._see(LEADER).controllers.state
        if isinstance(now, Unknown):
            raise Failed(f"whether {self._leader.name} still leads is unknown: {now.reason}")
        if (now.leader, now.epoch) != (self._before.leader, self._before.epoch):
            raise Failed(
                f"the leader has just moved by itself, to controller {now.leader} in epoch {now.epoch}"
            )

    def _stop(self) -> None:
        self._led_until = self._world.clock.now()
        self.asked = True
        report = reports(supervisor.stop, [self._leader], self._world.fleet)[self._leader.name]
        if isinstance(report, Unknown):
            raise OutcomeUnknown(f"UNKNOWN: {report.reason}")

    def _not_elected(self) -> Missing:
        """Look who leads; the time at which the old leader was named last is kept."""
        asked_at, name = self._world.clock.now(), self._cluster.name
        seen = self._see(Ask(voters=self._others, timeout=ASK))
        named = seen.controllers.leaders.values()
        if self._before.leader in named:
            self._led_until = asked_at
        if not {leader for leader in named if isinstance(leader, int)} - {self._before.leader}:
            return {name: f"no controller leads since epoch {self._before.epoch}"}
        state = self._see(LEADER).controllers.state
        if isinstance(state, Unknown):
            return {name: state.reason}
        self.evidence |= {"new": state.leader, "new_epoch": state.epoch}
        if state.epoch <= self._before.epoch or state.leader == self._before.leader:
            return {name: f"controller {state.leader} leads in epoch {state.epoch}"}
        return {}

    def _start(self) -> None:
        node, world = self._leader, self._world
        begun = world.clock.now()
        report = reports(supervisor.start, [node], world.fleet)[node.name]
        if isinstance(report, Unknown):
            raise OutcomeUnknown(f"UNKNOWN: {report.reason}")
        if report.state in (State.TAKEN, State.FAILED):
            raise Failed(f"not started: {report.state.value} {report.detail}")
        self.started = True
        world.emit(Note(node.name, f"started, pid {report.detail}"))
        controller_gates.elected(self._cluster, [node], world)
        watch = gates.Watch([node], world).alive
        wait(self._behind, "the restarted controller to catch up", LIMIT, world, watch=watch)
        self.evidence["back_seconds"] = round(world.clock.now() - begun, 2)
        if node.combined:
            controller_gates.unfenced(self._cluster, [node], world, started=[node.name])

    def _behind(self) -> Missing:
        state, name = self._see(LEADER).controllers.state, self._leader.name
        if isinstance(state, Unknown):
            return {name: state.reason}
        replica = next((voter for voter in state.voters if voter.id == self._leader.id), None)
        if replica is None:
            return {name: "it is not in the voter set"}
        return {} if replica.follows else {name: f"{replica.behind} records behind"}

    def _not_agreed(self, without_leader: set[str]) -> Missing:
        """Look whether all name the leader of this moment: it is read anew, as it may have moved once more."""
        brokers = [*self._live, *([self._leader] if self._leader.combined else [])]
        ask = Ask(
            views=brokers,
            voters=self._cluster.controllers,
            reached=brokers,
            controller=True,
            timeout=ASK,
        )
        seen, name = self._see(ask), self._cluster.name
        state = seen.controllers.state
        if isinstance(state, Unknown):
            return {name: state.reason}
        self.evidence |= {"new": state.leader, "new_epoch": state.epoch}
        lines = [*_not_named(state, seen), *_not_reached(state, seen)]
        lines += lost_leaders(seen, without_leader, self.evidence)
        return {name: "; ".join(lines)} if lines else {}


def _not_named(state: QuorumState, seen: Seen) -> list[str]:
    """Return which controllers name another leader; those that do not answer are told by other checks."""
    return [
        f"{name} names {'no leader' if leader is None else f'controller {leader}'}, the leader is {state.leader}"
        for name, leader in seen.controllers.leaders.items()
        if not isinstance(leader, Unknown) and leader != state.leader
    ]


def _not_reached(state: QuorumState, seen: Seen) -> list[str]:
    lines = []
    for name, found in seen.controllers.reached.items():
        if isinstance(found, Unknown):
            lines.append(f"{name}: {found.reason}")
        elif (found.leader, found.epoch) != (state.leader, state.epoch):
            lines.append(
                f"{name} reaches controller {found.leader} in epoch {found.epoch},"
                f" the leader is {state.leader} in epoch {state.epoch}"
            )
    return lines
