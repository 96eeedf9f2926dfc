"""Connections to Kafka and ZooKeeper on the hosts of a cluster: directly, or as channels of the SSH connections there are.

A channel comes as one end of a socket pair, so whatever takes a socket takes it: a selector, TLS, another process.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from paramiko.ssh_exception import ChannelException

from kafab.adapters.ssh.faults import LinkError
from kafab.adapters.ssh.link import Link
from kafab.adapters.ssh.pump import Pump
from kafab.events import Emit, Note
from kafab.hosts.ways import TAKEN, Passage, Trial, Way, Ways, carrier, carriers, forbidden, nowhere
from kafab.listeners import Endpoint
from kafab.model import Cluster, Reach
from kafab.unknown import Unknown

LOGIN_SECONDS = 20.0
"""What a login may take, through a bastion far away; a question's own time begins behind it."""
SPARED_SECONDS = 5.0
"""For so long a connection is kept that was made to find out which way works."""
_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254 5.1
_LOOK = 0.1
_TRIAL_SECONDS = 3.0
"""For each way that is tried without need; as long as hosts try the network between them."""
_AT_ONCE = 32

_Answer: TypeAlias = tuple[Way, socket.socket | Exception]


class SshReach:
    """The ways to a cluster's addresses, over the links of its fleet. Safe to use from several threads."""

    def __init__(self, cluster: Cluster, links: Callable[[], Mapping[str, Link]], emit: Emit) -> None:
        self._cluster = cluster
        self._links = links
        self._emit = emit
        self._lock = threading.Lock()
        self._ways = Ways()
        self._carriers = carriers(cluster)
        self._pumps: dict[str, Pump] = {}
        self._spare: dict[Endpoint, tuple[float, socket.socket]] = {}
        self._closed = False

    @property
    def through_ssh(self) -> bool | None:
        """Whether any address is reached through SSH, as far as that is known by now; None: nothing was reached yet."""
        if any(host.ssh.reach is Reach.SSH for host in self._cluster.hosts):
            return True
        with self._lock:
            return self._ways.through_ssh if self._ways.last else None

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return a connected, blocking socket. Raises OSError, with one sentence for the operator where there is no errno for it."""
        at = Endpoint(host, port)
        return self._spared(at) or self._found(at, seconds, seconds)

    def needs_login(self, host: str, port: int) -> bool:
        """Whether `connect` may have to log in to a host."""
        at = Endpoint(host, port)
        link = self._link(at)
        return Way.SSH in self._trial(at, link).ways and not link.is_open

    def ready(self, host: str, port: int, seconds: float) -> None:
        """Return when `connect` needs no login any more: a login may take longer than a question.

        Raises OSError where the address is not reached. ``seconds`` is what a connection may take without a login.
        """
        if not self.needs_login(host, port):
            return
        at = Endpoint(host, port)
        found = self._found(at, seconds, LOGIN_SECONDS + seconds)
        with self._lock:
            before = self._spare.pop(at, None)
            if not self._closed:
                self._spare[at] = (time.monotonic(), found)
        if before:
            before[1].close()
        if self._closed:
            found.close()

    def tried(self, addresses: Collection[Endpoint]) -> Mapping[Endpoint, Passage]:
        """Ask sshd whether it forwards to each address, and where it forbids that try a plain connection: `ports.Passages`."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(addresses, pool.map(self._passage, addresses), strict=True))

    def close(self) -> None:
        """End all connections through SSH, and those that nobody has asked for."""
        with self._lock:
            self._closed = True
            pumps, self._pumps = self._pumps, {}
            spare, self._spare = self._spare, {}
        for _, kept in spare.values():
            kept.close()
        for pump in pumps.values():
            pump.close()

    def _link(self, at: Endpoint) -> Link:
        return self._links()[self._carriers.get(at) or carrier(self._cluster, at)]

    def _trial(self, at: Endpoint, link: Link) -> Trial:
        with self._lock:
            return self._ways.trial(at, link.host.ssh.reach, time.monotonic(), is_open=link.is_open)

    def _spared(self, at: Endpoint) -> socket.socket | None:
        with self._lock:
            since, kept = self._spare.pop(at, (0.0, None))
        if kept is None or time.monotonic() - since < SPARED_SECONDS:
            return kept
        kept.close()
        return None

    def _found(self, at: Endpoint, seconds: float, patience: float) -> socket.socket:
        """Try the ways beside each other and return what the first good one gives.

        Where the cluster is reached directly nobody waits for a login: a host that is down is told in a question's time.
        """
        link = self._link(at)
        trial = self._trial(at, link)
        begun = time.monotonic()

        def attempt(way: Way) -> socket.socket:
            return self._direct(at, seconds) if way is Way.DIRECT else self._forward(at, link, seconds)

        if len(trial.ways) == 1 and (trial.ways[0] is Way.DIRECT or link.is_open):
            return self._only(at, link, trial.ways[0], attempt)
        race = _Race(attempt)
        race.begin(trial.ways[0])
        failed: dict[Way, Exception] = {}
        while len(failed) < len(trial.ways):
            now = time.monotonic()
            with self._lock:
                direct = self._ways.last is Way.DIRECT and link.host.ssh.reach is Reach.AUTO
            left = begun + (seconds if direct else patience) - now
            if left <= 0:
                break
            if len(trial.ways) > 1 and (failed or now >= begun + trial.head_start):
                race.begin(trial.ways[1])
            if (answer := race.answer(min(left, _LOOK))) is None:
                continue
            way, found = answer
            if isinstance(found, Exception):
                failed[way] = found
                continue
            race.end()
            self._took(at, way, failed)
            return found
        race.end()
        raise self._nowhere(at, link, failed, race.begun, time.monotonic() - begun)

    def _only(
        self, at: Endpoint, link: Link, way: Way, attempt: Callable[[Way], socket.socket]
    ) -> socket.socket:
        begun = time.monotonic()
        try:
            found = attempt(way)
        except OSError as error:
            raise self._nowhere(at, link, {way: error}, {way}, time.monotonic() - begun) from error
        self._took(at, way, {})
        return found

    def _took(self, at: Endpoint, way: Way, failed: Mapping[Way, Exception]) -> None:
        with self._lock:
            news = self._ways.took(at, way)
        if news and self._link(at).host.ssh.reach is Reach.AUTO:
            why = _told(failed[Way.DIRECT]) if Way.DIRECT in failed else "no answer yet"
            self._emit(Note(self._cluster.name, TAKEN.format(at=at, why=why)))

    def _nowhere(
        self, at: Endpoint, link: Link, failed: Mapping[Way, Exception], begun: set[Way], took: float
    ) -> OSError:
        """Return why an address is not reached, and keep it. Both ways refused is one refusal, as it has always been."""
        silent = {way: TimeoutError(f"did not answer within {took:.3g} s") for way in begun - failed.keys()}
        reasons = {**failed, **silent}
        refused = all(_is_refusal(error) for error in reasons.values())
        with self._lock:
            for way in reasons:
                self._ways.failed(at, way, time.monotonic(), refused=refused)
            # Where the cluster is reached directly, it is of no interest what its sshds forward.
            prohibited = self._ways.is_forbidden(at) and self._ways.last is not Way.DIRECT
        if refused and not prohibited:
            return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        told = {way: _told(reasons[way]) for way in Way if way in reasons}
        if prohibited and Way.SSH not in told:
            told[Way.SSH] = forbidden(link.host.name)
        if len(told) == 1 and isinstance(only := next(iter(reasons.values())), OSError):
            return only
        if all(isinstance(error, TimeoutError) for error in reasons.values()) and not prohibited:
            return TimeoutError(f"did not answer within {took:.3g} s")
        return OSError(nowhere(told))

    def _passage(self, at: Endpoint) -> Passage:
        link = self._link(at)
        try:
            link.forward(at.host, at.port, _TRIAL_SECONDS).close()
        except ChannelException as error:
            if error.code != _PROHIBITED:
                return Passage(
                    ssh=True
                )  # sshd has tried it: nothing listens there, which is no matter of sshd's
        except LinkError as error:
            return Passage(ssh=Unknown(str(error)))
        else:
            return Passage(ssh=True)
        if link.host.ssh.reach is Reach.SSH:
            return Passage(ssh=False)
        with self._lock:
            self._ways.forbids(at)
        try:
            self._direct(at, _TRIAL_SECONDS).close()
        except OSError as error:
            return Passage(ssh=False, direct=_told(error), refused=_is_refusal(error))
        return Passage(ssh=False, direct="")

    @staticmethod
    def _direct(at: Endpoint, seconds: float) -> socket.socket:
        made = socket.create_connection((at.host, at.port), timeout=seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(None)
        return made

    def _forward(self, at: Endpoint, link: Link, seconds: float) -> socket.socket:
        try:
            channel = link.forward(at.host, at.port, seconds)
        except ChannelException as error:
            if error.code == _PROHIBITED:
                with self._lock:
                    self._ways.forbids(at)
                raise PermissionError(forbidden(link.host.name)) from error
            if "refused" in error.text.lower():
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)) from error
            raise OSError(f"{link.host.name} cannot reach it ({error.text.lower()})") from error
        except LinkError as error:
            raise OSError(str(error)) from error
        ours, near = socket.socketpair()
        with self._lock:
            if not self._closed and link.host.name not in self._pumps:
                self._pumps[link.host.name] = Pump()
            pump = self._pumps.get(link.host.name)
        if pump is None:
            channel.close()
            near.close()
            ours.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "the session has ended")
        pump.carry(channel, near)
        return ours


class _Race:
    """Ways that are tried beside each other, each in a thread; what comes too late is closed."""

    def __init__(self, attempt: Callable[[Way], socket.socket]) -> None:
        self._attempt = attempt
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._lock = threading.Lock()
        self._over = False
        self.begun: set[Way] = set()

    def begin(self, way: Way) -> None:
        """Begin to try a way, if that has not begun."""
        if way not in self.begun:
            self.begun.add(way)
            threading.Thread(target=self._try, args=(way,), name="kafab-reach", daemon=True).start()

    def answer(self, seconds: float) -> _Answer | None:
        """Return what the next way has led to; None where none has by then."""
        with suppress(Empty):
            return self._answers.get(timeout=seconds)
        return None

    def end(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._over = True
        with suppress(Empty):
            while True:
                _, found = self._answers.get_nowait()
                if isinstance(found, socket.socket):
                    found.close()

    def _try(self, way: Way) -> None:
        found: socket.socket | Exception
        try:
            found = self._attempt(way)
        except Exception as error:  # noqa: BLE001  # whatever a library raises is why this way leads nowhere
            found = error
        with self._lock:
            if not self._over:
                self._answers.put((way, found))
                return
        if isinstance(found, socket.socket):
            found.close()


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, ConnectionRefusedError)


def _told(error: Exception) -> str:
    """Say why a way led nowhere, as the operator would say it."""
    if isinstance(error, socket.gaierror):
        return f"its name does not resolve here ({error.strerror})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, TimeoutError):
        return "did not answer"
    return str(error) or type(error).__name__
