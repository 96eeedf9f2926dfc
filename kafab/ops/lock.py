"""One operator at a time: a lock on hosts of the cluster that lives exactly as long as its owner's connections.

The lock is flock(2) on a file, held by a shell over there that waits for the end of its stdin. When kafab ends in
whatever way, the connection ends and the kernel lets go of the lock; a file left behind means nothing. A host that was
cut off from that end learns of it when it can send again (`let_go.sh`).

It is held on a majority of the hosts that keep the metadata, taken in the order of the inventory, so two operators who see
different hosts cannot both hold it. A host can reboot and let go while its owner lives: `Held.check` looks at it before the
next move, and takes another host in its place.

Whoever may read a file may lock it, so this one is its owner's alone, under systemd in a folder that is root's alone. It has
the holder's pid, start time and words; they are believed only of a process that lives and does hold the lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Result, Script
from kafab.errors import Failed, Locked, Unreachable
from kafab.events import Note
from kafab.model import Cluster, Host, Supervisor
from kafab.ops import history
from kafab.ops.world import World
from kafab.shell.frame import framed
from kafab.shell.layout import LOCK
from kafab.unknown import Unknown

TIMEOUT = timedelta(hours=24)
LOOK_TIMEOUT = timedelta(seconds=10)


class Held:
    """The lock while it is held; made by `operating`. ``run`` is what the history will say of what is done meanwhile."""

    def __init__(self, cluster: Cluster, world: World, command: str) -> None:
        self._cluster, self._world, self._owner = cluster, world, world.owner(command)
        self.run = history.begun(cluster, world, command)
        self._stacks: dict[Host, ExitStack] = {}

    @property
    def _places(self) -> Sequence[Host]:
        return self._cluster.voter_hosts

    @property
    def _enough(self) -> bool:
        return len(self._stacks) > len(self._places) // 2

    def take(self) -> None:
        """Take it on hosts that keep the metadata until a majority is held.

        Raises Locked with the other owner, Unreachable where too few hosts answer.
        """
        silent = self._take(self._places)
        if not self._enough:
            size = len(self._places)
            hint = f"{size // 2 + 1} of the {size} hosts that keep the metadata hold the lock; nothing was changed"
            raise Unreachable(silent, hint=hint)

    def take_what_answers(self) -> None:
        """Take it as `take` does; where too few hosts answer, where it can be had, and say so. Raises Locked, Unreachable."""
        silent = self._take(self._places)
        if not self._stacks:
            silent |= self._take([host for host in self._cluster.hosts if host not in self._places], enough=1)
        if not self._stacks:
            raise Unreachable(silent)
        if not self._enough:
            names = ", ".join(host.name for host in self._stacks)
            text = f"the lock is held on {names} only: an operator who sees other hosts could hold it, too"
            self._world.emit(Note(self._cluster.name, text))

    def check(self) -> None:
        """See that it is still held; take it on another host where one has let go. Raises Locked where that cannot be."""
        calls = {
            host.name: framed(
                ("alive", "lock"), Cmd("still", host.paths.run, self._owner), timeout=LOOK_TIMEOUT
            )
            for host in self._stacks
        }
        outcomes = self._world.fleet.run(calls)
        for host in list(self._stacks):
            outcome = outcomes[host.name]
            if isinstance(outcome, Unknown) or outcome.text.strip() != "still":
                self._stacks.pop(host).close()
        silent = {} if self._enough else self._take([h for h in self._places if h not in self._stacks])
        if not self._enough:
            lines = "".join(f"\n  {host}: {reason}" for host, reason in silent.items())
            raise Locked(
                f"{self._cluster.name}: the lock is held no longer, and another operator may be at work:{lines}",
                hint="nothing more was moved; `fab status` shows what runs, and the same command goes on",
            )

    def close(self) -> None:
        """Let go of it. Each of its hosts gets the line of the history with that, the others that were touched before."""
        self.run.over = True
        try:
            if self._stacks:
                self.run.write(besides=self._stacks)
        finally:
            for stack in self._stacks.values():
                stack.close()

    def _take(self, places: Sequence[Host], enough: int | None = None) -> dict[str, str]:
        """Take it on these hosts, one after another, until there are enough; return those that do not answer."""
        silent = {}
        for host in places:
            if self._enough or (enough is not None and len(self._stacks) >= enough):
                break
            stack = ExitStack()
            root = host.supervisor is Supervisor.SYSTEMD
            script = hold(host.paths.run, self._owner, root=root, line=self.run.began.line)
            outcome = stack.enter_context(self._world.fleet.hold(host.name, script, self.run.last_words))
            if isinstance(outcome, Unknown):
                silent[host.name] = outcome.reason
                stack.close()
                continue
            self._stacks[host] = stack
            if reason := _check(self._cluster, host, outcome):
                self.run.unwritten(host.name, reason)
        return silent


@contextmanager
def operating(cluster: Cluster, world: World, command: str, *, strict: bool = True) -> Iterator[Held]:
    """Hold the cluster's lock for the block, and say there that it is for this command.

    ``strict`` insists on a majority. Raises Locked with the other owner, Unreachable where too few hosts answer.
    """
    held = Held(cluster, world, command)
    try:
        held.take() if strict else held.take_what_answers()
        yield held
    except BaseException as error:
        held.run.failed(error)
        raise
    finally:
        held.close()


def hold(run: PurePosixPath, owner: str, *, root: bool, line: str) -> Script:
    """Return the script that takes the lock in this folder and holds it; ``root`` insists that the folder is root's alone.

    Once it has the lock it adds ``line`` to the history in that folder, and at its end the last line that it is told.
    """
    call = Cmd("lock", run, owner, "root" if root else "", line)
    return framed(("rooted", "alive", "history", "let_go", "lock"), call, timeout=TIMEOUT)


def _check(cluster: Cluster, host: Host, outcome: Result) -> str:
    """Return why the history could not be written, mostly "". Raises where the lock was not given."""
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
    return detail


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
