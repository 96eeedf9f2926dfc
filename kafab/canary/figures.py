"""A canary's figures as frozen values: of each partition and in total. They go between processes as one JSON document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kafab.canary import course as courses
from kafab.canary.course import Course

CONFLUENT = "confluent"
"""librdkafka, as `kafab.records.settings.Client` calls it."""


@dataclass(frozen=True)
class Counts:
    """The figures of one partition, or of all: then counts are sums, and times those of the worst partition."""

    sent: int = 0
    acked: int = 0
    lost: int = 0
    """Acknowledged records that are not in the log. Until `Figures.counted` only those whose offsets were given out again."""
    unread: int = 0
    """Acknowledged records that were not read back because the end of the partition was not reached: neither lost nor safe."""
    duplicates: int = 0
    """Records that are in the log once more, at another offset."""
    reordered: int = 0
    """Records that stand behind one that was sent after them."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Records that were given up, by the producer's error. They may be in the log or not: they count as nothing else."""
    retried: Mapping[str, int] = field(default_factory=dict)
    """Batches that a broker refused and the producer sent again, by the broker's error."""
    longest_gap: timedelta = timedelta()
    """The longest time between two acknowledgements of one partition while records were under way."""
    open_gap: timedelta = timedelta()
    """How long the oldest silence lasts that is going on; zero where nothing is under way."""
    p50: timedelta | None = None
    """Half of the acknowledgements came within this time of the record's sending; None without any."""
    p99: timedelta | None = None
    slowest: timedelta | None = None

    @property
    def in_flight(self) -> int:
        """Records that are neither acknowledged nor given up."""
        return self.sent - self.acked - sum(self.refused.values())


@dataclass(frozen=True)
class Figures:
    """What a canary has measured so far, or in the end."""

    topic: str
    partitions: tuple[Counts, ...]
    """By partition number; each is led by another broker as long as all is well."""
    leaders: tuple[int, ...]
    """The broker that is the preferred leader of each partition."""
    total: Counts
    lasted: timedelta
    """Since the first record."""
    every: timedelta
    """The time between two records of one partition, which every gap contains."""
    takeover: timedelta | None = None
    """The longest time that a record which was read waited for the group's commit, a coordinator's move among it; None: none yet."""
    counted: bool = False
    """True once the producer is flushed and the topic was read from its beginning: `Counts.lost` and what is beside it are final."""
    client: str = CONFLUENT
    """The library that writes and reads: kafka-python where brokers are reached through SSH."""
    course: Course | None = None
    """How the acknowledgements came in time; None where that was not told yet."""


def document(found: Figures) -> dict[str, object]:
    """Return the figures as a JSON document, ``kafab.canary-figures/1``; seconds and milliseconds are in the names."""
    told: dict[str, object] = {} if found.course is None else {"course": courses.document(found.course)}
    return {
        "schema": "kafab.canary-figures/1",
        "topic": found.topic,
        "client": found.client,
        "counted": found.counted,
        "lasted_s": _seconds(found.lasted),
        "every_s": _seconds(found.every),
        "takeover_s": None if found.takeover is None else _seconds(found.takeover),
        "total": _counts(found.total),
        "partitions": [
            {"partition": number, "broker": leader, **_counts(counts)}
            for number, (leader, counts) in enumerate(zip(found.leaders, found.partitions, strict=True))
        ],
        **told,
    }


def from_document(read: Mapping[str, Any]) -> Figures:
    """Read what `document` has made. Raises KeyError, TypeError or ValueError for anything else."""
    takeover = read["takeover_s"]
    return Figures(
        read["topic"],
        tuple(_read_counts(counts) for counts in read["partitions"]),
        tuple(int(counts["broker"]) for counts in read["partitions"]),
        _read_counts(read["total"]),
        timedelta(seconds=read["lasted_s"]),
        timedelta(seconds=read["every_s"]),
        None if takeover is None else timedelta(seconds=takeover),
        bool(read["counted"]),
        str(read.get("client", CONFLUENT)),
        courses.from_document(read["course"]) if "course" in read else None,
    )


def _counts(found: Counts) -> dict[str, object]:
    return {
        "sent": found.sent,
        "acked": found.acked,
        "lost": found.lost,
        "unread": found.unread,
        "duplicates": found.duplicates,
        "reordered": found.reordered,
        "refused": dict(found.refused),
        "retried": dict(found.retried),
        "longest_gap_s": _seconds(found.longest_gap),
        "open_gap_s": _seconds(found.open_gap),
        "ack_p50_ms": _milliseconds(found.p50),
        "ack_p99_ms": _milliseconds(found.p99),
        "ack_max_ms": _milliseconds(found.slowest),
    }


def _read_counts(read: Mapping[str, Any]) -> Counts:
    return Counts(
        sent=int(read["sent"]),
        acked=int(read["acked"]),
        lost=int(read["lost"]),
        unread=int(read["unread"]),
        duplicates=int(read["duplicates"]),
        reordered=int(read["reordered"]),
        refused={str(kind): int(count) for kind, count in read["refused"].items()},
        retried={str(kind): int(count) for kind, count in read["retried"].items()},
        longest_gap=timedelta(seconds=read["longest_gap_s"]),
        open_gap=timedelta(seconds=read["open_gap_s"]),
        p50=_span(read["ack_p50_ms"]),
        p99=_span(read["ack_p99_ms"]),
        slowest=_span(read["ack_max_ms"]),
    )


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 3)


def _milliseconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds() * 1000, 1)


def _span(milliseconds: float | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)
