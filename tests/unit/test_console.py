"""The console: what goes to which stream, and that no stream can stop the work."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kafab import console as module
from kafab.command import Unknown
from kafab.console import Console
from kafab.errors import Failed, Unsafe, UsageError
from kafab.events import Note, Transfer, Waiting
from kafab.findings import Finding, Report, Severity
from kafab.screens import duration, safe, size, table

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a terminal of 80 by 24 that knows colours, and forget the rows that it left."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((80, 24)))
    yield
    module._finish_live()


def _screen(text: str) -> list[str]:
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


def _waiting(elapsed: float, what: str = "registered") -> Waiting:
    return Waiting("node1/broker", what, timedelta(seconds=elapsed), timedelta(seconds=60))


REPORT = Report(
    "lab",
    (
        Finding("controller", "lab", Severity.OK, "broker 1, epoch 4", {"epoch": 4}),
        Finding("isr", "orders-0", Severity.CRIT, "1 of 3 in sync", {"isr": 1}, hint="start node2/broker"),
        Finding("isr", "orders-1", Severity.CRIT, "1 of 3 in sync", {"isr": 1}, hint="start node2/broker"),
    ),
)


def test_note_goes_to_stderr() -> None:
    """Progress is a line on stderr and nothing on stdout; further lines of a note are indented."""
    out, err = io.StringIO(), io.StringIO()
    Console(out=out, err=err).emit(Note("node1/broker", "exited with 1, its last lines:\nboom"))
    assert (out.getvalue(), err.getvalue()) == (
        "",
        "node1/broker  exited with 1, its last lines:\n  boom\n",
    )


def test_waits_without_a_terminal_are_rare_lines() -> None:
    """A wait that is reported five times a second for 12 s gives three lines: after 1, 6 and 11 seconds."""
    err = io.StringIO()
    console = Console(err=err)
    for fifth in range(60):
        console.emit(_waiting(fifth / 5))
    assert [line.split("(")[1].split(",")[0] for line in err.getvalue().splitlines()] == [
        "1 s",
        "6 s",
        "11 s",
    ]


def test_wait_that_begins_again_is_told_again() -> None:
    """The second wait for the same thing is not silenced by the first."""
    err = io.StringIO()
    console = Console(err=err)
    for elapsed in (1, 4, 1):
        console.emit(_waiting(elapsed))
    assert len(err.getvalue().splitlines()) == 2


def test_transfer_without_a_terminal_is_two_lines() -> None:
    """A transfer of many parts is a line at its start and one at its end, with the time it took."""
    err, now = io.StringIO(), Time()
    console = Console(err=err, now=now)
    for part in range(11):
        console.emit(Transfer("node1", "kafka.tgz", part * 5_600_000, 56_000_000))
        now.seconds += 0.2
    assert err.getvalue().splitlines() == [
        "node1  kafka.tgz: 0 B of 56.0 MB",
        "node1  kafka.tgz: 56.0 MB in 2 s",
    ]


def test_terminal_shows_waits_and_transfers_in_place() -> None:
    """On a terminal each host has one row, which the newest event replaces; notes stay above the rows."""
    err = Terminal()
    console = Console(err=err)
    for step in range(5):
        console.emit(_waiting(step))
        console.emit(Transfer("node1", "kafka.tgz", step * 10, 100))
        console.emit(Transfer("node2", "kafka.tgz", step * 20, 100))
    console.emit(Note("node3", "unpacked\nin 2 s"))
    note, more, wait, first, second = _screen(err.getvalue())
    assert (note, more) == ("node3  unpacked", "  in 2 s")
    assert wait.endswith(" node1/broker  waiting: registered (4 s, at most 60 s)")
    assert (first[:6], " 40% 40/100 bytes " in first) == ("node1 ", True)
    assert (second[:6], " 80% 80/100 bytes " in second) == ("node2 ", True)


def test_terminal_shows_the_newest_wait_of_a_subject() -> None:
    """What a node still lacks changes while it is waited for: that is one row."""
    err = Terminal()
    console = Console(err=err)
    console.emit(_waiting(1, "registered"))
    console.emit(_waiting(2, "answering"))
    console.emit(Note("node2/broker", "answers"))
    assert [line.partition(": ")[2] for line in _screen(err.getvalue())[1:]] == [
        "answering (2 s, at most 60 s)"
    ]


def test_terminal_forgets_a_wait_that_is_no_longer_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that a wait has ended; its row leaves some seconds after it was reported last."""
    err = Terminal()
    console = Console(err=err)
    console.emit(_waiting(1))
    monkeypatch.setattr("kafab.live._STALE", -1.0)
    console.emit(Note("node2/broker", "registered"))
    assert _screen(err.getvalue()) == ["node2/broker  registered"]


def test_terminal_shows_the_end_of_a_transfer() -> None:
    """A transfer that has ended is a line with the time it took, and its row is gone."""
    err, now = Terminal(), Time()
    console = Console(err=err, now=now)
    console.emit(Transfer("node1", "kafka.tgz", 0, 56_000_000))
    now.seconds = 2
    console.emit(Transfer("node1", "kafka.tgz", 56_000_000, 56_000_000))
    assert _screen(err.getvalue()) == ["node1  kafka.tgz: 56.0 MB in 2 s"]


def test_rows_show_what_hosts_say_as_it_is() -> None:
    """Markup, line ends and control characters in the words of a host do nothing to a row."""
    err = Terminal()
    Console(err=err).emit(_waiting(1, "[red]x[/] :smile: {y}\n\x1b[2J"))
    (row,) = _screen(err.getvalue())
    assert "waiting: [red]x[/] :smile: {y} \\x1b[2J (1 s" in row


def test_terminal_row_leaves_with_the_note_about_it() -> None:
    """When something happened to the node that was waited for, the row is gone."""
    err = Terminal()
    console = Console(err=err)
    console.emit(_waiting(1))
    console.emit(Note("node1/broker", "registered"))
    assert _screen(err.getvalue()) == ["node1/broker  registered"]


def test_error_of_another_console_takes_the_rows_away() -> None:
    """Two consoles on one terminal (a task's and the boundary's) share its rows: an error stands alone."""
    err = Terminal()
    Console(err=err).emit(_waiting(1))
    Console(err=err).error(Failed("node1: no", hint="try again"))
    assert _screen(err.getvalue()) == ["error: node1: no", "hint: try again"]


@pytest.mark.parametrize(("lines", "shown"), [(24, 12), (10, 8), (2, 1)])
def test_more_hosts_than_lines_still_fit(monkeypatch: pytest.MonkeyPatch, lines: int, shown: int) -> None:
    """300 waits and transfers draw a dozen rows, or fewer on a low terminal, the last of which counts the others."""
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((80, lines)))
    err = Terminal()
    console = Console(err=err)
    console.emit(_waiting(1))
    for host in range(299):
        console.emit(Transfer(f"node{host}", "kafka.tgz", 1, 100))
    console.emit(Note("node3/broker", "stopped"))
    rows = _screen(err.getvalue())[1:]
    assert (len(rows), rows[-1]) == (shown, f"and {300 - shown + 1} more")


@pytest.mark.parametrize("columns", [1, 5, 20, 40])
def test_rows_fit_narrow_terminals(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """No row is wider than the terminal, since one that wraps could not be erased."""
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((columns, 10)))
    err = Terminal()
    console = Console(err=err)
    console.emit(_waiting(1, "a registration with quite a long name"))
    console.emit(Transfer("node1", "kafka_2.13-3.9.2-0123456789ab.tgz", 1, 100))
    console.emit(Note("n", ""))
    rows = _screen(err.getvalue())[1:]
    assert (len(rows) <= 2, [row for row in rows if len(row) > columns]) == (True, [])


def test_narrow_terminal_keeps_the_figures() -> None:
    """With 40 columns the file's name gives way to who, how far and how fast."""
    ended = _on_a_terminal(_BEGIN + _TRANSFER, columns=40)
    assert re.search(r"node1 .+ 50% 28.0/56.0 MB ", re.sub(r"\x1b\[[0-9;]*m", "", ended.written))


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")])
def test_plain_terminal_gets_no_codes(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """NO_COLOR, TERM=dumb and no TERM give lines without one escape code."""
    monkeypatch.setenv(name, value)
    out, err = Terminal(), Terminal()
    console = Console(out=out, err=err)
    console.emit(_waiting(1))
    console.emit(Transfer("node1", "kafka.tgz", 1, 100))
    console.error(Failed("no", hint="yes"))
    console.data({}, console.diff("-a\n+b"))
    console.report(REPORT)
    assert "\x1b" not in out.getvalue() + err.getvalue()


def test_colours_on_a_terminal_only() -> None:
    """A diff is coloured for a terminal and untouched for a file."""
    text = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n z"
    assert Console(out=io.StringIO()).diff(text) == text
    assert "\x1b[31m-x\x1b[0m\n\x1b[32m+y\x1b[0m\n z" in Console(out=Terminal()).diff(text)


def test_error_has_its_hint_on_stderr() -> None:
    """An error and its hint are two lines on stderr, and stdout stays empty also with --json."""
    out, err = io.StringIO(), io.StringIO()
    Console(json=True, out=out, err=err).error(Failed("node1: no space", hint="make room"))
    assert (out.getvalue(), err.getvalue()) == ("", "error: node1: no space\nhint: make room\n")


def test_data_is_the_text_or_one_document() -> None:
    """Without --json stdout has the text, with it one JSON document and nothing else."""
    text, document = io.StringIO(), io.StringIO()
    Console(out=text).data({"schema": "kafab.x/1"}, "hello")
    Console(json=True, out=document).data({"schema": "kafab.x/1", "name": "Zoë"}, "hello")
    assert text.getvalue() == "hello\n"
    assert json.loads(document.getvalue()) == {"schema": "kafab.x/1", "name": "Zoë"}


def test_report_as_text() -> None:
    """A report is a table of findings, each hint once, and a line of counts."""
    out = io.StringIO()
    Console(out=out).report(REPORT)
    assert out.getvalue().splitlines() == [
        "SEVERITY  CHECK       SUBJECT   DETAIL",
        "OK        controller  lab       broker 1, epoch 4",
        "CRIT      isr         orders-0  1 of 3 in sync",
        "CRIT      isr         orders-1  1 of 3 in sync",
        "hint: start node2/broker",
        "lab: CRIT (2 CRIT, 1 OK)",
    ]


def test_report_as_json() -> None:
    """The document carries the verdict, the exit code and the evidence."""
    out = io.StringIO()
    Console(json=True, out=out).report(REPORT)
    document = json.loads(out.getvalue())
    assert (document["schema"], document["verdict"], document["exit_code"]) == ("kafab.report/1", "CRIT", 1)
    assert document["findings"][1]["evidence"] == {"isr": 1}


def test_report_without_findings_says_so() -> None:
    """Nothing checked is UNKNOWN, and not an empty screen."""
    out = io.StringIO()
    Console(out=out).report(Report("lab", ()))
    assert out.getvalue() == "lab: UNKNOWN (nothing was checked)\n"


def test_table_aligns_and_never_cuts() -> None:
    """Numbers stand to the right, None is a dash, Unknown says why, and long cells stay whole."""
    long = "x" * 300
    assert table(("A", "N", "B"), [("a", 5, None), ("bb", 10, Unknown("timeout")), ("c", 0, long)]) == (
        f"A    N  B\na    5  -\nbb  10  unknown (timeout)\nc    0  {long}"
    )


def test_table_wraps_its_last_column_on_a_terminal() -> None:
    """A narrow terminal wraps the last column below itself, and no word is lost."""
    text = table(("NODE", "DETAIL"), [("node1", "one two three four five six")], columns_wide=30)
    assert text == "NODE   DETAIL\nnode1  one two three four five\n       six"


@pytest.mark.parametrize("columns", [1, 5, 20, 40])
def test_tables_survive_narrow_terminals(columns: int) -> None:
    """However narrow the terminal is, every word of the table is there."""
    words = ["alpha", "beta", "gamma", "delta"]
    text = table(("A", "B"), [("some-node", " ".join(words))], columns_wide=columns)
    assert [word for word in text.split() if word in words] == words


def test_table_measures_wide_characters() -> None:
    """Characters that take two columns do not push the next column out of line."""
    assert table(("A", "B"), [("日本", "x"), ("abcd", "y")]).splitlines() == ["A     B", "日本  x", "abcd  y"]


def test_hosts_cannot_steer_the_terminal() -> None:
    """Control characters from a host are shown, not sent, and colour codes go with the colours."""
    assert safe("a\x1b[2Jb\x07\x9bc\r\n\td") == "a\\x1b[2Jb\\x07\\x9bc\\x0d\n\td"
    assert safe("\x1b[31mred\x1b[0m") == "\\x1b[31mred\\x1b[0m"
    assert safe("\x1b[31mred\x1b[0m\x1b[H", keep_colour=True) == "\x1b[31mred\x1b[0m\\x1b[H"


@pytest.mark.parametrize(("yes", "lab"), [(True, False), (False, True)])
def test_confirm_is_silent_for_yes_and_labs(yes: bool, lab: bool) -> None:
    """--yes and a lab never ask."""
    err = io.StringIO()
    Console(err=err).confirm("Delete?", yes=yes, lab=lab)
    assert err.getvalue() == ""


def test_confirm_without_a_terminal_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be asked the error says what to add, and nothing is read."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as caught:
        Console(err=io.StringIO()).confirm("Delete topic x?", yes=False, lab=False)
    assert "--yes" in str(caught.value.hint)


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yess\n"])
def test_confirm_takes_only_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Anything but yes is refused with exit code 3; the end of the input is no yes."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(Unsafe, match="not confirmed"):
        Console(err=Terminal()).confirm("Delete topic x?", yes=False, lab=False)


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_confirm_goes_on_after_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """A yes returns, and the question stood on stderr."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    err = Terminal()
    Console(err=err).confirm("Delete topic x?", yes=False, lab=False)
    assert err.getvalue() == "Delete topic x? [y/N] "


def test_poor_locale_replaces_characters() -> None:
    """A stream that can only write ASCII shows question marks in place of what it cannot."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    Console(out=out).data({}, "Zoë → ok")
    assert raw.getvalue() == b"Zo? ? ok\n"


@pytest.fixture
def full_disk() -> Iterator[io.TextIOWrapper]:
    """Yield a stream to a device that has no room."""
    with Path("/dev/full").open("w", encoding="utf-8") as file:
        yield file


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_stdout_is_told(full_disk: io.TextIOWrapper) -> None:
    """Lost data is an error with the reason."""
    with pytest.raises(Failed, match="No space left"):
        Console(out=full_disk).data({}, "hello")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_stderr_stops_nothing(full_disk: io.TextIOWrapper) -> None:
    """Progress that cannot be written is dropped, and data still comes."""
    out = io.StringIO()
    console = Console(out=out, err=full_disk)
    console.emit(Note("node1", "started"))
    console.data({}, "hello")
    assert out.getvalue() == "hello\n"


def test_events_of_many_threads_are_whole_lines() -> None:
    """Eight threads that write at once never mix their lines."""
    err = io.StringIO()
    console = Console(err=err)

    def work(host: int) -> None:
        for _ in range(200):
            console.emit(Note(f"node{host}", "x" * 50))

    threads = [threading.Thread(target=work, args=(host,)) for host in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = err.getvalue().splitlines()
    assert len(lines) == 1600
    assert {len(line) for line in lines} == {57}


_WORK = """
import sys
from datetime import timedelta
from kafab.console import Console
from kafab.errors import Failed
from kafab.events import Note, Transfer, Waiting
console = Console()
for step in range(2000):
    console.emit(Note("node1", "a step \\u2192 done"))
    console.data({}, "a line of data \\u2192")
console.emit(Waiting("node1", "registered", timedelta(seconds=9), timedelta(seconds=60)))
console.emit(Transfer("node1", "kafka.tgz", 1, 2))
console.error(Failed("no"))
open(sys.argv[1], "w").write("worked to the end")
"""


@pytest.mark.parametrize(
    ("redirection", "environment"),
    [
        ("| head -1", {}),
        (">&-", {}),
        ("2>&-", {}),
        (">&- 2>&-", {}),
        ("</dev/null", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("2>/dev/full", {}),
    ],
)
def test_broken_streams_lose_no_work(tmp_path: Path, redirection: str, environment: dict[str, str]) -> None:
    """Closed, full or ASCII-only streams: the process works to its end, without a traceback or a complaint at exit."""
    done = tmp_path / "done"
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" "$2" {redirection}', sys.executable, _WORK, str(done)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.read_text(encoding="utf-8") == "worked to the end"
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


_BEGIN = """
import os, signal, sys, threading
from datetime import timedelta
from kafab.console import Console
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
    assert _screen(ended.written) == ["node1  a step → done", *last]
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
    assert _screen(ended.written) == ["node1  a step ? done"]


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


def test_import_is_cheap() -> None:
    """The console loads no screen library: kafab's start-up is paid on every command."""
    code = "import sys, kafab.console; print([m for m in ('rich', 'fabric', 'jinja2', 'yaml') if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (56_000_000, "56.0 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    """Bytes are shown in decimal units."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (60, "60 s"),
        (200, "3 min 20 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are shown as people say them."""
    assert duration(timedelta(seconds=seconds)) == text
