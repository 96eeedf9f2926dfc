"""What stands in the place of a socket under Paramiko."""

import errno
import os
import socket

import pytest

from kafab.adapters.ssh import wire as sshwire
from kafab.adapters.ssh.wire import Watched


class Gone:
    """A gateway's channel whose transport has ended: Paramiko's own close() raises then."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """Fail as `paramiko.Channel.close` does."""
        self.closed = True
        raise EOFError


def test_close_behind_a_lost_gateway_is_quiet() -> None:
    """Paramiko's thread closes what it stood on, and must not end in a traceback on the operator's screen."""
    channel = Gone()
    Watched(channel).close()
    assert channel.closed


class Wire:
    """A socket on which every call ends with this error."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def recv(self, _size: int) -> bytes:
        """Fail."""
        raise self._error

    def send(self, _data: bytes) -> int:
        """Fail."""
        raise self._error


def outcome(wire: Watched, call: str) -> type[OSError] | None:
    """Return what a call on the wire raises."""
    try:
        wire.recv(1) if call == "recv" else wire.send(b"x")
    except OSError as error:
        return type(error)
    return None


@pytest.mark.parametrize("call", ["recv", "send"])
@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_kernel_that_gives_a_peer_up_is_heard(number: int, call: str) -> None:
    """ETIMEDOUT is a TimeoutError, by which Paramiko would understand `look again`: it is told and turned into an end."""
    told: list[str] = []
    wire = Watched(Wire(OSError(number, os.strerror(number))), by_kernel=True)
    wire.watch(lambda: told.append("silent"))
    assert (outcome(wire, call), told) == (ConnectionAbortedError, ["silent"])


@pytest.mark.parametrize(("by_kernel", "told"), [(True, 0), (False, 1)])
def test_quiet_peer_is_given_up_only_where_the_kernel_does_not_look(
    by_kernel: bool, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a TCP socket a peer may be quiet for ever: its kernel acknowledges what a busy process has not read yet."""
    monkeypatch.setattr(sshwire, "SILENCE_SECONDS", -1)
    calls: list[str] = []
    wire = Watched(Wire(TimeoutError("timed out")), by_kernel=by_kernel)
    wire.watch(lambda: calls.append("silent"))
    assert (outcome(wire, "recv"), len(calls)) == (
        TimeoutError if by_kernel else ConnectionAbortedError,
        told,
    )


def test_end_of_a_connection_is_no_silence() -> None:
    """A reset is an answer: the host is there, and may be dialled again at once."""
    told: list[str] = []
    wire = Watched(Wire(ConnectionResetError(errno.ECONNRESET, "reset")), by_kernel=True)
    wire.watch(lambda: told.append("silent"))
    assert (outcome(wire, "recv"), told) == (ConnectionResetError, [])


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_dead_network_is_noticed_well_within_half_a_minute() -> None:
    """What is asked of the kernel leaves time to say so within 30 s (row 4 of the faults)."""
    assert sshwire.KEEPALIVE_SECONDS + sshwire.USER_TIMEOUT_SECONDS <= 20 >= sshwire.SILENCE_SECONDS


@pytest.mark.parametrize(("size", "refused"), [(35_000, False), (300_000, False), (4_000_000_000, True)])
def test_packet_that_no_peer_may_send_is_not_waited_for(size: int, refused: bool) -> None:
    """Paramiko reads as many bytes as a packet claims to have: a peer could claim four gigabytes, and send them."""
    wire = Watched(Wire(TimeoutError("timed out")))
    with pytest.raises(OSError, match=r"packet of 4000000000 bytes" if refused else "timed out"):
        wire.recv(size)
