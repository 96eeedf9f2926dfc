"""What a command has seen and done so far, for its report: filled while it works, so that an error has one as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from kafab.cluster.seen import NOT_ASKED
from kafab.drills.rows import Table
from kafab.errors import Interrupted, KafabError
from kafab.hosts.history import Entry
from kafab.model import Cluster
from kafab.ops.check.verify import Checked, check
from kafab.ops.history import past
from kafab.ops.rolling.roll import Rolled
from kafab.ops.upgrade.going import Upgraded
from kafab.ops.world import Operator, World
from kafab.unknown import Unknown

PACKAGES = {"confluent": "confluent-kafka", "kafka-python": "kafka-python"}
"""Client library, as `kafab.records.settings.Client` calls it -> its package."""
LAST = 20
"""How many of the last commands a report has."""


@dataclass
class Draft:
    """A report to be."""

    kind: str
    """The command: report, verify, restart, upgrade, finalize, canary or drill."""
    cluster: Cluster
    operator: Operator
    moment: float
    """When that was, by the clock of the world."""
    checked: Checked | None = None
    rolled: Rolled = field(default_factory=Rolled)
    """What was restarted, and what a canary has measured, which may have been alone."""
    tables: Sequence[Table] = ()
    """Of drills."""
    clients: Mapping[str, str] = field(default_factory=dict)
    """Client library -> its version, of drills."""
    versions: tuple[str, ...] = ()
    """Of an upgrade: from which version, to which."""
    upgraded: Upgraded | None = None
    raised: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Feature of a KRaft cluster -> its finalized level before and after."""
    probed: bool = False
    """Whether records were written and read."""
    elected: bool = False
    compared: bool = False
    """Whether the files of the releases were compared."""
    exit_code: int = 0
    error: KafabError | None = None
    history: Sequence[Entry] | Unknown = NOT_ASKED

    def complete(self, world: World) -> None:
        """Ask for what the command itself has not: the cluster as it is now, and its history.

        Raises nothing for a cluster's fault. After Ctrl-C nobody waits, so nothing is asked.
        """
        if isinstance(self.error, Interrupted):
            self.history = Unknown("the command was interrupted, and nothing more was asked")
            return
        if self.checked is None:
            self.checked = self.rolled.checked or check(self.cluster, world, probe=False)
        try:
            self.history = past(self.cluster, None, world)[-LAST:]
        except KafabError as error:
            self.history = Unknown(error.message)


def begun(kind: str, cluster: Cluster, world: World) -> Draft:
    """Return the draft of a command that begins now."""
    return Draft(kind, cluster, world.operator(kind), world.clock.now())


def client_version(name: str) -> str:
    """Return the version of a client library; "" where it is not known."""
    try:
        return version(PACKAGES.get(name, name))
    except PackageNotFoundError:
        return ""
