"""One of Kafka's own command line tools, run on a node's host as the node's account, from the release that the node has.

What may run is a file in ``bin/`` of that release. The tool has no input; what it prints comes as it prints it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from kafab.command import Cmd, Outcome
from kafab.config.tools import filled
from kafab.errors import Failed, OutcomeUnknown, Unreachable, UsageError
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.history import remembered
from kafab.ops.hosts.logs import node_named
from kafab.ops.hosts.outputs import Lines
from kafab.ops.world import World
from kafab.releases.names import release_for
from kafab.shell.frame import asking, framed, whole
from kafab.unknown import Unknown

LOOK_LIMIT = timedelta(seconds=30)
LIMIT = timedelta(days=1)


@dataclass(frozen=True)
class Tools:
    """What a node's `current` link leads to: the release, and the names in its ``bin/``."""

    release: str
    names: frozenset[str]


def run(
    cluster: Cluster,
    name: str,
    command: Sequence[str],
    world: World,
    *,
    out: Callable[[bytes], object],
    err: Callable[[str], object],
) -> int:
    """Run a tool and return its exit code. ``out`` gets what it prints as it comes, ``err`` whole lines of its errors.

    Raises UsageError for what is no tool of the release, Failed where there is none, Unreachable before it has begun, and
    OutcomeUnknown where its end was not seen.
    """
    node = node_named(cluster, name)
    script, words = _split(node, command)
    fleet, host = world.fleet, node.host.name
    look = Cmd("look", node.current)
    found = _read(
        node, fleet.run({host: asking(("tool",), look, timeout=LOOK_LIMIT, account=node.host.user)})[host]
    )
    _guard(cluster, node, script, found, world)
    given = filled(cluster, node, script, words)
    if given != tuple(words):
        added = [word for word in given if word not in words]
        world.emit(Note(node.name, f"{script} is given {' '.join(added)}"))
    errors = Lines("")

    def hear(_host: str, piece: bytes, complaint: bytes) -> None:
        if piece:
            out(piece)
        if text := errors.add(complaint):
            err(text)

    call = Cmd("tool", node.host.java or "", node.current / "bin" / script, *given)
    tool = framed(("tool",), call, timeout=LIMIT, account=node.host.user)
    # Some tools take a password as an argument.
    with remembered(cluster, world, "tool", [node.host], words=f"tool {node.name} -- {script}") as kept:
        outcome = fleet.stream({host: tool}, hear)[host]
        if text := errors.add(b"", last=True):
            err(text)
        if isinstance(outcome, Unknown):
            raise OutcomeUnknown(f"{node.name}: the end of {script} was not seen: {outcome.reason}")
        kept.exit_code = outcome.code
    return outcome.code


def _split(node: Node, command: Sequence[str]) -> tuple[str, Sequence[str]]:
    usage = f"type `fab tool {node.name} -- kafka-topics.sh --list`"
    if not command:
        raise UsageError("no tool is named behind `--`", hint=usage)
    script, *words = command
    if "/" in script:
        raise UsageError(f"found {script}; expected the name of a script in the release's bin/", hint=usage)
    return script, words


def _read(node: Node, outcome: Outcome) -> Tools | None:
    """Read the answer of `look`; None where no release is. Raises Unreachable for what is no answer."""
    host = node.host.name
    if isinstance(outcome, Unknown):
        raise Unreachable({host: outcome.reason})
    lines = whole(outcome, "the look for its release")
    if isinstance(lines, Unknown):
        raise Failed(f"{node.name}: {lines.reason}")
    said = [line.partition(" ") for line in lines]
    release = next((value for word, _, value in said if word == "release"), None)
    names = frozenset(value for word, _, value in said if word == "tool")
    return None if release is None else Tools(release, names)


def _guard(cluster: Cluster, node: Node, script: str, found: Tools | None, world: World) -> None:
    if found is None:
        raise Failed(f"{node.name}: {node.current} leads to no release", hint="`fab deploy` brings it")
    if not found.names:
        stored = world.store.find(release_for(cluster.version, cluster.scala))
        same = stored is not None and stored.folder == found.release
        away = f"`rm -r {stored.file.parent}` here, then " if stored and same else ""
        raise Failed(
            f"{node.name}: {found.release} has no bin/: it was put together from Maven before kafab made one",
            hint=f"{away}`fab releases.fetch deploy` brings a release that has it",
        )
    if script not in found.names:
        near = get_close_matches(script, found.names, n=1)
        raise UsageError(
            f"{node.name}: {found.release} has no {script} in its bin/",
            hint=f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(found.names))}",
        )
