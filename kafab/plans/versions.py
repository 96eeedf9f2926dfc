"""Refuses a deploy of a version that the nodes cannot take one after another, and one that an upgrade under way speaks against. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from kafab.config.properties import broker_properties
from kafab.errors import Unsafe
from kafab.hosts.facts import NodeFacts, NodesFacts
from kafab.model import Cluster, Node, Role, Version
from kafab.releases.names import version_of
from kafab.upgrading.levels import PROTOCOL, newer
from kafab.upgrading.record import Direction, Upgrade
from kafab.words import few, plural


def running(facts: NodeFacts) -> Version | None:
    """Return the version that a node's process was started from; of a node that does not run, the one that it would be."""
    process = facts.process
    return version_of(process.release if process and process.alive else facts.release)


def reached(facts: NodesFacts, target: Version) -> tuple[Node, ...]:
    """Return the nodes that run a version, or would."""
    return tuple(node for node, found in facts.items() if running(found) == target)


def as_upgraded(cluster: Cluster, facts: NodesFacts, upgrade: Upgrade | None) -> Cluster:
    """Return the cluster as a deploy is to see it: with brokers held at the old protocol while an upgrade is not finalized.

    Raises Unsafe where the version of the inventory would undo an upgrade that is under way, go back on a version whose data
    the old one does not read, or have brokers speak to others in a way that these do not understand.
    """
    if upgrade is None:
        _guard_older(cluster, facts)
        _guard_protocol(cluster, facts)
        return cluster
    if new := [node.name for node, found in facts.items() if found.release is None]:
        # What a newer release has formatted an older one may not start on (Kafka's upgrade notes for 4.4).
        raise Unsafe(
            f"{upgrade}: {few(new)} {'are' if len(new) > 1 else 'is'} new, and nodes are added before it begins or after its end",
            hint=ways(upgrade),
        )
    there = reached(facts, upgrade.target)
    if upgrade.direction is not Direction.UP or len(there) < len(facts):
        of_all = f"{len(there)} of {plural(len(facts), 'node')}"
        raise Unsafe(f"{upgrade}: {of_all} run {upgrade.target}", hint=ways(upgrade))
    if cluster.version != upgrade.after:
        raise Unsafe(
            f"{upgrade}, and every node runs {upgrade.after}; the inventory asks for {cluster.version}",
            hint=f"write `version: {upgrade.after}` below kafka:, or go back with `fab upgrade.rollback`",
        )
    return replace(cluster, protocol=upgrade.held)


def ways(upgrade: Upgrade) -> str:
    """Return how to go on with an upgrade, and how to go back."""
    back = "; `fab upgrade.rollback` goes back" if upgrade.direction is Direction.UP else ""
    return f"`{upgrade.command}` goes on with it{back}; `fab upgrade.status` shows more"


def guard_line(facts: NodesFacts, releases: Mapping[Node, str]) -> None:
    """Refuse to put releases of another line than the nodes run in their places. Raises Unsafe with each node, and the way.

    An older one does not read the data that the newer has written; a newer one is for an upgrade, which holds back what the
    others would not understand.
    """
    others = {
        node: (runs, version)
        for node, release in releases.items()
        if (runs := _wrote(facts[node])) and (version := version_of(release)) and runs.line != version.line
    }
    if not others:
        return
    lines = "\n  ".join(
        f"{node.name}: {runs} now, {version} before" for node, (runs, version) in others.items()
    )
    older = any(version.line < runs.line for runs, version in others.values())
    newest = max(version for _, version in others.values())
    raise Unsafe(
        f"another line of Kafka ran before, and "
        f"{'does not read what the newer one has written' if older else 'nodes of both must understand each other'}:\n  {lines}",
        hint="what else is to be as before goes into the inventory"
        if older
        else f"`fab upgrade --to {newest}` is the way",
    )


def _wrote(facts: NodeFacts) -> Version | None:
    """Return the version that has last written a node's data, running or not; of a node without a record the one that it would be."""
    recorded = version_of(facts.process.release) if facts.process else None
    return recorded or version_of(facts.release)


def _guard_older(cluster: Cluster, facts: NodesFacts) -> None:
    newer_ones = {
        node.name: version
        for node, found in facts.items()
        if found.identities and (version := running(found)) and version.line > cluster.version.line
    }
    if newer_ones:
        newest = max(newer_ones.values())
        raise Unsafe(
            f"{few(newer_ones)} {'have' if len(newer_ones) > 1 else 'has'} run {newest}, and the inventory asks for "
            f"{cluster.version}: Kafka does not read what a newer release has written",
            hint=f"give the inventory `version: {newest}`",
        )


def _guard_protocol(cluster: Cluster, facts: NodesFacts) -> None:
    """Refuse brokers of ZooKeeper mode that would begin to speak a newer protocol while others still run the old release."""
    if cluster.kraft:
        return
    brokers = [(node, found) for node, found in facts.items() if node.role is Role.BROKER and found.running]
    versions: Mapping[str, Version] = {
        node.name: version for node, found in brokers if (version := running(found)) is not None
    }
    older = {name: version for name, version in versions.items() if version.line < cluster.version.line}
    if not older:
        return
    oldest = min(older.values())
    if any(_speaks_newer(cluster, node, oldest) for node, _ in brokers):
        raise Unsafe(
            f"{few(older)} run {oldest}, which does not understand brokers of {cluster.version}: restarted one after another, "
            "they would be cut off from each other",
            hint=f"`fab upgrade --to {cluster.version}` holds {PROTOCOL} at {oldest.major}.{oldest.minor} until all are upgraded; "
            "`fab stop deploy start` interrupts service",
        )


def _speaks_newer(cluster: Cluster, node: Node, than: Version) -> bool:
    protocol = broker_properties(cluster, node).get(PROTOCOL)
    return protocol is None or newer(protocol, than)
