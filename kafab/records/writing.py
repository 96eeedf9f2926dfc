"""What comes of records that are written: acknowledged, refused, or of unknown outcome, with rates and latencies."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kafab.errors import UsageError


class Record(NamedTuple):
    """One record to write; ``partition`` None leaves it to the client's partitioner."""

    key: bytes | None
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a writing. Latencies are seconds from the client's taking a record to its acknowledgement; None: no record.

    ``failed`` and ``unknown`` count by the error's name. A record of unknown outcome may be in the log or not. ``unasked``
    are those handed over with acks=0, of which nothing is heard.
    """

    acked: int
    failed: Mapping[str, int]
    unknown: Mapping[str, int]
    unasked: int
    by_partition: Mapping[int, int]
    seconds: float
    p50: float | None
    p99: float | None
    slowest: float | None

    @property
    def per_second(self) -> float:
        """Acknowledged records a second."""
        return self.acked / self.seconds if self.seconds else 0.0


UNKNOWN_OUTCOMES = frozenset(
    {
        "MSG_TIMED_OUT",
        "TIMED_OUT",
        "TRANSPORT",
        "PURGE_INFLIGHT",
        "REQUEST_TIMED_OUT",
        "NETWORK_EXCEPTION",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "KafkaTimeoutError",
        "KafkaConnectionError",
        "RequestTimedOutError",
        "NetworkExceptionError",
        "NotEnoughReplicasAfterAppendError",
    }
)
"""Errors after which a record may be in the log, in the names of librdkafka and of kafka-python."""


class Tally:
    """The books of one writing. Its methods are on the path of each record.

    ``asked`` False: with acks=0 no broker answers. kafka-python makes up an offset for such a record.
    """

    def __init__(self, *, asked: bool = True) -> None:
        self._asked = asked
        self._latencies = array("d")
        self._partitions: Counter[int] = Counter()
        self._failed: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._unasked = 0

    @property
    def told(self) -> int:
        """How many records something is known of."""
        return len(self._latencies) + self._unasked + self._failed.total() + self._unknown.total()

    def ack(self, partition: int, offset: int | None, latency: float) -> None:
        """Take an acknowledgement; without an offset it is only the client's."""
        if not self._asked or offset is None or offset < 0:
            self._unasked += 1
            return
        self._latencies.append(latency)
        self._partitions[partition] += 1

    def refuse(self, name: str, count: int = 1) -> None:
        """Take an error by its name."""
        if not count:
            return
        books = self._unknown if name in UNKNOWN_OUTCOMES else self._failed
        books[name] += count

    def written(self, seconds: float) -> Written:
        """Return the figures so far, ``seconds`` after the first record."""
        ordered = sorted(self._latencies)
        return Written(
            acked=len(ordered),
            failed=dict(self._failed),
            unknown=dict(self._unknown),
            unasked=self._unasked,
            by_partition=dict(sorted(self._partitions.items())),
            seconds=seconds,
            p50=_rank(ordered, 50),
            p99=_rank(ordered, 99),
            slowest=ordered[-1] if ordered else None,
        )


def made(count: int, *, size: int, keys: int | None = None, partition: int | None = None) -> Iterator[Record]:
    """Make ``count`` records of ``size`` bytes, with ``keys`` different keys in turn. Raises UsageError for what cannot be."""
    for flag, number, least in (
        ("count", count, 1),
        ("size", size, 0),
        ("keys", keys, 1),
        ("partition", partition, 0),
    ):
        if number is not None and number < least:
            raise UsageError(f"found --{flag} {number}; expected a number from {least} on")
    return _made(count, size, keys, partition)


def _made(count: int, size: int, keys: int | None, partition: int | None) -> Iterator[Record]:
    value = b"x" * size
    named = [None] if keys is None else [f"key-{number}".encode() for number in range(keys)]
    for number in range(count):
        yield Record(named[number % len(named)], value, partition)


def _rank(ordered: list[float], percent: int) -> float | None:
    """Return the nearest-rank percentile."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None
