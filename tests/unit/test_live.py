"""Rows that change in place on a terminal, and what is left of them however the process ends."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kafab.errors import Failed
from kafab.events import Note, Transfer
from kafab.screens.console import Console
from tests.terminals import Terminal, Time, known_terminal, screen, waiting

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with known_terminal(monkeypatch):
        yield


def test_terminal_shows_waits_and_transfers_in_place() -> None:
    """On a terminal each host has one row, which the newest event replaces; notes stay above the rows."""
    err = Terminal()
    console = Console(err=err)
    for step in range(5):
        console.emit(waiting(step))
        console.emit(Transfer("node1", "kafka.tgz", step * 10, 100))
        console.emit(Transfer("node2", "kafka.tgz", step * 20, 100))
    console.emit(Note("node3", "unpacked\nin 2 s"))
    note, more, wait, first, second = screen(err.getvalue())
    assert (note, more) == ("node3  unpacked", "  in 2 s")
    assert wait.endswith(" node1/broker  waiting: registered (4 s, at most 60 s)")
    assert (first[:6], " 40% 40/100 bytes " in first) == ("node1 ", True)
    assert (second[:6], " 80% 80/100 bytes " in second) == ("node2 ", True)


def test_terminal_shows_the_newest_wait_of_a_subject() -> None:
    """What a node still lacks changes while it is waited for: that is one row."""
    err = Terminal()
    console = Console(err=err)
    console.emit(waiting(1, "registered"))
    console.emit(waiting(2, "answering"))
    console.emit(Note("node2/broker", "answers"))
    assert [line.partition(": ")[2] for line in screen(err.getvalue())[1:]] == [
        "answering (2 s, at most 60 s)"
    ]


def test_terminal_forgets_a_wait_that_is_no_longer_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that a wait has ended; its row leaves some seconds after it was reported last."""
    err = Terminal()
    console = Console(err=err)
    console.emit(waiting(1))
    monkeypatch.setattr("kafab.screens.live._STALE", -1.0)
    console.emit(Note("node2/broker", "registered"))
    assert screen(err.getvalue()) == ["node2/broker  registered"]


def test_terminal_shows_the_end_of_a_transfer() -> None:
    """A transfer that has ended is a line with the time it took, and its row is gone."""
    err, now = Terminal(), Time()
    console = Console(err=err, now=now)
    console.emit(Transfer("node1", "kafka.tgz", 0, 56_000_000))
    now.seconds = 2
    console.emit(Transfer("node1", "kafka.tgz", 56_000_000, 56_000_000))
    assert screen(err.getvalue()) == ["node1  kafka.tgz: 56.0 MB in 2 s"]


def test_rows_show_what_hosts_say_as_it_is() -> None:
    """Markup, line ends and control characters in the words of a host do nothing to a row."""
    err = Terminal()
    Console(err=err).emit(waiting(1, "[red]x[/] :smile: {y}\n\x1b[2J"))
    (row,) = screen(err.getvalue())
    assert "waiting: [red]x[/] :smile: {y} \\x1b[2J (1 s" in row


def test_terminal_row_leaves_with_the_note_about_it() -> None:
    """When something happened to the node that was waited for, the row is gone."""
    err = Terminal()
    console = Console(err=err)
    console.emit(waiting(1))
    console.emit(Note("node1/broker", "registered"))
    assert screen(err.getvalue()) == ["node1/broker  registered"]


def test_error_of_another_console_takes_the_rows_away() -> None:
    """Two consoles on one terminal (a task's and the boundary's) share its rows: an error stands alone."""
    err = Terminal()
    Console(err=err).emit(waiting(1))
    Console(err=err).error(Failed("node1: no", hint="try again"))
    assert screen(err.getvalue()) == ["error: node1: no", "hint: try again"]


@pytest.mark.parametrize(("lines", "shown"), [(24, 12), (10, 8), (2, 1)])
def test_more_hosts_than_lines_still_fit(monkeypatch: pytest.MonkeyPatch, lines: int, shown: int) -> None:
    """300 waits and transfers draw a dozen rows, or fewer on a low terminal, the last of which counts the others."""
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((80, lines)))
    err = Terminal()
    console = Console(err=err)
    console.emit(waiting(1))
    for host in range(299):
        console.emit(Transfer(f"node{host}", "kafka.tgz", 1, 100))
    console.emit(Note("node3/broker", "stopped"))
    rows = screen(err.getvalue())[1:]
    assert (len(rows), rows[-1]) == (shown, f"and {300 - shown + 1} more")


@pytest.mark.parametrize("columns", [1, 5, 20, 40])
def test_rows_fit_narrow_terminals(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """No row is wider than the terminal, since one that wraps could not be erased."""
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((columns, 10)))
    err = Terminal()
    console = Console(err=err)
    console.emit(waiting(1, "a registration with quite a long name"))
    console.emit(Transfer("node1", "kafka_2.13-3.9.2-0123456789ab.tgz", 1, 100))
    console.emit(Note("n", ""))
    rows = screen(err.getvalue())[1:]
    assert (len(rows) <= 2, [row for row in rows if len(row) > columns]) == (True, [])


def test_narrow_terminal_keeps_the_figures() -> None:
    """With 40 columns the file's name gives way to who, how far and how fast."""
    ended = _on_a_terminal(_BEGIN + _TRANSFER, columns=40)
    assert re.search(r"node1 .+ 50% 28.0/56.0 MB ", re.sub(r"\x1b\[[0-9;]*m", "", ended.written))


_BEGIN = """
import os, signal, sys, threading
from datetime import timedelta
from kafab.screens.console import Console
from kafab.errors import Interrupted
from kafab.events import Note, Transfer, Waiting
console = Console()
console.emit(Note("node1", "a step \\u2192 done"))
"""


_WAIT = 'console.emit(Waiting("node1", "registered", timedelta(seconds=9), timedelta(seconds=60)))\n'


_TRANSFER = 'console.emit(Transfer("node1", "kafka.tgz", 28_000_000, 56_000_000))\n'


_INTERRUPT = """
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    console.error(Interrupted("interrupted"))
"""


@dataclass(frozen=True)
class _Ended:
    """What a process wrote on its terminal, and how it ended."""

    code: int
    written: str


def _on_a_terminal(
    work: str,
    environment: Mapping[str, str] | None = None,
    *,
    columns: int = 80,
    hang_up_after: bytes | None = None,
) -> _Ended:
    """Run Python code with a real pseudo terminal as stdin and stderr; close it where the bytes have come."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", work],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=child,
        stdout=subprocess.DEVNULL,
        stderr=child,
    ) as process:
        os.close(child)
        written = b""
        try:
            while part := os.read(parent, 4096):
                written += part
                if hang_up_after and hang_up_after in written:
                    break
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(parent)
        return _Ended(process.wait(timeout=60), written.decode())


@pytest.mark.parametrize(
    ("end", "last"), [("", []), (_INTERRUPT, ["error: interrupted"]), ("sys.exit(0)", [])]
)
def test_real_terminal_is_left_clean(end: str, last: list[str]) -> None:
    """However the process ends, its rows were there, are gone, and the cursor is visible."""
    ended = _on_a_terminal(_BEGIN + _WAIT + _TRANSFER + end)
    assert ("waiting: registered" in ended.written, ended.code) == (True, 0)
    assert screen(ended.written) == ["node1  a step → done", *last]
    assert ended.written.rfind("\x1b[?25h") > ended.written.rfind("\x1b[?25l") > 0


@pytest.mark.parametrize("deadly", ["SIGTERM", "SIGKILL"])
def test_killed_process_leaves_a_visible_cursor(deadly: str) -> None:
    """A process that cannot clean up does not leave a terminal without a cursor."""
    ended = _on_a_terminal(_BEGIN + _WAIT + f"os.kill(os.getpid(), signal.{deadly})")
    assert ended.code < 0
    assert ended.written.rfind("\x1b[?25h") > ended.written.rfind("\x1b[?25l") > 0


def test_terminal_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    """When the window is closed in the middle the work goes on to its end, without another thread."""
    done = tmp_path / "done"
    rest = f"""
for step in range(1000):
    {_WAIT}    {_TRANSFER}    console.emit(Note("node2", "another step"))
console.error(Interrupted("no"))
open({str(done)!r}, "w").write(f"{{threading.active_count()}} thread")
"""
    ended = _on_a_terminal(_BEGIN + rest, hang_up_after=b"another step")
    assert (ended.code, done.read_text(encoding="utf-8")) == (0, "1 thread")


def test_poor_locale_on_a_terminal_is_ascii() -> None:
    """LANG=C has rows too, of characters that it can write."""
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = _on_a_terminal(_BEGIN + _WAIT + _TRANSFER, poor, columns=40)
    assert ("-\x1b[0m node1  waiting" in ended.written, ended.written.isascii(), ended.code) == (
        True,
        True,
        0,
    )
    assert screen(ended.written) == ["node1  a step ? done"]


@pytest.mark.parametrize(
    ("work", "environment", "loaded"),
    [
        (_WAIT, {}, True),
        ("", {}, False),
        (_WAIT + _TRANSFER, {"NO_COLOR": "1"}, False),
        (_WAIT + _TRANSFER, {"TERM": "dumb"}, False),
    ],
)
def test_rich_is_loaded_for_rows_only(work: str, environment: dict[str, str], loaded: bool) -> None:
    """A terminal without codes, and a command that waits for nothing, do not pay for rich."""
    ended = _on_a_terminal(_BEGIN + work + "sys.exit('rich' in sys.modules)", environment)
    assert ended.code == loaded


def test_rich_is_not_loaded_without_a_terminal() -> None:
    """Nothing that is shown in a pipe needs rich."""
    ended = subprocess.run(
        [sys.executable, "-c", _BEGIN + _WAIT + _TRANSFER + "sys.exit('rich' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (0, 3)
