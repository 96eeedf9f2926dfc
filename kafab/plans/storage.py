"""KRaft's storage: which data directories are formatted, with whose ids. Pure; Kafka's StorageTool does the work.

The cluster's id is made once, by the first deploy, and lives in the meta.properties of every node; nothing is kept on
the laptop. The directory ids of the first voters follow from it, so a deploy that was interrupted between two nodes
goes on with the very voter set that the first node was formatted with (KIP-853 asks for the same on each).
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kafab.config.render import MAIN_FILE
from kafab.errors import Unsafe
from kafab.hosts.belonging import belonging
from kafab.hosts.facts import NodeFacts, NodesFacts
from kafab.model import Cluster, Node, VoterSource
from kafab.plans.steps import FormatStorage
from kafab.plans.voters import has_run


def uuid(random: bytes) -> str:
    """Return 16 bytes as Kafka writes a random UUID: version 4, base64url without padding, no ``-`` in front.

    Kafka's own tools could take a leading ``-`` for an option (org.apache.kafka.common.Uuid.randomUuid).
    """
    octets = bytearray(random[:16])
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = base64.urlsafe_b64encode(octets).decode().rstrip("=")
    return text if not text.startswith("-") else uuid(hashlib.sha256(octets).digest())


def directory_id(cluster_id: str, node_id: int) -> str:
    """Return the directory id of a first voter: the same for the same cluster and node, unlike any other."""
    return uuid(hashlib.sha256(f"{cluster_id}/{node_id}".encode()).digest())


def initial_controllers(step: FormatStorage) -> str:
    """Return the voter set that StorageTool's --initial-controllers takes, ``id@host:port:directory-id,...``.

    Raises ValueError for a step without a cluster id.
    """
    if step.cluster_id is None:
        raise ValueError(f"{step!r} has no cluster id yet")
    return ",".join(f"{id_}@{at}:{directory_id(step.cluster_id, id_)}" for id_, at in step.voters.items())


def format_steps(
    cluster: Cluster, facts: NodesFacts, java: Mapping[str, str | None], others: NodesFacts
) -> Iterator[FormatStorage]:
    """Yield a step for each node with a directory that has no meta.properties; ``java`` is by host name.

    ``others`` are nodes that a --limit leaves out, as far as they were asked. Raises Unsafe where the metadata of a
    cluster that has run would be lost.
    """
    known = {**others, **facts}
    cluster_id = belonging(cluster, known).right
    ran = has_run(cluster, known)
    voters = {node.id: node.controller_endpoint for node in cluster.controllers}
    bare = {node: missing for node, found in facts.items() if (missing := _bare(node, found))}
    if any(node.is_controller for node in bare):
        _guard_halves(cluster, known)
    for node, missing in bare.items():
        voter = node.is_controller and cluster.voter_source is VoterSource.DYNAMIC
        yield FormatStorage(
            node.host.name,
            node.name,
            config=node.config / MAIN_FILE[node.role],
            release=node.current,
            user=node.host.user,
            data=node.data,
            directories=missing,
            java=java[node.host.name] or "java",
            cluster_id=cluster_id,
            # A controller that joins a quorum which has run must not vote as a founder: it is formatted as a non-voter, to be added later.
            voters={} if not voter or ran else voters,
            joins=voter and ran,
        )


def asks_others(cluster: Cluster, facts: NodesFacts) -> bool:
    """Tell whether how one of these nodes is to be formatted depends on what the cluster's other nodes have."""
    bare = [node for node in facts if _bare(node, facts[node])]
    unnamed = belonging(cluster, facts).right is None
    return cluster.kraft and any(unnamed or node.is_controller for node in bare)


def _bare(node: Node, found: NodeFacts) -> tuple[PurePosixPath, ...]:
    return tuple(path for path in node.data if path not in found.identities)


def _guard_halves(cluster: Cluster, known: NodesFacts) -> None:
    """Refuse to format a controller whose other directories are formatted: it once had a metadata log."""
    lost = [n for n in cluster.controllers if n in known and n.data[0] not in known[n].identities]
    halves = [
        f"{node.name}: {node.data[0]} is not formatted, {path} is"
        for node in lost
        for path in known[node].identities
    ]
    if halves and not has_run(cluster, known):
        raise Unsafe(
            "formatting would begin an empty cluster where a controller has lost its metadata:\n  "
            + "\n  ".join(halves),
            hint="bring the folder back (a disk that is not mounted?); if nothing was ever stored, remove the meta.properties",
        )
