"""What happens while a command runs, as frozen values; the console shows them on stderr, tests collect them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias


@dataclass(frozen=True)
class Note:
    """A line worth reading later: something was done, found or decided. ``subject`` is a host, node or cluster."""

    subject: str
    text: str


@dataclass(frozen=True)
class Waiting:
    """Still waiting: for what, how long already, until when. Sent again and again; see `kafab.screens.waits` for which are shown.

    Without a limit it is no wait but work that goes on.
    """

    subject: str
    what: str
    elapsed: timedelta
    limit: timedelta | None


@dataclass(frozen=True)
class Transfer:
    """Bytes of one file on their way to one subject (a host, or the local store)."""

    subject: str
    name: str
    done: int
    total: int | None


Event: TypeAlias = Note | Waiting | Transfer
Emit: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Take an event and show nothing: for library callers and tests."""
