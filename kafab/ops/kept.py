"""A line of text that the hosts of the voters keep for the whole cluster: what an operation is at, what was set, what is under way.

Written, it is on the disks of a majority; read, it is known where a majority answers. Another laptop finds it there, and a
host that was down meanwhile has an older copy, or one that should be gone: which of the copies counts is for the reader to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome
from kafab.errors import OutcomeUnknown, Unreachable
from kafab.events import Note
from kafab.model import Cluster, Host
from kafab.ops.world import World
from kafab.shell.frame import asking, whole
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=30)
LIBRARIES = ("put", "journal")


def majority(cluster: Cluster) -> int:
    """Return how many of the voters' hosts are more than half."""
    return len(cluster.voter_hosts) // 2 + 1


@dataclass(frozen=True)
class Copies:
    """What the hosts have said."""

    texts: Mapping[str, str]
    """Host -> its copy, of those that have one."""
    silent: Mapping[str, str]
    """Host -> why it has not said whether it has one."""

    def agreed(self, cluster: Cluster) -> bool:
        """Tell whether a majority may have a copy: fewer are what a host kept that was down when the others forgot."""
        return bool(self.texts) and len(self.texts) + len(self.silent) >= majority(cluster)


@dataclass(frozen=True)
class Kept:
    """One kind of such a text."""

    what: str
    """What it is, for people: ``the journal of the roll``."""
    suffix: str
    """What stands behind the cluster's name in the name of its file."""
    everywhere: bool = False
    """The other hosts have a copy, too, for whoever looks at them alone; those of the voters decide."""

    def places(self, cluster: Cluster) -> Sequence[Host]:
        """Return the hosts that get a copy."""
        return cluster.hosts if self.everywhere else cluster.voter_hosts

    def path(self, cluster: Cluster, host: Host) -> PurePosixPath:
        """Return where it lies on a host."""
        return host.paths.run / f"{cluster.name}{self.suffix}"

    def read(self, cluster: Cluster, world: World, *, hint: str) -> Copies:
        """Return every copy. Raises Unreachable, with the hint, where too few hosts answer to know whether there is one."""
        calls = {host.name: Cmd("journal_read", self.path(cluster, host)) for host in cluster.voter_hosts}
        answers = {
            host: whole(found, f"the look for {self.what}") for host, found in _run(calls, world).items()
        }
        silent = {host: said.reason for host, said in answers.items() if isinstance(said, Unknown)}
        # What is on a majority is on one of the others.
        if len(silent) >= majority(cluster):
            raise Unreachable(silent, hint=hint)
        texts = {
            host: "\n".join(said) for host, said in answers.items() if not isinstance(said, Unknown) and said
        }
        return Copies(texts, silent)

    def write(self, cluster: Cluster, text: str, world: World, *, hint: str) -> None:
        """Put it on the disks of a majority. Raises OutcomeUnknown, with the hint, where it is not on so many."""
        digest = sha256(f"{text}\n".encode()).hexdigest()
        calls = {
            host.name: Cmd("journal_write", text, self.path(cluster, host), digest)
            for host in self.places(cluster)
        }
        voters = {host.name for host in cluster.voter_hosts}
        outcomes = _run(calls, world)
        problems = {host: why for host in voters if (why := _problem(outcomes[host]))}
        if len(problems) > len(cluster.voter_hosts) - majority(cluster):
            lines = "\n  ".join(f"{host}: {why}" for host, why in problems.items())
            raise OutcomeUnknown(f"{self.what} could not be written:\n  {lines}", hint=hint)

    def forget(self, cluster: Cluster, world: World) -> None:
        """Remove it. A host that does not answer keeps a copy, which alone means nothing; that is told."""
        calls = {host.name: Cmd("journal_forget", self.path(cluster, host)) for host in self.places(cluster)}
        for host, outcome in _run(calls, world).items():
            if why := _problem(outcome):
                world.emit(Note(host, f"{self.what} is left there: {why}"))


def _run(calls: Mapping[str, Cmd], world: World) -> Mapping[str, Outcome]:
    return world.fleet.run({host: asking(LIBRARIES, call, timeout=TIMEOUT) for host, call in calls.items()})


def _problem(outcome: Outcome) -> str:
    found = whole(outcome, "the script")
    return found.reason if isinstance(found, Unknown) else "; ".join(found)
