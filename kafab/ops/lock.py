"""One operator at a time: a lock on a host of the cluster that lives exactly as long as its owner's connection.

The lock is flock(2) on a file, held by a shell over there that waits for the end of its stdin. When kafab ends in
whatever way, the connection ends and the kernel lets go of the lock; a file left behind means nothing. A host that was
cut off from that end learns of it when it can send again (`let_go.sh`). The lock is taken on the first host that
answers, in the order of the inventory, so that operators who see the same hosts meet at the same one.

Whoever may read a file may lock it, so this one is its owner's alone, under systemd in a folder that is root's alone. It has
the holder's pid, start time and words; they are believed only of a process that lives and does hold the lock.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Result, Script
from kafab.errors import Failed, Locked, Unreachable
from kafab.model import Cluster, Host, Supervisor
from kafab.ops.world import World
from kafab.shell.frame import framed
from kafab.shell.layout import LOCK
from kafab.unknown import Unknown

TIMEOUT = timedelta(hours=24)


@contextmanager
def operating(cluster: Cluster, world: World, command: str) -> Iterator[None]:
    """Hold the cluster's lock for the block, and say there that it is for this command.

    Raises Locked with the other owner, Unreachable where no host answers.
    """
    unknown, owner = {}, world.owner(command)
    for host in cluster.hosts:
        root = host.supervisor is Supervisor.SYSTEMD
        with ExitStack() as held:
            outcome = held.enter_context(world.fleet.hold(host.name, hold(host.paths.run, owner, root=root)))
            if isinstance(outcome, Unknown):
                unknown[host.name] = outcome.reason
                continue
            _check(cluster, host, outcome)
            yield
            return
    raise Unreachable(unknown)


def hold(run: PurePosixPath, owner: str, *, root: bool) -> Script:
    """Return the script that takes the lock in this folder and holds it; ``root`` insists that the folder is root's alone."""
    call = Cmd("lock", run, owner, "root" if root else "")
    return framed(("rooted", "alive", "let_go", "lock"), call, timeout=TIMEOUT)


def _check(cluster: Cluster, host: Host, outcome: Result) -> None:
    word, _, detail = outcome.text.strip().partition(" ")
    if word == "held":
        pid, _, who = detail.partition(" ")
        raise Locked(
            f"{cluster.name} is being changed by {who}",
            hint=f"wait for it; where that command is gone and {host.name} has not noticed, "
            f"`kill {pid}` on {host.name} frees the lock",
        )
    if word == "taken":
        raise _taken(cluster, host, *detail.partition(" ")[::2])
    if word == "unfit":
        raise Failed(f"{host.name}: {detail}", hint=f"`ls -ld {host.paths.run}` on {host.name}")
    if word != "locked":
        raise Failed(
            f"{host.name}: the lock could not be taken: {outcome.err.strip() or outcome.text.strip()}"
        )


def _taken(cluster: Cluster, host: Host, pids: str, said: str) -> Locked:
    """Return what is told of a lock whose holder has not said who it is: an operator who begins just now, or a stranger."""
    file = host.paths.run / LOCK
    if not pids:
        return Locked(
            f"{cluster.name}: the lock is held by a process that is not known",
            hint=f"`sudo fuser -v {file}` on {host.name} names it; it may have ended by now, so try again first",
        )
    user, _, command = said.partition(" ")
    return Locked(
        f"{cluster.name}: the lock is held by pid {pids} of {user} on {host.name}, "
        f"which does not say for whom: {command.strip()}",
        hint=f"try again in a moment; if it is no kafab that begins, "
        f"`kill {pids.replace(',', ' ')}` on {host.name} frees {file}",
    )
