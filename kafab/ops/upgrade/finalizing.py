"""The end of an upgrade: the cluster begins to use what only the new release knows. From its first step on there is no way back.

In KRaft mode each feature is raised by name, judged by Kafka before anything changes, and awaited until every node has heard
of it. In ZooKeeper mode brokers are restarted once more, without the old inter.broker.protocol.version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from kafab.errors import Failed, NotTold, OutcomeUnknown, Unsafe
from kafab.events import Note
from kafab.interruption import AGAIN
from kafab.model import Cluster
from kafab.ops import upgrades
from kafab.ops.lock import operating
from kafab.ops.rolling.roll import Rolled
from kafab.ops.run.goal import Asked
from kafab.ops.until import late, until
from kafab.ops.upgrade.going import Staged, asked_at, facts_of, go, known_levels, staged
from kafab.ops.world import World
from kafab.plans.quorum_guard import UPGRADABLE
from kafab.plans.versions import reached
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown
from kafab.upgrading.levels import common, raised
from kafab.upgrading.record import Direction, Upgrade
from kafab.words import few, plural

METADATA_VERSION = "metadata.version"
KRAFT_VERSION = "kraft.version"
DYNAMIC = 1
"""The level of `kraft.version` from which on voters are in the metadata log (KIP-853)."""
HEARD = timedelta(seconds=60)
"""How long the nodes may take to hear of a raised feature."""


@dataclass(frozen=True)
class Finalizing:
    """What finalizing would do."""

    upgrade: Upgrade | None
    """The record, as it will be; None where no upgrade is under way, and the quorum alone is made dynamic."""
    begun: Upgrade | None
    target: Cluster
    before: Mapping[str, int] = field(default_factory=dict)
    """In KRaft mode the finalized level of each feature now."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """In KRaft mode the features to raise, in order, and to which level."""
    roll: Staged | None = None
    """In ZooKeeper mode the roll without the old protocol."""


def prepare_final(
    cluster: Cluster, begun: Upgrade, asked: Asked, world: World, *, dynamic: bool = False
) -> Finalizing:
    """Look at everything and tell what finalizing would do; ``cluster`` is the inventory with the new version. Changes nothing.

    ``dynamic`` makes a static quorum dynamic as well. Raises Unsafe where a node does not run the new release, or where Kafka would refuse; NotTold where a node does not answer.
    """
    facts = facts_of(cluster, world)
    if begun.direction is Direction.BACK or len(reached(facts, begun.after)) < len(facts):
        others = [node.name for node in facts if node not in reached(facts, begun.after)]
        raise Unsafe(
            f"{begun}: {few(others) or 'no node'} {'do' if len(others) > 1 else 'does'} not run {begun.after}",
            hint=f"`{begun.command}` goes on with it",
        )
    upgrade = replace(begun, direction=Direction.FINAL, serial=begun.serial + 1)
    if dynamic:
        _guard_quorum(cluster)
    if not cluster.kraft:
        roll = staged(upgrade, begun, cluster, facts, asked, world=world)
        return Finalizing(upgrade, begun, cluster, roll=roll)
    finalized, highest = _levels(cluster, world)
    levels = raised(finalized, highest)
    ordered = {
        name: levels[name] for name in sorted(levels, key=lambda name: (name != METADATA_VERSION, name))
    }
    if dynamic:
        ordered |= _quorum(finalized, highest)
    if ordered:
        _judged(ordered, world)
    return Finalizing(upgrade, begun, cluster, finalized, ordered)


def prepare_quorum(cluster: Cluster, world: World) -> Finalizing:
    """Look, and tell what would make a static quorum dynamic where no upgrade is under way. Changes nothing.

    Raises Unsafe where there is no such quorum, or where its release cannot; NotTold where a node does not answer.
    """
    _guard_quorum(cluster)
    finalized, highest = _levels(cluster, world)
    if levels := _quorum(finalized, highest):
        _judged(levels, world)
    return Finalizing(None, None, cluster, finalized, levels)


def _guard_quorum(cluster: Cluster) -> None:
    if not cluster.kraft:
        raise Unsafe(f"{cluster.name} has no quorum of controllers: it is in ZooKeeper mode")
    if cluster.version < UPGRADABLE:
        raise Unsafe(
            f"Kafka {cluster.version} cannot make a static quorum dynamic",
            hint=f"`fab upgrade --to VERSION`, with {UPGRADABLE} or newer, comes first",
        )


def _quorum(finalized: Mapping[str, int], highest: Mapping[str, int]) -> dict[str, int]:
    """Return the level that makes the quorum dynamic; none where it is. Raises Unsafe where a node does not know it."""
    if finalized.get(KRAFT_VERSION, 0) >= DYNAMIC:
        return {}
    if highest.get(KRAFT_VERSION, 0) < DYNAMIC:
        raise Unsafe(
            f"a node does not know {KRAFT_VERSION} {DYNAMIC}", hint="`fab upgrade.status` shows which"
        )
    return {KRAFT_VERSION: DYNAMIC}


def _levels(cluster: Cluster, world: World) -> tuple[Mapping[str, int], dict[str, int]]:
    """Return what is finalized, and the highest level of each feature that all nodes know. Raises NotTold."""
    ranges = known_levels(cluster.nodes, world)
    known = [said for said in ranges.values() if not isinstance(said, Unknown)]
    if silent := {name: said.reason for name, said in ranges.items() if isinstance(said, Unknown)}:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in silent.items())
        raise NotTold(
            f"which levels all nodes know is not told:{lines}", hint="`fab status` shows which nodes run"
        )
    finalized = world.controllers.features()
    if isinstance(finalized, Unknown):
        raise NotTold(f"which features are finalized is not known: {finalized.reason}")
    return finalized, common(known)


def _judged(levels: Mapping[str, int], world: World) -> None:
    """Have Kafka judge all of them together, as one may need another one. Raises Unsafe with its words, NotTold."""
    refused = world.controllers.finalize(levels, try_only=True)
    if isinstance(refused, Unknown):
        raise NotTold(f"Kafka was asked to judge the new levels and did not answer: {refused.reason}")
    if refused:
        lines = "".join(f"\n  {name or 'all'}: {why}" for name, why in refused.items())
        raise Unsafe(f"Kafka refuses the new levels; nothing was changed:{lines}")


def finalize(found: Finalizing, asked: Asked, world: World, *, rolled: Rolled | None = None) -> Rolled:
    """Do it, and end the upgrade. The same command goes on where one was interrupted.

    ``rolled`` is filled meanwhile, as `roll` does; what is returned is that.
    Raises Failed where Kafka refuses a level, OutcomeUnknown where it did not answer, and what `going.go` raises.
    """
    if found.roll:
        done = go(found.roll, asked, world, rolled=rolled)
        if asked.limit is None:
            upgrades.forget(found.target, world)
        return done.rolled
    with operating(found.target, world, "upgrade.finalize") as held:
        if upgrades.read(found.target, world) != found.begun:
            raise Failed(
                "another operator has gone on with the upgrade meanwhile", hint="the same command looks again"
            )
        held.run.figures |= found.levels
        if found.upgrade:
            upgrades.write(found.target, found.upgrade, world)
        for name, level in found.levels.items():
            _raise_one(found.target, name, level, world)
        if found.upgrade:
            upgrades.forget(found.target, world)
    return rolled or Rolled()


def _raise_one(cluster: Cluster, name: str, level: int, world: World) -> None:
    refused = world.controllers.finalize({name: level}, try_only=False)
    if isinstance(refused, Unknown):
        # Whether it was raised is seen below.
        world.emit(Note(cluster.name, f"{name}: {refused.reason}"))
    elif refused:
        raise Failed(f"{name} was not raised to {level}: {next(iter(refused.values()))}", hint=AGAIN)

    def look() -> Missing:
        heard = {node.name: world.controllers.features(asked_at(node)) for node in cluster.nodes}
        return {
            node: said.reason if isinstance(said, Unknown) else f"has heard of level {said.get(name, 0)}"
            for node, said in heard.items()
            if isinstance(said, Unknown) or said.get(name, 0) < level
        }

    what = f"every node to hear of {name} {level}"
    if missing := until(look, what, HEARD, world):
        raise OutcomeUnknown(late(what, HEARD, missing), hint=AGAIN)
    world.emit(Note(cluster.name, f"{name} is {level} on {plural(len(cluster.nodes), 'node')}"))
