"""How an operation tells where Ctrl-C has stopped it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafab.errors import Interrupted

AGAIN = "the same command again observes and goes on"


@contextmanager
def interruptible(state: Callable[[], str]) -> Iterator[None]:
    """Turn Ctrl-C in the block into Interrupted with what ``state`` says by then: what is done, what is not."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted\n{state()}", hint=AGAIN) from None
