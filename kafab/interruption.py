"""How an operation tells where Ctrl-C has stopped it, and what Ctrl-C does where no operation is at work."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from kafab.errors import Interrupted

INTERRUPTED = 130
AGAIN = "the same command again observes and goes on"


@contextmanager
def interruptible(state: Callable[[], str], stopped: Callable[[], Iterable[str]] = tuple) -> Iterator[None]:
    """Turn Ctrl-C in the block into Interrupted with what ``state`` says by then: what is done, what is not.

    ``stopped`` names the nodes that are down by then and ran before, see `KafabError.stopped`.
    """
    try:
        yield
    except KeyboardInterrupt:
        error = Interrupted(f"interrupted\n{state()}", hint=AGAIN)
        error.stopped = tuple(stopped())
        raise error from None


class Deferred:
    """Whether Ctrl-C has come since `deferred` began."""

    def __init__(self) -> None:
        self.asked = False

    def safe_point(self) -> None:
        """Stop here where that was asked for. Raises KeyboardInterrupt."""
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def deferred(told: Callable[[], object]) -> Iterator[Deferred]:
    """Let the first Ctrl-C in the block wait for its next safe point; ``told`` says so, and another one is at once.

    Where the signal is not Python's own matter (in a thread, or ignored) nothing is changed.
    """
    found = Deferred()

    def first(_number: int, _frame: object) -> None:
        found.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        told()

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return
    signal.signal(signal.SIGINT, first)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def at_once() -> None:
    """Let Ctrl-C end the process with one word: while kafab is read in, and between the tasks of a command line.

    Python would show a traceback out of an import, and Invoke ends with 1 and no word. Where the signal is ignored, as
    in the background of a shell, it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def by_operations() -> Iterator[None]:
    """Let Ctrl-C in the block be a KeyboardInterrupt again, for what has something to say about it."""
    at_once_before = signal.getsignal(signal.SIGINT) is _end
    if at_once_before:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if at_once_before:
            at_once()


def leave(code: int) -> None:
    """End the process at once, with what it has written: threads that are still at work are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads, closed, or none
            stream.flush()
    os._exit(code)


def _end(_number: int, _frame: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
