"""One host's SSH connection on Fabric: dialled once, checked against known_hosts, given up in time, opened again when dead.

Fabric alone adds any host key, waits for ever on a dead network and opens a shared gateway once a host. What it is
kept for: it reads ssh_config (user, port, keys, ProxyJump, ProxyCommand) and knows how hops are nested.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fabric
import paramiko
from paramiko import ssh_exception

from kafab.adapters.hostkeys import KnownHosts
from kafab.model import Host, Ssh

CONNECT_SECONDS = 10
"""For each of: TCP connect, key exchange, banner, authentication, opening a channel."""
KEEPALIVE_SECONDS = 5
USER_TIMEOUT_SECONDS = 15
"""TCP_USER_TIMEOUT: with a keepalive every 5 s a dead network is noticed after about 20 s (Linux)."""
DIALS_AT_ONCE = 8
"""sshd drops at random past 10 connections that have not logged in yet (MaxStartups 10:30:100)."""
_PAUSES = (0.2, 0.4, 0.8)
"""Before the next attempt, in seconds: others log in, too, and sshd counts a login some time after its end."""
RECEIVE_WINDOW = 4 * 1024 * 1024
# AES-GCM needs no separate MAC: on a CPU with AES instructions it costs Python a third less a byte than Paramiko's
# first choice, aes128-ctr with hmac-sha2-256.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")

logging.getLogger("paramiko").addHandler(
    logging.NullHandler()
)  # its faults reach us as values, not as text on stderr


class LinkError(Exception):
    """The host cannot be talked to; the text is one sentence for the operator."""


class _KeyRefused(paramiko.SSHException):
    """A host key that known_hosts does not trust."""


class _Strict(paramiko.MissingHostKeyPolicy):
    """Decides on every host key: the client itself is given none, so that all of them end here."""

    def __init__(self, known: KnownHosts, host: str, port: int) -> None:
        self._known, self._host, self._port = known, host, port

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002  # Paramiko's signature
        if reason := self._known.refusal(self._host, self._port, key):
            raise _KeyRefused(reason)


@dataclass
class _Gateway:
    connection: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    failed_at: float = 0.0
    failure: str = ""


class Dialer:
    """What the hosts of a fleet share when they are dialled: ssh_config, known hosts, gateways and the pace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._config: Any = None
        self._known: dict[Path | None, KnownHosts] = {}
        self._gateways: dict[tuple[str, str, int], _Gateway] = {}
        self._keys: dict[Path, dict[str, Any]] = {}
        self._pace: dict[str, threading.BoundedSemaphore] = {}

    def connect(self, host: Host, at_turn: Callable[[], None]) -> Any:
        """Return an open Fabric connection to a host; ``at_turn`` is called when no other login has to be waited for.

        Raises LinkError.
        """
        ssh = host.ssh
        with self._lock:
            config, known = self._shared(ssh)
            connection = self._connection(host.address, config, ssh, ssh.user, ssh.port)
            if ssh.gateway:
                connection.gateway = self._connection(ssh.gateway, config, ssh)
        self._through(connection, ssh, known)
        hop = connection.gateway
        sshd = f"{connection.host}:{connection.port}" if not isinstance(hop, fabric.Connection) else repr(hop)
        with self._lock:
            pace = self._pace.setdefault(sshd, threading.BoundedSemaphore(DIALS_AT_ONCE))
        with pace:
            at_turn()
            _dial(connection, ssh, known)
        return connection

    def close(self) -> None:
        """Close the gateways; the hosts' own connections go first."""
        with self._lock:
            gateways, self._gateways = self._gateways, {}
        for gateway in gateways.values():
            hang_up(gateway.connection)

    def _shared(self, ssh: Ssh) -> tuple[Any, KnownHosts]:
        if self._config is None:
            # Lazy: no fabric.yaml and no FABRIC_* variables, the inventory and ssh_config say all there is.
            config = fabric.Config(lazy=True)
            try:
                config.load_ssh_config()
            except (paramiko.SSHException, OSError, UnicodeDecodeError) as error:
                raise LinkError(f"ssh_config cannot be read: {error}") from error
            self._config = config
        if ssh.known_hosts not in self._known:
            self._known[ssh.known_hosts] = KnownHosts.read(ssh.known_hosts)
        return self._config, self._known[ssh.known_hosts]

    def _connection(
        self, address: str, config: Any, ssh: Ssh, user: str | None = None, port: int | None = None
    ) -> Any:
        connect_kwargs: dict[str, Any] = {
            "banner_timeout": CONNECT_SECONDS,
            "auth_timeout": CONNECT_SECONDS,
            "channel_timeout": CONNECT_SECONDS,
            "allow_agent": True,
            "look_for_keys": ssh.identity is None,
        }
        if ssh.identity:
            connect_kwargs |= self._identity(ssh.identity)
        return fabric.Connection(
            address,
            user=user,
            port=port,
            config=config,
            connect_timeout=CONNECT_SECONDS,
            connect_kwargs=connect_kwargs,
        )

    def _identity(self, identity: Path) -> dict[str, Any]:
        """Read a key once for all hosts: by file name Paramiko would parse it as each type of key, for each host."""
        if identity not in self._keys:
            path = identity.expanduser()
            try:
                self._keys[identity] = {"pkey": paramiko.PKey.from_path(path)}
            except OSError as error:
                raise LinkError(f"the identity file {identity} cannot be read: {error.strerror}") from error
            except Exception:  # noqa: BLE001  # encrypted, or of an unusual format: Paramiko's reader at login decides
                self._keys[identity] = {"key_filename": [str(path)]}
        return dict(self._keys[identity])

    def _through(self, connection: Any, ssh: Ssh, known: KnownHosts) -> None:
        """Replace the connection's gateway by the fleet's own open connection to it, hop by hop."""
        hop = connection.gateway
        if not isinstance(hop, fabric.Connection):
            return  # none, or a ProxyCommand, which is one process a connection by its nature
        asked = time.monotonic()
        with self._lock:
            shared = self._gateways.setdefault((hop.user, hop.host, hop.port), _Gateway(hop))
        with shared.lock:
            if shared.failed_at > asked:
                raise LinkError(shared.failure)  # the hosts that waited for this gateway share its answer
            if not shared.connection.is_connected:
                try:
                    self._through(shared.connection, ssh, known)
                    _dial(shared.connection, ssh, known)
                except LinkError as error:
                    shared.failed_at, shared.failure = time.monotonic(), f"gateway {hop.host}: {error}"
                    raise LinkError(shared.failure) from error
        connection.gateway = shared.connection


class Link:
    """One host: its connection, dialled at the first use and again when it is found dead."""

    def __init__(self, host: Host, dialer: Dialer) -> None:
        self.host = host
        self._dialer = dialer
        self._lock = threading.Lock()
        self._connection: Any = None

    def channel(self, at_turn: Callable[[], None]) -> paramiko.Channel:
        """Open a session channel; ``at_turn`` is called when it begins. Raises LinkError: nothing has been sent then."""
        with self._lock:
            if self._connection is not None:
                at_turn()
                try:
                    return self._session()
                except ssh_exception.ChannelException as error:
                    raise LinkError(f"sshd refused another session ({error.text})") from error
                except (paramiko.SSHException, EOFError, OSError):
                    self._drop()
            self._connection = self._dialer.connect(self.host, at_turn)
            try:
                return self._session()
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise LinkError(f"sshd opened no session: {error or 'the connection was lost'}") from error

    def hang_up(self) -> None:
        """Cut the connection now, also under the hands of a thread that waits on it."""
        self._drop()

    def _session(self) -> paramiko.Channel:
        transport: paramiko.Transport = self._connection.transport
        return transport.open_session(window_size=RECEIVE_WINDOW, timeout=CONNECT_SECONDS)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            hang_up(connection)


def hang_up(connection: Any) -> None:
    """Close a Fabric connection without waiting for its thread, which otherwise looks up only every 0.1 s."""
    transport = connection.transport
    if transport is not None and isinstance(transport.sock, socket.socket):
        with suppress(OSError):
            transport.sock.shutdown(socket.SHUT_RDWR)
    with suppress(Exception):  # whatever is wrong with a connection that is being given up
        connection.client.close()


def _dial(connection: Any, ssh: Ssh, known: KnownHosts) -> None:
    where = f"{connection.host} port {connection.port}"
    keys = [key for key in connection.connect_kwargs.get("key_filename", ()) if Path(key).is_file()]
    connection.connect_kwargs.update(
        key_filename=keys, transport_factory=_transport_factory(known, connection.host, connection.port)
    )
    connection.client.set_missing_host_key_policy(_Strict(known, connection.host, connection.port))
    for pause in (*_PAUSES, None):
        begun = time.monotonic()
        try:
            connection.open()
            break
        except Exception as error:
            turned_away = _no_banner(connection) and time.monotonic() - begun < CONNECT_SECONDS / 2
            reason = _sentence(error, connection, where, ssh)
            hang_up(connection)
            if pause is None or not turned_away:
                raise LinkError(reason) from error
        time.sleep(pause * (1 + random.random()))  # noqa: S311  # spreads the hosts, guards no secret
    connection.transport.set_keepalive(KEEPALIVE_SECONDS)


def _no_banner(connection: Any) -> bool:
    """Tell whether the peer hung up before its banner, as sshd does past MaxStartups: asking again is harmless."""
    transport = connection.client.get_transport()
    return transport is not None and not transport.remote_version


def _transport_factory(known: KnownHosts, host: str, port: int) -> Callable[..., paramiko.Transport]:
    def made(sock: Any, **options: Any) -> paramiko.Transport:
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_SECONDS * 1000)
        transport = paramiko.Transport(sock, **options)
        chosen = transport.get_security_options()
        offered = list(chosen.ciphers)
        chosen.ciphers = [name for name in CIPHERS if name in offered]
        # The server is asked for a key type that known_hosts has, or a trusted host would look unknown.
        wanted = {
            algorithm
            for key_type in known.key_types(host, port)
            for algorithm in (("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,))
        }
        chosen.key_types = sorted(chosen.key_types, key=lambda name: name not in wanted)
        return transport

    return made


def _sentence(error: Exception, connection: Any, where: str, ssh: Ssh) -> str:
    """Say in one sentence why a connection could not be opened."""
    login = f"user {connection.user} at {where}"
    if isinstance(error, _KeyRefused):
        text = str(error)
    elif isinstance(error, paramiko.PasswordRequiredException):
        text = f"{login}: the key file is encrypted; load it into ssh-agent with ssh-add"
    elif isinstance(error, paramiko.SSHException) and _stood_at_login(connection):
        text = f"{login}: public key refused; tried {_tried(connection, ssh)}"
    elif _no_banner(connection):
        text = f"{where} sent no SSH banner: no sshd, or one with too many logins at once (MaxStartups)"
    elif isinstance(error, EOFError):
        text = f"{where} closed the connection while it was being set up"
    elif isinstance(error, OSError):
        text = _network_sentence(error, connection.host, where)
    else:
        text = f"{where}: {error}"
    return text


def _network_sentence(error: OSError, name: str, where: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name {name} does not resolve ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer from {where} within {CONNECT_SECONDS} s"
    if isinstance(error, ssh_exception.NoValidConnectionsError):
        reasons = {
            os.strerror(each.errno)
            for each in error.errors.values()
            if isinstance(each, OSError) and each.errno
        }
        return f"{where}: {', '.join(sorted(reasons)).lower()}"
    return f"{where}: {(error.strerror or str(error)).lower()}"


def _stood_at_login(connection: Any) -> bool:
    # Paramiko's last exception may as well be "not a valid ED25519 private key file" of the last type it guessed.
    transport = connection.client.get_transport()
    return bool(transport and transport.initial_kex_done and not transport.is_authenticated())


def _tried(connection: Any, ssh: Ssh) -> str:
    tried = [str(ssh.identity)] if ssh.identity else []
    tried += [str(key) for key in connection.connect_kwargs.get("key_filename", ()) if key not in tried]
    if os.environ.get("SSH_AUTH_SOCK"):
        tried.append("the keys of ssh-agent")
    if ssh.identity is None:
        tried.append("~/.ssh/id_*")
    return ", ".join(tried)
