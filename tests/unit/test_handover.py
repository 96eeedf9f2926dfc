"""Connections that an owner hands to a child process, as file descriptors."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from kafab.adapters.kafka.handover import VARIABLE, HandedOver, Handover


class _Dialer:
    """Connects one socket pair after another, and keeps the far ends; port 1 refuses, port 2 is forbidden."""

    through_ssh = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []
        self.far: list[socket.socket] = []

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        self.asked.append((host, port, seconds))
        if port == 1:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        if port == 2:
            raise PermissionError("sshd of node1 forbids it")
        near, far = socket.socketpair()
        self.far.append(far)
        return near

    def needs_login(self, host: str, port: int) -> bool:
        return False

    def ready(self, host: str, port: int, seconds: float) -> None:
        """Nothing has to be made ready."""


@pytest.fixture
def dialer() -> Iterator[_Dialer]:
    """What the owner connects with."""
    made = _Dialer()
    yield made
    for far in made.far:
        far.close()


@pytest.fixture
def child(dialer: _Dialer) -> Iterator[tuple[HandedOver, Handover]]:
    """The child's side, in this process, and the owner's."""
    owner = Handover(dialer)
    handed = HandedOver(os.dup(owner.descriptor))
    owner.begun()
    yield handed, owner
    owner.close()
    handed.close()


def test_a_child_is_given_a_connected_socket(child: tuple[HandedOver, Handover], dialer: _Dialer) -> None:
    """What the child writes comes out at the far end, and the far end's close is seen: the owner keeps no copy open."""
    with child[0].connect("10.0.0.11", 9092, 5) as made:
        (far,) = dialer.far
        made.sendall(b"in")
        assert far.recv(9) == b"in"
        far.close()
        assert made.recv(9) == b""
    assert dialer.asked == [("10.0.0.11", 9092, 5)]


@pytest.mark.parametrize(
    ("port", "kind", "text"),
    [(1, ConnectionRefusedError, "Connection refused"), (2, OSError, "sshd of node1 forbids it")],
)
def test_a_child_is_told_why_there_is_no_connection(
    child: tuple[HandedOver, Handover], port: int, kind: type[OSError], text: str
) -> None:
    """A refusal is one, and a sentence for the operator stays that sentence."""
    with pytest.raises(kind, match=text):
        child[0].connect("10.0.0.11", port, 5)


def test_many_connections_are_each_their_own(child: tuple[HandedOver, Handover], dialer: _Dialer) -> None:
    """Requests and their answers do not mix."""
    made = [child[0].connect("10.0.0.11", 9092 + number, 5) for number in range(20)]
    for number, (near, far) in enumerate(zip(made, dialer.far, strict=True)):
        far.sendall(bytes([number]))
        assert near.recv(9) == bytes([number])
        near.close()


def test_a_child_whose_owner_is_gone_is_told_so(child: tuple[HandedOver, Handover]) -> None:
    """It does not wait for an answer that cannot come."""
    child[1].close()
    with pytest.raises(OSError, match=r"has ended|Broken pipe"):
        child[0].connect("10.0.0.11", 9092, 5)


def test_a_process_without_an_owner_connects_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable there is nobody to ask."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert HandedOver.of_environment() is None
