"""Numbers that are kept for hours in little memory: sets of sequence numbers as spans, latencies as a histogram."""

import math
from bisect import bisect_right
from collections import Counter
from datetime import timedelta


class Spans:
    """A set of whole numbers, kept as spans ``[first, end)``: little, as long as most of them follow each other."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number < self._ends[at]

    def add(self, number: int) -> bool:
        """Add a number; False where it is there already."""
        at = bisect_right(self._firsts, number) - 1
        if at >= 0 and number < self._ends[at]:
            return False
        self._size += 1
        follows = at >= 0 and self._ends[at] == number
        precedes = at + 1 < len(self._firsts) and self._firsts[at + 1] == number + 1
        if follows and precedes:
            self._ends[at] = self._ends.pop(at + 1)
            del self._firsts[at + 1]
        elif follows:
            self._ends[at] = number + 1
        elif precedes:
            self._firsts[at + 1] = number
        else:
            self._firsts.insert(at + 1, number)
            self._ends.insert(at + 1, number + 1)
        return True

    def lacking(self, other: "Spans") -> int:
        """Return how many numbers of this set the other one does not have."""
        return self._size - sum(
            other._within(first, end)  # noqa: SLF001  # of the same class
            for first, end in zip(self._firsts, self._ends, strict=True)
        )

    def _within(self, first: int, end: int) -> int:
        found, at = 0, max(bisect_right(self._firsts, first) - 1, 0)
        while at < len(self._firsts) and self._firsts[at] < end:
            found += max(min(end, self._ends[at]) - max(first, self._firsts[at]), 0)
            at += 1
        return found


_STEP = math.log(1.02)
_LEAST = 1e-5  # seconds


class Latencies:
    """A histogram of times whose buckets grow by 2 %: a quantile is at most that much above the true one."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._slowest = 0.0

    def take(self, seconds: float) -> None:
        """Add one time."""
        self._buckets[math.ceil(math.log(max(seconds, _LEAST) / _LEAST) / _STEP)] += 1
        self._slowest = max(self._slowest, seconds)

    def join(self, other: "Latencies") -> None:
        """Add all times of another one."""
        self._buckets += other._buckets  # noqa: SLF001  # of the same class
        self._slowest = max(self._slowest, other._slowest)  # noqa: SLF001

    @property
    def slowest(self) -> timedelta | None:
        """The longest time; None without any."""
        return timedelta(seconds=self._slowest) if self._buckets else None

    def quantile(self, share: float) -> timedelta | None:
        """Return the time within which this share of all came (nearest rank); None without any."""
        rank = max(math.ceil(share * self._buckets.total()), 1)
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return timedelta(seconds=min(_LEAST * math.exp(bucket * _STEP), self._slowest))
        return None
