"""What a reading is asked for, as it is typed, and what came of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, TypeAlias

from kafab.errors import UsageError
from kafab.groups.targets import MOST, Earliest, Latest, Offset, Time, moment

MOST_MEMBERS = 64
LONGEST_GROUP = 32767
"""Bytes of a group's name: the protocol has a 16 bit number for them."""


class Commits(str, Enum):
    """When a member commits what it has read."""

    AUTO = "auto"
    """By time, as the client does by itself, and when it leaves."""
    EACH = "each"
    """Behind each record, waiting for the answer."""
    BATCH = "batch"
    """Behind each so many records, waiting for the answer, and when it leaves."""
    ASYNC = "async"
    """Behind each poll, without waiting; with waiting when it leaves."""
    BEFORE = "before"
    """Before a poll's records are taken: at most once."""
    NONE = "none"


@dataclass(frozen=True)
class Committing:
    """When to commit; ``every`` is the size of a batch."""

    how: Commits
    every: int = 1


@dataclass(frozen=True)
class Committed:
    """Where the group has committed, and nowhere else."""


@dataclass(frozen=True)
class End:
    """The end of each partition, as it is when the reading begins."""


@dataclass(frozen=True)
class Count:
    """So many records of all partitions together, or the end where that comes first."""

    records: int


Start: TypeAlias = Earliest | Latest | Offset | Time | Committed
Until: TypeAlias = End | Count | Time


class Found(NamedTuple):
    """A record as it was read."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Turn(NamedTuple):
    """A change of what a member reads."""

    at: datetime
    seconds: float
    """Since the reading was begun."""
    member: int
    """From 1 on."""
    what: str
    """``assigned``, ``revoked`` or ``lost``."""
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class ReadOrder:
    """What to read. Without a group each partition begins at ``starts``; a group's members begin where it has committed.

    ``stops`` has the offset behind the last one that is read of each partition; None: there is no end. ``most`` records are read at most.
    """

    topic: str
    starts: Mapping[int, int]
    stops: Mapping[int, int] | None
    most: int | None = None
    committing: Committing = field(default_factory=lambda: Committing(Commits.NONE))
    members: int = 1
    shown: int = 0
    """So many of the first records are handed over."""
    streams: bool = False
    """Whether every record is handed over, at once."""


@dataclass(frozen=True)
class Progress:
    """How far a reading is."""

    records: int
    joined: int
    """How many members have their partitions."""
    members: int


@dataclass(frozen=True)
class Reading:
    """What came of a reading. ``seconds`` run from where the members have their partitions to the last record."""

    records: int
    size: int
    """Bytes of keys and values."""
    by_partition: Mapping[int, int]
    by_member: Sequence[Mapping[int, int]]
    """For each member, how many records of each partition."""
    seconds: float
    turns: tuple[Turn, ...] = ()
    refused: Mapping[str, int] | None = None
    """Commits that were refused, by the error's name."""
    interrupted: bool = False
    """Whether Ctrl-C has ended the reading."""
    trouble: str = ""
    """What has ended it otherwise, in the client's words."""
    silent: str = ""
    """Why it was given up without an error of the client's."""

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds if self.seconds else 0.0


def start(text: str) -> Start:
    """Read what ``--from`` was given. Raises UsageError."""
    forms = "expected earliest, latest, committed, an offset (1200) or a time (2026-11-26T10:00:00Z)"
    words: Mapping[str, Start] = {"earliest": Earliest(), "latest": Latest(), "committed": Committed()}
    if text in words:
        return words[text]
    if re.fullmatch("[0-9]{1,19}", text):
        if int(text) > MOST:
            raise UsageError(f"--from {text}: Kafka's offsets end at {MOST}")
        return Offset(int(text))
    return Time(moment("--from", text, forms))


def until(text: str, now: datetime) -> Until:
    """Read what ``--until`` was given. Raises UsageError, also for a time that is not yet."""
    if text == "end":
        return End()
    if re.fullmatch("[0-9]{1,12}", text):
        if not int(text):
            raise UsageError("found --until 0; expected a number from 1 on")
        return Count(int(text))
    found = moment("--until", text, "expected end, a count (100) or a time (2026-11-26T10:00:00Z)")
    if found > now:
        raise UsageError(
            f"--until {text}: that time is not yet", hint="--follow goes on until Ctrl-C, or --until COUNT"
        )
    return Time(found)


def committing(text: str | None, group: str | None) -> Committing:
    """Read what ``--commit`` was given; left out, a group's members commit by time. Raises UsageError."""
    if group is None:
        if text not in (None, "none"):
            raise UsageError(f"--commit {text} needs a group", hint="--group NAME")
        return Committing(Commits.NONE)
    word, colon, number = (text or "auto").partition(":")
    known = {each.value: each for each in Commits}
    sized = re.fullmatch("[0-9]{1,9}", number) and int(number) > 0
    if word not in known or bool(colon) != (word == "batch") or (colon and not sized):
        raise UsageError(f"found --commit {text}; expected auto, each, batch:100, async, before or none")
    return Committing(known[word], int(number) if colon else 1)


def check_group(name: str) -> None:
    """Raise UsageError for what no broker takes as a group's name. Any letters are allowed, odd ones, too."""
    if not name.strip():
        raise UsageError("--group is empty", hint="leave it out to read without a group")
    if any(not letter.isprintable() for letter in name):
        raise UsageError(f"--group {name!r}: a name with letters that cannot be seen is a mistake")
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST_GROUP:
        raise UsageError(f"--group: its name has more than {LONGEST_GROUP} bytes")
