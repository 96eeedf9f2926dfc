"""Users, ACLs, quotas and topics as values; the names are Kafka's own, as its tools print them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from kafab.references import Reference
from kafab.unknown import Unknown

MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
FEWEST, MOST, ITERATIONS = 4096, 16384, 8192
"""Iterations of a salted password: what Kafka takes (ScramMechanism), and what kafab asks for."""
CLUSTER_NAME: Final = "kafka-cluster"
"""The name of the only resource of type Cluster."""
ANY: Final = "*"
"""Every resource, principal or host, each in its place."""
USER, CLIENT, IP = "user", "client-id", "ip"
"""What a quota is of."""
QUOTAS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (USER, CLIENT),
        ("producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"),
    ),
    IP: ("connection_creation_rate",),
}


class Permission(str, Enum):
    """What an ACL does; a Deny wins over every Allow."""

    ALLOW = "Allow"
    DENY = "Deny"

    def __str__(self) -> str:
        return self.value


class Pattern(str, Enum):
    """How an ACL names its resource: by its name, or by the beginning of names (KIP-290)."""

    LITERAL = "Literal"
    PREFIXED = "Prefixed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, order=True)
class Acl:
    """One ACL; ``kind`` and ``operation`` are Kafka's words, Topic and Read, or a number that kafab has no word for."""

    kind: str
    name: str
    pattern: Pattern
    principal: str
    host: str
    operation: str
    permission: Permission

    @property
    def resource(self) -> tuple[str, str, Pattern]:
        """The resource that it is kept with."""
        return self.kind, self.name, self.pattern

    def __str__(self) -> str:
        like = f"{self.name}*" if self.pattern is Pattern.PREFIXED else self.name
        return f"{self.permission} {self.principal} {self.operation} on {self.kind} {like} from {self.host}"


@dataclass(frozen=True, order=True)
class Account:
    """A user's credential: a user may have one of each mechanism."""

    user: str
    mechanism: str

    def __str__(self) -> str:
        return f"{self.user} ({self.mechanism})"


@dataclass(frozen=True)
class Wish:
    """What a file says of a user's credential; without a password it has to be there, and stays as it is."""

    password: Reference | None = None
    iterations: int | None = None
    """None: as it is, `ITERATIONS` where it is set."""


@dataclass(frozen=True)
class Credential:
    """What goes to a cluster in a password's place: SaltedPassword of RFC 5802, with its salt. It opens a login, so it is a secret."""

    salt: bytes = field(repr=False)
    salted: bytes = field(repr=False)
    iterations: int = ITERATIONS


@dataclass(frozen=True)
class Entity:
    """Whom a quota is for: a user, a client id, both, or an address; ``None`` as a name is the default of its kind."""

    parts: tuple[tuple[str, str | None], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its kinds in Kafka's order."""
        return tuple(kind for kind, _ in self.parts)

    def __str__(self) -> str:
        return ", ".join(f"{kind} {'<default>' if name is None else name}" for kind, name in self.parts)

    @property
    def order(self) -> tuple[tuple[str, str], ...]:
        """What entities are sorted by."""
        return tuple((kind, "" if name is None else f"={name}") for kind, name in self.parts)

    @classmethod
    def of(cls, parts: Mapping[str, str | None]) -> "Entity":
        """Return the entity of these kinds and names, in Kafka's order."""
        return cls(tuple((kind, parts[kind]) for kind in (USER, CLIENT, IP) if kind in parts))


@dataclass(frozen=True)
class Limit:
    """One number of a quota: whose, and which."""

    entity: Entity
    key: str

    @property
    def order(self) -> tuple[object, str]:
        """What limits are sorted by."""
        return self.entity.order, self.key

    def __str__(self) -> str:
        return f"{self.key} of {self.entity}"


@dataclass(frozen=True)
class Topic:
    """A topic that a file asks for; a count that it does not name is the brokers' when the topic is made."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Found:
    """A topic of the cluster, with the properties of its own."""

    partitions: int
    replication_factor: int
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Want:
    """What a file asks for."""

    users: Mapping[Account, Wish] = field(default_factory=dict)
    acls: frozenset[Acl] = frozenset()
    quotas: Mapping[Limit, float] = field(default_factory=dict)
    topics: Mapping[str, Topic] = field(default_factory=dict)


@dataclass(frozen=True)
class Have:
    """What a cluster has. ``acls`` is None where there is no authorizer, so that there cannot be any."""

    users: Mapping[Account, int] = field(default_factory=dict)
    """Credential -> its iterations; Kafka tells no more of it."""
    acls: frozenset[Acl] | None = frozenset()
    quotas: Mapping[Limit, float] = field(default_factory=dict)
    topics: Mapping[str, Found] = field(default_factory=dict)
    passwords: Mapping[Account, bool | Unknown] = field(default_factory=dict)
    """Credential -> whether the password that the file names opens it."""


@dataclass(frozen=True)
class Recorded:
    """What former applies have set, whether it is still there or not: only that, and what the file names, is ever removed."""

    users: frozenset[Account] = frozenset()
    acls: frozenset[Acl] = frozenset()
    quotas: frozenset[Limit] = frozenset()
    topics: frozenset[str] = frozenset()

    def __or__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            self.users | other.users,
            self.acls | other.acls,
            self.quotas | other.quotas,
            self.topics | other.topics,
        )

    @classmethod
    def of(cls, want: Want) -> "Recorded":
        """Return what a file asks for."""
        return cls(frozenset(want.users), want.acls, frozenset(want.quotas), frozenset(want.topics))

    def there(self, have: Have) -> "Recorded":
        """Return what of it a cluster has."""
        return Recorded(
            self.users & have.users.keys(),
            self.acls & (have.acls or frozenset()),
            self.quotas & have.quotas.keys(),
            self.topics & have.topics.keys(),
        )


@dataclass(frozen=True)
class Operator:
    """Who kafab is to the brokers."""

    principal: str
    is_super: bool
    """True for a super user, whom no ACL concerns."""
    open_without_acls: bool = False
    """True where a resource without any ACL is everybody's (allow.everyone.if.no.acl.found)."""
    user: str | None = None
    """The user as whom kafab logs in by SASL."""
