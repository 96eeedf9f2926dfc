"""How far one file is, told often enough to be watched and seldom enough to cost nothing."""

import time

from kafab.events import Emit, Transfer

_EVERY = 0.1  # seconds


class Progress:
    """Counts the bytes of one file and emits Transfers; work that ends within ``after`` seconds is never shown."""

    def __init__(
        self, emit: Emit, subject: str, name: str, total: int | None, *, done: int = 0, after: float = 0
    ) -> None:
        self.done = done
        self.total = total
        self._emit = emit
        self._subject = subject
        self._name = name
        self._next = time.monotonic() + after
        self._shown = False

    def add(self, count: int) -> None:
        """Count bytes that were just read or received."""
        self.done += count
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self._show(self.done, self.total)

    def finish(self) -> None:
        """Say that the file is complete."""
        if self._shown or time.monotonic() >= self._next:
            self._show(self.done, self.done)

    def _show(self, done: int, total: int | None) -> None:
        self._shown = True
        self._emit(Transfer(self._subject, self._name, done, total))
