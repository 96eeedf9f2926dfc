"""A forced controller election, timed: ZooKeeper has a new controller, every broker names it, no partition lost its leader."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from kafab.command import Unknown
from kafab.errors import KafabError
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.metadata import Controller, Metadata
from kafab.model import Cluster, Node
from kafab.ops.gates import side_by_side
from kafab.ops.lock import operating
from kafab.ops.probe import Wait, is_probe, until
from kafab.ops.world import World
from kafab.ports import KafkaAdmin, ZooKeeper

LIMIT = timedelta(seconds=30)
CHECK = "controller.election"
OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


def election(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    """Force a controller election under the cluster's lock and time it; ``live`` are the brokers that answer.

    Passed when a registered broker is the controller in a later epoch, every live broker names it, and no partition is
    without a leader that had one. UNKNOWN where another operator holds the lock. For KRaft see `quorum_election`.
    """
    try:
        with operating(cluster, world.fleet, world.owner):
            return _forced(cluster, live, world)
    except KafabError as error:
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {error.message}", hint=error.hint)


def _forced(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    zookeeper, clock, emit = world.zookeeper, world.clock, world.emit
    before = zookeeper.controller()
    if isinstance(before, Unknown):
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {before.reason}")
    without_leader = leaderless(views(live, world.admin))
    evidence: dict[str, object] = {"old": before.broker, "old_epoch": before.epoch}
    emit(
        Note(
            cluster.name,
            f"forcing an election: the controller is broker {before.broker}, epoch {before.epoch}",
        )
    )
    begun = clock.now()
    if isinstance(forced := zookeeper.force_election(), Unknown):
        return Finding(CHECK, cluster.name, UNKNOWN, forced.reason, evidence)

    def elected() -> list[str] | None:
        return _not_elected(before, zookeeper, evidence)

    def agreed() -> list[str] | None:
        # The controller is read anew: where it has moved once more, the brokers that name the new one are right.
        return elected() or _not_agreed(views(live, world.admin), without_leader, evidence)

    missing = until(elected, Wait(cluster.name, "a new controller", LIMIT), clock=clock, emit=emit)
    evidence["seconds"] = round(clock.now() - begun, 2)
    if not missing:
        missing = until(agreed, Wait(cluster.name, "every broker names it", LIMIT), clock=clock, emit=emit)
    evidence["agreed_seconds"] = round(clock.now() - begun, 2)
    if missing:
        detail = f"after {evidence['agreed_seconds']:g} s: {'; '.join(missing)}"
        return Finding(CHECK, cluster.name, CRIT, detail, evidence)
    detail = (
        f"broker {before.broker} -> {evidence['new']}, epoch {before.epoch} -> {evidence['new_epoch']} in"
        f" {evidence['seconds']:g} s, named by every broker after {evidence['agreed_seconds']:g} s"
    )
    if evidence["new_epoch"] == before.epoch + 1:
        return Finding(CHECK, cluster.name, OK, detail, evidence)
    return Finding(CHECK, cluster.name, WARN, f"{detail}; it moved more than once", evidence)


def _not_elected(before: Controller, zookeeper: ZooKeeper, evidence: dict[str, object]) -> list[str] | None:
    now, registered = zookeeper.controller(), zookeeper.registrations()
    if isinstance(now, Unknown):
        return [now.reason]
    if isinstance(registered, Unknown):
        return [registered.reason]
    evidence |= {"new": now.broker, "new_epoch": now.epoch}
    if now.broker is None or now.epoch <= before.epoch:
        return [f"no controller has been elected since epoch {max(now.epoch, before.epoch)}"]
    return None if now.broker in registered else [f"broker {now.broker} is elected but not registered"]


def _not_agreed(
    seen: Mapping[int, Metadata | Unknown], before: set[str], evidence: dict[str, object]
) -> list[str] | None:
    told = []
    for broker, view in seen.items():
        if isinstance(view, Unknown):
            told.append(f"broker {broker}: {view.reason}")
        elif view.controller != evidence["new"]:
            told.append(f"broker {broker} names broker {view.controller}, elected is {evidence['new']}")
    told += lost_leaders(seen, before, evidence)
    return told or None


def views(nodes: Sequence[Node], admin: KafkaAdmin) -> dict[int, Metadata | Unknown]:
    """Ask each of these brokers on its own: broker id -> its view."""
    asked = side_by_side(nodes, lambda node: admin.metadata(node.endpoint))
    return {node.id: asked[node.name] for node in nodes}


def leaderless(seen: Mapping[int, Metadata | Unknown]) -> set[str]:
    """Return the partitions without a leader; those of probes, which come and go, do not count."""
    known = [view for view in seen.values() if not isinstance(view, Unknown)]
    return {p.name for view in known for p in view.partitions if p.leader is None and not is_probe(p.topic)}


def lost_leaders(
    seen: Mapping[int, Metadata | Unknown], before: set[str], evidence: dict[str, object]
) -> list[str]:
    """Tell which partitions have no leader that had one before; their count goes into the evidence."""
    lost = sorted(leaderless(seen) - before)
    evidence["leaderless"] = len(lost)
    return [f"{len(lost)} partitions lost their leader: {', '.join(lost[:5])}"] if lost else []
