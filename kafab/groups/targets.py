"""Where a reset is to go, as it is typed: earliest, latest, 1200, -50, +50, 2026-11-26T10:00:00Z, snapshot:FILE."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

from kafab.errors import UsageError
from kafab.groups.values import At

FORMS = "expected earliest, latest, an offset (1200), a shift (-50, +50), a time (2026-11-26T10:00:00Z) or snapshot:FILE"
MOST = (1 << 63) - 1
"""Kafka's offsets and times are signed 64-bit numbers."""


@dataclass(frozen=True)
class Earliest:
    """The first record that is still there."""


@dataclass(frozen=True)
class Latest:
    """The high watermark: only what is written from now on."""


@dataclass(frozen=True)
class Offset:
    """This offset."""

    offset: int


@dataclass(frozen=True)
class Shift:
    """So many offsets on from the committed one; back where it is negative."""

    by: int


@dataclass(frozen=True)
class Time:
    """The first record whose timestamp is not before this time."""

    moment: datetime


@dataclass(frozen=True)
class Saved:
    """The offsets of a snapshot."""

    file: Path


Target: TypeAlias = Earliest | Latest | Offset | Shift | Time | Saved


def target(text: str) -> Target:
    """Read what ``--to`` was given. A time without a zone is UTC. Raises UsageError."""
    if not text:
        raise UsageError("--to is missing", hint=FORMS)
    if text in ("earliest", "latest"):
        return Earliest() if text == "earliest" else Latest()
    if text.startswith("snapshot:"):
        if not (name := text.partition(":")[2]):
            raise UsageError("--to snapshot: has no file", hint="--to snapshot:FILE")
        return Saved(Path(name).expanduser())
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        number = int(text)
        if abs(number) > MOST:
            raise UsageError(f"--to {text}: Kafka's offsets end at {MOST}")
        return Shift(number) if text[0] in "+-" else Offset(number)
    return Time(moment("--to", text, FORMS))


def moment(flag: str, text: str, forms: str) -> datetime:
    """Read a time; without a zone it is UTC. Raises UsageError with ``forms`` for what is none, and for one before 1970."""
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        raise UsageError(f"{flag} {text!r}: {forms}") from None
    found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    if found.timestamp() < 0:
        raise UsageError(f"{flag} {text}: a time before 1970 is none of Kafka's")
    return found


def chosen(words: Sequence[str], known: Mapping[str, Sequence[int]]) -> frozenset[At]:
    """Read what ``--topics`` was given: ``orders`` or ``orders:0,2``, several of them. ``known``: topic -> its partitions.

    Raises UsageError for a topic or partition that is not there, and for what is no number.
    """
    found: set[At] = set()
    for word in words:
        # Topic names have no colon (`Topic.validate`).
        topic, colon, numbers = word.partition(":")
        if topic not in known:
            raise UsageError(
                f"--topics {word}: there is no topic {topic!r}", hint="`topics.list` shows all names"
            )
        if not colon:
            found |= {(topic, number) for number in known[topic]}
            continue
        for text in numbers.split(","):
            if not re.fullmatch(r"[0-9]{1,9}", text):
                raise UsageError(f"--topics {word}: found {text!r}; expected partitions, as in {topic}:0,2")
            if int(text) not in known[topic]:
                raise UsageError(
                    f"--topics {word}: {topic} has {len(known[topic])} partitions, and no {int(text)}"
                )
            found.add((topic, int(text)))
    return frozenset(found)
