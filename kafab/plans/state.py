"""What should be on each host, and what is: the two sides that `plan.diff` compares."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from kafab.config.properties import node_properties, parse_properties
from kafab.config.render import (
    MAIN_FILE,
    UNKNOWN_STORES,
    RenderedFile,
    Stores,
    configuration_digest,
    configuration_files,
    digest_key,
    node_files,
)
from kafab.config.resolving import Resolved, references, values_there
from kafab.config.security import STORES
from kafab.config.units import unit_files
from kafab.errors import UsageError
from kafab.hosts.facts import HostFacts, NodesFacts, node_directories
from kafab.hosts.profile import profile_file
from kafab.model import Cluster, Node, Role
from kafab.releases.names import Agent, Artifact
from kafab.shell.layout import MYID
from kafab.unknown import Unknown

Observed = Mapping[str, HostFacts | Unknown]
"""Host name -> what it said."""


@dataclass(frozen=True)
class DesiredNode:
    """One node as the inventory wants it. ``files`` are in the order they are to be written, the manifest last."""

    node: Node
    files: tuple[RenderedFile, ...]
    identity: RenderedFile | None
    """ZooKeeper's myid, which lives in the data directory and is written once."""
    units: tuple[RenderedFile, ...] = ()
    """Its systemd unit, which nodes of its role on the host share, and its drop-in."""
    profile: RenderedFile | None = None
    """What login shells of its host read, which all nodes of the host share; None without systemd."""
    key: RenderedFile | None = None
    """What is written once where a file holds a secret: see `render.digest_key`."""
    stores: Stores = UNKNOWN_STORES
    """Its key store and trust store, of a node that has them."""
    secrets: Resolved = field(default_factory=dict, hash=False)
    """The values that its files have in the place of references; a reference without one stands as it is."""

    @property
    def directories(self) -> tuple[PurePosixPath, ...]:
        """Folders that must exist."""
        return node_directories(self.node)

    @property
    def placed(self) -> tuple[RenderedFile, ...]:
        """Every file that a host is asked about for this node."""
        return (*self.files, *self.units, *(each for each in (self.profile, self.key) if each))

    def configuration(self, key: str | None) -> str:
        """Return the digest that a process started from these files records, where the key on its host has this sha256."""
        return configuration_digest(configuration_files(self.files), key if self.key else None)


@dataclass(frozen=True)
class Desired:
    """The wanted side. Without an artifact (nothing in the store) only configuration can be compared."""

    cluster: Cluster
    nodes: tuple[DesiredNode, ...]
    artifact: Artifact | None
    agent: Agent | None = None
    """What nodes with a port for metrics run in their processes; without it only their files can be compared."""

    def at(self, cluster: Cluster) -> "Desired":
        """Return what the same nodes, with the same secrets, are to be in another state of the cluster."""
        nodes = tuple(_wanted(cluster, each.node, each.secrets, each.stores) for each in self.nodes)
        return replace(self, cluster=cluster, nodes=nodes)

    def files(self, host: str) -> dict[Node, tuple[RenderedFile, ...]]:
        """Return the files of one host, by node, as `observation.observation` takes them."""
        return {wanted.node: wanted.placed for wanted in self.nodes if wanted.node.host.name == host}

    @property
    def host_names(self) -> tuple[str, ...]:
        """Hosts that have one of the nodes, in inventory order."""
        return tuple(dict.fromkeys(wanted.node.host.name for wanted in self.nodes))


def desire(
    cluster: Cluster,
    nodes: Collection[Node],
    artifact: Artifact | None,
    secrets: Resolved | None = None,
    stores: Mapping[Node, Stores] | None = None,
    *,
    agent: Agent | None = None,
) -> Desired:
    """Render what these nodes of the cluster should be. Raises UsageError for a secret that Kafka would read as another one.

    ``secrets`` are the values of their references, ``stores`` what those with certificates show. Without them the files
    are good for a look at the hosts: `as_found`.
    """
    given = stores or {}
    wanted = (_wanted(cluster, node, secrets or {}, given.get(node, UNKNOWN_STORES)) for node in nodes)
    return Desired(cluster, tuple(wanted), artifact, agent)


def _wanted(cluster: Cluster, node: Node, secrets: Resolved, stores: Stores) -> DesiredNode:
    files = node_files(cluster, node, secrets, stores)
    return DesiredNode(
        node,
        files,
        _identity(node),
        unit_files(cluster, node),
        profile_file(cluster, node.host),
        digest_key(node, files),
        stores,
        secrets,
    )


def as_found(desired: Desired, facts: NodesFacts) -> Desired:
    """Return the wanted side with those values of secrets, and those key stores, that the hosts have.

    So a command that only looks reads no secret: all is compared but whether a secret or a certificate is another one by
    now, which `plan` tells.
    """
    return replace(desired, nodes=tuple(_as_found(desired.cluster, each, facts) for each in desired.nodes))


def _as_found(cluster: Cluster, wanted: DesiredNode, facts: NodesFacts) -> DesiredNode:
    asked = tuple(references(node_properties(cluster, wanted.node)))
    found = facts[wanted.node].files if wanted.node in facts else {}
    stores = {name: found[name].sha256 for name in STORES if name in found}
    main = found.get(MAIN_FILE[wanted.node.role]) if asked else None
    text = main.text if main else None
    if not stores and text is None:
        return wanted
    try:
        before = parse_properties(text) if text is not None else {}
        secrets = values_there(asked, before)
        return replace(wanted, files=node_files(cluster, wanted.node, secrets, stores), secrets=secrets)
    except (
        ValueError,
        UsageError,
    ):  # what Java cannot read either, or what kafab has not written: it differs
        return wanted


def _identity(node: Node) -> RenderedFile | None:
    if node.role is not Role.ZOOKEEPER:
        return None
    owner = f"{node.host.user}:{node.host.user}" if node.host.user else None
    return RenderedFile(node.data[0] / MYID, f"{node.id}\n", "640" if owner else "644", owner)


def limited(cluster: Cluster, limit: str | None, asked: str = "--limit") -> tuple[Node, ...]:
    """Return the nodes that ``--limit node1,node2/broker`` names, in inventory order; all without a limit.

    Raises UsageError for a name that is neither a host nor a node; ``asked`` says there where the names were given.
    """
    if limit is None:
        return cluster.nodes
    wanted = [word.strip() for word in limit.split(",") if word.strip()]
    known = {host.name for host in cluster.hosts} | {node.name for node in cluster.nodes}
    strangers = [word for word in wanted if word not in known]
    if strangers or not wanted:
        names = ", ".join(
            [*(host.name for host in cluster.hosts), *(node.name for node in cluster.nodes)][:40]
        )
        raise UsageError(
            f"{asked} {limit}: no such host or node in {cluster.name}: {', '.join(strangers) or '(nothing named)'}",
            hint=f"known are: {names}",
        )
    return tuple(node for node in cluster.nodes if node.name in wanted or node.host.name in wanted)
