"""The words of certificates: who signs, what a node shows, what it must be reached by."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kafab.unknown import Unknown

PrivateKey: TypeAlias = PrivateKeyTypes
Certificates: TypeAlias = tuple[x509.Certificate, ...]
Address: TypeAlias = IPv4Address | IPv6Address

OPERATOR = "operator"
"""The owner of the certificate that kafab itself shows to controllers and brokers."""

AUTHORITY_LIFE = timedelta(days=5 * 365)
LEAF_LIFE = timedelta(days=397)
"""The longest that clients with the rules of browsers take (CA/Browser Forum's ballot SC-22: 398 days)."""
BACK_DATED = timedelta(minutes=10)
"""A certificate is good from so long before it was made: the clocks of hosts differ."""
EXPIRY_WARN = timedelta(days=30)
EXPIRY_CRIT = timedelta(days=7)


class Usage(str, Enum):
    """What a certificate may be shown as (RFC 5280's extended key usage). A broker is both: it connects to others, too."""

    SERVER = "server"
    CLIENT = "client"

    def __str__(self) -> str:
        return self.value

    @property
    def oid(self) -> x509.ObjectIdentifier:
        """The usage as X.509 has it."""
        return ExtendedKeyUsageOID.SERVER_AUTH if self is Usage.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Want:
    """What a certificate must say: the names and addresses that its owner is reached by, and its usages."""

    owner: str
    """A node's name, ``node1/broker``, or ``operator``."""
    cluster: str
    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    usages: frozenset[Usage] = frozenset(Usage)

    @property
    def stem(self) -> str:
        """The owner's name as the stem of a file, ``node1-broker``; no two owners of a cluster have the same."""
        return self.owner.replace("/", "-")

    @property
    def subject(self) -> x509.Name:
        """The subject that kafab gives it: one for all nodes of a cluster, so that one more node needs no new super user.

        ZooKeeper asks for the same, as its ACLs name the subject that created a znode.
        """
        common = "kafab-operator" if self.owner == OPERATOR else "kafka-node"
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.cluster),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    @property
    def alternatives(self) -> tuple[x509.GeneralName, ...]:
        """The names and addresses as X.509 has them."""
        return (*map(x509.DNSName, self.names), *map(x509.IPAddress, self.addresses))


@dataclass(frozen=True)
class Authority:
    """Who is trusted: one CA, or several while they change. The key is that of the first, where kafab has it."""

    certificates: Certificates
    key: PrivateKey | None = field(default=None, repr=False)
    own: bool = False
    """kafab has made it, so its key lies beside it."""

    @property
    def certificate(self) -> x509.Certificate:
        """The CA that signs."""
        return self.certificates[0]


@dataclass(frozen=True)
class Leaf:
    """A certificate with its key and the CAs between it and a trusted one, the nearest first."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: Certificates = ()


@dataclass(frozen=True)
class Found:
    """What was read of an owner's certificate and key, with the files it came from; each part is a value or Unknown."""

    certificates: Certificates | Unknown
    """The owner's own, then the CAs between it and a trusted one in any order."""
    key: PrivateKey | Unknown = field(repr=False)
    file: Path
    key_file: Path
    key_mode: int = 0o600
