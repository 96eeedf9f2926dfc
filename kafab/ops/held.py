"""Refuses to go on over data directories that lack what they have held, and keeps the record of it. See `hosts.held`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from kafab.cluster.metadata import Partition
from kafab.cluster.seen import Ask
from kafab.command import Cmd, Script
from kafab.config.render import RenderedFile
from kafab.errors import OutcomeUnknown, Unsafe
from kafab.events import Note
from kafab.hosts.facts import HostFacts, NodeFacts, NodesFacts
from kafab.hosts.held import ACCEPT, Missing, missing, unrecorded
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node, Role
from kafab.ops.observing import look
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.shell.frame import framed
from kafab.unknown import Unknown
from kafab.words import few, plural

TIMEOUT = timedelta(seconds=30)


def guard_held(cluster: Cluster, facts: NodesFacts, accepted: Collection[str], world: World) -> None:
    """Refuse where a directory lacks what it has held, unless its node's name is ``accepted``.

    Raises Unsafe with what was there, what is there now, and which partitions have no other replica. The partitions of
    an accepted node are told as events.
    """
    lost = {node: gone for node, said in facts.items() if (gone := missing(node, said))}
    refused = [node for node in lost if node.name not in accepted]
    if refused:
        places = [each for node in refused for each in lost[node]]
        lines = "\n  ".join(map(str, places))
        names = ",".join(node.name for node in refused)
        raise Unsafe(
            f"{plural(len(places), 'data directory', 'data directories')} without the data that it has held:\n  {lines}\n"
            f"{_alone(cluster, refused, world)}",
            hint=f"{_ways(places)}; for disks that are really new: {ACCEPT} {names} (plan, deploy, start)",
        )
    for node in lost:
        world.emit(Note(node.name, f"accepted as empty; {_alone(cluster, [node], world)}"))


def _ways(gone: Sequence[Missing]) -> str:
    return ", ".join(dict.fromkeys(each.way for each in gone))


def _alone(cluster: Cluster, nodes: Sequence[Node], world: World) -> str:
    """Return which partitions have their only in-sync replicas on these nodes, as far as Kafka says."""
    ids = {node.id for node in nodes if node.role is Role.BROKER}
    if not ids:
        return (
            "no broker is among them, and so no partition's records: what they kept is the cluster's metadata"
        )
    others = [broker for broker in cluster.brokers if broker.id not in ids]
    views = see(cluster, world, Ask(views=others)).known_views.values()
    if not views:
        return "no other broker answers, so it cannot be told which partitions have no other replica"
    lost = only_on(ids, [partition for view in views for partition in view.partitions])
    if not lost:
        return "every partition has an in-sync replica elsewhere, as the other brokers say"
    return f"{plural(len(lost), 'partition')} without an in-sync replica elsewhere would lose records: {few(lost)}"


def only_on(brokers: Collection[int], partitions: Collection[Partition]) -> list[str]:
    """Return the names of the partitions that have no in-sync replica but on these brokers."""
    return sorted({each.name for each in partitions if set(each.isr or each.replicas) <= set(brokers)})


def keep(cluster: Cluster, nodes: Collection[Node], world: World) -> None:
    """Record what these nodes hold, where that is not recorded yet.

    Hosts that do not answer are left out. A record that could not be written is told and fails nothing: a node on a host
    with a read-only disk must be stoppable, and the next command writes it.
    """
    desired, observed = look(cluster, nodes, world)
    facts = {
        wanted.node: host.nodes[wanted.node.instance]
        for wanted in desired.nodes
        if isinstance(host := observed[wanted.node.host.name], HostFacts)
    }
    for name, problem in _write(facts, world).items():
        world.emit(Note(name, f"what its nodes hold is not recorded: {problem}"))


def lacking(facts: Mapping[Node, NodeFacts]) -> bool:
    """Tell whether a record of these nodes is to be written."""
    return any(unrecorded(node, found) for node, found in facts.items())


def forget(facts: Mapping[Node, NodeFacts], world: World) -> None:
    """Take what these nodes lack out of their records. Raises OutcomeUnknown where that may not be done."""
    problems = _write(facts, world, accepted=True)
    if problems:
        lines = [f"{host}: {problem}" for host, problem in problems.items()]
        told = "\n  ".join(["the record of what the nodes hold may not be written:", *lines])
        raise OutcomeUnknown(told, hint=AGAIN)


def _write(facts: Mapping[Node, NodeFacts], world: World, *, accepted: bool = False) -> dict[str, str]:
    """Write the records that are not as they should be; return host -> why it may not be done."""
    files: dict[str, list[RenderedFile]] = {}
    for node, found in facts.items():
        if file := unrecorded(node, found, accepted=accepted):
            files.setdefault(node.host.name, []).append(file)
    scripts = {host: _script(there) for host, there in files.items()}
    outcomes = world.fleet.run(scripts) if scripts else {}
    return {
        host: outcome.reason
        if isinstance(outcome, Unknown)
        else outcome.err.strip() or outcome.text.strip() or f"exit {outcome.code}"
        for host, outcome in outcomes.items()
        if isinstance(outcome, Unknown) or outcome.code
    }


def _script(files: Sequence[RenderedFile]) -> Script:
    calls = [Cmd("keep", file.text, file.path, file.mode, file.sha256, file.owner or "") for file in files]
    return framed(("put", "keep"), *calls, timeout=TIMEOUT)
