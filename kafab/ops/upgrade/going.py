"""To the new release and back: what it would take, the releases staged beside what runs, and the roll that switches node after node.

Nothing changes on a host before its node is stopped, but for the new release, which lies unpacked beside the old one. A node's
files and link are switched between its stop and its start: one that its host starts meanwhile comes back as what it ran.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from kafab.cluster.metadata import Setting
from kafab.cluster.seen import ANSWER
from kafab.errors import Failed, NotTold, Unsafe
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.hosts.facts import NodesFacts
from kafab.model import Cluster, Endpoint, Node, Role, Version
from kafab.ops import upgrades
from kafab.ops.check.preflight import blocking, preflight
from kafab.ops.deploy.deploy import bring, make_plan
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import raise_unless_done
from kafab.ops.lock import operating
from kafab.ops.observing import look, told
from kafab.ops.releases import refuse_damaged
from kafab.ops.rolling.roll import Rolled, roll
from kafab.ops.run.goal import Asked, Prepared, prepare
from kafab.ops.see import MOST_AT_ONCE
from kafab.ops.upgrade.comparing import holdings
from kafab.ops.world import World
from kafab.plans.plan import Plan, known
from kafab.plans.steps import InstallRelease, Step
from kafab.plans.versions import reached, running
from kafab.releases.names import release_for
from kafab.unknown import Unknown
from kafab.upgrading.holdings import Compared, compare
from kafab.upgrading.levels import (
    PROTOCOL,
    Ranges,
    closed_by_features,
    closed_by_protocols,
    common,
    newer,
    numbers,
)
from kafab.upgrading.record import Direction, Upgrade
from kafab.upgrading.routes import judge, judge_mode
from kafab.words import few

STAGES = ("release", "agent")
T = TypeVar("T")


@dataclass(frozen=True)
class Staged:
    """What an upgrade, or the way back, would do."""

    upgrade: Upgrade
    """The record, as it will be."""
    begun: Upgrade | None
    """The record as it is."""
    target: Cluster
    """What the nodes are to be."""
    versions: Mapping[str, Version | None]
    """Node -> the version that it runs."""
    plan: Plan
    """What the hosts lack for that: releases now, files and links with each node's turn."""
    roll: Prepared
    findings: tuple[Finding, ...] = field(default=())
    """What preflight has found that is not in order."""

    @property
    def releases(self) -> Plan:
        """What is brought to the hosts before anything stops."""
        return replace(self.plan, stages=tuple(stage for stage in self.plan.stages if stage.name in STAGES))

    @property
    def switches(self) -> tuple[Step, ...]:
        """What changes between a node's stop and its start."""
        return tuple(step for stage in self.plan.stages if stage.name not in STAGES for step in stage.steps)


@dataclass(frozen=True)
class Upgraded:
    """What was done."""

    upgrade: Upgrade
    rolled: Rolled
    left: tuple[str, ...]
    """Nodes that run another version than the target still."""
    over: bool = False
    """The way back was gone to its end: nothing is under way any more."""
    compared: tuple[Compared, ...] = ()
    """What the cluster held before the roll, and holds after it."""


def guard_mode(cluster: Cluster, after: Version) -> None:
    """Refuse a version that does not have the cluster's mode, before the inventory is read for it. Raises Unsafe with the way."""
    if refused := judge_mode(kraft=cluster.kraft, oldest=cluster.version, after=after):
        raise Unsafe(f"there is no upgrade to {after}: {refused.reason}", hint=refused.way)


def prepare_up(current: Cluster, target: Cluster, asked: Asked, world: World) -> Staged | None:
    """Look at everything and tell what an upgrade to the target's version would do; changes nothing. None: all runs it already.

    ``current`` and ``target`` are the inventory with the version that runs, and with the new one.
    Raises Unsafe where there is no such way, or where something speaks against it, NotTold where what decides did not answer.
    """
    begun = upgrades.read(current, world)
    facts = facts_of(current, world)
    if begun is None:
        if len(reached(facts, target.version)) == len(facts):
            return None
        upgrade = _new(current, facts, target.version, world)
    elif begun.direction is Direction.FINAL or begun.after != target.version:
        raise Unsafe(str(begun), hint=f"`{begun.command}` goes on with it")
    else:
        upgrade = replace(begun, direction=Direction.UP, serial=begun.serial + 1)
    held = replace(target, protocol=upgrade.held)
    return staged(upgrade, begun, held, facts, asked, world=world)


def prepare_back(previous: Cluster, begun: Upgrade, asked: Asked, world: World) -> Staged:
    """Look at everything and tell what the way back would do; ``previous`` is the inventory with the version before.

    Raises Unsafe where it is closed, with the reason; and what `prepare_up` raises.
    """
    facts = facts_of(previous, world)
    if reason := closed(previous, begun, facts, world):
        raise Unsafe(f"there is no way back to {begun.before}: {reason}", hint=f"`{begun.command}` goes on")
    upgrade = replace(begun, direction=Direction.BACK, serial=begun.serial + 1)
    return staged(upgrade, begun, previous, facts, asked, world=world)


def go(staged: Staged, asked: Asked, world: World, *, rolled: Rolled | None = None) -> Upgraded:
    """Bring the release to the hosts, put the record down, and roll. The same command goes on where one was interrupted.

    ``rolled`` is filled meanwhile: after an error it has what was done until then.

    Raises Failed where another operator was faster, and what `roll` raises.
    """
    target, upgrade = staged.target, staged.upgrade
    with operating(target, world, upgrade.command.split()[1]) as held:
        if upgrades.read(target, world) != staged.begun:
            raise Failed(
                "another operator has begun or ended an upgrade meanwhile",
                hint="the same command looks again",
            )
        if releases := staged.releases:
            held.run.about([target.host(step.host) for step in releases.steps], steps=releases.steps)
            world.emit(Note(target.name, f"{releases.counts}; nothing stops for it"))
            refuse_damaged(world.store, {s.artifact for s in releases.steps if isinstance(s, InstallRelease)})
            results = execute(releases, target, world.fleet, world.emit)
            raise_unless_done(
                "staging", results, hint="nothing was stopped; the same command goes on from here"
            )
        if staged.begun is None or staged.begun.direction is not upgrade.direction:
            upgrades.write(target, upgrade, world)
    rolled, compared = rolled or Rolled(), tuple[Compared, ...]()
    asked = replace(asked, upgrade=upgrade.command)
    if staged.roll.goal.replaced or staged.roll.begun:

        def switch(nodes: Sequence[Node]) -> None:
            bring(target, nodes, world)

        before = holdings(target, world)
        roll(target, asked, staged.roll, world, switch=switch, rolled=rolled)
        compared = compare(before, holdings(target, world))
    facts = facts_of(target, world)
    there = reached(facts, target.version)
    left = tuple(node.name for node in facts if node not in there)
    over = not left and upgrade.direction is Direction.BACK
    if over:
        upgrades.forget(target, world)
    return Upgraded(upgrade, rolled, left, over, compared)


def closed(cluster: Cluster, upgrade: Upgrade, facts: NodesFacts, world: World) -> str | None:
    """Return why there is no way back to the version before; None where there is."""
    if cluster.kraft:
        return closed_by_features(upgrade, world.controllers.features())
    # Brokers of the old release cannot say anything newer.
    up = [node for node in cluster.brokers if facts[node].running and running(facts[node]) == upgrade.after]
    return closed_by_protocols(upgrade, protocols(up, world))


def protocols(brokers: Sequence[Node], world: World) -> dict[str, str | Unknown]:
    """Return the inter.broker.protocol.version that each of these brokers has in force, by node's name."""
    return _side_by_side(brokers, lambda node: _protocol(node, world))


def _side_by_side(nodes: Sequence[Node], ask: Callable[[Node], T]) -> dict[str, T]:
    """Ask about each node, by its name: silent ones must not add up."""
    with ThreadPoolExecutor(min(len(nodes), MOST_AT_ONCE) or 1) as pool:
        return dict(zip((node.name for node in nodes), pool.map(ask, nodes), strict=True))


def _protocol(node: Node, world: World) -> str | Unknown:
    found = world.brokers.broker_configs(node.id, node.endpoint, [PROTOCOL], timeout=ANSWER)
    if isinstance(found, Unknown):
        return found
    setting: Setting | None = found.get(PROTOCOL)
    return setting.value if setting and setting.value else Unknown("the broker does not tell it")


def facts_of(cluster: Cluster, world: World) -> NodesFacts:
    """Return what each node's host says. Raises Unreachable where one does not answer."""
    desired, observed = look(cluster, cluster.nodes, world)
    known(observed)
    return told(desired, observed)


def _new(current: Cluster, facts: NodesFacts, after: Version, world: World) -> Upgrade:
    """Return the record of an upgrade that begins now. Raises Unsafe, or NotTold where what it has to know is not told."""
    if unknown := [node.name for node, found in facts.items() if running(found) is None]:
        raise Unsafe(
            f"which version runs is not known of {few(unknown)}",
            hint="`fab status` shows each node's release",
        )
    versions = [version for found in facts.values() if (version := running(found)) is not None]
    if refused := judge(kraft=current.kraft, running=versions, after=after):
        raise Unsafe(f"there is no upgrade to {after}: {refused.reason}", hint=refused.way)
    before = min(versions)
    owner = world.owner(f"upgrade --to {after}")
    if not current.kraft:
        return Upgrade(owner, before, after, protocol=_in_force(current, facts, before, world))
    levels = world.controllers.features()
    if isinstance(levels, Unknown):
        raise NotTold(f"which features are finalized is not known: {levels.reason}")
    ranges = known_levels([node for node, found in facts.items() if running(found) == before], world)
    silent = {name: said.reason for name, said in ranges.items() if isinstance(said, Unknown)}
    if silent:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in silent.items())
        raise NotTold(f"which levels {before} knows is not told, and so how far the way back leads:{lines}")
    limits = common(said for said in ranges.values() if not isinstance(said, Unknown))
    return Upgrade(owner, before, after, limits=limits, levels=levels)


def _in_force(current: Cluster, facts: NodesFacts, before: Version, world: World) -> str:
    """Return the protocol that brokers of the new release are to be held at: the one that all have in force."""
    up = [node for node in current.brokers if facts[node].running]
    said = protocols(up, world)
    if unknown := {name: one.reason for name, one in said.items() if isinstance(one, Unknown)}:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in unknown.items())
        raise NotTold(
            f"the {PROTOCOL} in force is not known:{lines}", hint="`fab status` shows which brokers run"
        )
    found = {one for one in said.values() if isinstance(one, str)}
    if not found:
        raise Unsafe(
            "no broker runs: `fab stop deploy start` is the way to another version of a cluster that stands still"
        )
    lowest = min(found, key=numbers)
    if newer(lowest, before):
        raise Unsafe(
            f"brokers have {PROTOCOL} {lowest} in force, and one of them runs {before}, which does not know it"
        )
    return lowest


def known_levels(nodes: Sequence[Node], world: World) -> dict[str, Ranges | Unknown]:
    """Ask each of these nodes of a KRaft cluster for the levels that its release knows, by node's name."""
    return _side_by_side(nodes, lambda node: world.controllers.known_levels(asked_at(node)))


def asked_at(node: Node) -> Endpoint:
    """Return where a node of a KRaft cluster is asked for its features."""
    return node.endpoint if node.role is Role.BROKER else node.controller_endpoint


def staged(
    upgrade: Upgrade, begun: Upgrade | None, target: Cluster, facts: NodesFacts, asked: Asked, *, world: World
) -> Staged:
    """Return what brings the nodes to the target. Raises Unsafe where the hosts are not ready for it, and what `prepare` raises."""
    asked = replace(asked, upgrade=upgrade.command)
    # First: whether a host has room for a release is asked only of one that is here.
    world.store.fetch(release_for(target.version, target.scala), world.emit)
    report = preflight(target, asked.limit, world, connections=False).report
    if blocked := blocking(report):
        lines = "\n  ".join(
            f"{one.subject}: {one.detail}" + f" ({one.hint})" * bool(one.hint) for one in blocked
        )
        raise Unsafe(
            f"nothing was changed, the hosts are not ready for {target.version}:\n  {lines}",
            hint="`fab preflight` explains each check",
        )
    _, plan = make_plan(target, asked.limit, world, upgrading=True)
    findings = tuple(one for one in report.findings if one.severity is not Severity.OK)
    versions = {node.name: running(found) for node, found in facts.items()}
    return Staged(upgrade, begun, target, versions, plan, prepare(target, asked, world), findings)
