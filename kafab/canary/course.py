"""How something went in time, in a bounded number of steps: where time goes on, two steps become one.

What is kept of an hour is as much as of a minute, and coarser. Moments are seconds of this machine's monotonic clock, which
all of its processes share: so the course of a canary lies beside that of the roll that it accompanied.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from kafab.canary.tallies import Latencies

STEPS = 240
"""The most steps that a course has."""
FINEST = 0.25
"""Seconds of the shortest step."""
SILENT_FROM = 0.5
"""Seconds without an acknowledgement from which on a silence is kept as a gap."""
GAPS_EACH, GAPS = 10, 200
"""The most gaps that are kept of one partition, and of all: the longest ones."""


class Joins(Protocol):
    """What two steps can be made one of."""

    def join(self, other: Any) -> None:
        """Take in what the step behind has."""


S = TypeVar("S", bound=Joins)


class Steps(Generic[S]):
    """Values by steps of time since ``began``; a step that nothing has happened in has none."""

    def __init__(self, make: Callable[[], S], began: float, *, finest: float = FINEST) -> None:
        self.began = began
        self.step = finest
        """Seconds of one step."""
        self._make = make
        self._values: dict[int, S] = {}

    def at(self, moment: float) -> S | None:
        """Return the value of the step that this moment is in, made where it is the first; None before the beginning."""
        if moment < self.began:
            return None
        while (number := int((moment - self.began) / self.step)) >= STEPS:
            self._halve()
        return self._values.setdefault(number, self._make())

    def values(self) -> Mapping[int, S]:
        """Return the values by the number of their step, in the order of time."""
        return dict(sorted(self._values.items()))

    def _halve(self) -> None:
        before, self._values = self.values(), {}
        self.step *= 2
        for number, value in before.items():
            self._values.setdefault(number // 2, self._make()).join(value)


@dataclass(frozen=True)
class Point:
    """The acknowledgements that came in one step, and how long they took: half of them, and the slowest, in milliseconds."""

    number: int
    """Of the step, from 0 on."""
    acked: int
    p50_ms: float
    max_ms: float


@dataclass(frozen=True)
class Gap:
    """A time without an acknowledgement while records were under way, in seconds since the beginning."""

    partition: int
    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ends - self.begins


@dataclass(frozen=True)
class Course:
    """How acknowledgements came in time. A step that is missing had none."""

    began: float
    """The moment of the first step's beginning."""
    step: float
    """Seconds of one step."""
    points: tuple[Point, ...]
    gaps: tuple[Gap, ...]
    """The longest ones, in the order of time."""


class Acknowledgements:
    """The latencies of one step, to be joined."""

    def __init__(self) -> None:
        self.count = 0
        self.latencies = Latencies()

    def take(self, seconds: float) -> None:
        """Take one."""
        self.count += 1
        self.latencies.take(seconds)

    def join(self, other: "Acknowledgements") -> None:
        """Take in those of another step."""
        self.count += other.count
        self.latencies.join(other.latencies)


class Silences:
    """The longest silences of one partition, as pairs of moments."""

    def __init__(self) -> None:
        self.longest: list[tuple[float, float]] = []

    def take(self, begins: float, ends: float) -> None:
        """Take one; a short one is none."""
        if ends - begins < SILENT_FROM:
            return
        self.longest = sorted([*self.longest, (begins, ends)], key=lambda one: one[0] - one[1])[:GAPS_EACH]


def course(
    steps: Steps[Acknowledgements],
    silences: Sequence[Iterable[tuple[float, float]]],
    shortest: float = SILENT_FROM,
) -> Course:
    """Return the course; ``silences`` are those of each partition, of which shorter ones than ``shortest`` seconds are none."""
    gaps = [
        Gap(number, round(max(begins - steps.began, 0.0), 3), round(ends - steps.began, 3))
        for number, each in enumerate(silences)
        for begins, ends in each
        if ends - begins >= shortest and ends > steps.began
    ]
    longest = sorted(gaps, key=lambda gap: -gap.seconds)[:GAPS]
    points = (_point(number, value) for number, value in steps.values().items() if value.count)
    return Course(
        steps.began,
        steps.step,
        tuple(points),
        tuple(sorted(longest, key=lambda gap: (gap.begins, gap.partition))),
    )


def document(found: Course) -> dict[str, object]:
    """Return a course as a JSON document; moments are of the machine's monotonic clock."""
    return {
        "began": found.began,
        "step_s": found.step,
        "points": [[one.number, one.acked, one.p50_ms, one.max_ms] for one in found.points],
        "gaps": [[one.partition, one.begins, one.ends] for one in found.gaps],
    }


def from_document(read: Mapping[str, Any]) -> Course:
    """Read what `document` has made. Raises KeyError, TypeError or ValueError for anything else."""
    return Course(
        float(read["began"]),
        float(read["step_s"]),
        tuple(
            Point(int(number), int(acked), float(p50), float(slowest))
            for number, acked, p50, slowest in read["points"]
        ),
        tuple(Gap(int(partition), float(begins), float(ends)) for partition, begins, ends in read["gaps"]),
    )


def _point(number: int, value: Acknowledgements) -> Point:
    half, slowest = value.latencies.quantile(0.5), value.latencies.slowest
    return Point(
        number,
        value.count,
        round(half.total_seconds() * 1000, 1) if half else 0.0,
        round(slowest.total_seconds() * 1000, 1) if slowest else 0.0,
    )
