"""How a node's process is started, recognised and stopped: shell for the host, and its answers read back.

Under either supervisor ``<run>/process`` has the process's pid, start time, release and configuration digest: under
`process` the node's launch script writes it and then becomes Java, in a session of its own that outlives the SSH
connection; under `systemd` root writes it, from the unit, into a folder that is root's alone (`ownership`). So a restart
by hand with systemctl is seen like any other. Where such a record is missing, or could be another's, systemd itself is
asked whether the unit has a process. A process is stopped by its unit, or by its pid where that still has the recorded
start time; never by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.model import Node, Supervisor
from kafab.ownership import AS_ACCOUNT, PLAIN, READY, ROOTED

TIMEOUT = timedelta(seconds=30)
LOOK_TIMEOUT = timedelta(seconds=5)
"""Short: while one host is silent, the exit of a process on another one waits to be noticed."""

ALIVE = r"""
alive() {  # PID START: that very process runs; a zombie has ended and only waits to be collected
  [ -r "/proc/$1/stat" ] && read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
  wanted_start=$2
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$wanted_start" ]
}
""".strip()

MAIN_PROCESS = r"""
main_process() {  # PID: set pid and start of the process that systemd names as a unit's own; 0 is none
  [ "${1:-0}" -gt 0 ] && read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
  pid=$1
  set -- ${stat##*) }
  [ "$1" != Z ] && start=${20}
}
""".strip()

LET_GO = r"""
let_go() {  # wait until kafab lets go of a script that it holds, or is gone
  # A host whose peer has silently gone learns it only when it sends: the beat is for that, nobody reads it.
  ( exec 9>&- < /dev/null 2> /dev/null; while sleep 5 > /dev/null && kill -0 "$$"; do echo; done ) &
  beat=$!
  cat > /dev/null 9>&-
  kill "$beat" 2> /dev/null || :
}
""".strip()

SETTLED = r"""
settled() {  # FOLDER -s|-x SECONDS: wait until nobody formats it, though whoever asked for it may be gone; 8 is the lock
  exec 8< "$1"
  tries=0
  # 1 means that it is held; with anything else there are no locks here, and nothing to wait for.
  until flock "$2" -n 8 2>/dev/null || [ "$?" -ne 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt "${3}0" ] || { echo "$1 has been formatted for $3 s and still is" >&2; exit 1; }
    sleep 0.1
  done
}
""".strip()

_COMMON = (
    f"{PLAIN}\n{ALIVE}"
    r"""
closed() {  # RUN: a run record that we may not read must not look absent
  [ ! -e "$1" ] || { [ -r "$1" ] && [ -x "$1" ]; } || return 0
  [ -e "$1/process" ] && [ ! -r "$1/process" ]
}
recorded() {  # RUN: read the run record; "asked" is set where kafab has asked the process to stop
  plain "$1/process" && [ -r "$1/process" ] && own "$1" && read -r pid start release digest asked < "$1/process"
}
say() { printf '%s %s %s\n' "$node" "$1" "${2-}"; }
quoted() { while IFS= read -r line; do printf '| %s\n' "$line"; done; }
"""
)

HOLDER = r"""
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
"""

_START = (
    HOLDER
    + r"""
start() {  # NODE RUN LAUNCH UNIT PORT...: one start at a time, also when an earlier one lost its connection
  fit "$2" || { node=$1; say failed "$why"; return; }
  ( flock -w 20 8 || { node=$1; say failed "another start is at work"; exit 0; }
    start_locked "$@" ) 8>> "$2/starting" || exit 1
}
start_locked() {
  node=$1 run=$2 launch=$3 unit=$4
  shift 4
  if lives "$run" "$unit"; then
    if [ -n "$asked" ]; then say failed "pid $pid is still shutting down"; else say running "$pid"; fi
    return
  fi
  for port do
    held=$(holder "$port")
    [ -z "$held" ] || { say taken "$port $held"; return; }
  done
  rm -f -- "$run/process"
  begin "$launch" "$run" "$unit"
  tries=0
  until recorded "$run"; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || { say failed "no process was recorded within 10 s: $(reason "$run" "$unit")"; return; }
    if [ "$tries" -gt 4 ] && ended "$unit"; then
      recorded "$run" || { say failed "$(reason "$run" "$unit")"; return; }
    fi
    sleep 0.05
  done
  if lists "$run"; then say recording "$pid"; else say started "$pid"; fi
}
"""
)

_CHECK = r"""
check() {  # NODE RUN LOGS UNIT
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$4"; then
    # What is frozen (SIGSTOP, a debugger) answers nobody and cannot end: proc(5), state T or t.
    case ${stat##*) } in [Tt]*) pid="$pid frozen" ;; esac
    if [ -n "$asked" ]; then say stopping "$pid"; else say running "$pid"; fi
  elif ! recorded "$2" || [ -n "$asked" ]; then say stopped
  else after_exit "$3" "$4" "$2"
  fi
}
"""

_STOP = r"""
stop() {  # NODE RUN UNIT: ask the process to end; its exit is awaited by `check`
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$3"; then
    # Without a folder of our own the unit alone knows it.
    ! fit "$2" || {
      printf '%s %s %s %s asked-to-stop\n' "$pid" "$start" "$release" "$digest" > "$2/process.asked"
      mv -f -- "$2/process.asked" "$2/process"
    }
    finish "$pid" "$3"
    say stopping "$pid"
  else
    rest "$3"
    say stopped
  fi
  no_archive "$2"
}
"""

_ARCHIVE = r"""
archives() {  # USER LAUNCH...: one after another, once the machine has a processor to spare; not after ten minutes
  setsid sh -c '
    processors=$1 user=$2
    shift 2
    # Where the kernel groups processes by session, nice counts within a session only.
    (echo 10 > /proc/self/autogroup) 2>/dev/null
    tries=0
    for launch do
      until read -r load _ < /proc/loadavg && [ "${load%.*}" -lt "$processors" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || exit
        sleep 5
      done
      set -- nice -n 10 sh "$launch" archive
      [ -z "$user" ] || set -- runuser -u "$user" -- "$@"
      "$@" || exit
    done' sh "$(nproc)" "$@" > /dev/null 2>&1 < /dev/null &
}
"""

_MAKER = r"""
maker() {  # CLASSES: end who makes an archive there; he writes his record and then looks whether the node was asked to stop
  plain "$1/making" && { read -r maker start < "$1/making"; } 2>/dev/null && alive "$maker" "$start" || return 0
  kill "$maker" || :  # it may have ended by itself in this very moment
}
"""

_MAKING = f'{PLAIN}\n{ALIVE}\n{_MAKER}\nmaker "$1"'

_PROCESS = (
    _MAKER
    + r"""
fit() { :; }
own() { :; }  # the run folder is the login user's, like everything else
lives() { recorded "$1" && alive "$pid" "$start"; }
lists() { [ -e "$1/classes/list" ]; }
no_archive() { maker "$1/classes"; }
begin() { setsid sh "$1" > "$2/launch.out" 2>&1 < /dev/null 8>&- & begun=$!; }
ended() { ! kill -0 "$begun" 2>/dev/null; }
reason() { tail -n 3 -- "$1/launch.out"; }
finish() { kill -TERM "$1" || :; }  # it may have ended by itself in this very moment
rest() { :; }
after_exit() {  # LOGS UNIT RUN: what this process wrote, not the one before it
  say exited "$pid"
  for log in "$1/stdout.log" "$1/server.log"; do
    [ ! -s "$log" ] || [ "$3/process" -nt "$log" ] || tail -n 15 -- "$log" | quoted
  done
}
"""
)

_SYSTEMD = (
    "\n".join(["", ROOTED, READY, AS_ACCOUNT, MAIN_PROCESS, f"making={Cmd(_MAKING).sh}"])
    + r"""
own() { [ -O "$1" ] && [ -O "$1/process" ]; }
fit() {  # RUN: root's own folder, where nobody else takes the lock of a start, either; else `why` it is not
  if ! why=$(rooted "$1"); then why="root keeps its run record only where it alone can write: $(echo $why)"
  elif ! ready "$1"; then why="$1 is missing, or not as a deploy makes it"
  else
    [ -e "$1/starting" ] || (umask 077; : >> "$1/starting")
    chmod 600 -- "$1/starting"
    return
  fi
  why="$why; \`fab deploy\` mends it or tells how"
  return 1
}
lives() {  # RUN UNIT
  { recorded "$1" && alive "$pid" "$start"; } && return
  main=$(shown MainPID "$2") || { echo "systemd does not say whether $2 runs" >&2; exit 1; }
  main_process "$main" || return
  release=unknown digest=unknown asked=
}
lists() { [ -d "$1/tmp/classes" ] && as_account "$user" '[ -f "$1/tmp/classes/list" ]' "$1" < /dev/null; }
no_archive() {  # RUN: that folder is the service account's, and so is who makes one
  [ ! -d "$1/tmp/classes" ] || as_account "$user" "$making" "$1/tmp/classes" < /dev/null || :
}
shown() { systemctl show --value -p "$1" "$2"; }
begin() {  # a unit that has reached its start limit stays failed until it is reset
  systemctl reset-failed "$3" 2>/dev/null || :
  [ "$(shown NeedDaemonReload "$3")" = no ] || systemctl daemon-reload
  systemctl start --no-block "$3"
}
ended() { case $(shown SubState "$1") in failed | auto-restart) ;; *) return 1 ;; esac; }
reason() { journalctl -q -o cat -n 3 -u "$2"; }
finish() { systemctl stop --no-block "$2"; }
rest() {  # nothing runs: let systemd not start it again either
  case $(shown SubState "$1") in auto-restart | start*) systemctl stop "$1" ;; esac
}
synced() {  # let journald write what it has received; for all nodes of a host once, and it is no reason to wait long
  [ -z "${journal_synced-}" ] || return 0
  journal_synced=yes
  timeout 2 journalctl --sync 2>/dev/null || :
}
after_exit() {  # LOGS UNIT
  case $(shown SubState "$2") in
    auto-restart | start* | running) say restarting "$(shown NRestarts "$2")" ;;
    failed) say exited "$pid" ;;
    *) say stopped; return ;;
  esac
  synced
  # For each exit and restart systemd adds up to ten lines of its own to those of the process.
  journalctl -q -o cat -n 30 -u "$2" | quoted
}
"""
)


class State(str, Enum):
    """What a host says of a node's process."""

    RUNNING = "running"
    STARTED = "started"
    RECORDING = "recording"
    """It was started, and had no archive of its classes: it records which they are, for `archive`."""
    STOPPING = "stopping"
    """It was asked to stop and still runs."""
    STOPPED = "stopped"
    RESTARTING = "restarting"
    """It exited, and systemd starts it again; the detail is how often it has done so."""
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
    frozen: bool = False
    """The process is there and does not run: SIGSTOP, or a debugger."""


def start(nodes: Sequence[Node]) -> Script:
    """Start these nodes of one host, unless they run; each answers running, started, recording, taken or failed."""
    calls = [
        Cmd("start", node.name, node.run, node.config / "launch", node.unit, *node.ports.values())
        for node in nodes
    ]
    return _script(nodes, _START, calls)


def check(nodes: Sequence[Node]) -> Script:
    """Look at these nodes of one host; each answers running, stopped, restarting or exited, with its last log lines."""
    calls = [Cmd("check", node.name, node.run, node.logs, node.unit) for node in nodes]
    return _script(nodes, _CHECK, calls, LOOK_TIMEOUT)


def stop(nodes: Sequence[Node]) -> Script:
    """Ask these nodes of one host to end; each answers stopping or stopped."""
    return _script(nodes, _STOP, [Cmd("stop", node.name, node.run, node.unit) for node in nodes])


def archive(nodes: Sequence[Node]) -> Script:
    """Begin to make these nodes' archives of classes, one after another, on their host; nobody waits for the end."""
    launches = [node.config / "launch" for node in nodes]
    return Script(f"{_ARCHIVE}{Cmd('archives', nodes[0].host.user or '', *launches).sh}\n", TIMEOUT)


def _script(
    nodes: Sequence[Node], functions: str, calls: Sequence[Cmd], timeout: timedelta = TIMEOUT
) -> Script:
    kept_by = {Supervisor.PROCESS: _PROCESS, Supervisor.SYSTEMD: _SYSTEMD}[nodes[0].host.supervisor]
    user = f"user={Cmd(nodes[0].host.user or '').sh}"
    parts = [user, _COMMON, kept_by, functions, *(call.sh for call in calls)]
    return Script("\n".join(parts) + "\n", timeout)


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
        if state == "unreadable":
            reports[name] = Unknown(f"the login user may not read {detail}")
        elif state in list(State):
            lives = state in (State.RUNNING, State.STOPPING)
            reports[name] = Report(
                State(state),
                detail.removesuffix(" frozen").strip() if lives else detail.strip(),
                tuple(reversed(log)),
                frozen=lives and detail.endswith(" frozen"),
            )
        log = []
    missing = Unknown(f"no answer about it (exit {outcome.code}: {outcome.err.strip() or 'no message'})")
    return {node.name: reports.get(node.name, missing) for node in nodes}
