"""Attempts of a stranger at the listeners of a cluster, each on a connection of its own.

What is tried below Kafka's protocol (no TLS, no certificate, another CA's, another name) is tried with Python's ssl and one
request that every node answers to whoever may ask: an answer is an open door, a TLS alert or a closed connection a wall.
"""

import hashlib
import os
import secrets
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.brokers import AT_THE_LOGIN, BrokerConnections
from kafab.adapters.kafka.dialer import Dialer, connected
from kafab.cluster.walls import Attempt, Door, Knocked, LetIn, Refused
from kafab.command import Secret
from kafab.config.security import MECHANISM, PLAIN
from kafab.listeners import Protocol
from kafab.login import Login
from kafab.model import Endpoint
from kafab.pki import files
from kafab.pki.making import issue, new_authority
from kafab.pki.values import OPERATOR, Usage, Want
from kafab.unknown import Unknown

_LIMIT = 5.0
_AT_ONCE = 32
_ELSEWHERE = "another-name.invalid"
"""A name that no certificate has (RFC 6761, 6.4)."""
_API_VERSIONS, _METADATA = 18, 3
_CORRELATION = 0x6B616661
_ALERT = 0x15
"""The first byte of a TLS alert, with which a listener answers what is no TLS."""
_RUOK = b"ruok\n\n"
"""ZooKeeper reads four letters; a listener with TLS waits for the five bytes with which a record of TLS begins."""
_ITERATIONS = 4096
_SHA_512 = 2
"""ScramMechanism of the protocol."""
_BROKER = 4
"""ConfigResource.Type of a broker."""
_CLUSTER_DENIED = 31
"""Errors.CLUSTER_AUTHORIZATION_FAILED."""
_USER_LIMIT = timedelta(seconds=10)
_ASK = timedelta(seconds=5)


class KafkaWalls:
    """`kafab.ports.Walls`."""

    def __init__(self, operator: Login, at: Endpoint, broker: int, dialer: Dialer | None = None) -> None:
        """``operator`` logs in at the address ``at`` of this broker, for the attempt that needs a user."""
        self._operator, self._at, self._broker, self._dialer = operator, at, broker, dialer

    def knock(
        self, doors: Collection[Door], protocols: Mapping[Endpoint, Protocol]
    ) -> Mapping[Door, Knocked]:
        """Try each, some at a time."""
        with tempfile.TemporaryDirectory(prefix="kafab-") as folder:
            stranger = (
                _stranger(Path(folder)) if any(door.attempt is Attempt.UNKNOWN_CA for door in doors) else None
            )

            def tried(door: Door) -> Knocked:
                try:
                    return self._tried(door, protocols[door.at], stranger)
                except OSError as error:
                    return Unknown(error.strerror or str(error) or type(error).__name__)

            with ThreadPoolExecutor(max_workers=max(1, min(len(doors), _AT_ONCE))) as pool:
                return dict(zip(doors, pool.map(tried, doors), strict=True))

    def expiries(self, at: Collection[Endpoint]) -> Mapping[Endpoint, datetime | Unknown]:
        """Shake hands with each. A certificate that is not trusted ends all the same."""
        login = Login(Protocol.SSL, self._operator.identity)

        def end(one: Endpoint) -> datetime | Unknown:
            try:
                return _end(one, login, self._dialer)
            except OSError as error:
                return Unknown(error.strerror or str(error) or type(error).__name__)

        every = list(dict.fromkeys(at))
        with ThreadPoolExecutor(max_workers=max(1, min(len(every), _AT_ONCE))) as pool:
            return dict(zip(every, pool.map(end, every), strict=True))

    def _tried(self, door: Door, protocol: Protocol, stranger: Path | None) -> Knocked:
        if door.attempt is Attempt.WRONG_PASSWORD:
            return self._login(door, protocol, Secret(secrets.token_hex(16)))
        if door.attempt is Attempt.NO_ACL:
            return self._without_acl(door.at, protocol)
        # A login of SASL_SSL shows no certificate: whoever has that is the nobody of these attempts.
        nobody = Login(Protocol.SASL_SSL, self._operator.identity)
        context = logins.context(nobody) if protocol.tls and door.attempt is not Attempt.PLAINTEXT else None
        if door.attempt is Attempt.OTHER_NAME and context is not None:
            return _other_name(door.at, context, self._dialer)
        if door.attempt is Attempt.UNKNOWN_CA and context is not None and stranger is not None:
            context.load_cert_chain(stranger)
        ask = _ruok if door.zookeeper else _metadata if door.attempt is Attempt.NO_LOGIN else _api_versions
        return _knocked(door.at, context, ask, self._dialer)

    def _login(self, door: Door, protocol: Protocol, password: Secret) -> Knocked:
        """Log in as a user whom nobody has made; where brokers do, as they do but for the password."""
        mechanism, user = (PLAIN, door.broker_user) if door.broker_user else (MECHANISM, "kafab-wall")
        login = Login(protocol, self._operator.identity, mechanism, user, password)
        with closing(BrokerConnections(login, dialer=self._dialer)) as connections:
            answer = connections.ask({0: (door.at, _metadata_request)}, _ASK)[0]
        if not isinstance(answer, Unknown):
            return LetIn()
        return Refused("the login is refused") if AT_THE_LOGIN in answer.reason else answer

    def _without_acl(self, at: Endpoint, protocol: Protocol) -> Knocked:
        """Make a user, log in as that user, ask for a broker's configuration, and take the user away again."""
        user, password = f"kafab-wall-{secrets.token_hex(4)}", Secret(secrets.token_hex(16))
        with closing(BrokerConnections(self._operator, dialer=self._dialer)) as connections:
            controller = _controller(connections.ask({0: (self._at, _metadata_request)}, _ASK)[0])
            if isinstance(controller, Unknown):
                return controller
            made = connections.ask({0: (controller, lambda: _upsertion(user, password))}, _ASK)[0]
            if fault := _user_fault(made):
                return Unknown(f"no user could be made: {fault}")
            try:
                return self._denied(at, Login(protocol, self._operator.identity, MECHANISM, user, password))
            finally:
                connections.ask({0: (controller, lambda: _deletion(user))}, _ASK)

    def _denied(self, at: Endpoint, login: Login) -> Knocked:
        until = time.monotonic() + _USER_LIMIT.total_seconds()
        while True:
            with closing(BrokerConnections(login, dialer=self._dialer)) as connections:
                answer = connections.ask({0: (at, lambda: _configuration(self._broker))}, _ASK)[0]
            if not isinstance(answer, Unknown):
                break
            # The broker hears of the user a moment later.
            if AT_THE_LOGIN not in answer.reason or time.monotonic() >= until:
                return answer
            time.sleep(0.2)
        (found,) = answer.results
        if found.error_code == _CLUSTER_DENIED:
            return Refused("CLUSTER_AUTHORIZATION_FAILED")
        return LetIn() if not found.error_code else Unknown(f"error {found.error_code}")


def _stranger(folder: Path) -> Path:
    """Make a certificate that says it is kafab's, of a CA that nobody knows."""
    now = datetime.now(timezone.utc)
    authority = new_authority("nobody", now)
    leaf = issue(authority, Want(OPERATOR, "nobody", usages=frozenset({Usage.CLIENT})), now)
    file = folder / "stranger.pem"
    file.touch(mode=0o600)
    file.write_bytes(files.key_pem(leaf.key) + files.pem((leaf.certificate,)))
    return file


def _knocked(
    at: Endpoint,
    context: ssl.SSLContext | None,
    ask: Callable[[socket.socket], bool],
    dialer: Dialer | None,
) -> Knocked:
    """Connect and ask. Raises OSError where nobody listens or answers."""
    with connected(at, _LIMIT, dialer) as plain:
        try:
            if context is None:
                return LetIn() if ask(plain) else Refused("the connection is closed")
            # With TLS 1.3 a server says what it thinks of a client's certificate after the handshake.
            with context.wrap_socket(plain, server_hostname=at.host) as secure:
                return LetIn() if ask(secure) else Refused("the connection is closed")
        except ssl.SSLCertVerificationError as error:
            return Unknown(f"its own certificate is not trusted: {error.verify_message}")
        except ssl.SSLError as error:
            return Refused(_alert(error))
        except (ConnectionResetError, BrokenPipeError):
            return Refused("the connection is closed")


def _end(at: Endpoint, login: Login, dialer: Dialer | None) -> datetime | Unknown:
    context = logins.context(login)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        connected(at, _LIMIT, dialer) as plain,
        context.wrap_socket(plain, server_hostname=at.host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    if shown is None:
        return Unknown("it shows no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


def _alert(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of a TLS alert in words: ``TLSV13_ALERT_CERTIFICATE_REQUIRED``."""
    name = (error.reason or "").rpartition("ALERT_")[2].replace("_", " ").lower()
    return f"TLS alert: {name}" if name else "the connection is closed"


def _other_name(at: Endpoint, context: ssl.SSLContext, dialer: Dialer | None) -> Knocked:
    with connected(at, _LIMIT, dialer) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=_ELSEWHERE):
                return LetIn()
        except ssl.SSLCertVerificationError as error:
            mismatch = "match" in error.verify_message.lower()
            return Refused("the client sees the other name") if mismatch else Unknown(error.verify_message)


def _ruok(connection: socket.socket) -> bool:
    connection.sendall(_RUOK)
    answer = connection.recv(4)
    return bool(answer) and answer[0] != _ALERT


def _api_versions(connection: socket.socket) -> bool:
    return _asked(connection, _API_VERSIONS, 0, b"")


def _metadata(connection: socket.socket) -> bool:
    return _asked(connection, _METADATA, 1, struct.pack(">i", 0))


def _asked(connection: socket.socket, key: int, version: int, body: bytes) -> bool:
    """Send one request of Kafka's protocol; tell whether an answer to it came."""
    client = b"kafab"
    head = struct.pack(">hhih", key, version, _CORRELATION, len(client)) + client
    connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
    answer = b""
    while len(answer) < 8 and (more := connection.recv(8 - len(answer))):
        answer += more
    return len(answer) == 8 and struct.unpack(">i", answer[4:])[0] == _CORRELATION


def _metadata_request() -> Any:
    from kafka.protocol.metadata import MetadataRequest

    return MetadataRequest(topics=[])


def _controller(answer: Any) -> Endpoint | Unknown:
    """Return where users are made: at the controller in ZooKeeper mode; in KRaft mode brokers name one that passes it on."""
    if isinstance(answer, Unknown):
        return answer
    found = (one for one in answer.brokers if one.node_id == answer.controller_id)
    return next((Endpoint(one.host, one.port) for one in found), Unknown("no broker is the controller"))


def _configuration(broker: int) -> Any:
    from kafka.protocol.admin import DescribeConfigsRequest

    resource = DescribeConfigsRequest.DescribeConfigsResource
    return DescribeConfigsRequest(
        resources=[
            resource(resource_type=_BROKER, resource_name=str(broker), configuration_keys=["log.dirs"])
        ]
    )


def _upsertion(user: str, password: Secret) -> Any:
    from kafka.protocol.admin import AlterUserScramCredentialsRequest as Request

    salt = os.urandom(32)
    salted = hashlib.pbkdf2_hmac("sha512", password.value.encode(), salt, _ITERATIONS)
    one = Request.ScramCredentialUpsertion(
        name=user, mechanism=_SHA_512, iterations=_ITERATIONS, salt=salt, salted_password=salted
    )
    return Request(deletions=[], upsertions=[one])


def _deletion(user: str) -> Any:
    from kafka.protocol.admin import AlterUserScramCredentialsRequest as Request

    return Request(deletions=[Request.ScramCredentialDeletion(name=user, mechanism=_SHA_512)], upsertions=[])


def _user_fault(answer: Any) -> str:
    from kafka.errors import for_code

    if isinstance(answer, Unknown):
        return answer.reason
    (found,) = answer.results
    return (found.error_message or for_code(found.error_code).__name__) if found.error_code else ""
