"""One operator at a time: a lock on the cluster's first host that lives exactly as long as its owner's connection.

The lock is a file made by a hard link, which is atomic, and holds the pid and start time of a shell over there that
waits for the end of its stdin. When kafab ends in whatever way, the connection ends, the shell removes the file; where it
could not (the host was reset), the next operator finds that the recorded process is gone and takes over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from kafab.command import Cmd, Script, Unknown
from kafab.errors import Failed, Locked, Unreachable
from kafab.model import Cluster
from kafab.ports import Fleet
from kafab.supervisor import ALIVE

TIMEOUT = timedelta(hours=24)

_LOCK = (
    ALIVE
    + r"""
lock() {  # RUN OWNER
  mkdir -p -- "$1"
  lock=$1/lock mine=$1/lock.$$
  read -r stat < "/proc/$$/stat"
  owner=$2
  set -- ${stat##*) }
  printf '%s %s %s\n' "$$" "${20}" "$owner" > "$mine"
  trap 'rm -f -- "$mine"' EXIT
  if ! ln -- "$mine" "$lock" 2>/dev/null; then
    if read -r pid start who < "$lock" && alive "$pid" "$start"; then echo "held $who"; exit 0; fi
    mv -f -- "$lock" "$mine.stale" && rm -f -- "$mine.stale"
    ln -- "$mine" "$lock" || { echo "held another operator, just now"; exit 0; }
  fi
  trap 'rm -f -- "$mine" "$lock"' EXIT
  trap 'exit 0' HUP INT TERM PIPE
  echo locked
  cat > /dev/null
}
"""
)


@contextmanager
def operating(cluster: Cluster, fleet: Fleet, owner: str) -> Iterator[None]:
    """Hold the cluster's lock for the block. ``owner`` says who, from where, with what, since when.

    Raises Locked with the other owner, Unreachable where the first host does not answer.
    """
    first = cluster.hosts[0]
    script = Script(f"{_LOCK}\n{Cmd('lock', first.paths.run, owner).sh}\n", TIMEOUT)
    with fleet.hold(first.name, script) as outcome:
        if isinstance(outcome, Unknown):
            raise Unreachable({first.name: outcome.reason})
        word, _, detail = outcome.text.strip().partition(" ")
        if word == "held":
            raise Locked(
                f"{cluster.name} is being changed by {detail}",
                hint=f"wait for it; the lock is on {first.name} and ends with that command",
            )
        if word != "locked":
            raise Failed(
                f"{first.name}: the lock could not be taken: {outcome.err.strip() or outcome.text.strip()}"
            )
        yield
