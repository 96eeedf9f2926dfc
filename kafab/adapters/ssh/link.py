"""One host's SSH connection on Fabric: dialled once, checked against known_hosts, given up in time, opened again when dead.

Fabric alone adds any host key, waits for ever on a dead network and opens a shared gateway once a host. What it is
kept for: a connection that knows its hop, and how hops are nested. ssh_config is read by `sshconfig`, not by Fabric.

The file is a little over 400 lines long because how a host is dialled and what is opened on its connection share its faults.
"""

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import fabric
import paramiko
from paramiko import ssh_exception

from kafab.adapters.ssh.config import ConfigError, Resolved, SshConfig
from kafab.adapters.ssh.faults import (
    KeyRefused,
    LinkError,
    Silence,
    hung_up_at_once,
    no_script,
    sentence,
)
from kafab.adapters.ssh.frame import Frame, NotBegun
from kafab.adapters.ssh.hostkeys import KnownHosts, Peer, described
from kafab.adapters.ssh.identities import key_files, public_blob, shown_keys
from kafab.adapters.ssh.wire import Noting, ProxyProcess, Watched, keep_alive, transport
from kafab.events import Emit, Note, silent
from kafab.hosts.doors import told
from kafab.model import Host, Ssh

CONNECT_SECONDS = 10
"""For each of: TCP connect, key exchange, banner, authentication, opening a channel."""
WENT_SILENT = "it went silent: nothing has come back for about 20 s; the next command looks again"
DIALS_AT_ONCE = 8
"""sshd drops at random past 10 connections that have not logged in yet (MaxStartups 10:30:100)."""
_PAUSES = (0.2, 0.4, 0.8)
"""Before the next attempt, in seconds: others log in, too, and sshd counts a login some time after its end."""
RECEIVE_WINDOW = 4 * 1024 * 1024
_HOPS = 8
# OpenSSH answers so (SSH_OPEN_CONNECT_FAILED) where a connection has as many sessions as MaxSessions allows.
_TOO_FEW = "sshd refused a session ({})"

logging.getLogger("paramiko").addHandler(
    logging.NullHandler()
)  # its faults reach us as values, not as text on stderr


class _Strict(paramiko.MissingHostKeyPolicy):
    """Decides on every host key: the client itself is given none, so that all of them end here."""

    def __init__(self, known: KnownHosts, peer: Peer, emit: Emit, *, accept_new: bool) -> None:
        self._known, self._peer, self._emit, self._accept_new = known, peer, emit, accept_new

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002  # Paramiko's signature
        reason = self._known.refusal(self._peer, key)
        if reason and self._accept_new and self._known.is_new(self._peer, key):
            reason, file = self._known.accept(self._peer, key)
            if not reason:
                self._emit(
                    Note(self._peer.host, f"new host key {described(key)} accepted, and kept in {file}")
                )
        if reason:
            raise KeyRefused(reason)


class _Connection(fabric.Connection):  # type: ignore[misc]  # Fabric ships no types
    """Fabric's, but with a ProxyCommand whose end is noticed."""

    def open_gateway(self) -> Any:
        """Return what is used in place of a TCP socket."""
        return ProxyProcess(self.gateway) if isinstance(self.gateway, str) else super().open_gateway()


@dataclass(frozen=True)
class _Route:
    """A connection that is not open yet, what its host key is held against, and which keys are shown to it."""

    connection: Any
    peer: Peer
    known: KnownHosts
    tried: str


@dataclass
class _Gateway:
    silence: Silence
    connection: Any = None
    # Reentrant: a gateway that leads through itself is told, not waited for.
    lock: Any = field(default_factory=threading.RLock)
    failed_at: float = 0.0
    failure: str = ""


class Dialer:
    """What the hosts of a fleet share when they are dialled: ssh_config, known hosts, gateways and the pace."""

    def __init__(self, *, accept_new_host_keys: bool = False, emit: Emit = silent) -> None:
        self._accept_new = accept_new_host_keys
        self._emit = emit
        self._lock = threading.Lock()
        self._ssh_config = SshConfig()
        # Lazy: no fabric.yaml, no FABRIC_* variables, no ssh_config; the inventory and `ssh -G` say all there is.
        self._fabric_config = fabric.Config(lazy=True)
        self._known: dict[tuple[Any, ...], KnownHosts] = {}
        self._gateways: dict[tuple[str, _Hop], _Gateway] = {}
        self._keys: dict[Path, dict[str, Any]] = {}
        self._agent: paramiko.Agent | None = None
        self._pace: dict[str, threading.BoundedSemaphore] = {}

    def silence(self, name: str) -> Silence:
        """Return what is to be known of the silence of a peer of that name."""
        return Silence(name, self._emit)

    def connect(self, host: Host, at_turn: Callable[[], None], silent: Callable[[], None]) -> Any:
        """Return an open Fabric connection to a host; ``at_turn`` is called when no other login has to be waited for.

        ``silent`` is called, from any thread, when the connection dies of the host's silence. Raises LinkError.
        """
        route = self._route(host.address, host.ssh, host.ssh.user, host.ssh.port, via=host.ssh.gateway)
        connection, hop = route.connection, route.connection.gateway
        sshd = repr(hop) if isinstance(hop, fabric.Connection) else f"{connection.host}:{connection.port}"
        with self._lock:
            pace = self._pace.setdefault(sshd, threading.BoundedSemaphore(DIALS_AT_ONCE))
        with pace:
            at_turn()
            self._dial(route, silent)
        return connection

    def close(self) -> None:
        """Close the gateways; the hosts' own connections go first."""
        with self._lock:
            gateways, self._gateways = self._gateways, {}
            agent, self._agent = self._agent, None
        for gateway in gateways.values():
            if gateway.connection is not None:
                hang_up(gateway.connection)
        if agent is not None:
            agent.close()

    def _route(
        self, alias: str, ssh: Ssh, user: str | None, port: int | None, *, via: str | None, hops: int = 0
    ) -> _Route:
        """Return the way to a host, with the gateways on it open. ``via`` wins over ssh_config."""
        if hops > _HOPS:
            raise LinkError(f"more than {_HOPS} gateways on the way: does a gateway lead through itself?")
        try:
            said = self._ssh_config.resolve(alias, user, port)
        except ConfigError as error:
            raise LinkError(str(error)) from error
        with self._lock:
            connection = self._connection(said, ssh)
            known = self._known_hosts(said, ssh)
        peer = Peer(connection.host, connection.port, said.host_key_alias)
        jump = via or said.proxy_jump
        # A ProxyJump under `Host *` is true of the gateway itself, too.
        if jump and (via or _Hop.read(jump.rpartition(",")[2]).host != alias):
            connection.gateway = self._gateway(jump, ssh, hops + 1)
        elif said.proxy_command and not jump:
            connection.gateway = said.proxy_command
        return _Route(connection, peer, known, shown_keys(said, ssh))

    def _gateway(self, jump: str, ssh: Ssh, hops: int) -> Any:
        """Return the fleet's one open connection to the last of ``[user@]host[:port],...``, opened by the first who asks."""
        before, _, last = jump.rpartition(",")
        at = _Hop.read(last)
        asked = time.monotonic()
        with self._lock:
            shared = self._gateways.setdefault((before, at), _Gateway(self.silence(f"gateway {at.host}")))
        with shared.lock:
            if shared.failed_at > asked:
                raise LinkError(shared.failure)  # the hosts that waited for this gateway share its answer
            if shared.connection is None or not shared.connection.is_connected:
                if shared.silence.reason:
                    raise LinkError(f"gateway {at.host}: {shared.silence.reason}")
                try:
                    route = self._route(at.host, ssh, at.user, at.port, via=before or None, hops=hops)
                    self._dial(route, partial(shared.silence.found, WENT_SILENT))
                except LinkError as error:
                    shared.failed_at, shared.failure = time.monotonic(), f"gateway {at.host}: {error}"
                    raise LinkError(shared.failure) from error
                shared.connection = route.connection
            return shared.connection

    def _known_hosts(self, said: Resolved, ssh: Ssh) -> KnownHosts:
        files = (ssh.known_hosts, said.user_known_hosts, said.global_known_hosts)
        if files not in self._known:
            self._known[files] = KnownHosts.read(*files)
        return self._known[files]

    def _connection(self, said: Resolved, ssh: Ssh) -> Any:
        identities = (ssh.identity.expanduser(),) if ssh.identity else said.identities
        keys = self._only_key(ssh.identity) if ssh.identity else key_files(identities)
        if said.agent and said.identities_only and "pkey" not in keys:
            keys |= self._from_agent(identities)
        return _Connection(
            said.hostname,
            user=said.user,
            port=said.port,
            config=self._fabric_config,
            connect_timeout=CONNECT_SECONDS,
            connect_kwargs={
                "banner_timeout": CONNECT_SECONDS,
                "auth_timeout": CONNECT_SECONDS,
                "channel_timeout": CONNECT_SECONDS,
                "allow_agent": said.agent and not said.identities_only,
                "look_for_keys": not identities,
                **keys,
            },
        )

    def _only_key(self, identity: Path) -> dict[str, Any]:
        """Read a key once for all hosts: by file name Paramiko would parse it as each type of key, for each host."""
        if identity not in self._keys:
            path = identity.expanduser()
            try:
                self._keys[identity] = {"pkey": paramiko.PKey.from_path(path)}
            except OSError as error:
                raise LinkError(
                    told(f"the identity file {identity} cannot be read: {error.strerror}")
                ) from error
            except Exception:  # noqa: BLE001  # encrypted, or of an unusual format: Paramiko's reader at login decides
                self._keys[identity] = {"key_filename": [str(path)]}
        return dict(self._keys[identity])

    def _from_agent(self, identities: Sequence[Path]) -> dict[str, Any]:
        """IdentitiesOnly leaves the agent only the keys whose files are named: the first of them that it has."""
        if self._agent is None:
            self._agent = paramiko.Agent()
        blobs = {blob for identity in identities if (blob := public_blob(identity))}
        keys = [key for key in self._agent.get_keys() if key.asbytes() in blobs]
        return {"pkey": keys[0]} if keys else {}

    def _dial(self, route: _Route, silent: Callable[[], None]) -> None:
        connection = route.connection
        connection.connect_kwargs["transport_factory"] = partial(
            transport, known=route.known, peer=route.peer
        )
        policy = _Strict(route.known, route.peer, self._emit, accept_new=self._accept_new)
        connection.client.set_missing_host_key_policy(policy)
        for pause in (*_PAUSES, None):
            begun = time.monotonic()
            try:
                connection.open()
                break
            except Exception as error:
                seconds = time.monotonic() - begun
                turned_away = hung_up_at_once(connection) and seconds < CONNECT_SECONDS / 2
                reason = told(sentence(error, connection, route.tried, CONNECT_SECONDS, seconds))
                hang_up(connection)
                if pause is None or not turned_away:
                    raise LinkError(reason) from error
            time.sleep(pause * (1 + random.random()))  # noqa: S311  # spreads the hosts, guards no secret
        keep_alive(connection.transport, silent)


class Link:
    """One host: its connection, dialled at the first use and again when it is found dead."""

    def __init__(self, host: Host, dialer: Dialer) -> None:
        self.host = host
        self._dialer = dialer
        self._lock = threading.Lock()
        self._connection: Any = None
        self._answered = False
        self.frame = Frame()
        """The frame of the last script."""
        self._silence = dialer.silence(host.name)

    @property
    def silence(self) -> str:
        """How the host has gone silent after it had answered; empty where it has not, or not lately."""
        return self._silence.reason

    @property
    def greeting(self) -> str:
        """What the login says before each script, as it did before the last one."""
        return self.frame.greeting if self.frame.shell else ""

    def refusal(self, error: NotBegun) -> str:
        """Say why a script has not begun, though its user was logged in."""
        connection = self._connection
        where = f"{connection.host} port {connection.port}" if connection is not None else self.host.address
        return told(no_script(error, self.user, where))

    @property
    def user(self) -> str:
        """The login user; known once a channel has been opened."""
        connection = self._connection
        return str(connection.user) if connection is not None else ""

    def channel(self, at_turn: Callable[[], None]) -> paramiko.Channel:
        """Open a session channel; ``at_turn`` is called when it begins. Raises LinkError: nothing has been sent then."""
        with self._lock:
            if self._connection is not None:
                at_turn()
                try:
                    # sshd need not fork for it; and if the peer is gone, a dial has yet to find that out.
                    return self._session(CONNECT_SECONDS / 2)
                except ssh_exception.ChannelException as error:
                    raise LinkError(told(_TOO_FEW.format(error.text))) from error
                except (paramiko.SSHException, EOFError, OSError):
                    self._drop()
            self._connection = self._dialed(at_turn)
            try:
                return self._session(CONNECT_SECONDS)
            except ssh_exception.ChannelException as error:
                raise LinkError(told(_TOO_FEW.format(error.text))) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise LinkError(
                    told(f"sshd opened no session: {error or 'the connection was lost'}")
                ) from error

    @property
    def is_open(self) -> bool:
        """Whether its connection is there, as far as anybody knows."""
        connection = self._connection
        return connection is not None and bool(connection.transport.is_active())

    def forward(self, address: str, port: int, seconds: float) -> paramiko.Channel:
        """Open a channel to an address as the host sees it; the login that this may take has its own time.

        Raises ChannelException where sshd refuses, or what the address does; LinkError where there is no connection.
        """
        with self._lock:
            if not self.is_open:
                self._drop()
                self._connection = self._dialed(lambda: None)
            opened: Noting = self._connection.transport
        # Not under the lock: opening takes a round trip, and many may do so at once.
        try:
            return opened.forward(address, port, seconds)
        except ssh_exception.ChannelException:
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            if opened.is_active():
                raise LinkError(f"no answer within {seconds:g} s") from error
            raise LinkError(told(self.silence or "the SSH connection was lost")) from error

    def host_key(self) -> str | None:
        """Return the key that the open connection has verified, ``type base64``; None where there is no connection."""
        connection = self._connection
        if connection is None:
            return None
        key = connection.transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def hang_up(self) -> None:
        """Cut the connection now, also under the hands of a thread that waits on it."""
        self._drop()

    def _dialed(self, at_turn: Callable[[], None]) -> Any:
        if self.silence:
            raise LinkError(self.silence)
        begun = time.monotonic()
        try:
            connection = self._dialer.connect(self.host, at_turn, partial(self._silence.found, WENT_SILENT))
        except LinkError as error:
            # A refusal is quick and may be asked for again; a timeout is not paid for twice.
            if self._answered and time.monotonic() - begun > CONNECT_SECONDS / 2:
                self._silence.found(f"it has answered before and went silent: {error}")
            raise
        self._answered = True
        return connection

    def _session(self, seconds: float) -> paramiko.Channel:
        opened: paramiko.Transport = self._connection.transport
        return opened.open_session(window_size=RECEIVE_WINDOW, timeout=seconds)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            hang_up(connection)


def hang_up(connection: Any) -> None:
    """Close a Fabric connection without waiting for its thread, which otherwise looks up only every 0.1 s."""
    opened = connection.transport
    sock = opened.sock.sock if opened is not None and isinstance(opened.sock, Watched) else None
    sock = opened.sock if opened is not None and sock is None else sock
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    with suppress(Exception):  # whatever is wrong with a connection that is being given up
        connection.client.close()


@dataclass(frozen=True)
class _Hop:
    """One ``[user@]host[:port]`` of a ProxyJump or of the inventory's gateway."""

    host: str
    user: str | None
    port: int | None

    @classmethod
    def read(cls, text: str) -> "_Hop":
        user, _, place = text.removeprefix("ssh://").rpartition("@")
        host, port = place, ""
        if place.startswith("["):
            host, _, port = place[1:].partition("]")
        elif place.count(":") == 1:
            host, _, port = place.partition(":")
        port = port.removeprefix(":")
        if not host or (port and not port.isdecimal()):
            raise LinkError(f"found {text!r} as a gateway; expected [user@]host[:port]")
        return cls(host, user or None, int(port) if port else None)
