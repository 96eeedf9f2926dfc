"""What a roll is to do, found by looking: which nodes, which processes are to go, and what the journal says of an earlier run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from itertools import chain

from kafab.canary.verdict import GAP_BUDGET
from kafab.cluster.seen import Ask, Seen
from kafab.errors import Unsafe
from kafab.hosts import supervisor
from kafab.hosts.facts import NodesFacts
from kafab.hosts.supervisor import Report
from kafab.model import Cluster, Node, Role
from kafab.ops import upgrades
from kafab.ops.run import journal as journals
from kafab.ops.run.guards import guard_access
from kafab.ops.run.journal import Journal
from kafab.ops.run.startable import guard_cluster_id, startable
from kafab.ops.run.voters import guard_voters
from kafab.ops.see import reports, see
from kafab.ops.world import World
from kafab.plans.generations import stale
from kafab.plans.in_force import in_force
from kafab.plans.standing import DEPLOY_PENDING, EDITED, PUT_BACK, configuration_state, restart_pending
from kafab.plans.state import Desired, as_found, desire, limited
from kafab.plans.versions import as_upgraded
from kafab.releases.names import release_for
from kafab.rolling import readiness
from kafab.rolling.decide import DOWN, Goal, questions
from kafab.rolling.forecast import Forecast, forecast
from kafab.rolling.safety import NOTHING_SPARED, Blocker, Spared
from kafab.unknown import Unknown
from kafab.words import SHOWN, plural

PAUSE_LIMIT = timedelta(minutes=5)
"""How long a roll waits while nothing that it waits for gets better."""

FORGET = "`fab restart --forget` gives it up and leaves the nodes as they are"
WARNINGS = {
    PUT_BACK: "what ran before was put back: `fab plan` shows what the inventory asks for",
    DEPLOY_PENDING: "a deploy is pending: it starts with what is on its host now, `fab plan` shows the difference",
    EDITED: "its files were edited by hand: it starts with them, `fab plan` shows the difference",
}


class Leaders(str, Enum):
    """When the brokers that were restarted lead again what they are the preferred leaders of."""

    EACH = "each"
    """After each node's return."""
    END = "end"
    NEVER = "never"


@dataclass(frozen=True)
class Pause:
    """After how many brokers a roll ends for now; servers of ZooKeeper and controllers of their own all go before."""

    brokers: int = 1
    rack: bool = False
    """After all brokers of the first one's rack, in the place of a number."""

    def takes(self, cluster: Cluster, ordered: Sequence[str]) -> frozenset[str]:
        """Return which of these nodes, by name and in their order, go before it."""
        nodes = {node.name: node for node in cluster.nodes}
        brokers = [nodes[name] for name in ordered if nodes[name].role is Role.BROKER]
        rack = brokers[0].host.rack if brokers else None
        if self.rack and rack is not None:
            chosen = [node.name for node in brokers if node.host.rack == rack]
        else:
            chosen = [node.name for node in brokers[: self.brokers]]
        return frozenset([name for name in ordered if nodes[name].role is not Role.BROKER] + chosen)


@dataclass(frozen=True)
class Asked:
    """What the operator asks of a roll."""

    limit: str | None = None
    pending: bool = False
    """Only nodes that run from another configuration or release than their hosts have for them now."""
    width: int = 1
    rack: bool = False
    spared: Spared = NOTHING_SPARED
    pause_limit: timedelta = PAUSE_LIMIT
    leaders: Leaders = Leaders.END
    canary: bool = True
    """Have a canary beside the roll."""
    gap_budget: timedelta = GAP_BUDGET
    """The longest silence of the canary at which the roll goes on."""
    upgrade: str = ""
    """Of an upgrade's roll: the command that goes on with it. It takes the nodes that do not run, too."""
    pause_after: Pause | None = None
    soak: timedelta = timedelta()
    """How long the first broker that was restarted serves alone before the next one is stopped."""


@dataclass(frozen=True)
class Prepared:
    """What a roll would do."""

    goal: Goal
    forecast: Forecast
    begun: Journal | None = None
    """The roll that this one goes on with."""
    finished: tuple[str, ...] = ()
    """Nodes that it has finished."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """Node name -> what is to be known before it is started anew."""


@dataclass(frozen=True)
class Unfinished:
    """A roll that has begun and not come to its end."""

    begun: Journal
    finished: tuple[str, ...]
    """Its nodes that run as another process by now."""

    @property
    def over(self) -> bool:
        """True where nothing is left of it, however that came about."""
        return len(self.finished) == len(self.begun.replaced)

    @property
    def text(self) -> str:
        """Return whose it is and how far it is."""
        of_all = f"{len(self.finished)} of {plural(len(self.begun.replaced), 'node')} are finished"
        return f"a roll is unfinished, of {self.begun.owner}: {of_all}"


def unfinished(cluster: Cluster, world: World) -> Unfinished | None:
    """Return the roll that is not finished. Raises what `journal.read` raises."""
    begun = journals.read(cluster, world)
    return Unfinished(begun, finished(cluster, Goal(begun.replaced), world)) if begun else None


def finished(cluster: Cluster, goal: Goal, world: World) -> tuple[str, ...]:
    """Return the nodes of the goal that another process serves by now."""
    nodes = [node for node in cluster.nodes if node.name in goal.replaced]
    seen = Seen(processes=reports(supervisor.check, nodes, world.fleet))
    return tuple(node.name for node in nodes if goal.finished(node, seen))


def prepare(cluster: Cluster, asked: Asked, world: World) -> Prepared:
    """Look at everything and tell what a roll would do; changes nothing.

    Raises what forbids a start, Unsafe for another roll that is unfinished and for what can never be spared, Unreachable,
    Failed.
    """
    facts = startable(cluster, limited(cluster, asked.limit), world)
    begun = journals.read(cluster, world)
    if begun and begun.upgrade and asked.upgrade:
        # Whatever way an upgrade was going, what is left of it is seen.
        begun = None
    if begun and (begun.limit, begun.pending, begun.upgrade) != (asked.limit, asked.pending, asked.upgrade):
        if not (unfinished := Unfinished(begun, finished(cluster, Goal(begun.replaced), world))).over:
            raise Unsafe(unfinished.text, hint=f"`{begun.command}` goes on with it; {FORGET}")
        begun = None
    if asked.pending and not asked.upgrade:
        cluster = as_upgraded(cluster, facts, upgrades.read(cluster, world))
    desired = desire(cluster, facts, world.store.find(release_for(cluster.version, cluster.scala)))
    desired = as_found(desired, facts)
    states = {
        wanted.node: configuration_state(desired, wanted, facts[wanted.node]) for wanted in desired.nodes
    }
    chosen = facts
    if asked.pending:
        pending = _pending(desired, facts, world, upgrade=bool(asked.upgrade))
        left = [node.name for node in facts] if asked.upgrade else begun.replaced if begun else ()
        chosen = {n: f for n, f in facts.items() if n in pending or (n.name in left and not f.running)}
    elif begun:
        chosen = {node: found for node, found in facts.items() if node.name in begun.replaced}
    if not chosen:
        return Prepared(Goal({}), Forecast(), begun)
    _guard(cluster, chosen, world)
    goal, seen = _goal(cluster, asked, chosen, begun, world)
    expected = forecast(cluster, goal, seen)
    if expected.hopeless:
        raise _never_spared(expected.hopeless)
    if asked.pause_after:
        taken = asked.pause_after.takes(cluster, [*expected.down, *chain.from_iterable(expected.waves)])
        chosen = {node: found for node, found in chosen.items() if node.name in taken}
        goal = replace(goal, replaced={name: was for name, was in goal.replaced.items() if name in taken})
        expected = forecast(cluster, goal, seen)
    warnings = {
        node.name: WARNINGS[states[node]]
        for node in chosen
        if states[node] in WARNINGS and not goal.finished(node, seen) and not asked.upgrade
    }
    over = tuple(node.name for node in chosen if goal.finished(node, seen))
    return Prepared(goal, expected, begun, over, warnings)


def _pending(desired: Desired, facts: NodesFacts, world: World, *, upgrade: bool) -> set[Node]:
    """Return the nodes that a start would have run from something else; not those that were set online alone.

    What a start takes is what is on the host. In an upgrade it comes there with each node's turn, and the target decides.
    """
    cluster = desired.cluster
    wanted = {
        w.node: w
        for w in desired.nodes
        if (restart_pending(desired, w, facts[w.node]) if upgrade else stale(facts[w.node]))
    }
    asked = tuple(node for node in wanted if node in cluster.brokers)
    running = see(cluster, world, Ask(running=asked)).running if asked else {}
    online = {node for node in asked if in_force(desired, wanted[node], facts[node], running[node.id])}
    return set(wanted) - online


def _guard(cluster: Cluster, chosen: NodesFacts, world: World) -> None:
    """What forbids a start forbids the stop before it."""
    guard_access(chosen)
    brokers = {node: found for node, found in chosen.items() if node.role is Role.BROKER}
    if not cluster.kraft and any(found.running for found in brokers.values()):
        guard_cluster_id(cluster, brokers, world)
    guard_voters(cluster, chosen, world)


def _goal(
    cluster: Cluster, asked: Asked, chosen: NodesFacts, begun: Journal | None, world: World
) -> tuple[Goal, Seen]:
    """Return the goal, and what was seen of the cluster when it was set."""
    wanted = Goal(
        dict.fromkeys(node.name for node in chosen), asked.width, rack=asked.rack, spared=asked.spared
    )
    seen = see(cluster, world, questions(cluster, wanted))
    processes = {name: _process(seen.processes[name]) for name in wanted.replaced}
    if begun:
        replaced = processes if asked.pending else {name: begun.replaced[name] for name in processes}
        return replace(wanted, replaced=replaced, behind=begun.behind), seen
    # What is down now is started first, and is to be as good as the others again.
    there = [node for node in cluster.brokers if processes.get(node.name, "") is not None]
    behind = readiness.out_of_sync(seen.known_views.values(), there)
    return replace(wanted, replaced=processes, behind=sum(behind.values())), seen


def _process(report: Report | Unknown) -> str | None:
    running = isinstance(report, Report) and report.state not in DOWN
    return report.process if running and isinstance(report, Report) else None


def _never_spared(blockers: Sequence[Blocker]) -> Unsafe:
    """Return the refusal to begin a roll that would end in the middle, with what to name for it."""
    topics = list(dict.fromkeys(one.danger.partition.topic for one in blockers if one.danger))
    lines = "\n  ".join(f"{one.subject}: {one.reason}" for one in blockers[:SHOWN])
    more = f"\n  and {len(blockers) - SHOWN} more" if len(blockers) > SHOWN else ""
    accept = (
        f"`--accept-unavailable {','.join(topics)}` restarts their brokers all the same; " if topics else ""
    )
    return Unsafe(
        f"a restart without an interruption is not possible, {plural(len(blockers), 'reason')}:\n  {lines}{more}",
        hint=f"{accept}`fab restart --at-once` interrupts service",
    )
