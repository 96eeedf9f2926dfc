"""A forced controller election, timed: ZooKeeper has a new controller, every broker names it, no partition lost its leader."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from kafab.command import Unknown
from kafab.events import Emit, Note
from kafab.findings import Finding, Severity
from kafab.metadata import Controller, Metadata
from kafab.model import Cluster
from kafab.ops.probe import Wait, is_probe, until
from kafab.ports import Clock, ZooKeeper

LIMIT = timedelta(seconds=30)
CHECK = "controller.election"
OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


def election(
    cluster: Cluster,
    ask: Callable[[], Mapping[int, Metadata | Unknown]],
    *,
    zookeeper: ZooKeeper,
    clock: Clock,
    emit: Emit,
) -> Finding:
    """Force a controller election and time it; ``ask`` returns each live broker's own view, side by side.

    Passed when a registered broker is the controller in a later epoch, every broker names it, and no partition is without
    a leader that had one.
    """
    before = zookeeper.controller()
    if isinstance(before, Unknown):
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {before.reason}")
    leaderless = _leaderless(ask())
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
        return _not_agreed(ask(), leaderless, evidence)

    missing = until(elected, Wait(cluster.name, "a new controller", LIMIT), clock=clock, emit=emit)
    evidence["seconds"] = round(clock.now() - begun, 2)
    if not missing:
        missing = until(agreed, Wait(cluster.name, "every broker names it", LIMIT), clock=clock, emit=emit)
    evidence["agreed_seconds"] = round(clock.now() - begun, 2)
    if missing:
        return Finding(
            CHECK,
            cluster.name,
            CRIT,
            f"after {evidence['agreed_seconds']:g} s: {'; '.join(missing)}",
            evidence,
        )
    detail = (
        f"broker {before.broker} -> {evidence['new']}, epoch {before.epoch} -> {evidence['new_epoch']} in"
        f" {evidence['seconds']:g} s, named by every broker after {evidence['agreed_seconds']:g} s"
    )
    moved = evidence["new_epoch"] != before.epoch + 1
    return Finding(CHECK, cluster.name, WARN if moved else OK, detail, evidence)


def _not_elected(before: Controller, zookeeper: ZooKeeper, evidence: dict[str, object]) -> list[str] | None:
    now, registered = zookeeper.controller(), zookeeper.registrations()
    if isinstance(now, Unknown):
        return [now.reason]
    if isinstance(registered, Unknown):
        return [registered.reason]
    evidence |= {"new": now.broker, "new_epoch": now.epoch}
    if now.broker is None or now.epoch <= before.epoch:
        return [f"no controller has been elected since epoch {before.epoch}"]
    return None if now.broker in registered else [f"broker {now.broker} is elected but not registered"]


def _not_agreed(
    views: Mapping[int, Metadata | Unknown], leaderless: set[str], evidence: dict[str, object]
) -> list[str] | None:
    told = []
    for broker, view in views.items():
        if isinstance(view, Unknown):
            told.append(f"broker {broker}: {view.reason}")
        elif view.controller != evidence["new"]:
            told.append(f"broker {broker} names broker {view.controller}, elected is {evidence['new']}")
    lost = sorted(_leaderless(views) - leaderless)
    evidence["leaderless"] = len(lost)
    if lost:
        told.append(f"{len(lost)} partitions lost their leader: {', '.join(lost[:5])}")
    return told or None


def _leaderless(views: Mapping[int, Metadata | Unknown]) -> set[str]:
    known = [view for view in views.values() if not isinstance(view, Unknown)]
    return {p.name for view in known for p in view.partitions if p.leader is None and not is_probe(p.topic)}
