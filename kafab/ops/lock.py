"""One operator at a time: a lock on a host of the cluster that lives exactly as long as its owner's connection.

The lock is flock(2) on a file, held by a shell over there that waits for the end of its stdin. When kafab ends in
whatever way, the connection ends and the kernel lets go of the lock; a file left behind means nothing. A host that was
cut off from that end learns of it when it can send again (`supervisor.LET_GO`). The lock is taken on the first host that
answers, in the order of the inventory, so that operators who see the same hosts meet at the same one.

Whoever may read a file may lock it, so this one is its owner's alone, under systemd in a folder that is root's alone. It has
the holder's pid, start time and words; they are believed only of a process that lives and does hold the lock.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from kafab.command import Cmd, Result, Script, Unknown
from kafab.errors import Failed, Locked, Unreachable
from kafab.model import Cluster, Host, Supervisor
from kafab.ops.world import World
from kafab.ownership import ROOTED
from kafab.supervisor import ALIVE, LET_GO

TIMEOUT = timedelta(hours=24)

_LOCK = "\n".join(
    (
        ROOTED,
        ALIVE,
        LET_GO,
        r"""
lock() {  # RUN OWNER ROOT: a ROOT of "root" insists that nobody else can change the folder
  file=$1/lock
  if [ "$3" = root ] && ! why=$(rooted "$1"); then
    echo "unfit $1 holds the lock, and root keeps it only where it alone can write:" $why
    return
  fi
  (umask 022; mkdir -p -- "$1")
  if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then echo "unfit $file is a link or no file"; return; fi
  # Whoever may read it may lock it.
  [ -e "$file" ] || (umask 077; : >> "$file")
  chmod 600 -- "$file"
  exec 9>> "$file"
  if ! flock -n 9; then
    exec 9>&-
    tries=0
    until named; do
      tries=$((tries + 1))
      # Whoever has taken it just now is about to say so.
      [ "$tries" -lt 20 ] || { echo "taken $(holder)"; return; }
      sleep 0.1
    done
    echo "held $pid $who"
    return
  fi
  read -r stat < "/proc/$$/stat"
  owner=$2
  set -- ${stat##*) }
  printf '%s %s %s\n' "$$" "${20}" "$owner" > "$file"
  echo locked
  let_go
  : > "$file"
}
named() {  # who holds it has said so
  pid= began= who=
  read -r pid began who < "$file" || :
  alive "${pid:-0}" "$began" && holds "$pid"
}
holds() {  # PID: a lock on the file, by what the kernel says of the process's open files; proc(5)
  for open in "/proc/$1/fd/"*; do
    [ "$open" -ef "$file" ] || continue
    while read -r word _; do
      [ "$word" != lock: ] || return 0
    done < "/proc/$1/fdinfo/${open##*/}"
  done 2>/dev/null
  return 1
}
holder() {  # pids, user and command of those that hold it, or nothing where none can be seen
  pids= first=
  for process in /proc/[0-9]*; do
    ! holds "${process#/proc/}" || { first=${first:-$process}; pids=$pids,${process#/proc/}; }
  done
  [ -z "$first" ] ||
    echo "${pids#,} $(stat -c %U -- "$first") $(tr -c ' -~' ' ' < "$first/cmdline" | cut -c 1-80)"
}
""",
    )
)


@contextmanager
def operating(cluster: Cluster, world: World, command: str) -> Iterator[None]:
    """Hold the cluster's lock for the block, and say there that it is for this command.

    Raises Locked with the other owner, Unreachable where no host answers.
    """
    unknown, owner = {}, world.owner(command)
    for host in cluster.hosts:
        script = Script(f"{_LOCK}\n{_call(host, owner).sh}\n", TIMEOUT)
        with ExitStack() as held:
            outcome = held.enter_context(world.fleet.hold(host.name, script))
            if isinstance(outcome, Unknown):
                unknown[host.name] = outcome.reason
                continue
            _check(cluster, host, outcome)
            yield
            return
    raise Unreachable(unknown)


def _call(host: Host, owner: str) -> Cmd:
    return Cmd("lock", host.paths.run, owner, "root" if host.supervisor is Supervisor.SYSTEMD else "")


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
    file = host.paths.run / "lock"
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
