"""The canary beside a roll: it begins before the first stop, and the roll goes on only while it is well. See `kafab.ops.canary`."""

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from kafab.canary.figures import Figures
from kafab.errors import Failed
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.canary import Canary, beside
from kafab.ops.run.goal import Asked
from kafab.ops.world import World
from kafab.rolling.decide import Goal
from kafab.rolling.readiness import Missing
from kafab.words import plural

FEWEST = 2
"""Brokers from which on a canary's records can outlive the stop of one."""


class Companion:
    """A canary that begins when it is needed, or none; a context whose end takes its topic away."""

    def __init__(self, cluster: Cluster, asked: Asked, world: World) -> None:
        self._cluster, self._asked, self._world = cluster, asked, world
        self._wanted = asked.canary
        self._canary: Canary | None = None
        self._stack = ExitStack()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def begins(self) -> bool:
        """Have it begin, unless it has or is not to; return whether it has begun just now."""
        if not self._wanted or self._canary:
            return False
        self._wanted = False
        if len(self._cluster.brokers) < FEWEST:
            self._world.emit(Note(self._cluster.name, "no canary: there is one broker, and it stops"))
            return False
        self._canary = self._stack.enter_context(beside(self._cluster, self._world))
        return True

    def lacks(self) -> Missing:
        """Return why the roll has to wait for it. Raises Failed where it has lost a record, or has ended."""
        if self._canary is None:
            return {}
        if lost := self._canary.figures().total.lost:
            raise Failed(
                f"the canary has lost {plural(lost, 'acknowledged record')}: the roll stops here",
                hint="`fab verify` tells more; nothing else was stopped",
            )
        if ended := self._canary.ended:
            raise Failed(
                f"the canary has ended by itself, and tells no more what clients meet: {ended}",
                hint="`fab restart --no-canary` goes on without one",
            )
        return self._canary.well(self._asked.gap_budget)

    def spared(self, goal: Goal) -> Goal:
        """Return the goal with the canary's topic as one that may be unavailable where the operator has accepted that of others.

        Its replicas are fewer where brokers are, and then it has none to spare, either.
        """
        if self._canary is None or not goal.spared.unavailable:
            return goal
        unavailable = goal.spared.unavailable | {self._canary.topic}
        return replace(goal, spared=replace(goal.spared, unavailable=unavailable))

    def finish(self) -> tuple[Figures | None, tuple[Node, ...]]:
        """Count what it has written; return its figures, and the brokers that were absent when it began."""
        if self._canary is None:
            return None, ()
        return self._canary.finish(), self._canary.absent

    def last(self) -> tuple[Figures | None, tuple[Node, ...]]:
        """Return its last figures, which nobody has counted, also after its end; and the brokers that were absent."""
        if self._canary is None:
            return None, ()
        return self._canary.figures(), self._canary.absent
