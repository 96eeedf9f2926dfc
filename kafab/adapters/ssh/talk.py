"""One conversation on an SSH channel: its output as it comes, its exit code, and what it means when there is none.

Waiting is on one event for both streams: no thread a stream, no polling, and a full stderr never blocks stdout (both
share one window).
"""

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import paramiko

from kafab.adapters.ssh.frame import Frame, NotBegun
from kafab.command import ANSWER_LIMIT, TOO_LONG, Ends, Outcome, Result, bounded
from kafab.unknown import Unknown

PIECE = 1024 * 1024
"""Bytes that are taken of a stream at once. What is not taken yet waits on the host, but for one window of the channel."""
LOST = "the connection was lost while the script ran"
STILL = "the script may still be running there"
_CODE_SECONDS = 5
_SIGNALLED = {
    128
    + number: f"exit {128 + number}: {number.name} killed the script, or a command whose exit code it returned"
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
}
KILLED = "the script ended without an exit code: a signal killed it"


class _Wake(threading.Event):
    """Set by Paramiko when either stream has something. Paramiko clears it a stream, which would lose the other's."""

    def clear(self) -> None:
        pass

    def rearm(self) -> None:
        super().clear()


class Output:
    """What a script has printed and was not taken yet: never more than a piece of each stream at a call of `more`.

    ``patience``: within so many seconds from now the login has to start a `sh`.
    """

    def __init__(self, channel: paramiko.Channel, frame: Frame, patience: float) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.ended = False
        self.complete = False
        """Whether nothing more will come: what there is of it is here, if not taken yet."""
        self.frame = frame
        self._channel = channel
        self._patience = patience
        self._late = time.monotonic() + patience
        self._wake = _Wake()
        for stream in (channel.in_buffer, channel.in_stderr_buffer):
            stream.set_event(self._wake)

    def more(self, deadline: float | None) -> None:
        """Wait until there is more, or the end. ``deadline`` is monotonic. Raises TimeoutError, or NotBegun."""
        first = self._late if not self.frame.shell else None
        until = min((time_ for time_ in (deadline, first) if time_ is not None), default=None)
        if not self._wake.wait(None if until is None else max(0.0, until - time.monotonic())):
            if until == first:
                raise NotBegun(self.frame, None, self._patience)
            raise TimeoutError
        self._wake.rearm()
        channel = self._channel
        # Asked before the buffers are looked at: what comes after this look sets the event again.
        self.complete = bool(channel.eof_received or channel.closed)
        if channel.recv_ready():
            self.out += self.frame.out.passed(channel.recv(PIECE))
        if channel.recv_stderr_ready():
            self.err += self.frame.err.passed(channel.recv_stderr(PIECE))
        left = channel.recv_ready() or channel.recv_stderr_ready()
        if left:
            self._wake.set()
        self.ended = self.complete and not left
        if self.frame.terminal or self.frame.mixed:
            raise NotBegun(self.frame, None, self._patience)
        if self.ended:
            self._conclude()

    def _conclude(self) -> None:
        if self.frame.begun:
            self.out += self.frame.out.rest()
            return
        with suppress(TimeoutError):
            code = self.exit_code(time.monotonic() + _CODE_SECONDS)
            # A connection that was lost has no exit code, and says nothing of the login.
            if not isinstance(code, Unknown):
                raise NotBegun(self.frame, code, self._patience)

    def await_shell(self) -> None:
        """Wait until the login has started a `sh`, or the connection is lost. Raises NotBegun."""
        while not self.frame.shell and not self.ended:
            self.more(None)
        self.hand_over()

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
        """Return the exit code, once the streams have ended. Raises TimeoutError.

        The frame's is the script's own; what a login shell makes of it does not count.
        """
        if (own := self.frame.out.code) is not None:
            # The `sh` that started the script cannot tell its end by a signal from a command's that it passed on.
            return Unknown(_SIGNALLED[own]) if own in _SIGNALLED else own
        channel = self._channel
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        if channel.exit_status == -1:
            return Unknown(KILLED if channel.eof_received else LOST)
        return channel.exit_status


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


def first_line(output: Output, seconds: float) -> Outcome:
    """Read up to the first line of a script that goes on, or to its end without one."""
    deadline = time.monotonic() + seconds
    try:
        while not output.ended and b"\n" not in output.out:
            output.more(deadline)
            if len(output.out) > ANSWER_LIMIT or len(output.err) > ANSWER_LIMIT:
                return TOO_LONG
        if b"\n" in output.out:
            line, _, _ = bytes(output.out).partition(b"\n")
            return Result(0, line + b"\n", "")
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
