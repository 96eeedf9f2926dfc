"""Who holds a cluster's metadata: ZooKeeper's servers, or KRaft's controllers; and what would begin it anew. Pure.

Invariant: where a cluster has run, no majority can come to be that does not know what the last one decided. An ensemble
of servers that lost their data elects a leader all the same. It begins empty, the servers that still had the data throw it
away to follow it, and brokers remove what nobody knows. KRaft's controllers do the same where their quorum is static.

So a voter that holds nothing is made or started only beside a majority that holds the data, after that majority, and
alone: the next one follows when it has read what there is.
"""

from collections.abc import Collection, Sequence

from kafab.errors import Unsafe
from kafab.hosts.facts import NodeFacts, NodesFacts
from kafab.model import Cluster, Node, Role

NEW_ENSEMBLE = "--new-ensemble"


def voters(cluster: Cluster) -> tuple[Node, ...]:
    """Return the controllers in KRaft mode, the ZooKeeper servers otherwise."""
    return cluster.controllers if cluster.kraft else cluster.zookeepers


def holds(node: Node, found: NodeFacts) -> bool:
    """Tell whether a node has metadata of a cluster that has run."""
    if node.role is Role.ZOOKEEPER:
        return found.history
    # Kafka keeps the metadata log in the first of the directories.
    identity = found.identities.get(node.data[0])
    return identity is not None and identity.joined


def has_run(cluster: Cluster, known: NodesFacts) -> bool:
    """Tell whether the cluster has had metadata: somebody holds some, or a broker has got the id that it keeps."""
    if cluster.kraft:
        return any(identity.joined for found in known.values() for identity in found.identities.values())
    ids = [identity.cluster_id for found in known.values() for identity in found.identities.values()]
    return any(ids) or any(found.history for found in known.values())


def asks_others(cluster: Cluster, facts: NodesFacts) -> bool:
    """Tell whether what may be done with these nodes depends on what the cluster's other nodes hold."""
    return any(node in facts and not holds(node, facts[node]) for node in voters(cluster))


def guard_majority(cluster: Cluster, known: NodesFacts) -> None:
    """Refuse to go on where the cluster has run and too few voters hold its metadata. Raises Unsafe with the table.

    A voter that is not among ``known`` counts as one that holds it: nothing is done to it.
    """
    everybody = voters(cluster)
    lost = _lost(everybody, known)
    if not has_run(cluster, known) or len(everybody) - len(lost) >= _majority(everybody):
        return
    kind = "controllers" if cluster.kraft else "ZooKeeper servers"
    raise Unsafe(
        f"the cluster has run, and {len(lost)} of {len(everybody)} {kind} have no metadata any more: they would begin an "
        f"empty cluster over the data of the brokers, and a majority is {_majority(everybody)}\n  "
        + _table(everybody, known),
        hint=_way(cluster, "bring their folders back (a disk that is not mounted?)"),
    )


def guard_start(cluster: Cluster, starting: Collection[Node], known: NodesFacts) -> None:
    """Refuse to start voters that hold nothing where no majority that has the data runs, or is started before them.

    ``known`` has every voter whose state matters, those that are to be started included. Raises Unsafe with the table.
    """
    everybody = voters(cluster)
    empty = [node for node in _lost(everybody, known) if node in starting]
    if not empty or not has_run(cluster, known):
        return
    guard_majority(cluster, known)
    there = [
        n for n in everybody if n in known and holds(n, known[n]) and (n in starting or known[n].running)
    ]
    if len(there) < _majority(everybody):
        names = ", ".join(node.name for node in empty)
        raise Unsafe(
            f"{names}: without the cluster's metadata, to be started only where a majority that has it runs; "
            f"{len(there)} of {_majority(everybody)} do\n  " + _table(everybody, known),
            hint=_way(cluster, "start those that have it first: `fab start` without --limit does so"),
        )


def waves(cluster: Cluster, starting: Sequence[Node], known: NodesFacts) -> list[list[Node]]:
    """Return in which order to start voters: those that have the metadata at once, then each that has none alone."""
    empty = [node for node in starting if node in known and not holds(node, known[node])]
    if not empty or not has_run(cluster, known):
        return [list(starting)]
    first = [node for node in starting if node not in empty]
    return [*([first] if first else []), *([node] for node in empty)]


def _lost(everybody: Sequence[Node], known: NodesFacts) -> list[Node]:
    return [node for node in everybody if node in known and not holds(node, known[node])]


def _majority(everybody: Sequence[Node]) -> int:
    return len(everybody) // 2 + 1


def _table(everybody: Sequence[Node], known: NodesFacts) -> str:
    return "\n  ".join(f"{node.name} {node.data[0]}: {_state(node, known)}" for node in everybody)


def _state(node: Node, known: NodesFacts) -> str:
    if node not in known:
        return "not looked at"
    return f"{'has' if holds(node, known[node]) else 'NO'} metadata, {'runs' if known[node].running else 'does not run'}"


def _way(cluster: Cluster, first: str) -> str:
    if cluster.kraft:
        return f"{first}; for a new cluster move all data away"
    return f"{first}; to begin with an empty ensemble all the same: {NEW_ENSEMBLE} {cluster.name}"
