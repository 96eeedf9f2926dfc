"""A rolling restart: does what `rolling.decide` says, looks again before each move, and goes on where another run has ended.

The goal, which process of each node is to go, is in the journal on the hosts before the first move. Whatever ends this
program, the same command reads the journal and decides from what it sees: a node that another process serves by now is
finished.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from kafab.canary.figures import Figures
from kafab.errors import Failed, KafabError, OutcomeUnknown, Unreachable, Unsafe
from kafab.events import Note
from kafab.findings import Report
from kafab.interruption import Deferred, deferred, interruptible
from kafab.model import Cluster, Node, Role
from kafab.ops.canary import gist
from kafab.ops.check.verify import Checked, settled
from kafab.ops.held import keep
from kafab.ops.leaders import Restored, elect
from kafab.ops.lock import Held, operating
from kafab.ops.overrides import forget_overrides
from kafab.ops.rolling.catching_up import CatchingUp
from kafab.ops.rolling.companion import Companion
from kafab.ops.rolling.lives import Lives
from kafab.ops.rolling.onlooker import Onlooker
from kafab.ops.run import journal as journals
from kafab.ops.run.bring_up import bring_up
from kafab.ops.run.gates import LOOK_AT_HOSTS_EVERY, Recovery, Watch
from kafab.ops.run.goal import Asked, Leaders, Prepared, finished, prepare
from kafab.ops.run.guards import guard_access
from kafab.ops.run.journal import Journal
from kafab.ops.run.processes import Progress, stop_processes
from kafab.ops.run.startable import idle_ones, startable
from kafab.ops.see import see
from kafab.ops.until import late, until
from kafab.ops.world import World
from kafab.rolling.course import Looks, Phase, RollCourse, Spans
from kafab.rolling.decide import Await, Blocked, Done, Move, Start, Stop, decide, questions
from kafab.rolling.readiness import Missing, silent
from kafab.words import few

AWAITED = "the roll's next move"
STARTS = 2
"""How often one node is started: once, and once more where it has served and ended then."""
MINUTES = 120
"""Seconds from which on a time to go is told in minutes."""
MARKS = 20
"""The most moments that are kept of what happened with the cluster as a whole."""
TRIES = 3
"""How often in a row a move may end without an answer of its host."""
GO_ON = "the same command goes on; `fab restart --forget` gives the roll up"


@dataclass(frozen=True)
class NodeRolled:
    """One node's part in a roll: the seconds from its stop, or from when it was found down, until it had all it had before."""

    name: str
    seconds: float


@dataclass
class Rolled:
    """What a roll has done."""

    nodes: list[NodeRolled] = field(default_factory=list)
    seconds: float = 0.0
    """From the first move to the last."""
    before: tuple[str, ...] = ()
    """Nodes that an earlier run of the same roll has finished."""
    checked: Checked | None = None
    """What the check after the last node has seen and found."""
    leaders: Restored | None = None
    """The preferred leaders that were elected back; None where that was not asked for."""
    canary: Figures | None = None
    """What the canary beside it has measured; None where there was none."""
    absent: tuple[Node, ...] = ()
    """Brokers that were not there when the canary began."""
    course: RollCourse | None = None
    """What became of each node when; None where nothing was to be done."""

    @property
    def report(self) -> Report | None:
        """What the check after the last node has found."""
        return self.checked.report if self.checked else None


Switch: TypeAlias = Callable[[Sequence[Node]], object]
"""What is done to nodes between their stop and their start."""


def roll(
    cluster: Cluster,
    asked: Asked,
    found: Prepared,
    world: World,
    *,
    switch: Switch | None = None,
    rolled: Rolled | None = None,
) -> Rolled:
    """Replace the process of each node while the cluster goes on serving; return what was done, node by node.

    ``found`` is what `prepare` has told of it. ``rolled`` is filled meanwhile: after an error it has what was done until then.

    Raises what `prepare` raises, Unsafe where no wait helps, Failed where a node does not come back or nothing gets better
    for the pause limit, Interrupted with what is done. The journal stays then, and the same command goes on.
    """
    with operating(cluster, world, (asked.upgrade or "fab restart").split()[1]) as held:
        if journals.read(cluster, world) != found.begun:
            # Another operator has begun or ended a roll between the look and the lock.
            found = prepare(cluster, asked, world)
        elif new := [name for name in finished(cluster, found.goal, world) if name not in found.finished]:
            # So has one that came to its end meanwhile: what the operator wanted to be gone is gone.
            told = f"not restarted, as another process runs there since the look: {few(new)}"
            world.emit(Note(cluster.name, told))
            found = replace(found, finished=(*found.finished, *new))
        rolled = rolled or Rolled()
        if found.goal.replaced:
            _Run(cluster, asked, found, held, world, rolled=rolled, switch=switch).begin()
        if rolled.canary:
            held.run.figures |= gist(rolled.canary)
        rolled.checked = settled(cluster, world)
        # Until then the same command goes on: whoever ends this program now has not seen what the check found.
        if found.begun or found.goal.replaced:
            journals.forget(cluster, world)
        return rolled


def give_up(cluster: Cluster, world: World) -> Journal | None:
    """Remove the journal of an unfinished roll, and leave all nodes as they are; return what it was.

    One that cannot be read is removed as well, and said. Raises Unreachable where too few hosts answer.
    """
    with operating(cluster, world, "restart --forget"):
        found = None
        try:
            found = journals.read(cluster, world)
        except Failed as error:
            world.emit(Note(cluster.name, error.message))
        journals.forget(cluster, world)
        return found


class _Run:
    """One run of a roll, from move to move."""

    def __init__(
        self,
        cluster: Cluster,
        asked: Asked,
        found: Prepared,
        held: Held,
        world: World,
        *,
        rolled: Rolled,
        switch: Switch | None,
    ) -> None:
        self._cluster, self._asked, self._found, self._world = cluster, asked, found, world
        self._goal, self._held, self._switch = found.goal, held, switch
        self._nodes = [node for node in cluster.nodes if node.name in found.goal.replaced]
        self._brokers = frozenset(node.id for node in cluster.brokers)
        self._open: dict[str, float] = {}
        """Node -> when it was stopped, or found down: its part is not over yet."""
        self._down: set[str] = set()
        """Nodes that were stopped, or found down, and are not known to serve again."""
        self._ctrl_c = Deferred()
        self._starts: dict[str, int] = {}
        self._begun: float | None = None
        """When the first node was stopped."""
        self._tried: float | None = None
        """When the first broker served again."""
        self._soaked = 0
        self._rolled = rolled
        rolled.before = found.finished
        self._spans, self._looks = Spans(), Looks(world.clock.now())
        self._onlooker = Onlooker(world, self._looks, self._brokers)
        self._marks: list[tuple[float, str]] = []
        self._recovery = Recovery(cluster.nodes, world)
        self._lives = Lives(world)
        self._canary = Companion(cluster, asked, world)
        held.run.about(self._nodes, restarted=self._rolled.nodes)

    def begin(self) -> None:
        """Make sure that the goal outlives this program, and make the moves."""
        found, asked, world = self._found, self._asked, self._world
        begun = world.clock.now()
        keep(self._cluster, self._nodes, world)
        if found.begun:
            world.emit(Note(self._cluster.name, f"goes on with the roll of {found.begun.owner}"))
        else:
            owner, goal = world.owner("restart"), self._goal
            entry = Journal(owner, asked.limit, asked.pending, goal.replaced, goal.behind, asked.upgrade)
            journals.write(self._cluster, entry, world)
        with (
            interruptible(self._text, lambda: sorted(self._down)),
            deferred(self._tell_deferred) as self._ctrl_c,
        ):
            try:
                with self._canary:
                    self._to_the_end()
                    if asked.leaders is not Leaders.NEVER:
                        self._restore(self._nodes)
                    self._rolled.canary, self._rolled.absent = self._canary.finish()
            except KafabError as error:
                error.message += f"\n{self._text()}"
                error.stopped = tuple(sorted(self._down))
                error.hint = f"{error.hint}; {GO_ON}" if error.hint else GO_ON
                raise
            finally:
                # So it is after Ctrl-C, too, which is no error yet.
                if self._rolled.canary is None:
                    self._rolled.canary, self._rolled.absent = self._canary.last()
                now = world.clock.now()
                spans, strips = self._spans.spans(now), self._looks.strips(now)
                self._rolled.course = RollCourse(begun, now, spans, strips, tuple(self._marks[:MARKS]))
        keep(self._cluster, self._nodes, world)
        forget_overrides(self._cluster, self._nodes, world)

    def _to_the_end(self) -> None:
        begun, tries = self._world.clock.now(), 0
        while not isinstance(move := self._next(), Done):
            try:
                self._held.check()
                self._make(move)
                tries = 0
            except (OutcomeUnknown, Unreachable) as error:  # noqa: PERF203  # a move takes seconds
                # What became of it is seen before the next move.
                tries += 1
                if tries == TRIES:
                    raise
                self._world.emit(Note(self._cluster.name, error.message))
        self._rolled.seconds = self._world.clock.now() - begun

    def _next(self) -> Move:
        """Look until there is a move to make. Raises Failed where nothing gets better for the pause limit."""
        found: Move = Done()
        # What was left of another wait is no measure of this one.
        catching_up = CatchingUp(self._cluster, self._world)

        def look() -> Missing:
            nonlocal found
            self._ctrl_c.safe_point()
            seen = see(self._cluster, self._world, questions(self._cluster, self._goal))
            self._lives.look(seen)
            self._looks.take([*seen.known_views.values()], self._brokers, self._world.clock.now())
            found = decide(self._cluster, self._canary.spared(self._goal), seen)
            if isinstance(found, Stop | Done):
                return self._canary.lacks() or self._trial(found)
            if not isinstance(found, Await):
                return {}
            missing = {**silent(self._cluster, seen), **found.missing}
            return catching_up.told(self._recovery.told(missing), seen)

        limit = self._asked.pause_limit
        missing = until(
            look,
            AWAITED,
            limit,
            self._world,
            every=LOOK_AT_HOSTS_EVERY,
            progress=lambda: (self._recovery.words, catching_up.steps, self._soaked),
        )
        if missing:
            raise Failed(late(AWAITED, limit, missing), hint="`fab status` and `fab verify` tell more")
        self._close(found.nodes if isinstance(found, Start) else ())
        return found

    def _trial(self, move: Move) -> Missing:
        """Return who serves alone for a while before the next broker stops; time that goes by is progress then."""
        since, now = self._tried, self._world.clock.now()
        if since is None or not isinstance(move, Stop):
            return {}
        self._soaked = min(int(now - since), int(self._asked.soak.total_seconds()))
        left = round(self._asked.soak.total_seconds() - (now - since))
        return {self._cluster.name: f"the first broker is on trial, {left} s more"} if left > 0 else {}

    def _make(self, move: Move) -> None:
        match move:
            case Blocked(blockers):
                lines = "\n  ".join(
                    f"{one.subject}: {one.reason}; it takes {one.unblocks}" for one in blockers
                )
                raise Unsafe(f"the roll cannot go on, and no wait helps:\n  {lines}")
            case Stop(nodes):
                # Where the canary begins that has taken a while: what may stop is looked at again.
                if self._canary.begins():
                    self._marks.append((self._world.clock.now(), "the canary is at work"))
                else:
                    self._stop(nodes)
                    self._start(nodes)
            case Start(nodes):
                self._start(nodes)

    def _stop(self, nodes: Sequence[Node]) -> None:
        done = len(self._rolled.nodes) + len(self._rolled.before)
        self._begun = self._begun or self._world.clock.now()
        for number, node in enumerate(nodes, done + 1):
            self._world.emit(Note(node.name, f"{number} of {len(self._nodes)}: stops{self._to_go()}"))
            self._open[node.name] = self._world.clock.now()
            self._down.add(node.name)
        self._enter(nodes, Phase.STOPS)
        with self._onlooker.meanwhile():
            stop_processes(nodes, self._world, Progress("stop", nodes))
        self._enter(nodes, Phase.DOWN)

    def _enter(self, nodes: Sequence[Node], phase: Phase | None) -> None:
        self._spans.enter([node.name for node in nodes], phase, self._world.clock.now())

    def _to_go(self) -> str:
        """Return how long the rest will take at the pace so far; "" before the first node is done."""
        done = len(self._rolled.nodes)
        left = len(self._nodes) - len(self._rolled.before) - done
        if not done or self._begun is None:
            return ""
        seconds = (self._world.clock.now() - self._begun) / done * left
        return (
            f", about {seconds:.0f} s to go" if seconds < MINUTES else f", about {seconds / 60:.0f} min to go"
        )

    def _start(self, nodes: Sequence[Node]) -> None:
        self._guard_again([node for node in nodes if self._starts.get(node.name, 0) == STARTS])
        if self._switch:
            self._switch(nodes)
        facts = idle_ones(startable(self._cluster, nodes, self._world))
        guard_access(facts)
        for node in nodes:
            self._open.setdefault(node.name, self._world.clock.now())
            self._starts[node.name] = self._starts.get(node.name, 0) + 1
            self._down.add(node.name)
        progress = Progress("start", nodes)
        self._enter(nodes, Phase.STARTS)
        # In a lab nobody minds what a node costs that ends a moment later; the next look notices it.
        steady = not self._cluster.lab
        # The next look waits for the replicas, and says how far they are.
        with self._onlooker.meanwhile():
            bring_up(self._cluster, facts, self._world, progress, partial=True, steady=steady, settled=False)
        self._enter(nodes, Phase.CATCHES_UP)
        self._down -= {node.name for node in nodes}

    def _guard_again(self, nodes: Sequence[Node]) -> None:
        """Refuse to start a node for ever that ends again and again. Raises Failed with the cause."""
        if nodes:
            Watch(nodes, self._world).alive()
            raise Failed(f"{few(node.name for node in nodes)} ended again after the roll had started it")

    def _close(self, starting: Sequence[Node]) -> None:
        """Take the time of the nodes whose part is over: they serve, and have caught up."""
        down = {node.name for node in starting}
        back = [node for node in self._nodes if node.name in self._open and node.name not in down]
        self._enter(back, None)
        for node in back:
            seconds = self._world.clock.now() - self._open.pop(node.name)
            if node.name not in {one.name for one in self._rolled.nodes}:
                self._rolled.nodes.append(NodeRolled(node.name, seconds))
            if node.role is Role.BROKER and self._tried is None:
                self._tried = self._world.clock.now()
        if back and self._asked.leaders is Leaders.EACH:
            self._restore(back)

    def _restore(self, nodes: Sequence[Node]) -> None:
        """Elect the preferred leaders on these nodes' brokers back; the roll itself does not depend on it."""
        brokers = [node for node in nodes if node.role is Role.BROKER]
        before = self._rolled.leaders.moved if self._rolled.leaders else ()
        if brokers:
            self._marks.append((self._world.clock.now(), "preferred leaders elected back"))
        try:
            found = elect(self._cluster, brokers, self._world) if brokers else Restored()
        except KafabError as error:
            self._world.emit(Note(self._cluster.name, f"{error.message}; `fab leaders.restore` tries again"))
        else:
            self._rolled.leaders = replace(found, moved=(*before, *found.moved))

    def _tell_deferred(self) -> None:
        names = f"once {few(sorted(self._down))} serves again" if self._down else "at once"
        self._world.emit(
            Note(self._cluster.name, f"Ctrl-C: the roll stops {names}; another Ctrl-C stops it now")
        )

    def _text(self) -> str:
        """Return what is done, what was touched and is not, and what was left as it was."""
        done = [*self._rolled.before, *(one.name for one in self._rolled.nodes)]
        back = [name for name in self._open if name not in self._down]
        left = [node.name for node in self._nodes if node.name not in {*done, *self._open, *self._down}]
        words = {
            "finished": done,
            **({"restarted, and not known to be in sync again": back} if back else {}),
            "stopped, and not known to serve again": sorted(self._down),
            "left as they were": left,
        }
        return "\n".join(
            f"  {what}: {few(names, len(self._nodes)) or 'none'}" for what, names in words.items()
        )
