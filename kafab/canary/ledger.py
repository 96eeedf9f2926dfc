"""The books of a canary: what each partition was sent, what it acknowledged, and what stands in its log.

Three rules keep the figures honest:

- Lost is what was acknowledged and is not found by a reading that has reached the end of the log. A record that comes late
  is read late, and is not lost.
- A record that the producer gave up may be in the log or not (Jepsen's third class): it is neither lost nor a duplicate.
- A duplicate is a record that stands in the log twice. A record that is read twice at one offset is read again, no more.

Moments are monotonic seconds. Nothing here does I/O.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from kafab.canary.course import SILENT_FROM, Acknowledgements, Course, Silences, Steps, course
from kafab.canary.figures import Counts, Figures
from kafab.canary.tallies import Latencies, Spans


class Written:
    """One partition as its producer sees it. Records have numbers from 0 on, which are sent in order.

    ``steps`` is the course of all partitions, of which each acknowledgement is a part.
    """

    def __init__(self, steps: Steps[Acknowledgements] | None = None) -> None:
        self._steps = steps
        self._silences = Silences()
        self.acked = Spans()
        self.latencies = Latencies()
        self._sent = 0
        self._refused: Counter[str] = Counter()
        self._retried: Counter[str] = Counter()
        self._answered: float | None = (
            None  # the moment of the last acknowledgement, before any that of the first record
        )
        self._longest_gap = 0.0
        self._only_refused = False
        """A record was given up since the last acknowledgement."""
        self._last_offset = -1
        self._overwritten = 0

    def send(self, now: float) -> int:
        """Return the number of the next record."""
        if self._answered is None:
            self._answered = now
        self._sent += 1
        return self._sent - 1

    def unsend(self) -> None:
        """Take the last number back: the producer did not take the record."""
        self._sent -= 1

    def ack(self, number: int, offset: int, latency: float, now: float) -> None:
        """Take an acknowledgement; ``latency`` in seconds since the record was sent.

        An offset that was given out before is proof of a loss: what was acknowledged there is in the log no more. An offset
        below 0 is one that the broker did not tell. The first record opens the client's connections, so its time is no figure.
        """
        if self.acked and self._answered is not None:
            self._longest_gap = max(self._longest_gap, now - self._answered)
            self.latencies.take(latency)
            self._silences.take(self._answered, now)
            if self._steps and (step := self._steps.at(now)):
                step.take(latency)
        self._answered, self._only_refused = now, False
        self.acked.add(number)
        if offset >= 0:
            self._overwritten += max(self._last_offset - offset + 1, 0)
            self._last_offset = offset

    def refuse(self, kind: str) -> None:
        """Take note of a record that the producer gave up: the silence goes on."""
        self._refused[kind] += 1
        self._only_refused = True

    def give_up(self, kind: str) -> None:
        """Take note that no answer will come about any record that is under way."""
        self._refused[kind] += self._sent - len(self.acked) - self._refused.total()

    def retry(self, kind: str) -> None:
        """Take note of a broker's refusal after which the producer tries again."""
        self._retried[kind] += 1

    @property
    def end(self) -> int:
        """The offset behind the last one that was acknowledged."""
        return self._last_offset + 1

    def silences(self, now: float) -> list[tuple[float, float]]:
        """Return the longest silences behind the first acknowledgement, one that goes on among them, as pairs of moments."""
        last = self._answered
        going_on = [(last, now)] if self.acked and last is not None and self._open_gap(now) else []
        return [*self._silences.longest, *going_on]

    def _open_gap(self, now: float) -> float:
        silent = self._only_refused or self._sent > len(self.acked) + self._refused.total()
        return now - self._answered if silent and self._answered is not None else 0.0

    def counts(self, now: float) -> Counts:
        """Return the figures of this moment."""
        acked, open_gap = len(self.acked), self._open_gap(now)
        return Counts(
            self._sent,
            acked,
            lost=min(self._overwritten, acked),
            refused=dict(+self._refused),
            retried=dict(self._retried),
            # A silence before the first acknowledgement is the client's start.
            longest_gap=timedelta(seconds=max(self._longest_gap, open_gap if acked else 0.0)),
            open_gap=timedelta(seconds=open_gap),
            p50=self.latencies.quantile(0.5),
            p99=self.latencies.quantile(0.99),
            slowest=self.latencies.slowest,
        )


class Read:
    """One partition's log as a reader finds it from its beginning, offset by offset."""

    def __init__(self) -> None:
        self.numbers = Spans()
        self.duplicates = 0
        self.reordered = 0
        self.position = 0
        """The next offset."""
        self._highest = -1

    def take(self, offset: int, number: int | None) -> None:
        """Take what stands at an offset: a record's number, None for one that the canary has not written."""
        if offset < self.position:
            return  # read before
        self.position = offset + 1
        if number is None:
            return
        if not self.numbers.add(number):
            self.duplicates += 1
        elif number < self._highest:
            self.reordered += 1
        self._highest = max(self._highest, number)

    def lacks(self, written: Written) -> int:
        """Return how many acknowledged records have not been read."""
        return written.acked.lacking(self.numbers)

    def counted(self, counts: Counts, written: Written, *, to_the_end: bool) -> Counts:
        """Return a partition's figures with what the reading has found; what is missing is lost only at the end of the log."""
        missing = self.lacks(written)
        lost = missing if to_the_end else min(counts.lost, missing)
        return replace(
            counts,
            lost=lost,
            unread=missing - lost,
            duplicates=self.duplicates,
            reordered=self.reordered,
        )


class Group:
    """A consumer group as its member sees it: how long what was read waited for a commit."""

    def __init__(self) -> None:
        self._waits: float | None = None
        self._longest: float | None = None

    def read(self, now: float) -> None:
        """Take note of records that were read and are to be committed."""
        if self._waits is None:
            self._waits = now

    def commit(self, now: float) -> None:
        """Take note of a commit that the coordinator has confirmed."""
        if self._waits is not None:
            self._longest = max(self._longest or 0.0, now - self._waits)
        self._waits = None

    def takeover(self, now: float) -> timedelta | None:
        """Return the longest wait, also one that goes on; None before anything was committed."""
        if self._longest is None:
            return None
        going_on = now - self._waits if self._waits is not None else 0.0
        return timedelta(seconds=max(self._longest, going_on))


def figures(
    topic: str,
    leaders: Sequence[int],
    written: Sequence[Written],
    group: Group,
    *,
    began: float,
    now: float,
    every: timedelta,
) -> Figures:
    """Return the figures of a canary at work."""
    counts = tuple(partition.counts(now) for partition in written)
    return Figures(
        topic,
        counts,
        tuple(leaders),
        _total(counts, written),
        timedelta(seconds=now - began),
        every,
        group.takeover(now),
    )


def course_of(
    steps: Steps[Acknowledgements], written: Sequence[Written], *, now: float, every: timedelta
) -> Course:
    """Return how the acknowledgements of all partitions came in time; the pace of the records is no silence."""
    shortest = max(SILENT_FROM, 3 * every.total_seconds())
    return course(steps, [partition.silences(now) for partition in written], shortest)


def counted(
    found: Figures, written: Sequence[Written], read: Sequence[Read], at_their_end: Sequence[bool]
) -> Figures:
    """Return the final figures, after the producer was flushed and the topic was read, each partition to its end or not."""
    counts = tuple(
        log.counted(counts, partition, to_the_end=ended)
        for counts, partition, log, ended in zip(found.partitions, written, read, at_their_end, strict=True)
    )
    return replace(found, partitions=counts, total=_total(counts, written), counted=True)


def _total(counts: Sequence[Counts], written: Sequence[Written]) -> Counts:
    every = Latencies()
    refused: Counter[str] = Counter()
    retried: Counter[str] = Counter()
    for one, partition in zip(counts, written, strict=True):
        every.join(partition.latencies)
        refused.update(one.refused)
        retried.update(one.retried)
    return Counts(
        sum(one.sent for one in counts),
        sum(one.acked for one in counts),
        sum(one.lost for one in counts),
        sum(one.unread for one in counts),
        sum(one.duplicates for one in counts),
        sum(one.reordered for one in counts),
        dict(refused),
        dict(retried),
        max((one.longest_gap for one in counts), default=timedelta()),
        max((one.open_gap for one in counts), default=timedelta()),
        every.quantile(0.5),
        every.quantile(0.99),
        every.slowest,
    )
