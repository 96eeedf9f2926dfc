"""A starting line for scripts on several hosts: what they do behind it begins at one moment.

Side by side is not that: a login, a busy host or a longer way lets one script begin a second after another.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

READY = b"ready\n"
"""The first line of a script that has come to the line."""
LINE_SECONDS = 10
"""How long those that have come wait for the others."""


class StartingLine:
    """Where the threads of ``count`` hosts wait for each other."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._until = time.monotonic() + LINE_SECONDS

    @contextmanager
    def expected(self) -> Generator[Callable[[], None], None, None]:
        """Yield what a host calls when it has come; one that leaves the block without it is waited for no more."""
        came = False

        def come() -> None:
            nonlocal came
            if not came:
                came = True
                self._one_less()

        try:
            yield come
        finally:
            come()

    def wait(self) -> None:
        """Wait until all that are expected have come, or for so long as anybody waits: to the same moment in all threads."""
        self._go.wait(max(self._until - time.monotonic(), 0))

    def _one_less(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._go.set()
