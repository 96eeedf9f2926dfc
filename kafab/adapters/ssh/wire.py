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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.message import Message
from paramiko.ssh_exception import ChannelException

from kafab.adapters.ssh.hostcerts import SUFFIX
from kafab.adapters.ssh.hostkeys import KnownHosts, Peer

KEEPALIVE_SECONDS = 5
SILENCE_SECONDS = 20
USER_TIMEOUT_SECONDS = 15
"""TCP_USER_TIMEOUT: with a keepalive every 5 s a dead network is noticed after 15 to 20 s (Linux)."""
PACKET_LIMIT = 1024 * 1024
"""Bytes that are read for one packet. OpenSSH sends and takes 256 KiB at most (PACKET_MAX_SIZE)."""
FIRST_BYTES = 1024
PROXY_ERRORS = 4096
"""Bytes that are kept of what a ProxyCommand complains of: the last of them."""
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
        self.first = bytearray()
        """What the peer said first; with a banner of SSH it is no more than that."""
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
        if self._silent is None and len(self.first) < FIRST_BYTES:
            self.first += data[: FIRST_BYTES - len(self.first)]
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
        self._errors, complaints = socket.socketpair()
        with theirs, complaints:
            self._process = subprocess.Popen(  # noqa: S603  # ssh_config(5): "executed using the user's shell exec directive"
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=complaints.fileno(),
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while piece := self._errors.recv(PROXY_ERRORS):
                self._said += piece
                del self._said[:-PROXY_ERRORS]

    def ended(self) -> tuple[int, str] | None:
        """Return the exit code and the last errors of the program; None where it goes on."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return None
        self._listener.join(1)  # a child of it may live on, with its errors open
        return code, self._said.decode("utf-8", errors="replace")

    def close(self) -> None:
        """End the program."""
        for ours in (self._ours, self._errors):
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
        # Paramiko closes as soon as the program's output ends, and its complaints may have yet to be read.
        self._listener.join(1)
        for ours in (self._ours, self._errors):
            ours.close()
        self._process.terminate()
        threading.Thread(target=self._process.wait, daemon=True).start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)


class MoreThanKey(paramiko.SSHException):
    """sshd took the key and wants something else, too; the text names it."""


class Noting(paramiko.Transport):
    """Paramiko's, which keeps what it only logs: why the peer hung up, and what the peer has to offer."""

    farewell = ""
    _offer: Mapping[str, Sequence[str]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._opening = threading.local()
        self._refused: dict[int, Exception] = {}

    def forward(self, host: str, port: int, seconds: float) -> paramiko.Channel:
        """Open a channel to an address as the peer sees it. Raises ChannelException with the peer's own reason.

        Several threads may open channels at once: Paramiko alone keeps one reason for all of them.
        """
        self._opening.channel = -1
        try:
            # The origin is for the peer's log; OpenSSH's client names its own listener here.
            return self.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=seconds)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._refused.pop(self._opening.channel, error) from None

    def _next_channel(self) -> int:
        self._opening.channel = number = cast("int", super()._next_channel())  # type: ignore[misc]
        return number

    def _parse_channel_open_failure(self, message: Message) -> None:
        number, reason, text = message.get_int(), message.get_int(), message.get_text()
        self._refused[number] = ChannelException(reason, text)
        message.rewind()
        super()._parse_channel_open_failure(message)  # type: ignore[misc]

    def differ(self, complaint: str) -> str:
        """Say what the two have not in common, after Paramiko's complaint of it, and what each has."""
        kinds = (
            ("kex", "key exchange", "kex_algo_list", self.preferred_kex),
            ("host key", "host key", "server_key_algo_list", self.preferred_keys),
            ("cipher", "cipher", "client_encrypt_algo_list", self.preferred_ciphers),
            ("macs", "MAC", "client_mac_algo_list", self.preferred_macs),
        )
        for word, kind, key, ours in kinds:
            if word in complaint and key in self._offer:
                theirs = [
                    name for name in self._offer[key] if not name.startswith(("ext-info", "kex-strict"))
                ]
                return f"no {kind} in common: there {', '.join(theirs)}; here {', '.join(ours)}"
        return f"nothing in common ({complaint})"

    def auth_interactive_dumb(self, *_args: Any, **_options: Any) -> list[str]:
        """Refuse: Paramiko would ask its questions on the terminal, from a thread. Raises MoreThanKey."""
        raise MoreThanKey("a password or a code")

    def _parse_disconnect(self, message: Message) -> None:
        message.get_int()
        self.farewell = message.get_text()

    def _really_parse_kex_init(self, message: Message, ignore_first_byte: bool = False) -> Any:
        offer = super()._really_parse_kex_init(message, ignore_first_byte)  # type: ignore[misc]
        if not ignore_first_byte:  # else it is our own that is read again
            self._offer = {key: list(value) for key, value in offer.items() if isinstance(value, list)}
        return offer


def transport(sock: Any, known: KnownHosts, peer: Peer, **options: Any) -> paramiko.Transport:
    """Return a transport over ``sock`` that asks for the host key that known_hosts can judge."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_SECONDS * 1000)
        sock = Watched(sock, by_kernel=True)
    else:
        sock = Watched(sock)
    made = Noting(sock, **options)
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
