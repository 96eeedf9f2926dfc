"""The console: what goes to which stream, and that no stream can stop the work."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.errors import Failed, Unsafe, UsageError
from kafab.events import Note, Transfer
from kafab.findings import Finding, Report, Severity
from kafab.screens.console import Console
from tests.terminals import Terminal, Time, known_terminal, waiting

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with known_terminal(monkeypatch):
        yield


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
    """A wait that is reported five times a second for 12 s gives two lines, however its counter ticks (`kafab.screens.waits`)."""
    err, now = io.StringIO(), Time()
    console = Console(err=err, now=now)
    for fifth in range(60):
        now.seconds = fifth / 5
        console.emit(waiting(fifth / 5, f"mvn to end, {fifth} files downloaded"))
    assert err.getvalue().splitlines() == [
        "node1/broker  waiting: mvn to end, 5 files downloaded (1 s, at most 60 s)",
        "node1/broker  waiting: mvn to end, 55 files downloaded (11 s, at most 60 s)",
    ]


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


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")])
def test_plain_terminal_gets_no_codes(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """NO_COLOR, TERM=dumb and no TERM give lines without one escape code."""
    monkeypatch.setenv(name, value)
    out, err = Terminal(), Terminal()
    console = Console(out=out, err=err)
    console.emit(waiting(1))
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
    """An error and its hint are two lines on stderr, and stdout stays empty."""
    out, err = io.StringIO(), io.StringIO()
    Console(out=out, err=err).error(Failed("node1: no space", hint="make room"))
    assert (out.getvalue(), err.getvalue()) == ("", "error: node1: no space\nhint: make room\n")


def test_data_is_the_text_or_one_document() -> None:
    """Without --json stdout has the text, with it one JSON document and nothing else."""
    text, document = io.StringIO(), io.StringIO()
    Console(out=text).data({"schema": "kafab.x/1"}, "hello")
    Console(json=True, out=document).data({"schema": "kafab.x/1", "name": "Zoë"}, "hello")
    assert text.getvalue() == "hello\n"
    assert json.loads(document.getvalue()) == {"schema": "kafab.x/1", "name": "Zoë"}


def test_report_as_text() -> None:
    """A report is a table in which what is said alike is one row, each hint once, and a line of counts."""
    out = io.StringIO()
    Console(out=out).report(REPORT)
    assert out.getvalue().splitlines() == [
        "SEVERITY  CHECK       SUBJECT                      DETAIL",
        "OK        controller  lab                          broker 1, epoch 4",
        "CRIT      isr         orders-0, orders-1 (2 of 2)  1 of 3 in sync",
        "hint: start node2/broker",
        "lab: CRIT (2 CRIT, 1 OK)",
    ]


def test_report_with_a_row_each() -> None:
    """On request every finding has its own row, the worst last."""
    out = io.StringIO()
    Console(out=out).report(REPORT, each=True)
    assert [line.split()[:3] for line in out.getvalue().splitlines()[1:4]] == [
        ["OK", "controller", "lab"],
        ["CRIT", "isr", "orders-0"],
        ["CRIT", "isr", "orders-1"],
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
from kafab.screens.console import Console
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


def test_import_is_cheap() -> None:
    """The console loads no screen library: kafab's start-up is paid on every command."""
    code = "import sys, kafab.screens.console; print([m for m in ('rich', 'fabric', 'jinja2', 'yaml') if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == "[]\n"
