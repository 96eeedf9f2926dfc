"""What a roll is at, kept on the hosts of the voters: another laptop goes on with it, and nobody begins a second one unawares.

The journal has what `rolling.decide` needs and cannot see: which processes are to be replaced. Everything else follows
from what is seen, so it is written once, fsynced before the first move, and removed after the last one. It counts where a
majority of the hosts may have it: a copy that is left on a host that was down for the end of a roll means nothing.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kafab.errors import Failed
from kafab.interruption import AGAIN
from kafab.model import Cluster
from kafab.ops.kept import Kept
from kafab.ops.world import World
from kafab.shell.layout import ROLL
from kafab.unknown import Unknown

SCHEMA = "kafab.roll/1"
KEPT = Kept("the journal of the roll", ROLL)


@dataclass(frozen=True)
class Journal:
    """A roll that has begun: who began it, what was asked for, and what is to be replaced."""

    owner: str
    """Who, from where, with which command, since when."""
    limit: str | None
    pending: bool
    replaced: Mapping[str, str | None]
    """Node name -> the process that is to go (`Report.process`); None where none ran."""
    behind: int
    """How many replicas were out of sync at the beginning, see `rolling.decide.Goal`."""
    upgrade: str = ""
    """Of an upgrade's roll: the command that goes on with it."""

    @property
    def command(self) -> str:
        """Return what goes on with it."""
        words = [self.upgrade or "fab restart", *(["--pending"] if self.pending and not self.upgrade else [])]
        return " ".join([*words, *([f"--limit {self.limit}"] if self.limit else [])])

    def text(self) -> str:
        """Return it as one line."""
        return json.dumps({
            "schema": SCHEMA,
            "owner": self.owner,
            "limit": self.limit,
            "pending": self.pending,
            "replaced": dict(self.replaced),
            "behind": self.behind,
            "upgrade": self.upgrade,
        })  # fmt: skip


def parse(text: str) -> Journal | Unknown:
    """Return the journal that a line has; Unknown where it is not one that this version has written."""
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            return Unknown(f"it is {found['schema']}, which this version does not know")
        return Journal(
            found["owner"],
            found["limit"],
            found["pending"],
            found["replaced"],
            found["behind"],
            found.get("upgrade", ""),
        )
    except (ValueError, KeyError, TypeError):
        return Unknown("it is damaged")


def read(cluster: Cluster, world: World) -> Journal | None:
    """Return the roll that is not finished.

    Raises Unreachable where that cannot be known, Failed where the journal cannot be read.
    """
    hint = "these hosts keep whether a roll is unfinished; nothing was changed"
    copies = KEPT.read(cluster, world, hint=hint)
    if not copies.agreed(cluster):
        return None
    journal = parse(Counter(copies.texts.values()).most_common(1)[0][0])
    if isinstance(journal, Unknown):
        path = KEPT.path(cluster, cluster.host(next(iter(copies.texts))))
        raise Failed(
            f"the journal of an unfinished roll cannot be read, {path}: {journal.reason}",
            hint="`fab restart --forget` removes it",
        )
    return journal


def write(cluster: Cluster, journal: Journal, world: World) -> None:
    """Put it on the disks of a majority. Raises OutcomeUnknown where it is not on so many: nothing may be moved then."""
    KEPT.write(cluster, journal.text(), world, hint=f"nothing was stopped; {AGAIN}")


def forget(cluster: Cluster, world: World) -> None:
    """Remove it. A host that does not answer keeps a copy, which alone means nothing; that is told."""
    KEPT.forget(cluster, world)
