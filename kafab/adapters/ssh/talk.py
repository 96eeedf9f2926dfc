"""One conversation on an SSH channel: its output as it comes, its exit code, and what it means when there is none.

Waiting is on one event for both streams: no thread a stream, no polling, and a full stderr never blocks stdout (both
share one window).
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import paramiko

from kafab.command import ANSWER_LIMIT, TOO_LONG, Ends, Outcome, Result, bounded
from kafab.unknown import Unknown

PIECE = 1024 * 1024
"""Bytes that are taken of a stream at once. What is not taken yet waits on the host, but for one window of the channel."""
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
    """What has come on a channel and was not taken yet: never more than a piece of each stream at a call of `more`."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.ended = False
        self.complete = False
        """Whether nothing more will come: what there is of it is here, if not taken yet."""
        self._channel = channel
        self._wake = _Wake()
        for stream in (channel.in_buffer, channel.in_stderr_buffer):
            stream.set_event(self._wake)

    def more(self, deadline: float | None) -> None:
        """Wait until there is more, or the end. ``deadline`` is monotonic. Raises TimeoutError."""
        if not self._wake.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        self._wake.rearm()
        channel = self._channel
        # Asked before the buffers are looked at: what comes after this look sets the event again.
        self.complete = bool(channel.eof_received or channel.closed)
        if channel.recv_ready():
            self.out += channel.recv(PIECE)
        if channel.recv_stderr_ready():
            self.err += channel.recv_stderr(PIECE)
        left = channel.recv_ready() or channel.recv_stderr_ready()
        if left:
            self._wake.set()
        self.ended = self.complete and not left

    def hand_over(self) -> None:
        """Let another reader go on: what has come and was not taken is there for it, and so is the end."""
        self.ended = False
        self._wake.set()

    def take(self) -> tuple[bytes, bytes]:
        """Return what there is of output and of errors, and forget it."""
        taken = bytes(self.out), bytes(self.err)
        self.out.clear()
        self.err.clear()
        return taken

    def exit_code(self, deadline: float) -> int | Unknown:
        """Return the exit code, once the streams have ended. Raises TimeoutError."""
        channel = self._channel
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        if channel.exit_status == -1:
            return Unknown(KILLED if channel.eof_received else LOST)
        return channel.exit_status


class AfterMark:
    """Holds both streams back until a mark has come among the errors, and takes the mark away. No mark holds nothing back.

    The streams come by ways of their own: what is printed may be here before the mark is.
    """

    def __init__(self, mark: bytes) -> None:
        self.begun = not mark
        self._mark = mark
        self._out = bytearray()
        self._err = bytearray()

    def passed(self, out: bytes, err: bytes) -> tuple[bytes, bytes]:
        """Return what may go on of what was held back and of these pieces. Raises OverflowError for too much before the mark."""
        if self.begun:
            return out, err
        self._out += out
        self._err += err
        _, mark, behind = bytes(self._err).partition(self._mark)
        if mark:
            self.begun = True
            return bytes(self._out), behind
        if len(self._out) + len(self._err) > ANSWER_LIMIT:
            raise OverflowError
        return b"", b""

    @property
    def before(self) -> str:
        """What has come among the errors in the mark's place."""
        return self._err.decode("utf-8", errors="replace")


def collect(output: Output, seconds: float) -> Outcome:
    """Read a channel to its end within ``seconds``; an answer beyond its bound is Unknown at once."""
    deadline, errors = time.monotonic() + seconds, Ends()
    try:
        while not output.ended:
            output.more(deadline)
            errors.add(bytes(output.err))
            output.err.clear()
            if len(output.out) > ANSWER_LIMIT:
                return TOO_LONG
        code = output.exit_code(deadline)
    except TimeoutError:
        return Unknown(f"no answer within {seconds:g} s; {STILL}")
    return code if isinstance(code, Unknown) else Result(code, bytes(output.out), errors.text)


def first_line(output: Output, seconds: float, mark: bytes) -> Outcome:
    """Read up to the first line of a script that goes on and to ``mark`` among its errors, or to the end without them."""
    deadline = time.monotonic() + seconds
    try:
        while not output.ended and not (b"\n" in output.out and mark in output.err):
            output.more(deadline)
            if len(output.out) > ANSWER_LIMIT or len(output.err) > ANSWER_LIMIT:
                return TOO_LONG
        if b"\n" in output.out and mark in output.err:
            line, _, _ = bytes(output.out).partition(b"\n")
            return Result(0, line + b"\n", mark.decode())
        code = output.exit_code(deadline)
    except TimeoutError:
        return Unknown(f"no first line within {seconds:g} s; {STILL}")
    return code if isinstance(code, Unknown) else bounded(code, *output.take())


@contextmanager
def closing(channel: paramiko.Channel) -> Generator[None, None, None]:
    """Close a channel at the end of the block; one that is already lost is no error."""
    try:
        yield
    finally:
        with suppress(paramiko.SSHException, OSError, EOFError):
            channel.close()
