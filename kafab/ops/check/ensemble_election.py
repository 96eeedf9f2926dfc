"""A forced controller election, timed: ZooKeeper has a new controller, every broker names it, no partition lost its leader."""

from collections.abc import Sequence
from datetime import timedelta

from kafab.cluster.metadata import Controller
from kafab.cluster.own_topics import is_own
from kafab.cluster.seen import Ask, Seen
from kafab.errors import KafabError
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Node
from kafab.ops.lock import operating
from kafab.ops.see import see
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

LIMIT = timedelta(seconds=30)
CHECK = "controller.election"
OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


def election(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    """Force a controller election under the cluster's lock and time it; ``live`` are the brokers that answer.

    Passed when a registered broker is the controller in a later epoch, every live broker names it, and no partition is
    without a leader that had one. UNKNOWN where another operator holds the lock. For KRaft see `quorum_election`.
    """
    try:
        with operating(cluster, world, "verify --election") as held:
            found = _forced(cluster, live, world)
            held.run.result = f"{found.severity.value}: {found.detail}"
            return found
    except KafabError as error:
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {error.message}", hint=error.hint)


def _forced(cluster: Cluster, live: Sequence[Node], world: World) -> Finding:
    clock, emit = world.clock, world.emit
    seen = see(cluster, world, Ask(views=live, controller=True))
    before = seen.ensemble.controller
    if isinstance(before, Unknown):
        return Finding(CHECK, cluster.name, UNKNOWN, f"not run: {before.reason}")
    without_leader = leaderless(seen)
    evidence: dict[str, object] = {"old": before.broker, "old_epoch": before.epoch}
    text = f"forcing an election: the controller is broker {before.broker}, epoch {before.epoch}"
    emit(Note(cluster.name, text))
    begun = clock.now()
    if isinstance(forced := world.zookeeper.force_election(), Unknown):
        return Finding(CHECK, cluster.name, UNKNOWN, forced.reason, evidence)

    def elected() -> Missing:
        now = see(cluster, world, Ask(registrations=True, controller=True))
        return _lines(cluster, _not_elected(before, now, evidence))

    def agreed() -> Missing:
        # The controller is read anew: where it has moved once more, the brokers that name the new one are right.
        now = see(cluster, world, Ask(views=live, registrations=True, controller=True))
        lines = _not_elected(before, now, evidence)
        return _lines(cluster, lines or _not_agreed(now, without_leader, evidence))

    missing = until(elected, "a new controller", LIMIT, world)
    evidence["seconds"] = round(clock.now() - begun, 2)
    if not missing:
        missing = until(agreed, "every broker names it", LIMIT, world)
    evidence["agreed_seconds"] = round(clock.now() - begun, 2)
    if missing:
        detail = f"after {evidence['agreed_seconds']:g} s: {missing[cluster.name]}"
        return Finding(CHECK, cluster.name, CRIT, detail, evidence)
    detail = (
        f"broker {before.broker} -> {evidence['new']}, epoch {before.epoch} -> {evidence['new_epoch']} in"
        f" {evidence['seconds']:g} s, named by every broker after {evidence['agreed_seconds']:g} s"
    )
    if evidence["new_epoch"] == before.epoch + 1:
        return Finding(CHECK, cluster.name, OK, detail, evidence)
    return Finding(CHECK, cluster.name, WARN, f"{detail}; it moved more than once", evidence)


def _lines(cluster: Cluster, lines: Sequence[str]) -> Missing:
    return {cluster.name: "; ".join(lines)} if lines else {}


def _not_elected(before: Controller, seen: Seen, evidence: dict[str, object]) -> list[str]:
    now, registered = seen.ensemble.controller, seen.ensemble.sessions
    if isinstance(now, Unknown):
        return [now.reason]
    if isinstance(registered, Unknown):
        return [registered.reason]
    evidence |= {"new": now.broker, "new_epoch": now.epoch}
    if now.broker is None or now.epoch <= before.epoch:
        return [f"no controller has been elected since epoch {max(now.epoch, before.epoch)}"]
    return [] if now.broker in registered else [f"broker {now.broker} is elected but not registered"]


def _not_agreed(seen: Seen, before: set[str], evidence: dict[str, object]) -> list[str]:
    lines = []
    for broker, view in seen.views.items():
        if isinstance(view, Unknown):
            lines.append(f"broker {broker}: {view.reason}")
        elif view.controller != evidence["new"]:
            lines.append(f"broker {broker} names broker {view.controller}, elected is {evidence['new']}")
    return lines + lost_leaders(seen, before, evidence)


def leaderless(seen: Seen) -> set[str]:
    """Return the partitions without a leader; those of probes, which come and go, do not count."""
    known = seen.known_views.values()
    return {p.name for view in known for p in view.partitions if p.leader is None and not is_own(p.topic)}


def lost_leaders(seen: Seen, before: set[str], evidence: dict[str, object]) -> list[str]:
    """Say which partitions have no leader that had one before; their count goes into the evidence."""
    lost = sorted(leaderless(seen) - before)
    evidence["leaderless"] = len(lost)
    return [f"{len(lost)} partitions lost their leader: {', '.join(lost[:5])}"] if lost else []
