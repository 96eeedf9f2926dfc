"""How a node's process is started, recognised and stopped: shell for the host, and its answers read back.

The `process` supervisor: the node's launch script records pid, start time, release and configuration digest in
``<run>/process`` and then becomes the Java process, in a session of its own that outlives the SSH connection.
A process is signalled only when its pid still has the recorded start time; never by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.model import Node

TIMEOUT = timedelta(seconds=30)

ALIVE = r"""
alive() {  # PID START: that very process runs; a zombie has ended and only waits to be collected
  [ -r "/proc/$1/stat" ] && read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
  wanted_start=$2
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$wanted_start" ]
}
""".strip()

_COMMON = (
    ALIVE
    + r"""
recorded() {  # RUN: read the run record; "asked" is set where kafab has asked the process to stop
  [ -r "$1/process" ] && read -r pid start release digest asked < "$1/process"
}
say() { printf '%s %s %s\n' "$node" "$1" "${2-}"; }
tails() {  # LOGS: the last lines of what the process printed and logged
  for log in "$1/stdout.log" "$1/server.log"; do
    [ ! -s "$log" ] || { tail -n 15 -- "$log" | while IFS= read -r line; do printf '| %s\n' "$line"; done; }
  done
}
"""
)

_START = r"""
holder() {  # PORT: print who listens on it: nothing, or pid and command where this user may see them
  hex=$(printf ':%04X' "$1")
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r _ local _ state _ _ _ _ _ inode _; do
      case $local in *"$hex") ;; *) continue ;; esac
      [ "$state" = 0A ] || continue
      # one listing of every visible descriptor: a readlink each would take seconds on a busy host
      owner=$(ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
        case $line in
          /proc/*:) owner=${line#/proc/}; owner=${owner%%/*} ;;
          *"socket:[$inode]") echo "$owner"; break ;;
        esac
      done)
      if [ -n "$owner" ]; then
        echo "pid $owner, $(tr '\0' ' ' < "/proc/$owner/cmdline" | cut -c 1-80)"
        return
      fi
      echo "a process of another user"
      return
    done < "$table"
  done
}
start() {  # NODE RUN LAUNCH PORT...
  node=$1 run=$2 launch=$3
  shift 3
  if recorded "$run" && alive "$pid" "$start"; then say running "$pid"; return; fi
  for port do
    held=$(holder "$port")
    [ -z "$held" ] || { say taken "$port $held"; return; }
  done
  rm -f -- "$run/process"
  setsid sh "$launch" > "$run/launch.out" 2>&1 < /dev/null &
  tries=0
  until recorded "$run"; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { say failed "the launch script did not record its process within 5 s"; return; }
    if [ "$tries" -gt 4 ] && ! kill -0 $! 2>/dev/null; then
      recorded "$run" || { say failed "$(tail -n 3 -- "$run/launch.out")"; return; }
    fi
    sleep 0.05
  done
  say started "$pid"
}
"""

_CHECK = r"""
check() {  # NODE RUN LOGS
  node=$1
  if ! recorded "$2"; then say stopped
  elif alive "$pid" "$start"; then say running "$pid"
  elif [ -n "$asked" ]; then say stopped
  else say exited "$pid"; tails "$3"
  fi
}
"""

_STOP = r"""
stop() {  # NODE RUN: ask the process to end; its exit is awaited by `check`
  node=$1
  if recorded "$2" && alive "$pid" "$start"; then
    printf '%s %s %s %s asked-to-stop\n' "$pid" "$start" "$release" "$digest" > "$2/process.new"
    mv -f -- "$2/process.new" "$2/process"
    kill -TERM "$pid"
    say stopping "$pid"
  else say stopped
  fi
}
"""


class State(str, Enum):
    """What a host says of a node's process."""

    RUNNING = "running"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXITED = "exited"
    """The run record is there, its process is not: it ended by itself or was killed."""
    TAKEN = "taken"
    """A port is held by another process; nothing was started."""
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """One node's answer: ``detail`` is a pid, or who holds the port, or what went wrong; ``log`` its last lines."""

    state: State
    detail: str
    log: tuple[str, ...] = ()


def start(nodes: Sequence[Node]) -> Script:
    """Start these nodes of one host, unless they run; each answers running, started, taken or failed."""
    calls = [
        Cmd("start", node.name, node.run, node.config / "launch", *node.ports.values()).sh for node in nodes
    ]
    return _script(_START, calls)


def check(nodes: Sequence[Node]) -> Script:
    """Look at these nodes of one host; each answers running, stopped or exited with its last log lines."""
    return _script(_CHECK, [Cmd("check", node.name, node.run, node.logs).sh for node in nodes])


def stop(nodes: Sequence[Node]) -> Script:
    """Send SIGTERM to these nodes of one host; each answers stopping or stopped."""
    return _script(_STOP, [Cmd("stop", node.name, node.run).sh for node in nodes])


def _script(functions: str, calls: Sequence[str]) -> Script:
    return Script("\n".join([_COMMON, functions, *calls]) + "\n", TIMEOUT)


def read(outcome: Outcome, nodes: Sequence[Node]) -> dict[str, Report | Unknown]:
    """Read the answer of any of these scripts: node name -> report; a node without an answer is Unknown."""
    if isinstance(outcome, Unknown):
        return {node.name: outcome for node in nodes}
    reports: dict[str, Report | Unknown] = {}
    log: list[str] = []
    # Log lines stand behind their node's line, so read from the end.
    for line in reversed(outcome.text.splitlines()):
        if line.startswith("| "):
            log.append(line[2:])
            continue
        name, state, detail = [*line.split(" ", 2), "", ""][:3]
        if state in list(State):
            reports[name] = Report(State(state), detail.strip(), tuple(reversed(log)))
        log = []
    missing = Unknown(f"no answer about it (exit {outcome.code}: {outcome.err.strip() or 'no message'})")
    return {node.name: reports.get(node.name, missing) for node in nodes}
