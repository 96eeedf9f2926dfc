"""How a roll went in time: what became of each node when, and how many replicas of each broker were in sync at each look.

Moments are seconds of this machine's monotonic clock. What is kept is bounded: a node has a few spans, and looks are joined
by steps of time, of which the worst look counts.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from kafab.canary.course import Steps
from kafab.cluster.metadata import Metadata, distinct

FINEST = 1.0
"""Seconds of the shortest step of looks."""
HOLDS = 3.0
"""Seconds that a look holds where no other one follows: a look at a large cluster takes a while."""


class Phase(str, Enum):
    """What a node is at while a roll has it."""

    STOPS = "stops"
    DOWN = "is down"
    STARTS = "starts"
    CATCHES_UP = "catches up"


@dataclass(frozen=True)
class Span:
    """A node was at this from one moment to another; ``over`` is False where the roll ended meanwhile."""

    node: str
    phase: Phase
    begins: float
    ends: float
    over: bool = True


class Spans:
    """What each node is at, and was."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Phase, float]] = {}
        self._over: list[Span] = []

    def enter(self, nodes: Iterable[str], phase: Phase | None, now: float) -> None:
        """Take note that these nodes are at something else from now on; None: the roll has no more to do with them."""
        for node in nodes:
            if node in self._open:
                before, since = self._open.pop(node)
                self._over.append(Span(node, before, since, now))
            if phase is not None:
                self._open[node] = (phase, now)

    def spans(self, now: float) -> tuple[Span, ...]:
        """Return all of them, in the order of their beginnings."""
        going_on = [Span(node, phase, since, now, over=False) for node, (phase, since) in self._open.items()]
        return tuple(sorted([*self._over, *going_on], key=lambda span: (span.begins, span.node)))


class Look:
    """The looks of one step of time: the most replicas of each broker that were out of sync."""

    def __init__(self) -> None:
        self.out: dict[int, int] = {}
        self.answered = False
        """Whether any broker has shown its metadata."""

    def take(self, out: Mapping[int, int]) -> None:
        """Take one look in which brokers answered."""
        self.answered = True
        for broker, count in out.items():
            self.out[broker] = max(count, self.out.get(broker, 0))

    def join(self, other: "Look") -> None:
        """Take in those of another step."""
        if other.answered:
            self.take(other.out)


@dataclass(frozen=True)
class Strip:
    """A broker's replicas: how many it has, and where some were out of sync, as (first step, step behind the last, how many)."""

    broker: int
    replicas: int
    out: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Strips:
    """What the looks of a roll have shown of the ISR."""

    began: float
    step: float
    steps: int
    """How many there were."""
    strips: tuple[Strip, ...]
    unseen: tuple[tuple[int, int], ...]
    """Steps without a look that brokers answered, as (first, behind the last): then nothing is known."""


class Looks:
    """Takes looks, and returns the strips."""

    def __init__(self, began: float) -> None:
        self._steps: Steps[Look] = Steps(Look, began, finest=FINEST)
        self._replicas: dict[int, int] = {}

    def take(self, views: Sequence[Metadata], brokers: Collection[int], now: float) -> None:
        """Take what brokers have shown at one look: a replica is out of sync where any of them says so.

        Of many brokers three are enough: what may stop is judged from all, elsewhere.
        """
        step = self._steps.at(now)
        if not views or step is None:
            return
        some = distinct([views[0], views[len(views) // 2], views[-1]])
        missing = {
            (broker, partition.topic, partition.number)
            for view in some
            for partition in view.partitions
            if len(partition.isr) < len(partition.replicas)
            for broker in partition.replicas
            if broker not in partition.isr
        }
        if not self._replicas:
            has = Counter(broker for partition in some[0].partitions for broker in partition.replicas)
            self._replicas = {broker: has[broker] for broker in brokers}
        out = Counter(broker for broker, _, _ in missing)
        for broker in out.keys() & self._replicas.keys():
            self._replicas[broker] = max(self._replicas[broker], out[broker])
        step.take({broker: count for broker, count in out.items() if broker in self._replicas})

    def strips(self, now: float) -> Strips:
        """Return what was seen up to now."""
        self._steps.at(now)
        found = self._steps.values()
        count = max(found, default=-1) + 1
        seen = self._held({number: look.out for number, look in found.items() if look.answered}, count)
        strips = tuple(
            Strip(broker, replicas, _runs([seen.get(number, {}).get(broker, 0) for number in range(count)]))
            for broker, replicas in sorted(self._replicas.items())
        )
        unseen = _runs([number not in seen for number in range(count)])
        return Strips(
            self._steps.began,
            self._steps.step,
            count,
            strips,
            tuple((first, end) for first, end, _ in unseen),
        )

    def _held(self, seen: Mapping[int, Mapping[int, int]], count: int) -> Mapping[int, Mapping[int, int]]:
        """Return what was seen by step, also for those right behind a look."""
        found, holds = dict(seen), int(HOLDS / self._steps.step)
        for number in range(count):
            before = next((each for each in range(number, number - holds - 1, -1) if each in seen), None)
            if before is not None:
                found[number] = seen[before]
        return found


@dataclass(frozen=True)
class RollCourse:
    """How a roll went."""

    began: float
    ended: float
    spans: tuple[Span, ...]
    strips: Strips
    marks: tuple[tuple[float, str], ...] = ()
    """Moments, and what happened then with the cluster as a whole."""


def _runs(values: Iterable[int]) -> tuple[tuple[int, int, int], ...]:
    """Return the runs of equal values that are not 0, as (first, behind the last, value)."""
    found: list[tuple[int, int, int]] = []
    for number, value in enumerate(values):
        if not value:
            continue
        if found and found[-1][1:] == (number, int(value)):
            found[-1] = (found[-1][0], number + 1, int(value))
        else:
            found.append((number, number + 1, int(value)))
    return tuple(found)
