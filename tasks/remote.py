"""Hosts by hand, all of them at once: exec, push, pull."""

from invoke.context import Context

from kafab.command import Outcome, Unknown
from kafab.ops import remote as operation
from kafab.ops.outputs import Kept, Shown

from .boundary import task
from .chain import CHAIN

_LIMIT = "Only these hosts (a node names its host), comma-separated: node1,node2/broker."
_AS_ROOT = "As root: through sudo, unless root logs in."
_JSON = "Print one JSON document."


@task(
    name="exec",
    positional=["command"],
    help={
        "command": "A shell command, in quotes.",
        "limit": _LIMIT,
        "as_root": _AS_ROOT,
        "timeout": "Seconds until a host that has not answered is UNKNOWN.",
        "json": _JSON,
    },
)
def exec_(
    _context: Context,
    command: str,
    limit: str | None = None,
    as_root: bool = False,
    timeout: str = "300",
    json: bool = False,
) -> None:
    """Run a shell command on every host, side by side; each line begins with its host."""
    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts, patience = operation.hosts_of(session.cluster, limit), operation.seconds(timeout)

    kept = Kept(hosts)
    listener = kept if json else Shown(console.lines, console.emit)
    fleet = session.fleet_as(root=as_root)
    answers = operation.execute(command, hosts, fleet, timeout=patience, listener=listener)
    if json:
        said = [_said(host, outcome, kept) for host, outcome in answers.outcomes.items()]
        console.data({"schema": "kafab.exec/1", "command": command, "hosts": said}, "")
    answers.raise_unless_done("the command")


@task(
    positional=["local", "remote"],
    help={
        "local": "A file on this machine.",
        "remote": "Its path on the hosts, or a folder there.",
        "limit": _LIMIT,
        "mode": "Octal mode, like 0640. Without it a file keeps its mode, and a new one gets 0644.",
        "as_root": _AS_ROOT,
        "json": _JSON,
    },
)
def push(
    _context: Context,
    local: str,
    remote: str,
    *,
    limit: str | None = None,
    mode: str | None = None,
    as_root: bool = False,
    json: bool = False,
) -> None:
    """Put a file on every host, whole or not at all; where it is already, nothing is written."""
    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts = operation.hosts_of(session.cluster, limit)
    done = operation.push(local, remote, hosts, session.fleet_as(root=as_root), console.emit, mode=mode)
    done.answers.raise_unless_done("push")
    lines = [
        (host, path, "written" if host in done.answers.outcomes else "unchanged")
        for host, path in done.paths.items()
    ]
    console.data(
        {
            "schema": "kafab.push/1",
            "hosts": [{"host": host, "path": path, "state": state} for host, path, state in lines],
        },
        "".join(f"{host}: {path} {state}\n" for host, path, state in lines),
    )


@task(
    positional=["remote", "folder"],
    help={
        "remote": "A file's path on the hosts.",
        "folder": "A folder on this machine: the files become FOLDER/<host>/<name>.",
        "limit": _LIMIT,
        "as_root": _AS_ROOT,
        "json": _JSON,
    },
)
def pull(
    _context: Context,
    remote: str,
    folder: str,
    limit: str | None = None,
    as_root: bool = False,
    json: bool = False,
) -> None:
    """Get a file from every host, whole or not at all, each into a folder of the host's name."""
    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts = operation.hosts_of(session.cluster, limit)
    done = operation.pull(remote, folder, hosts, session.fleet_as(root=as_root), console.emit)
    console.data(
        {
            "schema": "kafab.pull/1",
            "hosts": [
                {**_fate(host, outcome), "file": str(done.files[host]) if host in done.files else None}
                for host, outcome in done.answers.outcomes.items()
            ],
        },
        "".join(f"{host}: {file}\n" for host, file in done.files.items()),
    )
    done.answers.raise_unless_done("pull")


def _fate(host: str, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Unknown):
        return {"host": host, "exit_code": None, "unknown": outcome.reason}
    return {"host": host, "exit_code": outcome.code, "unknown": None}


def _said(host: str, outcome: Outcome, kept: Kept) -> dict[str, object]:
    """Return what a host said, null where nothing is known; ``…_cut`` are the bytes behind those that are there."""
    out, err = kept.streams[host]
    nothing = isinstance(outcome, Unknown) and not (out.text or err.text)
    return {
        **_fate(host, outcome),
        "stdout": None if nothing else out.text,
        "stderr": None if nothing else err.text,
        "stdout_cut": out.cut,
        "stderr_cut": err.cut,
    }
