"""The cluster's ZooKeeper ensemble: four-letter words over a socket, registrations over kazoo.

A session is opened when it is first needed and thrown away after any fault, so that the next question starts afresh: a gate
that polls through an outage sees the ensemble as soon as it is back.
"""

import contextlib
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler
from kazoo.retry import KazooRetry

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.dialer import Dialer, connected, first_ready
from kafab.cluster.metadata import Controller, Member, Registration
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

_WORD_TIMEOUT = timedelta(seconds=2)
_SESSION_TIMEOUT = timedelta(seconds=5)
_WORD_LIMIT = 1 << 20  # an answer to a four-letter word is a few kB; whatever talks more is no ZooKeeper

# Every fault comes back as a value; kazoo's own lines about it would only repeat it on stderr.
_LOG = logging.getLogger("kazoo")
_LOG.addHandler(logging.NullHandler())

T = TypeVar("T")


class KazooEnsemble:
    """`kafab.ports.ZooKeeper` on kazoo. ``chroot`` is ``/kafka`` or empty for the root. Safe to use from several threads."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        chroot: str,
        login: Login = IN_THE_CLEAR,
        dialer: Dialer | None = None,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._login, self._dialer = login, dialer
        self._hosts = ",".join(str(endpoint) for endpoint in endpoints)
        self._chroot = chroot.rstrip("/")
        self._client: KazooClient | None = None
        self._lock = threading.Lock()
        self._refused: tuple[int, Exception] = (0, KazooTimeoutError())

    def member(self, at: Endpoint) -> Member | Unknown:
        """Ask one server with ``srvr`` and, if it leads, with ``mntr``; each within 2 s."""
        try:
            member = parse_srvr(_word(at, b"srvr", self._login, self._dialer))
            if member.mode != "leader":
                return member
            synced = parse_synced_followers(_word(at, b"mntr", self._login, self._dialer))
        except (OSError, ValueError) as error:
            return Unknown(f"{at}: {_told(error)}")
        return Member(member.mode, member.zxid, member.version, synced)

    def registrations(self) -> dict[int, Registration] | Unknown:
        """Read every child of ``/brokers/ids``, asked for at once."""
        return self._asked("/brokers/ids", self._read_registrations)

    def controller(self) -> Controller | Unknown:
        """Read ``/controller`` and ``/controller_epoch``; an epoch of 0 means that there has never been a controller."""
        return self._asked("/controller", self._read_controller)

    def cluster_id(self) -> str | Unknown | None:
        """Read ``/cluster/id``."""
        return self._asked("/cluster/id", self._read_cluster_id)

    def force_election(self) -> Unknown | None:
        """Delete ``/controller``; where there is none, an election is already on."""
        return self._asked("/controller", self._delete_controller)

    def ask(self, path: str, question: Callable[[KazooClient, str], T]) -> T | Unknown:
        """Have a question answered, which is given the session and the chroot; ``path`` names what it is about."""
        return self._asked(path, lambda client: question(client, self._chroot))

    def close(self) -> None:
        """End the session, if one was opened."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            _end(client)

    def _read_registrations(self, client: KazooClient) -> dict[int, Registration]:
        try:
            children = _within(client.get_children_async(f"{self._chroot}/brokers/ids"))
        except NoNodeError:
            return {}
        answers = {child: client.get_async(f"{self._chroot}/brokers/ids/{child}") for child in children}
        found = {}
        for child, answer in answers.items():
            # A broker that has gone between the two questions is simply not registered.
            with contextlib.suppress(NoNodeError):
                data, stat = _within(answer)
                found[int(child)] = parse_registration(int(child), data, stat.ephemeralOwner)
        return found

    def _read_controller(self, client: KazooClient) -> Controller:
        owner = client.get_async(f"{self._chroot}/controller")
        epoch = client.get_async(f"{self._chroot}/controller_epoch")
        return Controller(_or_none(owner, _broker_of), _or_none(epoch, int) or 0)

    def _read_cluster_id(self, client: KazooClient) -> str | None:
        return _or_none(
            client.get_async(f"{self._chroot}/cluster/id"), lambda data: str(json.loads(data)["id"])
        )

    def _delete_controller(self, client: KazooClient) -> None:
        with contextlib.suppress(NoNodeError):
            _within(client.delete_async(f"{self._chroot}/controller"))

    def _asked(self, path: str, question: Callable[[KazooClient], T]) -> T | Unknown:
        # One session for all threads; the questions themselves are answered side by side.
        try:
            return question(self._session())
        except (KazooException, KazooTimeoutError, OSError) as error:
            self.close()
            return Unknown(f"ZooKeeper {self._hosts}{self._chroot}: {_told(error)}")
        except (ValueError, KeyError, TypeError) as error:
            return Unknown(
                f"ZooKeeper {self._hosts}: {self._chroot}{path} is not what Kafka writes: {error!r}"
            )

    def _reachable(self) -> Sequence[Endpoint]:
        """Return the servers, once the way to one of them is there; those behind which nobody is come last."""
        dialer = self._dialer
        if dialer is None or not any(dialer.needs_login(at.host, at.port) for at in self._endpoints):
            return self._endpoints
        return first_ready(dialer, self._endpoints, _SESSION_TIMEOUT.total_seconds())

    def _session(self) -> KazooClient:
        seen, _ = self._refused
        with self._lock:
            count, error = self._refused
            if self._client is None and count != seen:
                raise error  # it failed for another thread while this one waited: n askers wait 5 s, not n times 5 s
            if self._client is None:
                try:
                    self._client = _opened(self._reachable(), self._login, self._dialer)
                except (KazooException, KazooTimeoutError, OSError) as refusal:
                    self._refused = (count + 1, refusal)
                    raise
            return self._client


def parse_srvr(text: str) -> Member:
    """Read the answer to ``srvr`` (the same from 3.5 to 3.9). Raises ValueError with the first line of anything else."""
    version = re.search(r"^Zookeeper version: ([^,\s-]+)", text, re.MULTILINE)
    zxid = re.search(r"^Zxid: 0x([0-9a-f]+)$", text, re.MULTILINE)
    mode = re.search(r"^Mode: (\w+)$", text, re.MULTILINE)
    if not (version and zxid and mode):
        # "This ZooKeeper instance is not currently serving requests", "srvr is not executed because …"
        raise ValueError(text.strip().partition("\n")[0] or "answered srvr with nothing")
    return Member(mode.group(1), int(zxid.group(1), 16), version.group(1))


def parse_synced_followers(text: str) -> int | None:
    """Read zk_synced_followers from the answer to ``mntr``; None where the server has just stopped leading.

    ZooKeeper 3.5 to 3.9 write an integer; a float (3.6's first releases did so for some gauges) is read as well.
    """
    found = re.search(r"^zk_synced_followers\t(\d+)(?:\.\d+)?$", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def parse_registration(broker: int, data: bytes, session: int) -> Registration:
    """Read the JSON of ``/brokers/ids/<id>``. Raises ValueError, KeyError or TypeError if it is not Kafka's."""
    document = json.loads(data)
    listeners = document.get("endpoints") or [f"PLAINTEXT://{document['host']}:{document['port']}"]
    return Registration(broker, tuple(_listener_endpoint(text) for text in listeners), session)


def _listener_endpoint(text: str) -> Endpoint:
    # kafka.cluster.EndPoint's own pattern: NAME://host:port, an IPv6 host in brackets, an empty host allowed
    found = re.fullmatch(r"[^:]+://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?\d+)", text)
    if not found:
        raise ValueError(f"endpoint {text!r}")
    return Endpoint(found.group(1), int(found.group(2)))


def _broker_of(data: bytes) -> int:
    return int(json.loads(data)["brokerid"])


def _or_none(answer: Any, read: Callable[[bytes], T]) -> T | None:
    try:
        data, _ = _within(answer)
    except NoNodeError:
        return None
    return read(data)


def _within(answer: Any) -> Any:
    return answer.get(timeout=_SESSION_TIMEOUT.total_seconds())


def _opened(servers: Sequence[Endpoint], login: Login, dialer: Dialer | None) -> KazooClient:
    seconds = _SESSION_TIMEOUT.total_seconds()
    # Two rounds over the servers at most: a dead ensemble is told in seconds, and polling is the caller's business.
    retry = KazooRetry(max_tries=1, delay=0.1, max_delay=0.5)
    client = KazooClient(
        hosts=",".join(map(str, servers)),
        timeout=seconds,
        connection_retry=retry,
        command_retry=retry,
        logger=_LOG,
        read_only=False,
        handler=_Handler(login, dialer),
    )
    if dialer is not None:
        # A name is the far end's to resolve, where the way leads through it; kazoo would leave out what this machine does not know.
        client._connection._expand_client_hosts = lambda: [(at.host, at.host, at.port) for at in servers]  # noqa: SLF001
    try:
        client.start(timeout=seconds)
    except BaseException:
        _end(client)
        raise
    return client


def _end(client: KazooClient) -> None:
    # Neither a dead ensemble nor a session that is already gone is a fault when all we want is to leave.
    with contextlib.suppress(Exception):
        client.stop()
    with contextlib.suppress(Exception):
        client.close()


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo ships no types
    """kazoo's own handler, with connections of a dialer's, and TLS that trusts the cluster's CA alone and checks the server's name.

    kazoo's own TLS trusts the CAs of the operating system, too, and checks no names.
    """

    def __init__(self, login: Login, dialer: Dialer | None) -> None:
        super().__init__()
        self._login, self._dialer = login, dialer

    def create_connection(
        self, address: tuple[str, int], timeout: float | None = None, **_kazoos_own: Any
    ) -> socket.socket:
        """Connect to one server. Raises OSError."""
        seconds = _SESSION_TIMEOUT.total_seconds() if timeout is None else timeout
        return _secured(connected(Endpoint(*address), seconds, self._dialer), address[0], self._login)


def _secured(connection: socket.socket, host: str, login: Login) -> socket.socket:
    """Return the connection under TLS where the login says so. Raises OSError; the connection is closed then."""
    if not login.protocol.tls:
        return connection
    try:
        return logins.context(login).wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _word(at: Endpoint, word: bytes, login: Login, dialer: Dialer | None) -> str:
    seconds = _WORD_TIMEOUT.total_seconds()
    answer = bytearray()
    with _secured(connected(at, seconds, dialer), at.host, login) as connection:
        connection.sendall(word)
        while chunk := connection.recv(65536):
            answer += chunk
            if len(answer) > _WORD_LIMIT:
                raise ValueError(f"answered {word.decode()} with more than {_WORD_LIMIT} bytes")
    return answer.decode("utf-8", errors="replace")


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"did not answer within {_WORD_TIMEOUT.total_seconds():g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
