"""Where an upgrade is: each node's version, what is finalized, and whether the way back is open. Nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafab.hosts.facts import NodesFacts
from kafab.model import Cluster, Node, Version
from kafab.ops import upgrades
from kafab.ops.observing import look, told
from kafab.ops.upgrade.going import closed, known_levels, protocols
from kafab.ops.world import World
from kafab.plans.versions import running
from kafab.releases.names import version_of
from kafab.unknown import Unknown
from kafab.upgrading.levels import Ranges, common, raised
from kafab.upgrading.record import Direction, Upgrade


@dataclass(frozen=True)
class NodeVersion:
    """One node: what it runs, and what its host would start it as."""

    node: Node
    runs: Version | None
    """None where it does not run."""
    starts: Version | None
    """The version of its link; None where nothing is deployed."""
    knows: Ranges | Unknown | None = None
    """In KRaft mode the levels that its release knows."""
    protocol: str | Unknown | None = None
    """Of a running broker in ZooKeeper mode the inter.broker.protocol.version in force."""
    reason: str = ""
    """Why its host says nothing."""


@dataclass(frozen=True)
class Sight:
    """The whole of it."""

    upgrade: Upgrade | None
    nodes: tuple[NodeVersion, ...]
    finalized: Mapping[str, int] | Unknown = field(default_factory=dict)
    """In KRaft mode."""
    closed: str | None = None
    """Why there is no way back; None where there is one, or where no upgrade is under way."""

    @property
    def left(self) -> tuple[str, ...]:
        """The nodes that do not run the version that the upgrade leads to now."""
        target = self.upgrade.target if self.upgrade else None
        return tuple(one.node.name for one in self.nodes if target and (one.runs or one.starts) != target)

    @property
    def to_raise(self) -> dict[str, int]:
        """The features that all nodes know at a higher level than is finalized."""
        known = [one.knows for one in self.nodes if one.knows is not None]
        if isinstance(self.finalized, Unknown) or not known or any(isinstance(one, Unknown) for one in known):
            return {}
        return raised(self.finalized, common(one for one in known if not isinstance(one, Unknown)))

    @property
    def next(self) -> str:
        """What to type next."""
        if self.upgrade is None:
            return "nothing is under way; `fab upgrade.plan --to VERSION` shows what an upgrade would do"
        if self.left or self.upgrade.direction is not Direction.UP:
            back = (
                "; `fab upgrade.rollback` goes back"
                if self.upgrade.direction is Direction.UP and not self.closed
                else ""
            )
            return f"`{self.upgrade.command}` goes on{back}"
        back = "" if self.closed else "; until then `fab upgrade.rollback` goes back"
        return f"`fab upgrade.finalize` ends it{back}"


def sight(cluster: Cluster, world: World) -> Sight:
    """Look. What does not answer is said of its node; raises what `upgrades.read` raises."""
    upgrade = upgrades.read(cluster, world)
    desired, observed = look(cluster, cluster.nodes, world)
    facts = told(desired, observed)
    silent = {
        node: found.reason for node in cluster.nodes if isinstance(found := observed[node.host.name], Unknown)
    }
    up = [node for node in cluster.nodes if node in facts and facts[node].running]
    finalized = world.controllers.features() if cluster.kraft else {}
    knows = known_levels(up, world) if cluster.kraft else {}
    spoken = protocols([node for node in up if node in cluster.brokers], world) if not cluster.kraft else {}
    nodes = tuple(
        NodeVersion(
            node,
            running(facts[node]) if node in up else None,
            version_of(facts[node].release) if node in facts else None,
            knows.get(node.name),
            spoken.get(node.name),
            silent.get(node, ""),
        )
        for node in cluster.nodes
    )
    reason = _closed(cluster, upgrade, facts, silent, world) if upgrade else None
    return Sight(upgrade, nodes, finalized, reason)


def _closed(
    cluster: Cluster, upgrade: Upgrade, facts: NodesFacts, silent: Mapping[Node, str], world: World
) -> str | None:
    if silent and not cluster.kraft:
        return f"{next(iter(silent.values()))}"
    return closed(cluster, upgrade, facts, world)
