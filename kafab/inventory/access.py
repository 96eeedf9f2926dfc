"""The keys of what a cluster's users, ACLs, quotas and topics are to be: `access:` of an inventory, or a file of its own.

`kafab.access.reading` says what they mean together, and makes values of them.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafab.inventory import texts
from kafab.inventory.kinds import Choice, Flag, Integer, Json, ListOf, Text
from kafab.inventory.sections import Key, Keys, Named, Properties, Section
from kafab.inventory.texts import PLAIN_TEXT_FOUND, PlainSecret
from kafab.inventory.yamltree import Scalar, Tree, describe
from kafab.model import Role
from kafab.problems import Place, Problems
from kafab.references import Reference, is_reference

DEFAULT: Final = "<default>"
"""The name that stands for all who have no quota of their own, as Kafka's tools print it."""
LONGEST_USER: Final = 200
LONGEST: Final = 1000
"""Characters of a user's name, and of other ones; Kafka's own limit is that of its protocol, 32767 bytes."""
_MERGE = "merge keys are not read; expected each entry written out, or a list of names in it"
_OPERATIONS = (
    *("All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "DescribeConfigs"),
    *("AlterConfigs", "IdempotentWrite", "CreateTokens", "DescribeTokens", "TwoPhaseCommit"),
)


def user_name(text: str) -> str:
    """Return the name of a user who logs in with SCRAM: Kafka's grammar of it is printable ASCII (ScramMessages, RFC 5802)."""
    if not text or not text.isascii() or not text.isprintable() or len(text) > LONGEST_USER:
        raise ValueError(
            f"expected a user's name of 1 to {LONGEST_USER} printable ASCII characters: Kafka's SCRAM takes no other ones"
        )
    return _named(text)


def entity_name(text: str) -> str:
    """Return the name of a user, a client id or an address that a quota is for, or `DEFAULT`."""
    return text if text == DEFAULT else _named(text)


def principal(text: str) -> str:
    """Return whom an ACL is about, as ``User:orders``."""
    kind, colon, name = text.partition(":")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", kind, re.ASCII) or not colon or not name:
        raise ValueError("expected a type and a name, like User:orders, or User:* for everybody")
    return _printable(text)


def host(text: str) -> str:
    """Return the address that an ACL is about as Java writes it, which is how brokers compare it, or ``*``."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _printable(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))
    return str(address)


def resource_name(text: str) -> str:
    """Return the name of a resource, its beginning, or ``*``."""
    return _printable(text)


def topic_name(text: str) -> str:
    """Return a topic's name (`org.apache.kafka.common.internals.Topic`)."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text, re.ASCII) or text in (".", ".."):
        raise ValueError("expected 1 to 249 letters, digits and ._- as a topic's name, and neither . nor ..")
    return text


def reference(text: str) -> Reference:
    """Return the reference to a password. Raises PlainSecret for what may be the password itself."""
    try:
        return Reference.parse(text)
    except ValueError as error:
        told = f"found a reference with a fault; {error}" if is_reference(text) else PLAIN_TEXT_FOUND
        raise PlainSecret(told) from None


def _named(text: str) -> str:
    if text == DEFAULT:
        raise ValueError(f"expected another name: {DEFAULT} is how Kafka writes the default of quotas")
    return _printable(text)


def _printable(text: str) -> str:
    if not text or not text.isprintable() or len(text) > LONGEST:
        raise ValueError(f"expected 1 to {LONGEST} printable characters")
    return text


@dataclass(frozen=True)
class Amount:
    """A number of bytes, per cent or changes a second, greater than 0; with a fraction only where Kafka takes one."""

    fraction: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return f"a {'' if self.fraction else 'whole '}number greater than 0"

    def read(self, tree: Tree, key: str, problems: Problems) -> float | None:
        """Return the number."""
        text = tree.text if isinstance(tree, Scalar) and tree.plain else ""
        pattern = r"\d{1,15}(\.\d{1,9})?" if self.fraction else r"\d{1,15}"
        value = float(text) if re.fullmatch(pattern, text, re.ASCII) else 0.0
        if value > 0:
            return value
        place = Place(tree.line, tree.column, key)
        problems.error(place, f"found {describe(tree)}; expected {self.label} in plain decimal digits")
        return None

    def schema(self) -> Json:
        """Return the number type."""
        return {"type": "number" if self.fraction else "integer", "exclusiveMinimum": 0}


def _names(label: str) -> ListOf[str]:
    return ListOf(Text(label, resource_name), or_one=True)


USER = Keys(
    "access.users.NAME",
    (
        Key(
            *("password", Text("a reference to a secret", reference)),
            "where the password is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND} or ${prompt:TEXT}; without it the user has to be there",
        ),
        Key(
            *("mechanisms", ListOf(Choice(("SCRAM-SHA-256", "SCRAM-SHA-512")), or_one=True)),
            *("how the user may log in", ("SCRAM-SHA-512",)),
        ),
        Key(
            *("iterations", Integer("iterations", 4096, 16384)),
            "how often the password is hashed",
            inherits="8192 where kafab sets it, else as it is",
        ),
    ),
    refused={"<<": _MERGE},
)
ACL = Keys(
    "access.acls[]",
    (
        Key(
            *("principal", ListOf(Text("a principal", principal), or_one=True)),
            "who: User:orders, or User:* for everybody",
            required=True,
        ),
        Key("allow", ListOf(Choice(_OPERATIONS), or_one=True), "operations that are allowed"),
        Key(
            "deny",
            ListOf(Choice(_OPERATIONS), or_one=True),
            "operations that are denied, whoever allows them",
        ),
        Key("topic", _names("a topic's name"), 'topics by name, or "*" for all'),
        Key("group", _names("a group's name"), "consumer groups by name"),
        Key("transactional_id", _names("a transactional id"), "transactional ids"),
        Key("delegation_token", _names("a token's id"), "delegation tokens by their owner"),
        Key("user", _names("a principal"), "users whose tokens are made, as User:orders; from 3.3 on"),
        Key("cluster", Flag(), "the cluster itself"),
        Key("prefixed", Flag(), "the names are beginnings of names", False),
        Key(
            *("host", ListOf(Text("an address", host), or_one=True)),
            *("addresses that it is about", ("*",)),
        ),
    ),
    refused={"<<": _MERGE},
)
QUOTA = Keys(
    "access.quotas[]",
    (
        Key(
            "user",
            Text("a user's name", entity_name),
            f"a user, or {DEFAULT} for all without one of their own",
        ),
        Key("client_id", Text("a client id", entity_name), f"a client id, or {DEFAULT}; with `user` both"),
        Key("ip", Text("an address", entity_name), f"an address, or {DEFAULT}; from 2.8 on"),
        Key("producer_byte_rate", Amount(), "bytes a second that are written, on each broker"),
        Key("consumer_byte_rate", Amount(), "bytes a second that are read, on each broker"),
        Key(
            "request_percentage",
            Amount(fraction=True),
            "time of request handlers and network threads, in per cent of a thread",
        ),
        Key(
            "controller_mutation_rate",
            Amount(fraction=True),
            "partitions a second that are made or deleted; from 2.7 on",
        ),
        Key("connection_creation_rate", Amount(), "connections a second from an address"),
    ),
    refused={"<<": _MERGE},
)
TOPIC = Keys(
    "access.topics.NAME",
    (
        Key(
            "partitions",
            Integer("partitions", 1, 2**31 - 1),
            "how many; they only grow",
            inherits="the brokers'",
        ),
        Key(
            *("replication_factor", Integer("a replication factor", 1, 32767)),
            "replicas of each partition",
            inherits="the brokers'",
        ),
        Key("properties", Properties(Role.BROKER), "the topic's own properties, verbatim"),
    ),
    refused={"<<": _MERGE},
)
ACCESS = Keys(
    "access",
    (
        Key("users", Named(Text("a user's name", user_name), USER), "users who log in with SCRAM"),
        Key("acls", ListOf(ACL), "who may do what"),
        Key("quotas", ListOf(QUOTA), "who gets how much"),
        Key("topics", Named(Text("a topic's name", topic_name), TOPIC), "topics"),
    ),
    refused={"<<": _MERGE},
)


@dataclass(frozen=True)
class InOrElsewhere:
    """The mapping itself, or the path of the file that has it."""

    keys: Keys = ACCESS
    label: str = "mapping, or the path of a file with it"

    def read(self, tree: Tree, key: str, problems: Problems) -> Section | Path | None:
        """Return the section, or the path as it is written; the file is read by who needs it."""
        if isinstance(tree, Scalar):
            return Text("a path on this machine", texts.local_path).read(tree, key, problems)
        return self.keys.read(tree, key, problems)

    def schema(self) -> Json:
        """Return the choice."""
        return {"anyOf": [{"type": "string"}, self.keys.schema()]}
