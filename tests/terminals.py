"""What a terminal is to a console: a stream that says it is one, and what stands on its screen."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from kafab.events import Waiting
from kafab.screens import console as module


class Terminal(io.StringIO):
    """A stream that says it is a terminal, without a size of its own."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


@contextmanager
def known_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a test a terminal of 80 by 24 that knows colours, and forget the rows that it left."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((80, 24)))
    yield
    module.finish_live()


def screen(text: str) -> list[str]:
    """Return the lines that a terminal shows after this text: a small emulator of the codes that are used."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]|\x1b", text):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif part == "\r":
            column = 0
        elif len(part) == 1 and part != "\x1b":
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
        elif part.endswith("A"):
            row -= int(part[2:-1])
            assert row >= 0, "the cursor went above where kafab began"
        elif part == "\x1b[2K":
            lines[row] = ""
        else:
            assert part.endswith("m") or part in ("\x1b[?25l", "\x1b[?25h"), f"an unexpected code {part!r}"
    return [line.rstrip() for line in lines if line.strip()]


def waiting(elapsed: float, what: str = "registered") -> Waiting:
    """Return an event: a broker is waited for, for so many of 60 seconds."""
    return Waiting("node1/broker", what, timedelta(seconds=elapsed), timedelta(seconds=60))
