"""How the cluster of a lab is made up: its size, its version, its mode, and which roles each host has."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

from kafab.config.defaults import FIRST_WITHOUT_ZOOKEEPER, new_version
from kafab.errors import UsageError
from kafab.model import Mode, Version, VoterSource

DEFAULT_HOSTS = 3
QUORUM_SIZE = 3
ISOLATED_IDS = 100
"""Isolated controllers have ids from 101: broker ids are the numbers of their hosts."""


class Controllers(str, Enum):
    """Where KRaft's controllers live: in the brokers' processes, or in their own."""

    COMBINED = "combined"
    ISOLATED = "isolated"


@dataclass(frozen=True)
class Wish:
    """What somebody asked of a lab; None: whatever it has, or the default."""

    hosts: int | None = None
    version: Version | None = None
    mode: Mode | None = None
    controllers: Controllers | None = None
    quorum: VoterSource | None = None
    secure: bool | None = None
    observe: bool | None = None

    def unlike(self, shape: "Shape") -> list[str]:
        """Return what is otherwise in a lab that is there, in words."""
        kept = shape.document
        wished = {key: _plain(value) for key, value in vars(self).items() if value is not None}
        return [
            f"{kept[key]} {key}" if key == "hosts" else f"{key} {kept[key] or _NOTHING.get(key, 'none')}"
            for key, value in wished.items()
            if kept[key] != value
        ]


ANY = Wish()
_NOTHING = {"secure": "off", "observe": "off"}


@dataclass(frozen=True)
class Shape:
    """What a lab's cluster is. ``controllers`` and ``quorum`` are None in ZooKeeper mode."""

    hosts: int
    version: Version
    mode: Mode
    controllers: Controllers | None = None
    quorum: VoterSource | None = None
    secure: bool = False
    """TLS between the nodes, logins for clients, an authorizer."""
    observe: bool = False
    """Prometheus' agent for JMX in each node."""

    @classmethod
    def of(cls, wish: Wish) -> "Shape":
        """Fill a wish up with defaults. Raises UsageError for one that no Kafka can fulfil."""
        asks_kraft = wish.controllers is not None or wish.quorum is not None
        mode = wish.mode
        if mode is None:
            newer = wish.version is not None and wish.version >= FIRST_WITHOUT_ZOOKEEPER
            # ZooKeeper mode exercises every part of kafab.
            mode = Mode.KRAFT if newer or asks_kraft else Mode.ZOOKEEPER
        version = new_version(mode, wish.version)
        hosts = wish.hosts or DEFAULT_HOSTS
        if mode is Mode.ZOOKEEPER:
            if asks_kraft:
                raise UsageError(
                    "found --controllers or --quorum with --mode zookeeper; expected --mode kraft"
                )
            return cls(hosts, version, mode, secure=bool(wish.secure), observe=bool(wish.observe))
        controllers, quorum = wish.controllers or Controllers.COMBINED, wish.quorum or VoterSource.DYNAMIC
        return cls(hosts, version, mode, controllers, quorum, bool(wish.secure), bool(wish.observe))

    @property
    def document(self) -> dict[str, object]:
        """The shape for ``lab.json``."""
        return {key: _plain(value) for key, value in asdict(self).items()} | {"version": str(self.version)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Shape":
        """Return the shape that a ``lab.json`` has; one without a mode was made when there was only ZooKeeper's."""
        kinds: dict[str, Callable[[Any], object]] = {
            "mode": Mode,
            "controllers": Controllers,
            "quorum": VoterSource,
            "version": Version.parse,
            "secure": bool,
            "observe": bool,
        }
        known = {"mode": Mode.ZOOKEEPER, **document}
        values: dict[str, Any] = {
            each.name: kinds.get(each.name, int)(known[each.name])
            for each in fields(cls)
            if known.get(each.name) is not None
        }
        return cls(**values)

    @property
    def quorum_size(self) -> int:
        """Three servers or controllers, or one where three would not fit on hosts of their own."""
        return QUORUM_SIZE if self.hosts >= QUORUM_SIZE else 1

    def is_voter(self, number: int) -> bool:
        """Tell whether the host of this number, from 1, has a ZooKeeper server or a controller."""
        return number <= self.quorum_size

    def roles(self, number: int) -> dict[str, int]:
        """Return role -> id of a host as its inventory has them."""
        broker = {"broker": number}
        if not self.is_voter(number):
            return broker
        if self.mode is Mode.ZOOKEEPER:
            return {"zookeeper": number, **broker}
        own = self.controllers is Controllers.ISOLATED
        return {"controller": ISOLATED_IDS + number if own else number, **broker}


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value) if isinstance(value, Version) else value
