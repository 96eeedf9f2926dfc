"""What a host is asked when a node fails: one script (`diagnose.sh`), which only reads, and the parser of its answer.

The answer is made of parts, each with a name, what it says and how long it took. It is read as far as it came: of a host that
hangs half-way, what it said until then is kept. Root reads what is root's, and the nodes' account what lies in its folders. No
environment of a process, no key, no key store and no record of a topic is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Cmd, Script
from kafab.model import Host, Node, Role, Supervisor
from kafab.shell.frame import END, asking
from kafab.shell.layout import LAUNCH_OUTPUT, SERVER_LOG, STDOUT_LOG
from kafab.shell.library import compose

TIMEOUT = timedelta(seconds=40)
"""For all parts of a host; each that could hang has a limit of its own."""
THREADS_TIMEOUT = timedelta(seconds=45)
NODE_LIMIT = 2_000_000
"""Bytes of an answer that are kept for each node; as much again for its host."""
PART_LIMIT = 300_000
"""Bytes of one part, by `diagnose.sh`."""
LAST_LINES = 200
OF_HOST = "-"
"""What stands for the node in the name of a part that is about the host."""
NOT_READ = "not read: "
"""How a line begins that says why something is missing."""

_COMMON = ("plain", "alive", "node", "holder")
_KEPT_BY = {
    Supervisor.PROCESS: ("maker", "node_process"),
    Supervisor.SYSTEMD: ("rooted", "ready", "as_account", "main_process", "node_systemd"),
}
_PART = re.compile(r"part (\S+) ([\w.-]+(?:/[\w.-]+)?)", re.ASCII)
_TOOK = re.compile(r"took (\d+\.\d+) (\d+\.\d+)", re.ASCII)
_CLOCK = re.compile(r"clock (\d+\.\d+)", re.ASCII)


@dataclass(frozen=True)
class Part:
    """One thing that a host has told, of a node (by its instance) or of itself (`OF_HOST`)."""

    node: str
    name: str
    """``log``, ``config/server.properties``: a name, or one below another, of letters that a file name takes."""
    text: str
    seconds: float | None
    """How long it took by the host's clock; None where its end did not come."""


@dataclass(frozen=True)
class Answer:
    """What a host has told; ``whole`` is False where the end of it did not come."""

    parts: tuple[Part, ...]
    clock: float | None = None
    """Its time when the script began, in seconds since 1970."""
    whole: bool = True


def questions(host: Host, nodes: Sequence[Node], *, plain: bool = False) -> Script:
    """Return the script that asks for everything but threads. What could hang on a dead disk comes last.

    ``plain``: for a login that may not become root, nor the nodes' account; it reads what it may.
    """
    systemd = host.supervisor is Supervisor.SYSTEMD
    ports = [port for node in nodes for port in node.ports.values()]
    calls = [
        Cmd("date", "+clock %s.%N"),
        _of_host("machine", "machine"),
        _of_host("memory", "memory"),
        _of_host("kernel", "kernel"),
        _of_host("ports", "ports", *dict.fromkeys(ports)),
    ]
    for node in nodes:
        calls += _of_node(node, systemd=systemd)
    calls += [
        _part(node, "folders", "theirs", "folders", *dict.fromkeys((*node.data_folders, node.logs)))
        for node in nodes
    ]
    return _script(host, ("diagnose",), calls, TIMEOUT, plain=plain)


def threads(host: Host, nodes: Sequence[Node]) -> Script:
    """Return the script that asks the processes of these nodes for their threads."""
    calls = [_part(node, "threads", "threads", node.run, node.unit) for node in nodes]
    return _script(host, ("diagnose", "diagnose_threads"), calls, THREADS_TIMEOUT)


def _of_host(name: str, *words: str | int) -> Cmd:
    return Cmd("part", OF_HOST, name, *words)


def _part(node: Node, name: str, *words: object) -> Cmd:
    return Cmd("part", node.instance, name, *map(str, words))


def _of_node(node: Node, *, systemd: bool) -> list[Cmd]:
    log, printed = node.logs / SERVER_LOG, node.logs / STDOUT_LOG
    identity = [] if node.role is Role.ZOOKEEPER and not node.data else node.data_folders
    own = [
        _part(node, "process", "process", node.run, node.unit),
        Cmd("settings", node.instance, node.config),
        _part(node, "files", "listing", node.config),
    ]
    if systemd:
        own += [
            _part(node, "unit", "unit", node.unit),
            _part(node, "systemd", "of_systemd", node.unit),
            _part(node, "journal", "journal", node.unit),
            _part(node, "earlier-runs", "earlier_runs", node.unit),
            _part(node, "log", "theirs", "tails", 600, log),
        ]
    else:
        own += [
            _part(node, "log", "own_log", node.logs, node.unit, node.run),
            _part(
                node,
                "printed",
                "theirs",
                "tails",
                LAST_LINES,
                printed,
                f"{printed}.1",
                node.run / LAUNCH_OUTPUT,
            ),
        ]
    return [
        *own,
        _part(node, "errors", "theirs", "around", log),
        _part(node, "crash", "theirs", "crash", node.logs),
        _part(node, "identity", "theirs", "identity", *identity),
    ]


def _script(
    host: Host, libraries: Sequence[str], calls: Sequence[Cmd], timeout: timedelta, *, plain: bool = False
) -> Script:
    given = {
        "user": "" if plain else host.user or "",
        "functions": compose(("plain", "diagnose_own"), '"$@"'),
        # What a start would need; nothing is started here.
        "making": "",
    }
    every = (*_COMMON, *_KEPT_BY[host.supervisor], *libraries)
    return asking(every, *calls, timeout=timeout, given=given)


def read(said: bytes) -> Answer:
    """Read an answer as far as it came. Lines that are none of a part are left out."""
    parts: list[Part] = []
    clock: float | None = None
    name: tuple[str, str] | None = None
    lines: list[str] = []
    whole = False

    def close(seconds: float | None) -> None:
        if name:
            parts.append(Part(*name, "".join(f"{line}\n" for line in lines), seconds))

    for line in said.decode("utf-8", errors="replace").split("\n"):
        if line.startswith("| "):
            lines.append(line[2:].rstrip("\r"))
        elif found := _PART.fullmatch(line):
            close(None)
            name, lines = (found[1], found[2]), []
        elif took := _TOOK.fullmatch(line):
            close(round(float(took[2]) - float(took[1]), 2))
            name, lines = None, []
        elif at := _CLOCK.fullmatch(line):
            clock = float(at[1])
        elif line == END:
            whole = True
    close(None)
    return Answer(
        tuple(part for part in parts if ".." not in part.name and not part.name.endswith(".")), clock, whole
    )
