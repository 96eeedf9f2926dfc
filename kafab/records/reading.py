"""What is read of a topic, by whom, and when the reading is over."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Commits(str, Enum):
    """When a member commits."""

    NONE = "none"
    AUTO = "auto"
    """The client does, by time."""
    EACH = "each"
    BATCH = "batch"
    """A poll's records, and waits for it."""
    ASYNC = "async"
    """A poll's records, and does not wait."""
    BEFORE = "before"
    """A poll's records, before the program has them."""


class Found(NamedTuple):
    """A record as it was read; ``at`` is its timestamp in milliseconds since 1970, -1 where it has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: int = -1


@dataclass(frozen=True)
class Order:
    """What to read. ``starts`` None: as members of a group; else partition -> the offset at which it begins."""

    topic: str
    starts: Mapping[int, int] | None
    stops: Mapping[int, int] | None
    """Partition -> the offset before which it ends; None: it goes on until ``most`` are read, or Ctrl-C."""
    most: int | None = None
    members: int = 1
    commits: Commits = Commits.BATCH
    batch: int = 500
    """The most records of one poll."""
    shown: int = 0
    """How many of the first records are kept to be shown."""


class Change(NamedTuple):
    """A rebalance as a member has heard of it; ``seconds`` since the reading began."""

    seconds: float
    member: int
    given: bool
    """False: the partitions are taken from it."""
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Read:
    """What was read; ``seconds`` are from the first record to the last, and ``records`` the first ones."""

    count: int
    by_partition: Mapping[int, int]
    by_member: Mapping[int, int]
    seconds: float
    records: tuple[Found, ...]
    changes: tuple[Change, ...] = ()
    uncommitted: Mapping[str, int] = field(default_factory=dict)
    """Commits that were refused, by the error's name."""
    interrupted: bool = False
    trouble: str = ""
    """What has ended the reading before its end, in the client's words."""

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.count / self.seconds if self.seconds else 0.0


Take = Callable[[int, Sequence[Found]], None]
"""``take(member, records)``: called with each poll's records, by one thread at a time."""


class Books:
    """The books of one reading, which is over when its count is read or each partition that members have is at its stop.

    No method may be called by two threads at once.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._partitions: Counter[int] = Counter()
        self._members: Counter[int] = Counter()
        self._uncommitted: Counter[str] = Counter()
        self._records: list[Found] = []
        self._changes: list[Change] = []
        self._mine: dict[int, set[int]] = {}
        self._next: dict[int, int] = {}
        self._first = self._last = 0.0
        self.count = 0
        self.trouble = ""

    @property
    def steady(self) -> bool:
        """Whether every member has its partitions, be it none."""
        return self._order.starts is not None or len(self._mine) == self._order.members

    @property
    def over(self) -> bool:
        """Whether there is nothing more to read."""
        if self.trouble or self._full:
            return True
        if self._order.stops is None or not self.steady:
            return False
        mine: Collection[int] = (
            self._order.starts if self._order.starts is not None else set().union(*self._mine.values())
        )
        stops = self._order.stops
        return all(self._next.get(each, -1) >= stops.get(each, 0) for each in mine)

    def given(self, member: int, partitions: Collection[int], seconds: float) -> None:
        """A member has these partitions, besides those that it has."""
        self._mine.setdefault(member, set()).update(partitions)
        self._changes.append(Change(seconds, member, True, tuple(sorted(partitions))))

    def taken(self, member: int, partitions: Collection[int], seconds: float) -> None:
        """These are taken from it; until it hears what it has then, the group is not steady."""
        self._mine.pop(member, None)
        for each in partitions:
            # Who has it next goes on at what is committed.
            self._next.pop(each, None)
        if partitions:
            self._changes.append(Change(seconds, member, False, tuple(sorted(partitions))))

    def take(self, member: int, found: Sequence[Found], now: float) -> Sequence[Found]:
        """Enter what a poll has brought; return what is not behind the stops or the count."""
        stops, most = self._order.stops, self._order.most
        wanted = (
            found
            if stops is None
            else [each for each in found if each.offset < stops.get(each.partition, each.offset)]
        )
        if most is not None:
            wanted = wanted[: max(most - self.count, 0)]
        if not wanted:
            return wanted
        if not self.count:
            self._first = now
        self._last = now
        self.count += len(wanted)
        self._members[member] += len(wanted)
        self._partitions.update(each.partition for each in wanted)
        self._records += wanted[: max(self._order.shown - len(self._records), 0)]
        return wanted

    def at(self, positions: Mapping[int, int]) -> None:
        """Partitions are read up to there, behind markers of transactions, too."""
        self._next.update(positions)

    def refused(self, name: str) -> None:
        """A commit was refused."""
        self._uncommitted[name] += 1

    def read(self, *, interrupted: bool) -> Read:
        """Return what the books have."""
        return Read(
            self.count,
            dict(sorted(self._partitions.items())),
            dict(sorted(self._members.items())),
            self._last - self._first,
            tuple(self._records),
            tuple(self._changes),
            dict(self._uncommitted),
            interrupted,
            self.trouble,
        )

    @property
    def _full(self) -> bool:
        return self._order.most is not None and self.count >= self._order.most
