"""Logins with SCRAM at a broker's listener, as an application makes them: SaslHandshake, then two rounds of SaslAuthenticate.

Each login is a connection of its own, which is closed at once. kafka-python has SCRAM's arithmetic; its client would keep
connections, ask for versions and begin again after a refusal, which costs ten times as much.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from itertools import count

from kafka.net.sasl.scram import ScramClient

from kafab.access.scram import sasl_name
from kafab.access.values import Account
from kafab.adapters.kafka import logins
from kafab.adapters.kafka.dialer import Dialer, connected
from kafab.command import Secret
from kafab.login import Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

_TIMEOUT = timedelta(seconds=10)
_LONGEST_ANSWER = 64 * 1024
_HANDSHAKE, _AUTHENTICATE = 17, 36
_NO_KAFKA = "what answers there is no Kafka listener with SASL"
_UNSUPPORTED_MECHANISM, _AUTHENTICATION_FAILED = 33, 58


class ScramLogins:
    """`kafab.ports.Logins` at these listeners; each login takes the next one. Safe to use from several threads.

    ``listeners`` have how kafab connects to each: with TLS or without, and whom it trusts.
    """

    def __init__(self, listeners: Mapping[Endpoint, Login], dialer: Dialer | None = None) -> None:
        self._dialer = dialer
        self._listeners = tuple(listeners)
        self._logins = dict(listeners)
        self._contexts: dict[Login, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._turn = count()

    def missing(self) -> Unknown | None:
        """Tell where there is no listener to log in at."""
        return None if self._listeners else Unknown("no listener of the brokers has SASL")

    def try_login(self, login: Account, password: Secret) -> bool | Unknown:
        """Log in at one listener after another until a broker has a verdict."""
        if (missing := self.missing()) is not None:
            return missing
        first = next(self._turn)
        reasons: list[str] = []
        for number in range(len(self._listeners)):
            at = self._listeners[(first + number) % len(self._listeners)]
            try:
                found = self._tried(at, login, password)
            except (OSError, ValueError, EOFError, struct.error) as error:
                found = Unknown(str(error) or type(error).__name__)
            if not isinstance(found, Unknown):
                return found
            reasons.append(f"{at}: {found.reason}")
        return Unknown("; ".join(reasons))

    def _connected(self, at: Endpoint) -> socket.socket:
        made = connected(at, _TIMEOUT.total_seconds(), self._dialer)
        if not self._logins[at].protocol.tls:
            return made
        try:
            return self._context(self._logins[at]).wrap_socket(made, server_hostname=at.host)
        except BaseException:
            made.close()
            raise

    def _context(self, login: Login) -> ssl.SSLContext:
        with self._lock:
            if login not in self._contexts:
                self._contexts[login] = logins.context(login)
            return self._contexts[login]

    def _tried(self, at: Endpoint, login: Account, password: Secret) -> bool | Unknown:
        with closing(self._connected(at)) as connection:
            numbers = count(1)
            name = login.mechanism.encode()
            answer = _asked(connection, _HANDSHAKE, 1, struct.pack(">h", len(name)) + name, numbers)
            (code,) = struct.unpack_from(">h", answer)
            if code:
                told = (
                    f"error {code}"
                    if code != _UNSUPPORTED_MECHANISM
                    else f"{login.mechanism} is not enabled there"
                )
                return Unknown(told)
            scram = ScramClient(sasl_name(login.user), password.value, login.mechanism)
            first = _authenticated(connection, scram.first_message(), numbers)
            if isinstance(first, bool | Unknown):
                return first
            scram.process_server_first_message(first)
            last = _authenticated(connection, scram.final_message(), numbers)
            if isinstance(last, bool | Unknown):
                return last
            # A server that does not know the password either cannot sign: it is none that may say that it is right.
            scram.process_server_final_message(last)
            return True


def _authenticated(
    connection: socket.socket, message: bytes, numbers: "Iterator[int]"
) -> bytes | bool | Unknown:
    """Send one message of SCRAM and return the answer to it; False where the broker refuses."""
    answer = _asked(connection, _AUTHENTICATE, 0, struct.pack(">i", len(message)) + message, numbers)
    code, length = struct.unpack_from(">hh", answer)
    if code == _AUTHENTICATION_FAILED:
        return False
    text = answer[4 : 4 + max(length, 0)]
    if code:
        return Unknown(text.decode("utf-8", "replace") or f"error {code}")
    (size,) = struct.unpack_from(">i", answer, 4 + max(length, 0))
    begin = 8 + max(length, 0)
    return answer[begin : begin + size]


def _asked(connection: socket.socket, api: int, version: int, body: bytes, numbers: "Iterator[int]") -> bytes:
    """Send a request (header version 1) and return the body of its answer."""
    number, client = next(numbers), b"kafab"
    header = struct.pack(">hhih", api, version, number, len(client)) + client
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    answer = _received(connection)
    if struct.unpack_from(">i", answer) != (number,):
        raise ValueError(_NO_KAFKA)
    return answer[4:]


def _received(connection: socket.socket) -> bytes:
    """Return one answer, without its size in front. Nothing follows it that was not asked for."""
    got, size = b"", 4
    while len(got) < size:
        piece = connection.recv(_LONGEST_ANSWER)
        if not piece:
            raise EOFError("the broker closed the connection at the login")
        got += piece
        if len(got) >= 4:
            size = 4 + int.from_bytes(got[:4], "big")
            if not 8 <= size <= _LONGEST_ANSWER:
                raise ValueError(_NO_KAFKA)
    return got[4:]
