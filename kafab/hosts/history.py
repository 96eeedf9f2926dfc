"""What hosts remember of the commands that changed the cluster: lines of their run folders, written, read back and merged.

A line is a JSON object. The host that holds the lock has two lines of a run: one from when the lock was taken, and one
from when it was let go, with how the run ended. A run that was killed has the first line alone. The other hosts that a
run touched have the second one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from kafab.command import Cmd, Outcome, Script
from kafab.model import Host, Supervisor
from kafab.shell.frame import asking, framed, whole
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=10)
TEXT_LIMIT = 400
"""Characters of a command or a result that a line has at most; more is cut off, with a mark."""
FIGURES_LIMIT = 20
LIBRARIES = ("rooted", "history")

Figure: TypeAlias = int | float | str


@dataclass(frozen=True)
class Entry:
    """One run of a command. ``began`` is by the clock of the operator's machine."""

    run: str
    """What tells this run from every other."""
    cluster: str
    user: str
    machine: str
    """From where: the name of the operator's machine."""
    command: str
    """The command with its arguments, without values that are secret."""
    began: datetime
    took: timedelta | None = None
    """None where no end is known: it runs still, or was killed."""
    exit_code: int | None = None
    result: str = ""
    """The first line of the error; empty where it succeeded."""
    figures: Mapping[str, Figure] | None = None
    hosts: tuple[str, ...] = ()
    """The hosts that remember it; not a part of the line."""

    @property
    def line(self) -> str:
        """The entry as a host keeps it: ASCII, without a line break."""
        values: dict[str, object] = {
            "run": self.run,
            "cluster": self.cluster,
            "user": _cut(self.user),
            "machine": _cut(self.machine),
            "command": _cut(self.command),
            "began": self.began.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
        }
        if self.took is not None:
            values |= {
                "seconds": round(self.took.total_seconds(), 3),
                "exit_code": self.exit_code,
                "result": _cut(self.result),
                "figures": {
                    _cut(name): _cut(value) if isinstance(value, str) else value
                    for name, value in list((self.figures or {}).items())[:FIGURES_LIMIT]
                },
            }
        return json.dumps(values, separators=(",", ":"))


def remember(host: Host, entry: Entry) -> Script:
    """Return the script that adds the entry to a host's history; it ends with 1 and says why where that cannot be."""
    return framed(LIBRARIES, Cmd("remember", host.paths.run, _root(host), entry.line), timeout=TIMEOUT)


def past(host: Host) -> Script:
    """Return the script that prints a host's history, for `read`."""
    return asking(LIBRARIES, Cmd("past", host.paths.run, _root(host)), timeout=TIMEOUT)


def read(host: str, outcome: Outcome) -> tuple[list[Entry], int] | Unknown:
    """Return a host's entries, the oldest first, and how many lines are none."""
    lines = whole(outcome, "the history")
    if isinstance(lines, Unknown):
        return lines
    entries = [entry for line in lines if (entry := _entry(line))]
    return [replace(entry, hosts=(host,)) for entry in entries], len(lines) - len(entries)


def merged(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return each run once, with the hosts that remember it, the oldest first: what knows how it ended counts."""
    found: dict[str, Entry] = {}
    for entry in entries:
        before = found.get(entry.run, entry)
        told = before if before.took is not None or entry.took is None else entry
        found[entry.run] = replace(told, hosts=tuple(sorted({*before.hosts, *entry.hosts})))
    return tuple(sorted(found.values(), key=lambda entry: (entry.began, entry.run)))


def _entry(line: str) -> Entry | None:
    """Return what a line says; None where it is no entry: cut off by a full disk, or written by somebody else."""
    try:
        values = json.loads(line)
        began = datetime.fromisoformat(values["began"])
        run, cluster, user, machine, command = (
            str(values[name]) for name in ("run", "cluster", "user", "machine", "command")
        )
        entry = Entry(run, cluster, user, machine, command, began.astimezone(timezone.utc))
        if "seconds" not in values:
            return entry
        return replace(
            entry,
            took=timedelta(seconds=float(values["seconds"])),
            exit_code=int(values["exit_code"]),
            result=str(values["result"]),
            figures={
                str(name): value if isinstance(value, int | float) else str(value)
                for name, value in dict(values["figures"]).items()
            },
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _root(host: Host) -> str:
    return "root" if host.supervisor is Supervisor.SYSTEMD else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"
