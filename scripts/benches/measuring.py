"""What every row is made of: a command timed as a whole process, sides measured in turn, and the line of the table."""

import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = "3.9.2"
DEADLINE = 300.0  # seconds for any one command


@dataclass(frozen=True)
class Row:
    """One line of the table: medians in seconds (or what ``unit`` says), and whether the limit holds."""

    what: str
    kafab: float
    plain: float | None
    limit: str
    within: bool
    unit: str = "s"
    note: str = ""


Measurement = Callable[[int], list[Row]]
"""Takes how many runs a side has."""


def ratio(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    limit: float,
    *,
    unit: str = "s",
    note: str = "",
) -> Row:
    """Return the row of two medians, ours to be at most ``limit`` times theirs."""
    left, right = statistics.median(ours), statistics.median(theirs)
    return Row(what, left, right, f"{limit:g}x", left <= limit * right, unit, note)


def side_by_side(commands: Sequence[Sequence[str]]) -> float:
    """Run commands at once and return the seconds until the last one ended; all must succeed."""
    started = time.monotonic()
    running = [
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for words in commands
    ]
    for process, words in zip(running, commands, strict=True):
        _, err = process.communicate(timeout=DEADLINE)
        if process.returncode:
            sys.exit(f"{shlex.join(words)}: exit {process.returncode}\n{err.decode(errors='replace')}")
    return time.monotonic() - started


def alternate(runs: int, *sides: Callable[[], float]) -> list[float]:
    """Measure the sides in turn, so that a busy moment of the machine meets all of them; return their medians."""
    rounds = [[side() for side in sides] for _ in range(runs)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]
