"""The steps of an apply as values; each says what it does in one line."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from kafab.access.values import Account, Acl, Limit, Topic, Wish
from kafab.words import plural


class Stage(IntEnum):
    """The order of the steps."""

    TOPICS = 0
    USERS = 1
    ACL_ADDS = 2
    QUOTAS = 3
    ACL_REMOVALS = 4
    USER_REMOVALS = 5
    TOPIC_REMOVALS = 6


@dataclass(frozen=True)
class MakeTopic:
    """Create a topic."""

    topic: Topic
    stage = Stage.TOPICS
    sign = "+"

    def __str__(self) -> str:
        counts = [
            plural(self.topic.partitions, "partition") if self.topic.partitions else "",
            f"replication factor {self.topic.replication_factor}" if self.topic.replication_factor else "",
            *(f"{name}={value}" for name, value in sorted(self.topic.properties.items())),
        ]
        told = ", ".join(filter(None, counts))
        return f"topic {self.topic.name}" + (f": {told}" if told else "")


@dataclass(frozen=True)
class GrowTopic:
    """Add partitions."""

    name: str
    before: int
    after: int
    stage = Stage.TOPICS
    sign = "~"

    def __str__(self) -> str:
        return f"topic {self.name}: partitions {self.before} -> {self.after}"


@dataclass(frozen=True)
class SetProperty:
    """Set a property of a topic."""

    name: str
    key: str
    before: str | None
    after: str
    stage = Stage.TOPICS
    sign = "~"

    def __str__(self) -> str:
        before = "the brokers'" if self.before is None else self.before
        return f"topic {self.name}: {self.key} {before} -> {self.after}"


@dataclass(frozen=True)
class ResetProperty:
    """Take a property from a topic: the brokers' value is in force again."""

    name: str
    key: str
    before: str
    stage = Stage.TOPIC_REMOVALS
    sign = "-"

    def __str__(self) -> str:
        return f"topic {self.name}: {self.key} {self.before} -> the brokers'"


@dataclass(frozen=True)
class SetLogin:
    """Give a user a credential, or another one."""

    login: Account
    wish: Wish
    why: str
    stage = Stage.USERS

    @property
    def sign(self) -> str:
        """A new one, or another."""
        return "+" if self.why == "new" else "~"

    def __str__(self) -> str:
        return f"user {self.login}" + ("" if self.why == "new" else f": {self.why}")


@dataclass(frozen=True)
class AddAcl:
    """Add an ACL."""

    acl: Acl
    stage = Stage.ACL_ADDS
    sign = "+"

    def __str__(self) -> str:
        return f"acl {self.acl}"


@dataclass(frozen=True)
class SetLimit:
    """Set a number of a quota."""

    limit: Limit
    before: float | None
    after: float
    stage = Stage.QUOTAS

    @property
    def sign(self) -> str:
        """A new one, or another."""
        return "+" if self.before is None else "~"

    def __str__(self) -> str:
        before = "" if self.before is None else f"{self.before:.15g} -> "
        return f"quota {self.limit}: {before}{self.after:.15g}"


@dataclass(frozen=True)
class RemoveLimit:
    """Take a number from a quota."""

    limit: Limit
    stage = Stage.QUOTAS
    sign = "-"

    def __str__(self) -> str:
        return f"quota {self.limit}"


@dataclass(frozen=True)
class RemoveAcl:
    """Remove an ACL."""

    acl: Acl
    stage = Stage.ACL_REMOVALS
    sign = "-"

    def __str__(self) -> str:
        return f"acl {self.acl}"


@dataclass(frozen=True)
class RemoveLogin:
    """Take a credential from a user."""

    login: Account
    stage = Stage.USER_REMOVALS
    sign = "-"

    def __str__(self) -> str:
        return f"user {self.login}"


@dataclass(frozen=True)
class DeleteTopic:
    """Delete a topic with its records."""

    name: str
    partitions: int
    stage = Stage.TOPIC_REMOVALS
    sign = "-"

    def __str__(self) -> str:
        return f"topic {self.name} with the records of its {plural(self.partitions, 'partition')}"


Removal: TypeAlias = ResetProperty | RemoveLimit | RemoveAcl | RemoveLogin | DeleteTopic
Step: TypeAlias = MakeTopic | GrowTopic | SetProperty | SetLogin | AddAcl | SetLimit | Removal
REMOVALS = (ResetProperty, RemoveLimit, RemoveAcl, RemoveLogin, DeleteTopic)
