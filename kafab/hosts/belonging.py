"""Whose data the data directories hold, judged once for all that ask: facts -> one value. Pure.

Invariant: data are never mixed. A directory's mark has the id of its node, the mode that wrote it, and its cluster's id.
The right cluster id is the one that the inventory pins (``kraft.cluster_id``), or that a running cluster has, or else the
one that most directories have.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from kafab.hosts.facts import Identity, NodesFacts
from kafab.model import Cluster, Node, Role

HINT = "name the right directories or ids in the inventory, or move the foreign data away by hand"
"""The way on from foreign data: the same everywhere."""


@dataclass(frozen=True)
class Place:
    """A data directory with a mark."""

    node: Node
    path: PurePosixPath
    cluster_id: str | None
    whose: str | None = None
    """Whose data it has, ``node.id 7``, where they are not this node's."""

    def __str__(self) -> str:
        return f"{self.node.name} {self.path}"


@dataclass(frozen=True)
class Belonging:
    """Every data directory that was looked into: those with a mark, and the ``bare`` ones."""

    places: tuple[Place, ...]
    bare: tuple[Place, ...]
    right: str | None
    """The cluster id that all should have; None where it cannot be told."""
    source: str
    """Where that is from, for people; empty where there is none."""
    pinned: str | None = None

    @property
    def strangers(self) -> tuple[Place, ...]:
        """Directories of another node or of the other mode."""
        return tuple(place for place in self.places if place.whose)

    @cached_property
    def ids(self) -> dict[str, list[Place]]:
        """Cluster id -> the directories that have it."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            if place.cluster_id is not None:
                found.setdefault(place.cluster_id, []).append(place)
        return found

    @property
    def agreed(self) -> bool:
        """True where there is one cluster id at most, and it is the pinned one where one is pinned."""
        return len(self.ids.keys() | ({self.pinned} if self.pinned else set())) <= 1

    @property
    def foreign(self) -> tuple[Place, ...]:
        """Directories of these nodes that have the data of another cluster."""
        own = (place for place in self.places if not place.whose and place.cluster_id)
        return tuple(place for place in own if place.cluster_id != self.right)


def belonging(cluster: Cluster, facts: NodesFacts) -> Belonging:
    """Judge what these nodes' directories say."""
    places, bare = list[Place](), list[Place]()
    for node, found in facts.items():
        for path, mark in found.identities.items():
            places.append(Place(node, path, mark.cluster_id, stranger(cluster, node, mark)))
        bare += [Place(node, path, None) for path in node.data if path not in found.identities]
    pinned = cluster.cluster_id if cluster.kraft else None
    own = [place.cluster_id for place in places if place.cluster_id and not place.whose]
    right, source = (pinned, "kraft.cluster_id of the inventory") if pinned else _usual(own)
    return Belonging(tuple(places), tuple(bare), right, source, pinned)


def of_running(found: Belonging, cluster_id: str | None) -> tuple[Place, ...]:
    """Return the directories that have another cluster's data than the running one's; None: it has made no id yet."""
    return tuple(place for place in found.places if place.cluster_id not in (None, cluster_id))


def _usual(found: Sequence[str]) -> tuple[str | None, str]:
    """Return the id that most have; None where as many have another one."""
    (usual, most), (_, second), *_ = [*Counter(found).most_common(2), (None, 0), (None, 0)]
    return (None, "") if most == second else (usual, f"as on {most} other directories")


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
