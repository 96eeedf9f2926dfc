"""What comes of records that are written: acknowledged, refused, or of unknown outcome, with rates and latencies."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


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
    interrupted: bool = False
    """Whether Ctrl-C has ended the sending."""
    trouble: str = ""
    """What has ended the sending before all records were handed over, in the client's words."""

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
        "NOT_LEADER_FOR_PARTITION",
        "KafkaTimeoutError",
        "KafkaConnectionError",
        "RequestTimedOutError",
        "NetworkExceptionError",
        "NotEnoughReplicasAfterAppendError",
        "NotLeaderForPartitionError",
    }
)
"""Errors after which a record may be in the log, in the names of librdkafka and of kafka-python.

A leader that gives up a partition answers so to those who wait for its followers, too, which may have the record by then
(DelayedProduce.tryComplete).
"""


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

    def ack(self, partition: int, latency: float) -> None:
        """Take an acknowledgement, which with acks=0 is only the client's."""
        if not self._asked:
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

    def written(self, seconds: float, *, interrupted: bool = False, trouble: str = "") -> Written:
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
            interrupted=interrupted,
            trouble=trouble,
        )


@dataclass(frozen=True)
class Order:
    """What to write into a topic, and how: each of ``together`` records is waited for before the next ones (None: none is)."""

    topic: str
    records: Iterable[Record]
    count: int | None = None
    """How many there are, where that is known before."""
    rate: float | None = None
    """Records a second, at most."""
    together: int | None = None
    transaction: int | None = None
    """Records of one transaction; None: no transactions."""
    shown: int = 0
    """How many of the first acknowledged records are kept to be shown."""


class Acked(NamedTuple):
    """An acknowledged record and where it stands; ``offset`` -1 where the broker did not tell."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes


def _rank(ordered: list[float], percent: int) -> float | None:
    """Return the nearest-rank percentile."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None
