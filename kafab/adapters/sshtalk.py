"""One conversation on an SSH channel: its output as it comes, its exit code, and what it means when there is none.

Waiting is on one event for both streams: no thread a stream, no polling, and a full stderr never blocks stdout (both
share one window).
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import paramiko

from kafab.command import Outcome, Result, Unknown

_PIECE = 256 * 1024
LOST = "the connection was lost while the script ran"
STILL = "the script may still be running there"
KILLED = "the script ended without an exit code: a signal killed it"


class _Wake(threading.Event):
    """Set by Paramiko when either stream has something. Paramiko clears it a stream, which would lose the other's."""

    def clear(self) -> None:
        pass

    def rearm(self) -> None:
        super().clear()


class Output:
    """What has come on a channel so far."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.ended = False
        self._channel = channel
        self._wake = _Wake()
        for stream in (channel.in_buffer, channel.in_stderr_buffer):
            stream.set_event(self._wake)

    def more(self, deadline: float | None) -> None:
        """Wait until there is more, or the end. ``deadline`` is monotonic. Raises TimeoutError."""
        if not self._wake.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        self._wake.rearm()
        # Asked before the buffers are emptied: what comes after this look sets the event again.
        ended = self._channel.eof_received or self._channel.closed
        while self._channel.recv_ready():
            self.out += self._channel.recv(_PIECE)
        while self._channel.recv_stderr_ready():
            self.err += self._channel.recv_stderr(_PIECE)
        self.ended = bool(ended)

    def result(self, deadline: float) -> Outcome:
        """Return the exit code with all output, once the streams have ended. Raises TimeoutError."""
        channel = self._channel
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        if channel.exit_status == -1:
            return Unknown(KILLED if channel.eof_received else LOST)
        return Result(channel.exit_status, bytes(self.out), self.err.decode("utf-8", errors="replace"))


def collect(output: Output, seconds: float) -> Outcome:
    """Read a channel to its end within ``seconds``."""
    deadline = time.monotonic() + seconds
    try:
        while not output.ended:
            output.more(deadline)
        return output.result(deadline)
    except TimeoutError:
        return Unknown(f"no answer within {seconds:g} s; {STILL}")


def first_line(output: Output, seconds: float, mark: bytes) -> Outcome:
    """Read up to the first line of a script that goes on and to ``mark`` among its errors, or to the end without them."""
    deadline = time.monotonic() + seconds
    try:
        while not output.ended and not (b"\n" in output.out and mark in output.err):
            output.more(deadline)
        if b"\n" in output.out and mark in output.err:
            line, _, _ = bytes(output.out).partition(b"\n")
            return Result(0, line + b"\n", mark.decode())
        return output.result(deadline)
    except TimeoutError:
        return Unknown(f"no first line within {seconds:g} s; {STILL}")


@contextmanager
def closing(channel: paramiko.Channel) -> Generator[None, None, None]:
    """Close a channel at the end of the block; one that is already lost is no error."""
    try:
        yield
    finally:
        with suppress(paramiko.SSHException, OSError, EOFError):
            channel.close()
