"""The history of a drill: what each of its clients did, and when, as values that go between processes as JSON lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Kind(str, Enum):
    """What has happened. A sent record ends as one of ACK, FAIL and UNKNOWN, which are Jepsen's ok, fail and info."""

    READY = "ready"
    SEND = "send"
    ACK = "ack"
    FAIL = "fail"
    """The record is in no log."""
    UNKNOWN = "unknown"
    """The record may be in the log or not."""
    READ = "read"
    """A record was handed to the program."""
    EFFECT = "effect"
    """The program has done with a record what it is for."""
    COMMIT = "commit"
    """``offset`` is committed of ``partition``: the next one to be read."""
    UNCOMMITTED = "uncommitted"
    """A commit was refused; ``detail`` has the error."""
    TXN_COMMIT = "txn-commit"
    """The transaction of record ``number`` is about to be committed: from now on the record may be read."""
    TXN_ABORT = "txn-abort"
    """It is aborted, also where a commit was asked for and refused."""
    ASSIGNED = "assigned"
    """``partition`` belongs to the worker from now on."""
    REVOKED = "revoked"
    FAULT = "fault"
    """What a drill did to a client or a broker; ``detail`` says what."""
    TROUBLE = "trouble"
    """What the client said of itself that ends its work."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``at`` is of the machine's monotonic clock, in seconds, which all processes of one machine share."""

    at: float
    who: str
    kind: Kind
    partition: int = -1
    offset: int = -1
    number: int = -1
    """The record's number, which its value has, too; -1: none of the drill's."""
    poll: int = -1
    """Which poll of the worker has brought a record that was read."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stood:
    """What stands at an offset of a partition's log."""

    offset: int
    number: int


Log: TypeAlias = dict[int, tuple[Stood, ...]]
"""Partition -> what stands in it, in the order of offsets, as read from its beginning to its end."""


def line(event: Event) -> str:
    """Return an event as a line of JSON, without its end."""
    words = (event.at, event.who, event.kind.value, event.partition, event.offset, event.number, event.poll)
    return json.dumps([*words, event.detail], separators=(",", ":"))


def read(text: str) -> Event:
    """Read what `line` has made. Raises ValueError for anything else."""
    found = json.loads(text)
    try:
        at, who, kind, *numbers, detail = found
        partition, offset, number, poll = (int(each) for each in numbers)
        return Event(float(at), str(who), Kind(kind), partition, offset, number, poll, str(detail))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no event: {text[:200]}") from error


def of(events: Iterable[Event], *kinds: Kind) -> Iterator[Event]:
    """Yield the events of these kinds."""
    return (event for event in events if event.kind in kinds)
