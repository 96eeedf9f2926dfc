"""What a roll does next: a pure function of the goal, and of what is seen of the cluster now.

Invariant, checked before each move that takes something away: at most one set of nodes is down because of the roll, the
set is one that `safety.judge_stop` allows, and nothing is stopped while a node that the roll has replaced does not serve yet.
So no partition goes below its min.insync.replicas because of the roll, and no majority is lost.

The goal says which process of each node must go. A node is finished once another process runs in its place, so from
any state that an interruption leaves the moves that remain are those that the undisturbed roll would have made.

Order: what is down is started first. Then ZooKeeper servers or controllers one at a time, the one that leads last; then
brokers, the controller of the cluster last; among equals those that do not serve first, as each of the others is one that
the cluster has. A combined node is both.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kafab.cluster.metadata import Member
from kafab.cluster.seen import Ask, Seen
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Node, Role
from kafab.rolling import readiness
from kafab.rolling.readiness import LEADING_MODES, Missing
from kafab.rolling.room import Room
from kafab.rolling.safety import NOTHING_SPARED, Blocker, Spared, judge_stop
from kafab.unknown import Unknown
from kafab.words import SHOWN, plural

DOWN = (State.STOPPED, State.EXITED)
BETWEEN = (State.STOPPING, State.RESTARTING)


@dataclass(frozen=True)
class Goal:
    """Which processes must go, and how much may be taken away at a time."""

    replaced: Mapping[str, str | None]
    """Node name -> the process at the beginning (`Report.process`), which another one must take the place of; None: none ran."""
    width: int = 1
    """How many brokers may be down together; ZooKeeper servers, controllers and combined nodes go one at a time."""
    rack: bool = False
    """All brokers of a rack may be down together, in the place of ``width``."""
    spared: Spared = NOTHING_SPARED
    behind: int = 0
    """How many replicas were out of sync before the roll: those need not have caught up before its next move."""

    def finished(self, node: Node, seen: Seen) -> bool:
        """Tell whether another process runs in the place of the one at the beginning."""
        report = seen.processes.get(node.name)
        if not isinstance(report, Report) or report.state is not State.RUNNING:
            return False
        return report.process != self.replaced[node.name]


@dataclass(frozen=True)
class Stop:
    """Stop these nodes, all at once; a roll starts them again."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Start:
    """Start these nodes, all at once."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Await:
    """Do nothing yet: what is missing, by node's name or the cluster's."""

    missing: Missing


@dataclass(frozen=True)
class Blocked:
    """No wait helps: what speaks against every stop that is left."""

    blockers: tuple[Blocker, ...]


@dataclass(frozen=True)
class Done:
    """Every node is finished and serves."""


Move: TypeAlias = Stop | Start | Await | Blocked | Done


def questions(cluster: Cluster, goal: Goal) -> Ask:
    """Return what `decide` must have seen."""
    brokers = [node for node in cluster.brokers if node.name in goal.replaced]
    return Ask(
        processes=cluster.nodes,
        views=cluster.brokers,
        voters=cluster.controllers if cluster.kraft else cluster.zookeepers,
        registrations=True,
        controller=True,
        settings_of={node.id for node in brokers},
    )


def decide(cluster: Cluster, goal: Goal, seen: Seen) -> Move:
    """Return the next move. Unknown is no: a node of the goal that cannot be judged is waited for."""
    nodes = [node for node in cluster.nodes if node.name in goal.replaced]
    states = {node: seen.processes[node.name] for node in nodes}
    if silent := {node.name: r.reason for node, r in states.items() if isinstance(r, Unknown)}:
        return Await(silent)
    known = {node: report for node, report in states.items() if isinstance(report, Report)}
    if between := {node.name: f"is {r.state.value}" for node, r in known.items() if r.state in BETWEEN}:
        return Await(between)
    down = [node for node, report in known.items() if report.state in DOWN]
    if down:
        # Brokers come up once what they need serves.
        first = [node for node in down if node.is_voter]
        lacking = _voters_lack(cluster, [node for node in nodes if node.is_voter and node not in down], seen)
        return Start(tuple(first)) if first else Await(lacking) if lacking else Start(tuple(down))
    finished = [node for node in nodes if goal.finished(node, seen)]
    if missing := lacks(cluster, finished, seen, goal.behind):
        return Await(missing)
    left = [node for node in nodes if node not in finished]
    return _next_stop(cluster, goal, left, seen) if left else Done()


def _next_stop(cluster: Cluster, goal: Goal, left: Sequence[Node], seen: Seen) -> Move:
    """Return the first stop in order that the cluster can spare, or why there is none."""
    room = Room(cluster, seen, goal.spared)
    ordered = next(stages(cluster, left, seen))
    for node in ordered:
        if room.takes(node) and judge_stop(cluster, [node], seen, goal.spared).refusal is None:
            others = [one for one in ordered if one is not node]
            return Stop(together(cluster, goal, [node, *others], seen))
    # Each look at a large cluster takes a while: the first few say why. The rule decides, also where there was no room.
    judged = {node: judge_stop(cluster, [node], seen, goal.spared) for node in ordered[:SHOWN]}
    if allowed := [node for node, verdict in judged.items() if verdict.refusal is None]:
        return Stop((allowed[0],))
    against = {node: verdict.blockers for node, verdict in judged.items()}
    hopeless = dict.fromkeys(one for found in against.values() for one in found if one.hopeless)
    if hopeless:
        return Blocked(tuple(hopeless))
    return Await({node.name: _why(found) for node, found in against.items()})


def together(cluster: Cluster, goal: Goal, ordered: Sequence[Node], seen: Seen) -> tuple[Node, ...]:
    """Return the first node, and the brokers that go with it: as many as the goal's width has, or its rack, where all can be spared."""
    first = ordered[0]
    if first.is_voter or (goal.width == 1 and not goal.rack):
        return (first,)
    room = Room(cluster, seen, goal.spared)
    most = len(ordered) if goal.rack else goal.width
    others = ordered[1:]
    if goal.rack:
        others = [node for node in others if first.host.rack and node.host.rack == first.host.rack]
    room.take([first])
    chosen = [first]
    for node in others:
        if len(chosen) == most:
            break
        if room.takes(node):
            room.take([node])
            chosen.append(node)
    # What the room knows nothing of, the rule does.
    while len(chosen) > 1 and judge_stop(cluster, chosen, seen, goal.spared).refusal is not None:
        del chosen[(len(chosen) + 1) // 2 :]
    return tuple(chosen)


def _why(blockers: Sequence[Blocker]) -> str:
    first = blockers[0]
    more = f", and {plural(len(blockers) - 1, 'reason')} more" if len(blockers) > 1 else ""
    return f"cannot be spared: {first.subject}: {first.reason}{more}; it takes {first.unblocks}"


def stages(cluster: Cluster, left: Sequence[Node], seen: Seen) -> Iterator[Sequence[Node]]:
    """Yield the nodes in the order in which they go, those of a stage in any order, the first choice first.

    Whoever leads is a stage of its own, after all others of its kind.
    """
    leads = _leading(cluster, seen)
    for voters in (True, False):
        kind = [node for node in left if node.is_voter is voters]
        for leading in (False, True):
            stage = [node for node in kind if (node in leads) is leading]
            if stage:
                unready = lacks(cluster, stage, seen, 0)
                yield sorted(stage, key=lambda node: node.name not in unready)


def _leading(cluster: Cluster, seen: Seen) -> Collection[Node]:
    """Return the node that leads the ensemble or the controllers, and the broker that is ZooKeeper's elected controller."""
    if cluster.kraft:
        state = seen.controllers.state
        return [] if isinstance(state, Unknown) else [n for n in cluster.controllers if n.id == state.leader]
    controller = seen.ensemble.controller
    elected = None if isinstance(controller, Unknown) else controller.broker
    members = seen.ensemble.members
    servers = (
        node
        for node in cluster.zookeepers
        if isinstance(member := members.get(node.name), Member) and member.mode in LEADING_MODES
    )
    return [*servers, *(node for node in cluster.brokers if node.id == elected)]


def lacks(cluster: Cluster, nodes: Sequence[Node], seen: Seen, behind: int) -> Missing:
    """Return what these nodes lack to serve, up to the ISR of every partition that they have a replica of.

    ``behind`` replicas may be out of sync, as so many were before.
    """
    missing = dict(_voters_lack(cluster, [node for node in nodes if node.is_voter], seen))
    brokers = [node for node in nodes if node.role is Role.BROKER]
    if missing or not brokers:
        return missing
    others = [node for node in cluster.brokers if seen.stays(node)]
    if found := readiness.brokers(cluster, brokers, others, seen):
        return found
    late = readiness.out_of_sync(seen.known_views.values(), brokers)
    every = readiness.out_of_sync(seen.known_views.values(), cluster.brokers)
    if late and sum(every.values()) > behind:
        return {name: f"{plural(count, 'replica')} not in the ISR yet" for name, count in late.items()}
    return {}


def _voters_lack(cluster: Cluster, voters: Sequence[Node], seen: Seen) -> Missing:
    judges: Sequence[Callable[[], Missing]]
    if not voters:
        return {}
    if not cluster.kraft:
        return readiness.ensemble(cluster, voters, seen)
    judges = (
        lambda: readiness.controllers_know_a_leader(voters, seen),
        lambda: readiness.leader_is_agreed(cluster, voters, seen),
    )
    return next(filter(None, (judge() for judge in judges)), {})
