"""Secrets by reference read from this machine, and the fake against it."""

import os
import pty
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.adapters.machine.secrets import MachineSecrets
from kafab.errors import Failed, KafabError, UsageError
from kafab.events import Event, Waiting
from kafab.ports import Secrets
from kafab.references import Reference
from kafab.testing.secrets import FakeSecrets

CANARY = "can4ry$ecret"


def _file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _told(secrets: Secrets, reference: str) -> str:
    """Return the message and the hint of what cannot be read."""
    with pytest.raises(KafabError) as error:
        secrets.read(Reference.parse(reference))
    assert error.value.hint
    return f"{error.value.message} ({error.value.hint})"


@pytest.mark.parametrize("kind", ["machine", "fake"])
def test_real_and_fake_agree(kind: str, tmp_path: Path) -> None:
    """Both give a value, a text of lines where lines are asked for, and an error with a hint for what is not there."""
    values = {"ONE": CANARY, "LINES": "a\nb"}
    secrets: Secrets = (
        MachineSecrets(tmp_path, environ=values)
        if kind == "machine"
        else FakeSecrets({f"${{env:{name}}}": value for name, value in values.items()})
    )
    one = secrets.read(Reference.parse("${env:ONE}"))
    text = secrets.read(Reference.parse("${env:LINES}"), lines=True)
    told = [_told(secrets, f"${{env:{name}}}") for name in ("LINES", "NONE")]
    assert (one.value, text.value) == (CANARY, "a\nb")
    assert ["lines" in told[0], "NONE" in told[1]] == [True, True]


@pytest.mark.parametrize(("environ", "how"), [({}, "is not set"), ({"X": ""}, "is empty")])
def test_variable_without_a_value_is_told(environ: Mapping[str, str], how: str, tmp_path: Path) -> None:
    """A variable that is unset or empty is told by its name, with the way to set it that leaves no trace."""
    told = _told(MachineSecrets(tmp_path, environ=environ), "${env:X}")
    assert f"environment variable X {how}" in told
    assert "read -rs X" in told


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"s\n", "s"),
        (b"s\r\n", "s"),
        (b"s", "s"),
        (b" s \n", " s "),
        ("pä$\"'\\#!=\n".encode(), "pä$\"'\\#!="),
    ],
)
def test_file_is_read_as_it_is(content: bytes, value: str, tmp_path: Path) -> None:
    """Of a file only one end of line is left out; a relative path counts from the inventory's folder."""
    _file(tmp_path, content)
    assert MachineSecrets(tmp_path).read(Reference.parse("${file:secret}")).value == value


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\nb\n", "has 2 lines"),
        (b"a\n\n", "has 2 lines"),
        (b"a\rb", "has 2 lines"),
        (b"can4ry\xff", "no text in UTF-8"),
        (b"can4ry\0", "no text in UTF-8"),
        (b"c" * 70_000, "more than 64 KiB"),
    ],
)
def test_content_that_is_no_password_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    """A file that is empty, has several lines, or is no text is told, without what is in it."""
    _file(tmp_path, content)
    told = _told(MachineSecrets(tmp_path), "${file:secret}")
    assert complaint in told
    assert "can4ry" not in told


@pytest.mark.parametrize(("mode", "who"), [(0o644, "everybody"), (0o640, "its group"), (0o602, "everybody")])
def test_file_that_others_can_open_is_refused(mode: int, who: str, tmp_path: Path) -> None:
    """A file that is not its owner's alone is refused, with the command that mends it."""
    path = _file(tmp_path, b"x\n", mode)
    told = _told(MachineSecrets(tmp_path), "${file:secret}")
    assert (f"open to {who}: its mode is {mode:04o}" in told, f"chmod 600 {path}" in told) == (True, True)


def test_link_to_a_file_is_judged_by_the_file(tmp_path: Path) -> None:
    """A link may stand for the file; what counts is the file's own mode."""
    (tmp_path / "link").symlink_to(_file(tmp_path, b"x\n", 0o604))
    assert "open to everybody" in _told(MachineSecrets(tmp_path), "${file:link}")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a missing file and a pipe that nobody writes to are told, and none is waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    secrets = MachineSecrets(tmp_path)
    assert "not a regular file" in _told(secrets, "${file:pipe}")
    assert "not a regular file" in _told(secrets, "${file:.}")
    assert "No such file" in _told(secrets, "${file:none}")


def test_command_prints_the_secret(tmp_path: Path) -> None:
    """A command is run by sh in the inventory's folder, and has nothing to read."""
    _file(tmp_path, CANARY.encode() + b"\n")
    secrets = MachineSecrets(tmp_path)
    assert secrets.read(Reference.parse("${cmd:cat; cat secret | tr -d '\\n'}")).value == CANARY


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("echo first >&2; echo no such entry >&2; exit 3", "exit code 3, and said no such entry"),
        ("exit 1", "exit code 1, and said nothing"),
        ("kill -9 $$", "ended by signal 9"),
        ("nothing-like-this", "exit code 127, and said .*not found"),
        (f"echo '{CANARY}'; echo 'cannot use {CANARY} here' >&2; exit 1", r"said cannot use \*\*\* here"),
        ("echo a; echo b", "has 2 lines"),
        ("true", "is empty"),
        ("yes", "more than 64 KiB"),
        ("printf '\\033[31mred' >&2; exit 1", r"said \\x1b\[31mred"),
    ],
)
def test_command_that_gives_no_secret_is_told(command: str, complaint: str, tmp_path: Path) -> None:
    """A command that fails is told with its exit code and its last word, and what it printed is not."""
    with pytest.raises(KafabError, match=complaint) as error:
        MachineSecrets(tmp_path).read(Reference.parse(f"${{cmd:{command}}}"))
    assert CANARY not in error.value.message.partition("}: ")[2]


@pytest.mark.parametrize("hangs", ["sleep 60 & echo $$ > pid; wait", "echo $$ > pid; sleep 60 >&- 2>&-"])
def test_command_that_hangs_is_ended_with_all_that_it_started(hangs: str, tmp_path: Path) -> None:
    """At the limit the whole process group is killed, and the error says how long it had."""
    events: list[Event] = []
    secrets = MachineSecrets(tmp_path, events.append, limit=timedelta(seconds=0.5))
    begun = time.monotonic()
    with pytest.raises(Failed, match=r"did not end within 0\.5 s; it was ended"):
        secrets.read(Reference.parse(f"${{cmd:{hangs}}}"))
    assert time.monotonic() - begun < 10
    assert isinstance(events[0], Waiting)
    group = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _lives(group):
        assert time.monotonic() < deadline, "the group lives on"
        time.sleep(0.02)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_reference_is_read_once_by_several_threads(tmp_path: Path) -> None:
    """Eight threads that want one secret run its command once, and a command that has failed is not run again."""
    secrets = MachineSecrets(tmp_path)
    good = Reference.parse("${cmd:echo x >> good; sleep 0.1; echo secret}")
    bad = Reference.parse("${cmd:echo x >> bad; exit 1}")
    with ThreadPoolExecutor(8) as threads:
        values = {found.value for found in threads.map(lambda _: secrets.read(good), range(8))}
    for _ in range(2):
        with pytest.raises(Failed):
            secrets.read(bad)
    runs = [(tmp_path / name).read_text() for name in ("good", "bad")]
    assert (values, runs) == ({"secret"}, ["x\n", "x\n"])


ASKING = """
import sys
from pathlib import Path
from kafab.adapters.machine.secrets import MachineSecrets
from kafab.errors import KafabError
from kafab.references import Reference

try:
    print("found", MachineSecrets(Path(".")).read(Reference.parse("${prompt:the word}")).value[::-1])
except KafabError as error:
    print("told", error.message, error.hint)
"""


def test_operator_is_asked_on_the_terminal() -> None:
    """The question stands on the terminal, what is typed does not."""
    terminal, its = pty.openpty()
    # The first terminal that the leader of a session opens becomes the session's own.
    program = f"import os; os.open({os.ttyname(its)!r}, os.O_RDWR)\n{ASKING}"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=its, stdout=its, stderr=its, start_new_session=True
    ):
        os.close(its)
        shown = _until(terminal, b"the word: ")
        os.write(terminal, b"open sesame\n")
        shown += _until(terminal, b"found emases nepo")
    os.close(terminal)
    assert b"open sesame" not in shown


def _until(terminal: int, text: bytes) -> bytes:
    shown = b""
    late = threading.Timer(30, os.close, [terminal])
    late.start()
    while text not in shown:
        shown += os.read(terminal, 1000)
    late.cancel()
    return shown


def test_without_a_terminal_nobody_is_asked() -> None:
    """Where there is no terminal that is the error, and the hint names the other references."""
    done = subprocess.run(
        [sys.executable, "-c", ASKING],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        start_new_session=True,
    )
    assert done.stdout.startswith("told ${prompt:the word}: there is no terminal to ask on")
    assert "${cmd:COMMAND}" in done.stdout


def test_error_keeps_nothing_of_a_value(tmp_path: Path) -> None:
    """Neither an error nor what it came from has the bytes that were no text."""
    _file(tmp_path, b"can4ry\xff")
    with pytest.raises(UsageError) as error:
        MachineSecrets(tmp_path).read(Reference.parse("${file:secret}"))
    assert (error.value.__cause__, error.value.__context__) == (None, None)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
