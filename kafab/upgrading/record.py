"""An upgrade that has begun and is not finalized: what the hosts keep of it, so that any laptop goes on or back. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kafab.model import Version
from kafab.unknown import Unknown

SCHEMA = "kafab.upgrade/1"


class Direction(str, Enum):
    """What the operator has last asked for."""

    UP = "up"
    """To the new version, in which everything is held at what the old one knows."""
    BACK = "back"
    """To the old version again."""
    FINAL = "final"
    """To what only the new version knows: from here on there is no way back."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Upgrade:
    """An upgrade under way."""

    owner: str
    """Who began it: who, from where, with which command, since when."""
    before: Version
    after: Version
    direction: Direction = Direction.UP
    protocol: str | None = None
    """In ZooKeeper mode the inter.broker.protocol.version that was in force before."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """In KRaft mode the highest level of each feature that the old release knows."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """In KRaft mode the finalized levels before."""
    serial: int = 1
    """Grows with each change of the record: the copy with the highest one counts."""

    @property
    def target(self) -> Version:
        """The version that its nodes are being brought to."""
        return self.before if self.direction is Direction.BACK else self.after

    @property
    def held(self) -> str | None:
        """The inter.broker.protocol.version that the new release is held at; None where it is its own."""
        return self.protocol if self.direction is Direction.UP else None

    @property
    def command(self) -> str:
        """Return what goes on with it."""
        words = {
            Direction.UP: f"fab upgrade --to {self.after}",
            Direction.BACK: "fab upgrade.rollback",
            Direction.FINAL: "fab upgrade.finalize",
        }
        return words[self.direction]

    def __str__(self) -> str:
        return f"an upgrade from {self.before} to {self.after} is under way, begun by {self.owner}"

    def text(self) -> str:
        """Return it as one line."""
        return json.dumps({
            "schema": SCHEMA,
            "owner": self.owner,
            "before": str(self.before),
            "after": str(self.after),
            "direction": str(self.direction),
            "protocol": self.protocol,
            "limits": dict(self.limits),
            "levels": dict(self.levels),
            "serial": self.serial,
        })  # fmt: skip


def parse(text: str) -> Upgrade | Unknown:
    """Return the upgrade that a line has; Unknown where it is not one that this version has written."""
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            return Unknown(f"it is {found['schema']}, which this version does not know")
        return Upgrade(
            str(found["owner"]),
            Version.parse(found["before"]),
            Version.parse(found["after"]),
            Direction(found["direction"]),
            None if found["protocol"] is None else str(found["protocol"]),
            {str(name): int(level) for name, level in found["limits"].items()},
            {str(name): int(level) for name, level in found["levels"].items()},
            int(found["serial"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unknown("it is damaged")
