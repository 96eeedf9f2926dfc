"""The anomalies in a history, by the names of Jepsen's Kafka workload (jepsen.tests.kafka), and what a group processed.

Three rules keep the counts honest:

- Lost is what was acknowledged and is not read, though a later offset of its partition was. What lies behind the highest
  offset that was read is unseen: a longer reading might have found it.
- A record of unknown outcome may be in the log or not: it is counted as a class of its own, and is never lost.
- What is read again, or in another order, after a rebalance is Kafka's design (jepsen tolerates poll-skip and
  nonmonotonic-poll of a subscribed consumer): only within one assignment it is an anomaly.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import pairwise

from kafab.drills.history import Event, Kind, Log, of


class Anomaly(str, Enum):
    """An anomaly, by Jepsen's name."""

    LOST_WRITE = "lost-write"
    UNSEEN = "unseen"
    DUPLICATE = "duplicate"
    INCONSISTENT_OFFSETS = "inconsistent-offsets"
    NONMONOTONIC_SEND = "nonmonotonic-send"
    NONMONOTONIC_POLL = "nonmonotonic-poll"
    INT_NONMONOTONIC_POLL = "int-nonmonotonic-poll"
    POLL_SKIP = "poll-skip"
    INT_POLL_SKIP = "int-poll-skip"


def anomalies(events: Sequence[Event], log: Log) -> dict[Anomaly, int]:
    """Count the anomalies of a history and of the log that was read at its end; all of them are there, most of them 0.

    A number is written once by one worker, so a number tells a record from every other one.
    """
    counts = dict.fromkeys(Anomaly, 0)
    counts |= _of_writes(events, log)
    counts[Anomaly.DUPLICATE] = _duplicates(log)
    counts[Anomaly.INCONSISTENT_OFFSETS] = _inconsistent(events, log)
    counts[Anomaly.NONMONOTONIC_SEND] = _nonmonotonic_sends(events)
    return counts | _of_polls(events, log)


def outcomes(events: Iterable[Event]) -> dict[str, int]:
    """Count what came of the records that were sent: ``sent``, ``acked``, ``failed``, ``unknown``.

    A record of which nothing was heard, as that of a producer that was killed, is of unknown outcome.
    """
    ends: dict[int, Kind] = {}
    sent = set()
    for event in of(events, Kind.SEND, Kind.ACK, Kind.FAIL, Kind.UNKNOWN):
        sent.add(event.number)
        if event.kind is not Kind.SEND:
            ends[event.number] = event.kind
    counts = Counter(ends.values())
    known = counts[Kind.ACK] + counts[Kind.FAIL]
    return {
        "sent": len(sent),
        "acked": counts[Kind.ACK],
        "failed": counts[Kind.FAIL],
        "unknown": len(sent) - known,
    }


def longest_gap(times: Sequence[float], since: float, until: float) -> float | None:
    """Return the most seconds between two of these times that touch the span from ``since`` to ``until``; None without two."""
    ordered = sorted(times)
    gaps = [after - before for before, after in pairwise(ordered) if after >= since and before <= until]
    return max(gaps, default=None)


def processed(events: Iterable[Event], log: Log) -> dict[str, int]:
    """Count what became of the records of a log by those who processed them (`Kind.EFFECT`): ``repeated``, ``skipped``.

    ``repeated`` counts every time beyond the first. A record that stands in the log twice is processed twice without an
    error of the consumer's, so places are counted, not numbers.
    """
    times = Counter((event.partition, event.offset) for event in of(events, Kind.EFFECT))
    places = {(partition, stood.offset) for partition, found in log.items() for stood in found}
    return {
        "processed": len(times),
        "repeated": times.total() - len(times),
        "skipped": len(places - times.keys()),
    }


def counted(numbers: Iterable[int], log: Log) -> dict[str, int]:
    """Count what became of the records of a log by the numbers of those that had an effect: ``repeated``, ``skipped``.

    Unlike `processed` it is of records, wherever and however often they stand: for effects that are not told by place.
    """
    times = Counter(numbers)
    written = {stood.number for found in log.values() for stood in found}
    return {"repeated": times.total() - len(times), "skipped": len(written - times.keys())}


def _of_writes(events: Sequence[Event], log: Log) -> dict[Anomaly, int]:
    read = {stood.number for found in log.values() for stood in found}
    read |= {event.number for event in of(events, Kind.READ)}
    highest = _highest_read(events, log)
    lost = unseen = 0
    for event in of(events, Kind.ACK):
        if event.number in read:
            continue
        # An acknowledgement without an offset (acks=0 has none) is below any offset that was read.
        if event.offset <= highest.get(event.partition, -1):
            lost += 1
        else:
            unseen += 1
    return {Anomaly.LOST_WRITE: lost, Anomaly.UNSEEN: unseen}


def _highest_read(events: Iterable[Event], log: Log) -> Mapping[int, int]:
    highest = {partition: found[-1].offset for partition, found in log.items() if found}
    for event in of(events, Kind.READ):
        highest[event.partition] = max(event.offset, highest.get(event.partition, -1))
    return highest


def _duplicates(log: Log) -> int:
    times = Counter(stood.number for found in log.values() for stood in found if stood.number >= 0)
    return times.total() - len(times)


def _inconsistent(events: Iterable[Event], log: Log) -> int:
    """Count the offsets at which two records were seen: as acknowledged there, as read, or in the log at the end."""
    at: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for event in of(events, Kind.ACK, Kind.READ):
        if event.offset >= 0:
            at[event.partition, event.offset].add(event.number)
    for partition, found in log.items():
        for stood in found:
            at[partition, stood.offset].add(stood.number)
    return sum(len(numbers) > 1 for numbers in at.values())


def _nonmonotonic_sends(events: Iterable[Event]) -> int:
    """Count the acknowledged records whose offset is below that of a record which the same worker sent before."""
    order: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    offsets: dict[tuple[str, int], int] = {}
    for event in of(events, Kind.SEND, Kind.ACK):
        if event.kind is Kind.SEND:
            order[event.who, event.partition].append(event.number)
        elif event.offset >= 0:
            offsets[event.who, event.number] = event.offset
    found = 0
    for (who, _), numbers in order.items():
        highest = -1
        for number in numbers:
            offset = offsets.get((who, number), -1)
            found += 0 <= offset < highest
            highest = max(highest, offset)
    return found


def _of_polls(events: Iterable[Event], log: Log) -> dict[Anomaly, int]:
    counts: Counter[Anomaly] = Counter()
    rank = {
        (partition, stood.offset): place
        for partition, found in log.items()
        for place, stood in enumerate(found)
    }
    last: dict[tuple[str, int], tuple[int, int]] = {}  # worker and partition -> offset and poll
    for event in of(events, Kind.READ, Kind.ASSIGNED, Kind.REVOKED):
        key = (event.who, event.partition)
        if event.kind is not Kind.READ:
            last.pop(key, None)
            continue
        before = last.get(key)
        last[key] = (event.offset, event.poll)
        if before is None:
            continue
        internal = before[1] == event.poll
        if event.offset <= before[0]:
            counts[Anomaly.INT_NONMONOTONIC_POLL if internal else Anomaly.NONMONOTONIC_POLL] += 1
        elif _jumps(rank, event.partition, before[0], event.offset):
            counts[Anomaly.INT_POLL_SKIP if internal else Anomaly.POLL_SKIP] += 1
    names = (
        Anomaly.NONMONOTONIC_POLL,
        Anomaly.INT_NONMONOTONIC_POLL,
        Anomaly.POLL_SKIP,
        Anomaly.INT_POLL_SKIP,
    )
    return {name: counts[name] for name in names}


def _jumps(rank: Mapping[tuple[int, int], int], partition: int, before: int, after: int) -> bool:
    """Whether a record stands between two that were read one after the other; offsets may have gaps, as of markers."""
    first, second = rank.get((partition, before)), rank.get((partition, after))
    return first is not None and second is not None and second - first > 1
