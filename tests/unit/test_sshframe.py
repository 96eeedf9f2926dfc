"""What is said around a script's output: nothing of it is output, however it comes, and what is missing is known."""

import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.adapters.ssh.frame import READ, Frame, Gate, line, on_one_line
from tests.loopback import BARE

MARK, END = b"kafab\x1e7 out\x1e\n", b"kafab\x1e7 end "
TALK = st.binary(max_size=40).filter(lambda said: b"kafab" not in said)


def fed(gate: Gate, stream: bytes, cuts: Sequence[int]) -> bytes:
    """Return what a gate lets through of a stream that comes in pieces, and at its end."""
    at = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return b"".join(gate.passed(stream[a:b]) for a, b in pairwise(at)) + gate.rest()


@given(
    greeting=TALK, output=TALK, farewell=TALK, code=st.integers(0, 255), cuts=st.lists(st.integers(0, 400))
)
def test_only_what_stands_between_the_marks_is_output(
    greeting: bytes, output: bytes, farewell: bytes, code: int, cuts: Sequence[int]
) -> None:
    """In whatever pieces a stream comes, its output and exit code are the script's, and nothing around them is."""
    gate = Gate([MARK], END)
    stream = greeting + MARK + output + END + f"{code}\x1e\n".encode() + farewell
    assert (fed(gate, stream, cuts), gate.code, gate.before) == (output, code, [greeting])


@given(output=st.binary(max_size=60), cuts=st.lists(st.integers(0, 400)))
def test_output_without_an_end_is_whole(output: bytes, cuts: Sequence[int]) -> None:
    """A script that was cut off, or printed the beginning of a mark by itself, loses no byte of what came."""
    begun = output + END[: len(output) % len(END)]
    gate = Gate([MARK], END)
    assert (fed(gate, MARK + begun, cuts), gate.code) == (begun, None)


@given(said=TALK, cuts=st.lists(st.integers(0, 400)))
def test_nothing_is_output_without_the_mark(said: bytes, cuts: Sequence[int]) -> None:
    """A login that started no shell has printed nothing, and what it said is kept as its words."""
    gate = Gate([MARK], END)
    assert (fed(gate, said, cuts), gate.open, bytes(gate.held)) == (b"", False, said)


def test_endless_greeting_is_bounded() -> None:
    """A login that prints for ever fills no memory, and a mark behind megabytes of it is still found."""
    gate = Gate([MARK], END)
    for _ in range(100):
        gate.passed(b"x" * 1_000_000)
    assert len(gate.held) < 100_000
    assert gate.passed(MARK + b"out") == b"out"


SHELLS = ("dash", "bash", "tcsh", "busybox", "fish", "zsh", "mksh")


def shells() -> list[str]:
    """Return the login shells of this machine, of those that read a command line each in its own way."""
    return [found for name in SHELLS if (found := shutil.which(name))]


def through(shell: str, words: Sequence[str], stdin: bytes) -> tuple[Frame, bytes, int]:
    """Give a login shell the command line of a frame; return the frame, its output, and the shell's exit code."""
    frame = Frame()
    command = line(words, frame.number, BARE["PATH"])
    run = [shell, "sh", "-c", command] if shell.endswith("busybox") else [shell, "-c", command]
    done = subprocess.run(run, input=stdin, capture_output=True, env={"HOME": "/"}, check=False)
    frame.err.passed(done.stderr)
    return frame, frame.out.passed(done.stdout) + frame.out.rest(), done.returncode


@pytest.mark.parametrize("shell", shells())
def test_login_shells_of_any_kind_start_the_script(shell: str) -> None:
    """The C shell takes neither a line break nor an exclamation mark in quotes: the command line has neither."""
    frame, out, code = through(shell, ["sh", "-eu"], b"echo 'it is!'\nexit 3\n")
    assert (frame.begun, out, frame.out.code, code) == (True, b"it is!\n", 3, 3)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_script_on_one_line_has_no_line_break_and_no_byte_beyond_ascii(text: str) -> None:
    """Whatever a script holds, `read` of any shell takes it whole."""
    sent = on_one_line(text)
    assert (sent.count(b"\n"), sent.isascii(), sent.endswith(b"\n")) == (1, True, True)


@pytest.mark.parametrize("shell", shells())
def test_fed_script_leaves_the_rest_of_stdin(shell: str) -> None:
    """Not one byte of what a script is fed with is taken for the script, or by the shell that reads it."""
    script = "printf '%s' 'ü\\n!\t'\ncat\n# a last line without an end"
    food = bytes(range(256)) * 300
    _, out, _ = through(shell, ["sh", "-euc", READ], on_one_line(script) + food)
    assert out == "ü\\n!\t".encode() + food


def test_fed_script_that_is_cut_off_never_runs() -> None:
    """Every true prefix of the line runs nothing."""
    whole = on_one_line("echo ran")
    ran = [length for length in range(len(whole)) if through("sh", ["sh", "-euc", READ], whole[:length])[1]]
    assert ran == []


def test_terminal_is_known_before_anything_runs() -> None:
    """On a terminal, as a session recorder gives, the first shell says so and ends."""
    frame = Frame()
    command = line(["sh", "-eu"], frame.number, BARE["PATH"])
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], input=b"echo ran\n", capture_output=True, check=False
    )
    frame.out.passed(done.stdout)
    assert (frame.terminal, frame.shell) == (True, False)


def test_errors_that_come_as_output_are_known() -> None:
    """The mark of the errors is said first: before the mark of the output it tells that both share a way."""
    frame = Frame()
    command = line(["sh", "-eu"], frame.number, BARE["PATH"])
    done = subprocess.run(["sh", "-c", f"({command}) 2>&1"], input=b"", capture_output=True, check=False)
    frame.out.passed(done.stdout)
    assert frame.mixed
