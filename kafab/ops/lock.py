"""One operator at a time: a lock on a host of the cluster that lives exactly as long as its owner's connection.

The lock is flock(2) on a file, held by a shell over there that waits for the end of its stdin. When kafab ends in
whatever way, the connection ends and the kernel lets go of the lock; a file left behind means nothing. A host that was
cut off from that end learns of it when it can send again (`supervisor.LET_GO`). The lock is taken on the first host that
answers, in the order of the inventory, so that operators who see the same hosts meet at the same one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from kafab.command import Cmd, Result, Script, Unknown
from kafab.errors import Failed, Locked, Unreachable
from kafab.model import Cluster
from kafab.ops.world import World
from kafab.supervisor import LET_GO

TIMEOUT = timedelta(hours=24)

_LOCK = (
    LET_GO
    + r"""
lock() {  # RUN OWNER
  mkdir -p -- "$1"
  exec 9>> "$1/lock"
  if ! flock -n 9; then
    read -r pid who < "$1/lock" || :
    echo "held $pid $who"
    return
  fi
  printf '%s %s\n' "$$" "$2" > "$1/lock"
  echo locked
  let_go
  : > "$1/lock"
}
"""
)


@contextmanager
def operating(cluster: Cluster, world: World, command: str) -> Iterator[None]:
    """Hold the cluster's lock for the block, and say there that it is for this command.

    Raises Locked with the other owner, Unreachable where no host answers.
    """
    unknown, owner = {}, world.owner(command)
    for host in cluster.hosts:
        script = Script(f"{_LOCK}\n{Cmd('lock', host.paths.run, owner).sh}\n", TIMEOUT)
        with ExitStack() as held:
            outcome = held.enter_context(world.fleet.hold(host.name, script))
            if isinstance(outcome, Unknown):
                unknown[host.name] = outcome.reason
                continue
            _check(cluster, host.name, outcome)
            yield
            return
    raise Unreachable(unknown)


def _check(cluster: Cluster, host: str, outcome: Result) -> None:
    word, _, detail = outcome.text.strip().partition(" ")
    if word == "held":
        pid, _, who = detail.partition(" ")
        raise Locked(
            f"{cluster.name} is being changed by {who or 'somebody, just now'}",
            hint=f"wait for it; where that command is gone and {host} has not noticed, `kill {pid}` on {host} frees the lock",
        )
    if word != "locked":
        raise Failed(f"{host}: the lock could not be taken: {outcome.err.strip() or outcome.text.strip()}")
