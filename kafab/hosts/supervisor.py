"""How a node's process is started, recognised and stopped: scripts for the host (`node*.sh`), and its answers read back.

Under either supervisor ``<run>/process`` has the process's pid, start time, release and configuration digest: under
`process` the node's launch script writes it and then becomes Java, in a session of its own that outlives the SSH
connection; under `systemd` root writes it, from the unit, into a folder that is root's alone (`ownership`). So a restart
by hand with systemctl is seen like any other. Where such a record is missing, or could be another's, systemd itself is
asked whether the unit has a process. A process is stopped by its unit, or by its pid where that still has the recorded
start time; never by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from kafab.command import Cmd, Outcome, Script
from kafab.hosts import recovery
from kafab.model import Node, Supervisor
from kafab.shell.frame import framed
from kafab.shell.layout import LAUNCH
from kafab.shell.library import compose
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=30)
LOOK_TIMEOUT = timedelta(seconds=5)
"""Short: while one host is silent, the exit of a process on another one waits to be noticed."""

_MAKER = ("plain", "alive", "maker")
_COMMON = ("plain", "alive", "node")
_PROCESS: tuple[str, ...] = ("maker", "node_process")
_SYSTEMD: tuple[str, ...] = ("rooted", "ready", "as_account", "main_process", "node_systemd")


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
    """It exited, and systemd starts it again; the detail is how often systemd has done so."""
    EXITED = "exited"
    """The run record is there, its process is not: it ended by itself or was killed."""
    TAKEN = "taken"
    """A port is held by another process; nothing was started."""
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """One node's answer: ``detail`` is a pid, or who holds the port, or what went wrong; ``log`` its last lines.

    ``log`` has what the process that ended has written, and no process before it; of stack traces the lines that name
    an exception.
    """

    state: State
    detail: str
    log: tuple[str, ...] = ()
    frozen: bool = False
    """The process is there and does not run: SIGSTOP, or a debugger."""
    process: str = ""
    """``PID START`` of the process that runs or has ended: the same words are the same process."""


def start(nodes: Sequence[Node]) -> Script:
    """Start these nodes of one host, unless they run; each answers running, started, recording, taken or failed."""
    calls = [
        Cmd("start", node.name, node.run, node.config / LAUNCH, node.logs, node.unit, *node.ports.values())
        for node in nodes
    ]
    return _script(nodes, ("holder", "node_start"), calls, changes=True)


def check(nodes: Sequence[Node]) -> Script:
    """Look at these nodes of one host; each answers running, stopped, restarting or exited, with its last log lines."""
    calls = [Cmd("check", node.name, node.run, node.logs, node.unit) for node in nodes]
    return _script(nodes, ("node_check",), calls, LOOK_TIMEOUT)


def loading(nodes: Sequence[Node]) -> Script:
    """Ask what these nodes of one host log of the loading of their logs; each that runs answers running, with such lines."""
    calls = [Cmd("loading", node.name, node.run, node.logs, node.unit, *recovery.LINES) for node in nodes]
    return _script(nodes, ("node_loading",), calls, LOOK_TIMEOUT)


def stop(nodes: Sequence[Node]) -> Script:
    """Ask these nodes of one host to end; each answers stopping or stopped."""
    return _stop(nodes, "")


def stop_together(nodes: Sequence[Node]) -> Script:
    """Ask these nodes of one host to end, for `Fleet.together`: at the same moment as those of other hosts."""
    return _stop(nodes, "yes")


def _stop(nodes: Sequence[Node], together: str) -> Script:
    calls = [Cmd("stop", node.name, node.run, node.unit) for node in nodes]
    return _script(nodes, ("node_stop",), calls, changes=True, together=together)


def freeze(node: Node) -> Script:
    """Keep a node of a lab from running, for `Fleet.hold`: as long as the script is held, and no longer."""
    return _fault("freeze", [node], timedelta(minutes=5))


def strike(nodes: Sequence[Node]) -> Script:
    """Kill these nodes of a lab's host, and leave the mark of a drill; each answers exited, or stopped where it did not run."""
    return _fault("strike", nodes)


def marked(nodes: Sequence[Node]) -> Script:
    """Leave the mark of a drill on these nodes of a lab's host, which it is about to stop."""
    return _fault("marked", nodes)


def struck(nodes: Sequence[Node]) -> Script:
    """Let what is frozen of these nodes of a lab's host go on; those that have the mark of a drill answer exited."""
    return _fault("struck", nodes)


def mended(nodes: Sequence[Node]) -> Script:
    """Take the mark of a drill from these nodes of a lab's host."""
    return _fault("mended", nodes)


def _fault(call: str, nodes: Sequence[Node], timeout: timedelta = TIMEOUT) -> Script:
    calls = [Cmd(call, node.name, node.run, node.unit) for node in nodes]
    return _script(nodes, ("let_go", "node_fault"), calls, timeout, changes=True)


def archive(nodes: Sequence[Node]) -> Script:
    """Begin to make these nodes' archives of classes, one after another, on their host; nobody waits for the end."""
    launches = [node.config / LAUNCH for node in nodes]
    call = Cmd("archives", nodes[0].host.user or "", *launches)
    return framed(("archives",), call, timeout=TIMEOUT)


def _script(
    nodes: Sequence[Node],
    libraries: Sequence[str],
    calls: Sequence[Cmd],
    timeout: timedelta = TIMEOUT,
    *,
    changes: bool = False,
    **given: str,
) -> Script:
    host = nodes[0].host
    kept_by = {Supervisor.PROCESS: _PROCESS, Supervisor.SYSTEMD: _SYSTEMD}[host.supervisor]
    given |= {"user": host.user or ""}
    if host.supervisor is Supervisor.SYSTEMD:
        given["making"] = compose(_MAKER, 'maker "$1"')
    script = framed((*_COMMON, *kept_by, *libraries), *calls, timeout=timeout, given=given)
    return replace(script, changes=changes)


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
            reports[name] = _report(State(state), detail.strip(), tuple(reversed(log)))
        log = []
    missing = Unknown(f"no answer about it (exit {outcome.code}: {outcome.err.strip() or 'no message'})")
    return {node.name: reports.get(node.name, missing) for node in nodes}


def _report(state: State, detail: str, log: tuple[str, ...]) -> Report:
    if state in (State.TAKEN, State.FAILED):
        return Report(state, detail, log)
    frozen = detail.endswith(" frozen")
    words = detail.removesuffix("frozen").split()
    process = words[1:] if state is State.RESTARTING else words
    return Report(state, words[0] if words else "", log, frozen, " ".join(process[:2]))
