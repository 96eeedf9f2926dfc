"""Whose data a data directory holds, by the mark in it: this node's, or something else's."""

from kafab.hosts.facts import Identity
from kafab.model import Cluster, Node, Role


def id_key(cluster: Cluster, node: Node) -> str:
    """Return what this node's id is called in the mark of its data: ``myid``, ``broker.id`` or ``node.id``."""
    if node.role is Role.ZOOKEEPER:
        return "myid"
    return "node.id" if cluster.kraft else "broker.id"


def stranger(cluster: Cluster, node: Node, identity: Identity) -> str | None:
    """Return whose data it is, ``node.id 7``; None where it is this node's.

    What one mode has written the other one never takes for its own: a migration is not a start.
    """
    if node.role is not Role.ZOOKEEPER and identity.kraft != cluster.kraft:
        kraft = identity.kraft
        return (
            f"{'node.id' if kraft else 'broker.id'} {identity.id} ({'KRaft' if kraft else 'ZooKeeper'} mode)"
        )
    return None if identity.id == node.id else f"{id_key(cluster, node)} {identity.id}"
