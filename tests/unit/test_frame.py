"""Frames of scripts: what is called is there as data, and an answer that was cut off is never a whole one."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Cmd, Result, Script
from kafab.shell.frame import Answer, answers, asking, framed, numbered, whole
from kafab.unknown import Unknown

Shell = Callable[[Script], Result]
MINUTE = timedelta(minutes=1)


def test_script_has_its_calls_as_data() -> None:
    """Whoever has a script sees which functions it calls with which words, without a look into its text."""
    script = asking(("plain",), Cmd("plain", "/a b"), Cmd("echo", 1), Cmd("plain", "/c"), timeout=MINUTE)
    assert script.called("plain") == (Cmd("plain", "/a b"), Cmd("plain", "/c"))
    assert (script.called("end"), script.called("run")) == ((), ())


@pytest.mark.parametrize("frame", [framed, asking, numbered])
def test_text_makes_the_calls(frame: Callable[..., Script]) -> None:
    """Each call stands in the text as it is quoted for the shell, in order."""
    calls = (Cmd("echo", "a 'b' $c"), Cmd("cat", stdin="$(id)\n"))
    text = frame((), *calls, timeout=MINUTE).text
    at = [text.index(call.sh) for call in calls]
    assert at == sorted(at)


def test_whole_answer_is_its_lines(shell: Shell) -> None:
    """What the calls printed comes back, without the frame."""
    outcome = shell(asking((), Cmd("echo", "a"), Cmd("echo", "b"), timeout=MINUTE))
    assert whole(outcome, "the script") == ["a", "b"]


@given(cut=st.integers(min_value=0, max_value=9))
def test_cut_off_answer_is_unknown(cut: int) -> None:
    """Wherever an answer is cut off, it is no answer."""
    assert isinstance(whole(Result(0, b"one\ntwo\nend\n"[: cut + 2], ""), "the script"), Unknown)


def test_failed_answer_says_why() -> None:
    """An exit code is no answer either, and is told with the script's own words."""
    assert whole(Result(3, b"end\n", "no java\n"), "the look") == Unknown("the look ended with 3: no java")


def test_numbered_calls_end_with_the_first_that_fails(shell: Shell) -> None:
    """Each call says how it came out; what a failed call printed is with it, and no later call is made."""
    calls = (Cmd("echo", "fine"), Cmd("ls", "/nowhere"), Cmd("echo", "never"))
    found = list(answers(shell(numbered((), *calls, timeout=MINUTE))))
    assert [answer.done for answer in found] == [True, False]
    assert "/nowhere" in found[1].said


def test_failure_inside_a_call_is_its_failure(shell: Shell) -> None:
    """A function ends at its first failed command, as everywhere in these scripts."""
    script = numbered((), Cmd("eval", "false; echo went on"), timeout=MINUTE)
    assert list(answers(shell(script))) == [Answer(done=False, said="step 0 1")]


def test_call_reads_its_text(shell: Shell) -> None:
    """What is on a call's stdin reaches it as it is, and the next call has its own."""
    text = "a $(touch pwned) 'quoted' \\ back\nEOF\n"
    script = framed((), Cmd("cat", stdin=text), Cmd("cat", stdin=""), Cmd("echo", "end"), timeout=MINUTE)
    assert shell(script).text == f"{text}end\n"


def test_text_without_an_end_is_refused() -> None:
    """The shell would give the call a line break more than it was to read."""
    with pytest.raises(ValueError, match="the last line of what put is to read has no end"):
        Cmd("put", stdin="half a line")
