"""The boundary between kafab's errors and the shell: what a task's end says."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import loads as json_of

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from kafab.errors import Failed, Interrupted, Unreachable
from kafab.interruption import interruptible
from tasks.boundary import task
from tasks.chain import CHAIN

pytestmark = pytest.mark.usefixtures("signals_given_back")


@contextmanager
def interrupted_at_the_end(times: int) -> Iterator[None]:
    """Get Ctrl-C so many times on the way out, as where the lock is being let go and the operator is impatient."""
    try:
        yield
    finally:
        if times:
            with interrupted_at_the_end(times - 1):
                raise KeyboardInterrupt


def said(capsys: pytest.CaptureFixture[str], body: object) -> tuple[int, list[str]]:
    """Run a body as a task; return its exit code and the lines of its standard error."""
    with pytest.raises(Exit) as ended:
        task(body)(Context())  # type: ignore[call-overload]  # any body
    return ended.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("times", [0, 1, 2])
def test_fate_of_each_host_outlives_another_interrupt(times: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A second and a third Ctrl-C do not replace what the first one was told."""

    def body(_context: Context) -> None:
        with interrupted_at_the_end(times), interruptible(lambda: "node1: done\nnode2: not begun"):
            raise KeyboardInterrupt

    code, lines = said(capsys, body)
    assert (code, lines[:3]) == (
        Interrupted.exit_code,
        ["error: interrupted", "node1: done", "node2: not begun"],
    )


def test_plain_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C where nothing was under way is one sentence and what to do."""

    def body(_context: Context) -> None:
        raise KeyboardInterrupt

    assert said(capsys, body) == (
        Interrupted.exit_code,
        ["error: interrupted", "hint: run the same command again: it observes and goes on"],
    )


def test_error_is_a_document_where_one_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads --json is told what happened, to which host and with which exit code."""

    def body(_context: Context, json: bool = False) -> None:
        raise Unreachable({"node3": "timed out"}, hint="is it up?")

    with pytest.raises(Exit):
        task(body)(Context(), json=True)
    assert json_of(capsys.readouterr().out) == {
        "schema": "kafab.error/1",
        "error": "Unreachable",
        "exit_code": 4,
        "message": "1 host did not answer:\n  node3: timed out",
        "hint": "is it up?",
        "hosts": {"node3": "timed out"},
        "stopped": [],
    }


def test_document_that_was_written_is_the_only_one(capsys: pytest.CaptureFixture[str]) -> None:
    """What fails after its result was written adds no second document to it."""

    def body(_context: Context, json: bool = False) -> None:
        CHAIN.console(json=json).data({"schema": "kafab.test/1"}, "")
        raise Failed("and then it failed")

    with pytest.raises(Exit):
        task(body)(Context(), json=True)
    assert json_of(capsys.readouterr().out) == {"schema": "kafab.test/1"}


def test_error_in_words_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json an error is on stderr only."""

    def body(_context: Context, json: bool = False) -> None:
        raise Failed("it failed")

    with pytest.raises(Exit):
        task(body)(Context())
    assert capsys.readouterr().out == ""
