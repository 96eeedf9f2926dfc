"""Whether a canary is well, and what its figures prove in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from kafab.canary.figures import Counts, Figures
from kafab.findings import Severity
from kafab.words import few, plural


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


def judge(found: Figures) -> Verdict:
    """Judge final figures. Records that were given up are no broken promise: their producer was told."""
    broken, unknown, noted = [], [], []
    total = found.total
    silent = [
        f"broker {leader}"
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
        if counts.sent and not counts.acked
    ]
    if total.lost:
        broken.append(f"{plural(total.lost, 'acknowledged record')} lost{_of(found, 'lost')}")
    if total.duplicates:
        broken.append(f"{plural(total.duplicates, 'duplicate')}{_of(found, 'duplicates')}")
    if total.reordered:
        broken.append(f"{plural(total.reordered, 'record')} out of order{_of(found, 'reordered')}")
    if silent:
        broken.append(f"no record was acknowledged in the partition of {few(silent)}")
    if not total.acked:
        broken = broken or ["no record was acknowledged"]
    if not found.counted:
        unknown.append("the records were not read back, so whether any is lost is unknown")
    if total.unread:
        text = f"{plural(total.unread, 'acknowledged record')} could not be read back{_of(found, 'unread')}"
        unknown.append(f"{text}: whether they are lost is unknown")
    if total.refused:
        noted.append(f"{plural(sum(total.refused.values()), 'record')} given up: {kinds(total.refused)}")
    if total.in_flight:
        noted.append(f"{plural(total.in_flight, 'record')} neither acknowledged nor refused at the end")
    worst = (
        Severity.CRIT if broken else Severity.UNKNOWN if unknown else Severity.WARN if noted else Severity.OK
    )
    return Verdict(worst, (*broken, *unknown, *noted))


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
