"""Hosts by hand: exec, push and pull on all of them at once, and a tool of Kafka's on one."""

import sys

from invoke.context import Context

from .boundary import after_dashes, task
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
    from kafab.ops.history import program, remembered
    from kafab.ops.hosts import remote as operation
    from kafab.ops.hosts.outputs import Kept, Shown
    from kafab.screens.remote import exec_document

    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts, patience = operation.hosts_of(session.cluster, limit), operation.seconds(timeout)
    operation.refuse_nothing(command)

    kept = Kept(hosts)
    listener = kept if json else Shown(console.lines, console.emit)
    fleet = session.fleet_as(root=as_root)
    cluster, words = session.cluster, f"exec {program(command)}".strip()
    with remembered(cluster, session, "exec", map(cluster.host, hosts), words=words):
        answers = operation.execute(command, hosts, fleet, timeout=patience, listener=listener)
        if json:
            console.data(exec_document(command, answers.outcomes, kept), "")
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
    from kafab.ops.history import remembered
    from kafab.ops.hosts import remote as operation

    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts = operation.hosts_of(session.cluster, limit)
    fleet, cluster = session.fleet_as(root=as_root), session.cluster
    found = operation.to_push(local, remote, hosts, fleet, mode=mode)
    with remembered(cluster, session, "push", map(cluster.host, found.uploads)):
        written = operation.push(found, fleet, console.emit)
        written.raise_unless_done("push")
    lines = [
        (host, path, "written" if host in found.uploads else "unchanged")
        for host, path in found.paths.items()
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
    from kafab.ops.hosts import remote as operation
    from kafab.screens.remote import pull_document

    session, console = CHAIN.session(), CHAIN.console(json=json)
    hosts = operation.hosts_of(session.cluster, limit)
    done = operation.pull(remote, folder, hosts, session.fleet_as(root=as_root), console.emit)
    text = "".join(f"{host}: {file}\n" for host, file in done.files.items())
    console.data(pull_document(done.answers.outcomes, done.files), text)
    done.answers.raise_unless_done("pull")


@task(positional=["node"], help={"node": "A node's name: node1/broker."})
def tool(_context: Context, node: str) -> int:
    """Run a script of Kafka's own on a node: fab tool node1/broker -- kafka-topics.sh --list.

    It is one of bin/ of the node's release and runs as the node's account. Where it takes the cluster's addresses and
    none was given they are filled in. Its output and its exit code are passed on; input it has none.
    """
    from kafab.ops.hosts import tool as operation

    session, console = CHAIN.session(), CHAIN.console()

    def complain(text: str) -> None:
        console.lines(text, errors=True)

    command = after_dashes(sys.argv)
    return operation.run(session.cluster, node, command, session, out=console.piecewise(), err=complain)
