"""The log files of a node, as they stand or as they grow.

Their folder is the service account's, so that account reads them, and no link: whoever may write there could name any file.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from kafab.command import Cmd, Outcome, Script
from kafab.errors import Failed, Unreachable, UsageError
from kafab.model import Cluster, Node
from kafab.plans.state import limited
from kafab.ports import Fleet
from kafab.shell.frame import framed
from kafab.shell.layout import SERVER_LOG, STDOUT_LOG
from kafab.unknown import Unknown

READ_LIMIT = timedelta(seconds=30)
FOLLOW_LIMIT = timedelta(days=1)
FILES = (SERVER_LOG, STDOUT_LOG)


def node_named(cluster: Cluster, name: str) -> Node:
    """Return the one node of that name; a host's name will do where it has one node. Raises UsageError otherwise."""
    nodes = limited(cluster, name)
    if len(nodes) != 1:
        raise UsageError(
            f"{name} has {len(nodes)} nodes", hint=f"name one of {', '.join(node.name for node in nodes)}"
        )
    return nodes[0]


def line_count(text: str, flag: str = "--lines") -> int:
    """Read how many lines are to be shown. Raises UsageError for anything but a number."""
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"found {flag} {text}; expected a number like 50")
    return int(text)


def last_lines(node: Node, lines: int, fleet: Fleet, show: Callable[[bytes], object]) -> None:
    """Show the last lines of the node's log as they come, and of what its JVM printed where that is not empty.

    Raises Unreachable, or Failed where there is no log.
    """
    host = node.host.name
    script = _tail(node, lines, READ_LIMIT, follow=False)
    outcome = fleet.stream({host: script}, lambda _host, out, _err: show(out))[host]
    if isinstance(outcome, Unknown):
        raise Unreachable({host: outcome.reason})
    if outcome.code:
        raise Failed(f"{node.name}: {outcome.err.strip()}", hint="has it been started? `fab status` tells")


def follow(node: Node, lines: int, fleet: Fleet) -> Iterator[bytes]:
    """Yield the log as it grows, until the caller stops."""
    return fleet.follow(node.host.name, _tail(node, lines, FOLLOW_LIMIT, follow=True))


def matching(
    nodes: Sequence[Node], pattern: str, most: int, fleet: Fleet
) -> dict[str, tuple[str, ...] | Unknown]:
    """Return the last lines of each node's log that match an extended regular expression, by node's name."""
    there: dict[str, list[Node]] = {}
    for node in nodes:
        there.setdefault(node.host.name, []).append(node)
    scripts = {
        host: framed(
            ("plain", "logs"),
            *(Cmd("matching", node.name, most, pattern, node.logs / SERVER_LOG) for node in on),
            timeout=READ_LIMIT,
            account=on[0].host.user,
        )
        for host, on in there.items()
    }
    return {
        name: lines
        for host, outcome in fleet.run(scripts).items()
        for name, lines in _matches(outcome, [node.name for node in there[host]]).items()
    }


def _matches(outcome: Outcome, names: Sequence[str]) -> dict[str, tuple[str, ...] | Unknown]:
    if isinstance(outcome, Unknown):
        return dict.fromkeys(names, outcome)
    if outcome.code:
        return dict.fromkeys(names, Unknown(outcome.err.strip() or f"the search ended with {outcome.code}"))
    found: dict[str, list[str]] = {}
    name = ""
    for line in outcome.text.splitlines():
        if line.startswith("node "):
            name = line.removeprefix("node ")
            found[name] = []
        elif line.startswith("| "):
            found[name].append(line.removeprefix("| "))
    return {name: tuple(found.get(name, ())) for name in names}


def _tail(node: Node, lines: int, limit: timedelta, *, follow: bool) -> Script:
    log, printed = (node.logs / name for name in FILES)
    call = Cmd("grows", lines, log) if follow else Cmd("last", lines, log, printed)
    return framed(("plain", "logs"), call, timeout=limit, account=node.host.user)
