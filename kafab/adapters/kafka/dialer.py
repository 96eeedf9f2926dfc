"""Who connects to Kafka and ZooKeeper in place of their clients' own code: a small Protocol, which `adapters.ssh.reach` has."""

import socket
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Protocol

from kafab.listeners import Endpoint


class Dialer(Protocol):
    """Connects to Kafka and ZooKeeper on the hosts of a cluster, whichever way works. Safe to use from several threads."""

    @property
    def through_ssh(self) -> bool | None:
        """Whether any address is reached through SSH, where librdkafka cannot go; None: nothing was reached yet."""

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return a connected, blocking socket. Raises OSError, with one sentence for the operator where there is no errno for it."""

    def needs_login(self, host: str, port: int) -> bool:
        """Whether `connect` may have to log in to a host first."""

    def ready(self, host: str, port: int, seconds: float) -> None:
        """Return when `connect` needs no login any more, which may take longer than ``seconds``. Raises OSError."""


def connected(at: Endpoint, seconds: float, dialer: Dialer | None) -> socket.socket:
    """Return a connection with this timeout, after a login where that takes one; None for a dialer is the direct way. Raises OSError."""
    if dialer is None:
        made = socket.create_connection((at.host, at.port), timeout=seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    dialer.ready(at.host, at.port, seconds)
    made = dialer.connect(at.host, at.port, seconds)
    made.settimeout(seconds)
    return made


def first_ready(dialer: Dialer, servers: Sequence[Endpoint], seconds: float) -> tuple[Endpoint, ...]:
    """Make all ways ready beside each other; return the servers when there is one, that first and the failed ones last."""
    done: SimpleQueue[tuple[Endpoint, bool]] = SimpleQueue()

    def make(at: Endpoint) -> None:
        try:
            dialer.ready(at.host, at.port, seconds)
        except OSError:
            done.put((at, False))
        else:
            done.put((at, True))

    for at in servers:
        threading.Thread(target=make, args=(at,), daemon=True).start()
    failed: list[Endpoint] = []
    for _ in servers:
        at, good = done.get()
        if good:
            left = [one for one in servers if one != at and one not in failed]
            return (at, *left, *failed)
        failed.append(at)
    return tuple(servers)
