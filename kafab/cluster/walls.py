"""What a stranger tries at a listener of a secure cluster, and what came of it."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from kafab.model import Endpoint
from kafab.unknown import Unknown


class Attempt(Enum):
    """What a stranger tries; the value is the name of its finding."""

    PLAINTEXT = "walls.plaintext"
    NO_CERTIFICATE = "walls.certificate"
    UNKNOWN_CA = "walls.unknown-ca"
    OTHER_NAME = "walls.server-name"
    NO_LOGIN = "walls.login"
    WRONG_PASSWORD = "walls.password"  # noqa: S105  # a finding's name
    NO_ACL = "walls.acl"

    @property
    def words(self) -> str:
        """The attempt for people."""
        return _WORDS[self]


_WORDS = {
    Attempt.PLAINTEXT: "a connection without TLS",
    Attempt.NO_CERTIFICATE: "a client without a certificate",
    Attempt.UNKNOWN_CA: "a certificate of another CA",
    Attempt.OTHER_NAME: "a server under another name",
    Attempt.NO_LOGIN: "a client that does not log in",
    Attempt.WRONG_PASSWORD: "a wrong password",
    Attempt.NO_ACL: "a user without an ACL",
}


@dataclass(frozen=True)
class Door:
    """One attempt at one listener."""

    node: str
    listener: str
    at: Endpoint
    attempt: Attempt
    zookeeper: bool = False
    broker_user: str = ""
    """As whom brokers log in to each other there, by PLAIN; empty where users log in."""

    def __str__(self) -> str:
        return f"{self.node} {self.listener} {self.at}"


@dataclass(frozen=True)
class Refused:
    """The attempt failed, as it should."""

    how: str


@dataclass(frozen=True)
class LetIn:
    """The attempt succeeded."""


Knocked: TypeAlias = Refused | LetIn | Unknown
"""What came of an attempt; Unknown where nobody answered, or for another reason than a refusal."""
