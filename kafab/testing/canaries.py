"""Canaries that fly nowhere: what they tell is set by the test."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from kafab.canary.figures import Counts, Figures
from kafab.ports import Canaries, Heard, Perch

WELL = Counts(sent=100, acked=100, longest_gap=timedelta(milliseconds=30), p50=timedelta(milliseconds=3))
"""A partition whose records were all acknowledged."""


@dataclass
class FakeCanaries:
    """`kafab.ports.Canaries`. All that is told may be changed while a canary is at work."""

    counts: Mapping[int, Counts] = field(default_factory=dict)
    """Broker -> the figures of the partition that it leads; every other one is ``WELL``."""
    ended: str | None = None
    """Why the process has ended."""
    ago: timedelta = timedelta()
    """How old what is told is."""
    counted: bool = True
    """Whether the records are counted in the end."""
    flown: list[str] = field(default_factory=list)
    """The topics of all canaries, in order."""
    closed: list[str] = field(default_factory=list)

    def fly(self, perch: Perch) -> "FakeFlight":
        """Start one."""
        self.flown.append(perch.topic)
        return FakeFlight(self, perch)


@dataclass
class FakeFlight:
    """`kafab.ports.Flight` of a fake."""

    canaries: FakeCanaries
    perch: Perch
    finished: bool = False

    def heard(self) -> Heard:
        """What the test has set."""
        found = [self.canaries.counts.get(leader, WELL) for leader in self.perch.leaders]
        total = replace(
            WELL,
            sent=sum(one.sent for one in found),
            acked=sum(one.acked for one in found),
            lost=sum(one.lost for one in found),
            longest_gap=max(one.longest_gap for one in found),
            open_gap=max(one.open_gap for one in found),
        )
        figures = Figures(
            self.perch.topic,
            tuple(found),
            self.perch.leaders,
            total,
            timedelta(seconds=10),
            self.perch.every,
            takeover=timedelta(seconds=0.25),
            counted=self.finished and self.canaries.counted,
        )
        return Heard(figures, self.canaries.ago, self.canaries.ended)

    def finish(self, *, silence: timedelta) -> Heard:  # noqa: ARG002  # the port's signature; a fake answers at once
        """Count at once."""
        self.finished = True
        return self.heard()

    def close(self) -> None:
        """Take note of it."""
        self.canaries.closed.append(self.perch.topic)


def _typed_against_the_protocol() -> Canaries:
    """Let mypy say where the fakes have left their ports."""
    return FakeCanaries()
