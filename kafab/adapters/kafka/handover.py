"""Connections for child processes: the owner makes them, and hands them over as file descriptors.

Owner and child share a socket pair that the child inherits. There is no address, no port and no file that another user of this
machine could come to, and it ends with either of them.
"""

import errno
import json
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

from kafab.adapters.kafka.dialer import Dialer

VARIABLE = "KAFAB_REACH_FD"
"""Tells a child process the number of its end."""
_LINE = 4096
_GRACE = 5.0
"""Seconds that an owner may be late by, beside what the connection may take."""


class Handover:
    """An owner's side, for one child process."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._ours, self._theirs = socket.socketpair()
        threading.Thread(target=self._serve, name="kafab-handover", daemon=True).start()

    @property
    def descriptor(self) -> int:
        """What the child has to inherit."""
        return self._theirs.fileno()

    @property
    def environment(self) -> Mapping[str, str]:
        """What the child has to know."""
        return {VARIABLE: str(self.descriptor)}

    def begun(self) -> None:
        """Leave the child's end to the child."""
        self._theirs.close()

    def close(self) -> None:
        """Hand over no more; what has been handed over stays."""
        for each in (self._ours, self._theirs):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._theirs.close()

    def _serve(self) -> None:
        """Take requests until the child is gone: a line of JSON each, with the end of a socket pair that its answer goes to."""
        with self._ours, suppress(OSError, ValueError):
            heard, answers = b"", list[int]()
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._ours, _LINE, 1)
                answers += descriptors
                if not data:
                    break
                *lines, heard = (heard + data).split(b"\n")
                for line in lines:
                    asked = (line, socket.socket(fileno=answers.pop(0)))
                    threading.Thread(
                        target=self._answer, args=asked, name="kafab-handover", daemon=True
                    ).start()

    def _answer(self, line: bytes, to: socket.socket) -> None:
        with to, suppress(OSError):
            host, port, seconds = json.loads(line)
            try:
                made = self._dialer.connect(host, port, seconds)
            except OSError as error:
                to.sendall(json.dumps([error.errno, error.strerror or str(error)]).encode())
                return
            with made:
                socket.send_fds(to, [b"[]"], [made.fileno()])


class HandedOver:
    """A child's side: a `Dialer` whose connections its owner makes. Safe to use from several threads."""

    through_ssh = True

    def __init__(self, descriptor: int) -> None:
        self._owner = socket.socket(fileno=descriptor)
        self._lock = threading.Lock()

    @classmethod
    def of_environment(cls) -> "HandedOver | None":
        """Return what the owner offers; None where the child is to connect by itself. Once a process."""
        number = os.environ.pop(VARIABLE, None)
        return None if number is None else cls(int(number))

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return what the owner has connected. Raises OSError with the owner's reason, or where there is no owner any more."""
        answer, theirs = socket.socketpair()
        with answer:
            with theirs, self._lock:
                socket.send_fds(
                    self._owner, [json.dumps([host, port, seconds]).encode() + b"\n"], [theirs.fileno()]
                )
            answer.settimeout(seconds + _GRACE)
            data, descriptors, _, _ = socket.recv_fds(answer, _LINE, 1)
        if descriptors:
            return socket.socket(fileno=descriptors[0])
        if not data:
            raise ConnectionAbortedError(errno.ECONNABORTED, "kafab, which makes the connections, has ended")
        number, text = json.loads(data)
        raise OSError(text) if number is None else OSError(number, text)

    def close(self) -> None:
        """Ask for no more."""
        self._owner.close()

    def needs_login(self, host: str, port: int) -> bool:  # noqa: ARG002  # a Dialer's
        """Return False: the owner is logged in."""
        return False

    def ready(self, host: str, port: int, seconds: float) -> None:
        """Do nothing: the owner is logged in."""
