"""Whether a canary is well, and what its figures prove in the end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from kafab.canary.figures import Counts, Figures
from kafab.findings import Severity
from kafab.words import few, plural

GAP_BUDGET = timedelta(seconds=5)
"""A longer silence of a partition is an interruption: a controlled restart takes 1 to 3 s from clients."""


@dataclass(frozen=True)
class Verdict:
    """OK where every promise of acks=all and an idempotent producer was kept, with the reasons where it was not."""

    severity: Severity
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 kept, 1 broken, 5 could not be told."""
        return {Severity.CRIT: 1, Severity.UNKNOWN: 5}.get(self.severity, 0)


def silent_longer_than(found: Figures, budget: timedelta, heard: timedelta) -> Mapping[int, str]:
    """Return the brokers whose partitions have an open gap above the budget: broker id -> what is wrong.

    ``heard`` is how long ago the figures were made: whatever was under way then may still be.
    """
    return {
        leader: f"no acknowledgement for {(counts.open_gap + heard).total_seconds():.1f} s"
        f" of {found.topic}-{number}, {plural(counts.in_flight, 'record')} under way"
        for number, (leader, counts) in enumerate(zip(found.leaders, found.partitions, strict=True))
        if counts.open_gap and counts.open_gap + heard > budget
    }


def judge(found: Figures, *, alone: bool = False) -> Verdict:
    """Judge final figures.

    No broken promise, and a warning, are records that were given up, as their producer was told. So is a silence above
    the budget beside a roll, which pauses for it and says so. ``alone`` nothing was going on that would explain it: the
    service was interrupted.
    """
    late = [*_late(found)]
    broken, unknown, noted = [*_broken(found)], [*_unknown(found)], [*_noted(found)]
    if alone:
        broken += late
    else:
        noted = [*late, *noted]
    worst = (
        Severity.CRIT if broken else Severity.UNKNOWN if unknown else Severity.WARN if noted else Severity.OK
    )
    return Verdict(worst, (*broken, *unknown, *noted))


def _broken(found: Figures) -> Iterator[str]:
    total = found.total
    if total.lost:
        yield f"{plural(total.lost, 'acknowledged record')} lost{_of(found, 'lost')}"
    if total.duplicates:
        yield f"{plural(total.duplicates, 'duplicate')}{_of(found, 'duplicates')}"
    if total.reordered:
        yield f"{plural(total.reordered, 'record')} out of order{_of(found, 'reordered')}"
    unheard = [
        f"broker {leader}"
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
        if counts.sent and not counts.acked
    ]
    if unheard:
        yield f"no record was acknowledged in the partition of {few(unheard)}"
    elif not (total.acked or total.lost or total.duplicates or total.reordered):
        yield "no record was acknowledged"


def _unknown(found: Figures) -> Iterator[str]:
    if not found.counted:
        yield "the records were not read back, so whether any is lost is unknown"
    if found.total.unread:
        text = f"{plural(found.total.unread, 'acknowledged record')} could not be read back"
        yield f"{text}{_of(found, 'unread')}: whether they are lost is unknown"


def _late(found: Figures) -> Iterator[str]:
    gaps = {
        leader: max(counts.longest_gap, counts.open_gap)
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
    }
    if late := [f"broker {leader}" for leader, gap in gaps.items() if gap > GAP_BUDGET]:
        longest = max(gaps.values()).total_seconds()
        yield f"no acknowledgement for {longest:.1f} s in the partition of {few(late)}"


def _noted(found: Figures) -> Iterator[str]:
    total = found.total
    if total.refused:
        yield f"{plural(sum(total.refused.values()), 'record')} given up: {kinds(total.refused)}"
    if total.in_flight:
        yield f"{plural(total.in_flight, 'record')} neither acknowledged nor refused at the end"


def kinds(found: Mapping[str, int]) -> str:
    """Return errors with their counts, the most frequent first: ``NOT_ENOUGH_REPLICAS 12, REQUEST_TIMED_OUT 1``."""
    return ", ".join(f"{kind} {count}" for kind, count in sorted(found.items(), key=lambda one: -one[1]))


def _of(found: Figures, name: str) -> str:
    brokers = [
        str(leader)
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
        if _count(counts, name)
    ]
    return (
        f" (partitions of brokers {few(brokers)})"
        if len(brokers) > 1
        else f" (partition of broker {brokers[0]})"
    )


def _count(counts: Counts, name: str) -> int:
    return int(getattr(counts, name))
