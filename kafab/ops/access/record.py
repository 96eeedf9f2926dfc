"""What former applies have set, kept on the hosts of the voters: another laptop removes it, and none what it has not set.

It is written under the cluster's lock, before anything is set and again at the end: where an apply was cut off, it names more
than there is, which does no harm. The copy with the highest serial counts; a majority of the hosts has it.
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import PurePosixPath

from kafab.access import record
from kafab.access.values import Recorded
from kafab.command import Cmd, Outcome
from kafab.errors import Failed, OutcomeUnknown, Unreachable
from kafab.interruption import AGAIN
from kafab.model import Cluster, Host
from kafab.ops.world import World
from kafab.shell.frame import asking, whole
from kafab.shell.layout import ACCESS
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=30)
LIBRARIES = ("put", "journal")


def read(cluster: Cluster, world: World) -> tuple[int, Recorded]:
    """Return the serial of the last record and what it has; 0 and nothing where no apply was ever made.

    Raises Unreachable where too few hosts answer to know it, Failed where it cannot be read.
    """
    places = cluster.voter_hosts
    calls = {host.name: Cmd("journal_read", _path(cluster, host)) for host in places}
    answers = {host: whole(found, "the look for the record") for host, found in _run(calls, world).items()}
    silent = {host: said.reason for host, said in answers.items() if isinstance(said, Unknown)}
    if len(silent) > (len(places) - 1) // 2:
        hint = "these hosts keep what former applies have set; nothing was changed"
        raise Unreachable(silent, hint=hint)
    newest = (0, Recorded())
    for host, said in answers.items():
        if isinstance(said, Unknown) or not said:
            continue
        found = record.parse(said[0])
        if isinstance(found, Unknown):
            path = _path(cluster, cluster.host(host))
            raise Failed(
                f"{host}: the record of what was applied cannot be read, {path}: {found.reason}",
                hint=f"where another host has a good one, `rm {path}` on {host}; without any, nothing is removed that is not in the file",
            )
        newest = max(newest, found, key=lambda one: one[0])
    return newest


def write(cluster: Cluster, recorded: Recorded, serial: int, world: World) -> None:
    """Put it on the disks of a majority. Raises OutcomeUnknown where it is not on so many: nothing may be set then."""
    places, text = cluster.voter_hosts, record.text(recorded, serial)
    digest = sha256(f"{text}\n".encode()).hexdigest()
    calls = {host.name: Cmd("journal_write", text, _path(cluster, host), digest) for host in places}
    problems = {host: why for host, outcome in _run(calls, world).items() if (why := _problem(outcome))}
    if len(problems) > (len(places) - 1) // 2:
        lines = "\n  ".join(f"{host}: {why}" for host, why in problems.items())
        raise OutcomeUnknown(f"the record of what is applied could not be written:\n  {lines}", hint=AGAIN)


def _path(cluster: Cluster, host: Host) -> PurePosixPath:
    return host.paths.run / f"{cluster.name}{ACCESS}"


def _run(calls: Mapping[str, Cmd], world: World) -> Mapping[str, Outcome]:
    return world.fleet.run({host: asking(LIBRARIES, call, timeout=TIMEOUT) for host, call in calls.items()})


def _problem(outcome: Outcome) -> str:
    found = whole(outcome, "the script")
    return found.reason if isinstance(found, Unknown) else "; ".join(found)
