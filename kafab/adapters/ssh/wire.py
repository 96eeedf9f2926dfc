"""The wire under a connection: how a dead peer is noticed, and what is agreed on with a live one.

On a TCP socket the kernel notices (TCP_USER_TIMEOUT): acknowledgements come from the peer's kernel, so neither a script
that reads nothing nor an uplink full of our own bytes looks like a dead peer; only an sshd that itself reads nothing of
what waits for it does, since Linux counts a closed window, too (tcp_probe_timer). A connection through a gateway or a
ProxyCommand has no such socket of its own: there the peer has to answer something within 20 s, and is asked for an
answer whenever nothing else is said.
"""

import errno
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.message import Message

from kafab.adapters.ssh.hostcerts import SUFFIX
from kafab.adapters.ssh.hostkeys import KnownHosts, Peer

KEEPALIVE_SECONDS = 5
SILENCE_SECONDS = 20
USER_TIMEOUT_SECONDS = 15
"""TCP_USER_TIMEOUT: with a keepalive every 5 s a dead network is noticed after 15 to 20 s (Linux)."""
PACKET_LIMIT = 1024 * 1024
"""Bytes that are read for one packet. OpenSSH sends and takes 256 KiB at most (PACKET_MAX_SIZE)."""
_NO_ANSWER = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
"""How the kernel gives an established connection up: by its own timeout, or by the reason it had for silence till then."""
# AES-GCM needs no separate MAC: on a CPU with AES instructions it costs Python a third less a byte than Paramiko's
# first choice, aes128-ctr with hmac-sha2-256.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


class Watched:
    """A socket, or a channel in its place, that fails when its peer has been silent for too long. Paramiko sees a socket.

    With ``by_kernel`` silence is what the kernel makes of the socket, else what is seen here.
    """

    def __init__(self, sock: Any, *, by_kernel: bool = False) -> None:
        self.sock = sock
        self.by_kernel = by_kernel
        self._silent: Callable[[], None] | None = None
        self._heard = time.monotonic()

    def recv(self, size: int) -> bytes:
        """Receive; TimeoutError is only Paramiko's own look around, ConnectionAbortedError the end."""
        if size > PACKET_LIMIT:
            raise OSError(errno.ECONNABORTED, f"a packet of {size} bytes, more than SSH allows")
        try:
            data: bytes = self.sock.recv(size)
        except OSError as error:
            self._look(error)
            raise
        self._heard = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        """Send. Also looks: the thread that receives may wait for the one that sends."""
        try:
            sent: int = self.sock.send(data)
        except OSError as error:
            self._look(error)
            raise
        return sent

    def watch(self, silent: Callable[[], None]) -> None:
        """Begin to look, now that no login has deadlines of its own; ``silent`` is called before the connection fails."""
        self._heard, self._silent = time.monotonic(), silent

    def close(self) -> None:
        """Close it; where the gateway went first, Paramiko's thread must not die of that on the operator's screen."""
        with suppress(EOFError, OSError, paramiko.SSHException):
            self.sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def _look(self, error: OSError) -> None:
        if self._silent is None:
            return
        seen = isinstance(error, TimeoutError) and time.monotonic() - self._heard > SILENCE_SECONDS
        if error.errno in _NO_ANSWER or (seen and not self.by_kernel):
            self._silent()
            # Not ETIMEDOUT, a TimeoutError, by which Paramiko would understand: look again later.
            raise OSError(errno.ECONNABORTED, "the peer is silent") from error


class ProxyProcess:
    """A ProxyCommand with a real socket to it: Paramiko's own does not notice when the program ends."""

    def __init__(self, command: str) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # ssh_config(5): "executed using the user's shell exec directive"
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to handle
            )

    def close(self) -> None:
        """End the program."""
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._ours.close()
        self._process.terminate()
        threading.Thread(target=self._process.wait, daemon=True).start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)


def transport(sock: Any, known: KnownHosts, peer: Peer, **options: Any) -> paramiko.Transport:
    """Return a transport over ``sock`` that asks for the host key that known_hosts can judge."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_SECONDS * 1000)
        sock = Watched(sock, by_kernel=True)
    else:
        sock = Watched(sock)
    made = paramiko.Transport(sock, **options)
    chosen = made.get_security_options()
    offered = list(chosen.ciphers)
    chosen.ciphers = [name for name in CIPHERS if name in offered]
    chosen.key_types = _key_types(list(chosen.key_types), known, peer)
    return made


def _key_types(offered: list[str], known: KnownHosts, peer: Peer) -> list[str]:
    """Put first what known_hosts has: by another type of key a trusted host would look unknown."""
    wanted = {
        algorithm
        for key_type in known.key_types(peer)
        for algorithm in (("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,))
    }
    ordered = sorted(offered, key=lambda name: name not in wanted)
    if known.wants_certificate(peer) and not wanted:
        return [f"{name}{SUFFIX}" for name in ordered] + ordered
    return ordered


def keep_alive(connected: paramiko.Transport, silent: Callable[[], None]) -> None:
    """Keep a connection open; ``silent`` is called, in the transport's or the sender's thread, when its peer is gone."""
    watched = cast("Watched", connected.sock)  # `transport` has put it there
    watched.watch(silent)
    if watched.by_kernel:
        connected.set_keepalive(KEEPALIVE_SECONDS)
        return

    def ask() -> None:
        # As Transport.global_request, which cannot ask for an answer without waiting for it. Any answer, most
        # likely "no such request", proves that the peer is there (OpenSSH's ServerAliveInterval does the same).
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        connected._send_user_message(message)  # type: ignore[attr-defined]  # noqa: SLF001

    connected.packetizer.set_keepalive(KEEPALIVE_SECONDS, ask)
