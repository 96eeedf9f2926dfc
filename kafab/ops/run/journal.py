"""What a roll is at, kept on the hosts of the voters: another laptop goes on with it, and nobody begins a second one unawares.

The journal has what `rolling.decide` needs and cannot see: which processes are to be replaced. Everything else follows
from what is seen, so it is written once, fsynced before the first move, and removed after the last one. It counts where a
majority of the hosts may have it: a copy that is left on a host that was down for the end of a roll means nothing.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome
from kafab.errors import Failed, OutcomeUnknown, Unreachable
from kafab.events import Note
from kafab.interruption import AGAIN
from kafab.model import Cluster, Host
from kafab.ops.world import World
from kafab.shell.frame import asking, whole
from kafab.shell.layout import ROLL
from kafab.unknown import Unknown

SCHEMA = "kafab.roll/1"
TIMEOUT = timedelta(seconds=30)
LIBRARIES = ("put", "journal")


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

    @property
    def command(self) -> str:
        """Return what goes on with it."""
        words = ["fab restart", *(["--pending"] if self.pending else [])]
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
        })  # fmt: skip


def parse(text: str) -> Journal | Unknown:
    """Return the journal that a line has; Unknown where it is not one that this version has written."""
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            return Unknown(f"it is {found['schema']}, which this version does not know")
        return Journal(found["owner"], found["limit"], found["pending"], found["replaced"], found["behind"])
    except (ValueError, KeyError, TypeError):
        return Unknown("it is damaged")


def read(cluster: Cluster, world: World) -> Journal | None:
    """Return the roll that is not finished.

    Raises Unreachable where that cannot be known, Failed where the journal cannot be read.
    """
    places = cluster.voter_hosts
    calls = {host.name: Cmd("journal_read", _path(cluster, host)) for host in places}
    answers = {host: whole(found, "the look for a journal") for host, found in _run(calls, world).items()}
    silent = {host: said.reason for host, said in answers.items() if isinstance(said, Unknown)}
    found = Counter("\n".join(said) for said in answers.values() if not isinstance(said, Unknown) and said)
    majority = len(places) // 2 + 1
    if len(silent) >= majority:
        raise Unreachable(silent, hint="these hosts keep whether a roll is unfinished; nothing was changed")
    if not found or found.total() + len(silent) < majority:
        return None
    journal = parse(found.most_common(1)[0][0])
    if isinstance(journal, Unknown):
        raise Failed(
            f"the journal of an unfinished roll cannot be read, {_path(cluster, places[0])}: {journal.reason}",
            hint="`fab restart --forget` removes it",
        )
    return journal


def write(cluster: Cluster, journal: Journal, world: World) -> None:
    """Put it on the disks of a majority. Raises OutcomeUnknown where it is not on so many: nothing may be moved then."""
    places, text = cluster.voter_hosts, journal.text()
    digest = sha256(f"{text}\n".encode()).hexdigest()
    calls = {host.name: Cmd("journal_write", text, _path(cluster, host), digest) for host in places}
    problems = {host: why for host, outcome in _run(calls, world).items() if (why := _problem(outcome))}
    if len(problems) >= len(places) // 2 + len(places) % 2:
        lines = "\n  ".join(f"{host}: {why}" for host, why in problems.items())
        told = f"the journal of the roll could not be written:\n  {lines}"
        raise OutcomeUnknown(told, hint=f"nothing was stopped; {AGAIN}")


def forget(cluster: Cluster, world: World) -> None:
    """Remove it. A host that does not answer keeps a copy, which alone means nothing; that is told."""
    calls = {host.name: Cmd("journal_forget", _path(cluster, host)) for host in cluster.voter_hosts}
    for host, outcome in _run(calls, world).items():
        if why := _problem(outcome):
            world.emit(Note(host, f"the journal of the roll is left there: {why}"))


def _path(cluster: Cluster, host: Host) -> PurePosixPath:
    return host.paths.run / f"{cluster.name}{ROLL}"


def _run(calls: Mapping[str, Cmd], world: World) -> Mapping[str, Outcome]:
    return world.fleet.run({host: asking(LIBRARIES, call, timeout=TIMEOUT) for host, call in calls.items()})


def _problem(outcome: Outcome) -> str:
    found = whole(outcome, "the script")
    return found.reason if isinstance(found, Unknown) else "; ".join(found)
