"""Which way a connection to Kafka or ZooKeeper takes: directly, or through its host's SSH connection.

A firewall decides by port, so what was learned is kept by address. The address that a node advertises is what is asked for on
either way: at the far end it is the host of that node that is asked for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from kafab.listeners import Endpoint
from kafab.model import Cluster, Reach
from kafab.unknown import Unknown

HEAD_START = 0.25
"""Seconds that the direct way has for itself, where SSH is open and nothing is known yet: a channel costs more than a connection."""
LOGIN_HEAD_START = 1.0
"""The same where the other way begins with a login."""
IN_VAIN = 2.0
"""Seconds for which a channel that led nowhere is not opened again, where the cluster is reached directly: its node is down."""


class Way(str, Enum):
    """A way to an address."""

    DIRECT = "directly"
    SSH = "through SSH"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Trial:
    """The ways to try, the first at once; the second when the first has failed, or after the head start."""

    ways: tuple[Way, ...]
    head_start: float = 0.0


@dataclass(frozen=True)
class Passage:
    """What became of the ways to an address, tried before anything has to go there."""

    ssh: bool | Unknown
    """Whether the host's sshd lets connections to the address pass; what is behind it is not asked."""
    direct: str | None = None
    """Where sshd forbids it: how a plain connection ended, empty for one that came about. None: not tried."""
    refused: bool = False
    """Whether that was a refusal, which says little where nothing is to listen yet."""


class Ways:
    """What a session has learned. Whoever uses it from several threads holds a lock of its own."""

    def __init__(self) -> None:
        self._taken: dict[Endpoint, Way] = {}
        self._last: Way | None = None
        self._in_vain: dict[Endpoint, float] = {}
        self._forbidden: set[Endpoint] = set()

    @property
    def last(self) -> Way | None:
        """The way that was found last, for whatever address: the best guess for another one."""
        return self._last

    @property
    def through_ssh(self) -> bool:
        """Whether any address is reached through SSH."""
        return Way.SSH in self._taken.values()

    def trial(self, at: Endpoint, reach: Reach, now: float, *, is_open: bool) -> Trial:
        """Return what to try for an address; ``is_open``: whether its host's SSH connection is. ``now`` is monotonic."""
        if reach is not Reach.AUTO:
            return Trial((Way.DIRECT if reach is Reach.DIRECT else Way.SSH,))
        if at in self._forbidden:
            return Trial((Way.DIRECT,))
        if at in self._taken:
            return Trial((self._taken[at],))
        if self._last is Way.SSH:
            return Trial((Way.SSH, Way.DIRECT))
        lately = now - self._in_vain.get(at, -IN_VAIN) < IN_VAIN
        if self._last is Way.DIRECT and lately:
            return Trial((Way.DIRECT,))
        return Trial((Way.DIRECT, Way.SSH), HEAD_START if is_open else LOGIN_HEAD_START)

    def took(self, at: Endpoint, way: Way) -> bool:
        """Keep what an address was reached by; True where that is news for the operator: the first one through SSH."""
        news = way is Way.SSH and not self.through_ssh
        self._taken[at] = self._last = way
        return news

    def failed(self, at: Endpoint, way: Way, now: float, *, refused: bool) -> None:
        """Keep that a way led nowhere. A refusal is the answer of a node that is down; a silent way is sought anew."""
        if way is Way.SSH:
            self._in_vain[at] = now
        if not refused:
            self._taken.pop(at, None)

    def forbids(self, at: Endpoint) -> None:
        """Keep that a host's sshd does not forward to this address: it is tried directly from then on, and in no other way."""
        self._forbidden.add(at)

    def is_forbidden(self, at: Endpoint) -> bool:
        """Whether the host's sshd has refused to forward to this address."""
        return at in self._forbidden


def carriers(cluster: Cluster) -> Mapping[Endpoint, str]:
    """Return which host each address of the inventory is on: all listeners of all nodes, as they are advertised."""
    return {
        listener.endpoint: node.host.name for node in reversed(cluster.nodes) for listener in node.listeners
    }


def carrier(cluster: Cluster, at: Endpoint) -> str:
    """Return the host to ask for an address.

    A broker may run with an address that the inventory does not have (any more): then the name alone decides, and where nobody
    has that either, it is the cluster's first host.
    """
    known = carriers(cluster)
    if at in known:
        return known[at]
    names = {endpoint.host: host for endpoint, host in known.items()}
    named = next((host.name for host in cluster.hosts if host.address == at.host), None)
    return names.get(at.host) or named or cluster.hosts[0].name


def nowhere(reasons: Mapping[Way, str]) -> str:
    """Say why an address is not reached: once where both ways say the same, else what each of them says."""
    if len(set(reasons.values())) == 1 and Way.DIRECT in reasons:
        return next(iter(reasons.values()))
    return "; ".join(
        reason if way is Way.DIRECT and len(reasons) == 1 else f"{way}: {reason}"
        for way, reason in reasons.items()
    )


def forbidden(host: str) -> str:
    """Say that a host's sshd forwards nothing."""
    return (
        f"sshd of {host} forbids it: AllowTcpForwarding, DisableForwarding and PermitOpen of its sshd_config, and what"
        " authorized_keys says before the key, have to let connections to Kafka's and ZooKeeper's ports there pass"
    )


TAKEN = "Kafka and ZooKeeper are reached through SSH: {at} cannot be reached directly ({why})"
"""What is told once, where that was found out."""
