"""The words for where a node answers: listeners, with the address each binds and the one it advertises.

`kafab.model` has the nodes that they belong to. Nothing here does I/O.
"""

import ipaddress
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Endpoint:
    """A TCP address. ``str()`` gives ``host:port``, with an IPv6 address in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Use(str, Enum):
    """Who uses a listener. A listener may be for several of them."""

    BROKERS = "brokers"
    CONTROLLERS = "controllers"
    CLIENTS = "clients"
    OPERATOR = "operator"
    """kafab itself."""

    def __str__(self) -> str:
        return self.value


class Protocol(str, Enum):
    """Kafka's security protocol of a listener."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    def __str__(self) -> str:
        return self.value

    @property
    def tls(self) -> bool:
        """What goes over it is encrypted, and who answers shows a certificate."""
        return self in (Protocol.SSL, Protocol.SASL_SSL)

    @property
    def sasl(self) -> bool:
        """Who connects logs in with a name and a password."""
        return self in (Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL)

    @property
    def names_its_users(self) -> bool:
        """Who connects is somebody: by SASL, or by the certificate that an SSL listener of kafab asks for."""
        return self is not Protocol.PLAINTEXT


PLAINTEXT = "PLAINTEXT"
"""The name of the only listener of a broker whose inventory names none."""
CONTROLLER = "CONTROLLER"
"""The name of the controllers' listener."""
CLIENT = "CLIENT"
"""What stands for a name with ZooKeeper's client port."""


@dataclass(frozen=True)
class Listener:
    """A port on which a node answers: its name, where it listens, where others are told to connect, and who uses it."""

    name: str
    port: int
    advertised: str
    """The name or address that others reach it at."""
    bind: str | None = None
    """The address it listens on; None: on every interface, or on the advertised address where that is loopback."""
    protocol: Protocol = Protocol.PLAINTEXT
    uses: frozenset[Use] = frozenset({Use.BROKERS, Use.CLIENTS})

    @property
    def endpoint(self) -> Endpoint:
        """Where others connect."""
        return Endpoint(self.advertised, self.port)

    @property
    def address(self) -> str | None:
        """The address it listens on, also 0.0.0.0 where that was asked for; None: left to the process, on every interface."""
        return self.bind or (self.advertised if is_loopback(self.advertised) else None)

    @property
    def everywhere(self) -> bool:
        """True where it listens on every interface of its host."""
        return self.address is None or is_wildcard(self.address)


def controller_listener(
    address: str, port: int, bind: str | None = None, protocol: Protocol = Protocol.PLAINTEXT
) -> Listener:
    """Return the listener of a KRaft controller."""
    return Listener(CONTROLLER, port, address, bind, protocol, frozenset({Use.CONTROLLERS}))


_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "localhost4", "localhost6"})
"""``localhost`` and what distributions write beside it into /etc/hosts."""


def is_loopback(host: str) -> bool:
    """Tell whether this is an address of the machine itself, or a name that stands for it everywhere (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".").removeprefix("ip6-")
    if name in _LOOPBACK_NAMES | {"loopback"} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_address(host: str) -> bool:
    """Tell whether this is an address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_wildcard(host: str) -> bool:
    """Tell whether this is 0.0.0.0 or ::, which stand for every interface."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
