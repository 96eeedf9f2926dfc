"""What a cluster's own words say of its health: metadata in, findings out. No I/O, no time, no memory.

Every check always gives the same findings' names, also when its input is Unknown: a check that disappears looks healthy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from kafab.command import Unknown
from kafab.findings import Finding, Severity
from kafab.metadata import ConfigEntry, Controller, Member, Metadata, Partition, Registration
from kafab.model import Cluster, Node, Version

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT

NAMES_SHOWN = 5
IMBALANCE_LIMIT = 10
"""Per cent of a broker's preferred leaderships that others may hold: Kafka's leader.imbalance.per.broker.percentage."""
MIN_ISR_CAPPED = Version(3, 7, 0)
"""From here on min.insync.replicas above the replication factor counts as the replication factor (KIP-966's
`Partition.effectiveMinIsr`); before, every acks=all write is refused."""

Views: TypeAlias = Mapping[int, Metadata | Unknown]
"""broker id -> what that broker alone answered."""
Registrations: TypeAlias = Mapping[int, Registration] | Unknown
Configs: TypeAlias = Mapping[str, Mapping[str, ConfigEntry]] | Unknown


def judge_ensemble(cluster: Cluster, members: Mapping[str, Member | Unknown]) -> tuple[Finding, ...]:
    """ZooKeeper: each server (by node name) answers; one leads; all others follow it in sync."""
    each = [_member(node, members[node.name]) for node in cluster.zookeepers]
    return (*each, _quorum(cluster, members))


def _member(node: Node, member: Member | Unknown) -> Finding:
    if isinstance(member, Unknown):
        return Finding("zookeeper.member", node.name, UNKNOWN, f"does not answer: {member.reason}")
    evidence: dict[str, object] = {
        "mode": member.mode,
        "zxid": f"0x{member.zxid:x}",
        "version": member.version,
    }
    return Finding("zookeeper.member", node.name, OK, f"{member.mode}, ZooKeeper {member.version}", evidence)


def _quorum(cluster: Cluster, members: Mapping[str, Member | Unknown]) -> Finding:
    size = len(cluster.zookeepers)
    known = {name: member for name, member in members.items() if not isinstance(member, Unknown)}
    leaders = {name: member for name, member in known.items() if member.mode in {"leader", "standalone"}}
    evidence: dict[str, object] = {"servers": size, "answering": len(known), "leaders": sorted(leaders)}
    if len(leaders) == 1:
        (name, leader), *_ = leaders.items()
        evidence |= {"synced_followers": leader.synced_followers}
        severity, detail = _followers(name, leader, size)
    elif not leaders and len(known) < size:
        severity, detail = UNKNOWN, f"no leader among the {len(known)} of {size} servers that answer"
    else:
        severity, detail = CRIT, f"{len(leaders)} of {size} servers lead: {_few(sorted(leaders)) or 'none'}"
    return Finding("zookeeper.quorum", cluster.name, severity, detail, evidence)


def _followers(name: str, leader: Member, size: int) -> tuple[Severity, str]:
    if (leader.mode == "standalone") != (size == 1):
        return CRIT, f"{name} runs as {leader.mode} in an ensemble of {size}"
    if size == 1:
        return OK, f"{name} serves alone"
    if leader.synced_followers is None:
        return UNKNOWN, f"{name} leads but does not say how many followers are in sync"
    detail = f"{name} leads, {leader.synced_followers} of {size - 1} followers in sync"
    return (OK if leader.synced_followers == size - 1 else CRIT), detail


def judge_registrations(cluster: Cluster, found: Registrations, views: Views) -> tuple[Finding, ...]:
    """Brokers: each of the inventory is registered at the address it advertises and answers there, and there are no others."""
    if isinstance(found, Unknown):
        return tuple(
            Finding("broker.registered", subject, UNKNOWN, found.reason)
            for subject in (*(node.name for node in cluster.brokers), cluster.name)
        )
    each = [_registered(node, found.get(node.id), views[node.id]) for node in cluster.brokers]
    return (*each, _strangers(cluster, found))


def _registered(node: Node, registration: Registration | None, view: Metadata | Unknown) -> Finding:
    silent = view.reason if isinstance(view, Unknown) else None
    if registration is None:
        detail = f"id {node.id} is not registered" + (f" and does not answer: {silent}" if silent else "")
        return Finding(
            "broker.registered", node.name, CRIT, detail, {"id": node.id, "answers": silent is None}
        )
    endpoints = [str(endpoint) for endpoint in registration.endpoints]
    evidence: dict[str, object] = {
        "id": node.id,
        "endpoints": endpoints,
        "session": f"0x{registration.session:x}",
        "answers": silent is None,
    }
    if registration.endpoints != (node.endpoint,):
        detail = f"id {node.id} is registered at {', '.join(endpoints)}, the inventory says {node.endpoint}"
        return Finding("broker.registered", node.name, CRIT, detail, evidence)
    if silent:
        detail = f"id {node.id} is registered but does not answer: {silent}"
        return Finding("broker.registered", node.name, UNKNOWN, detail, evidence)
    return Finding("broker.registered", node.name, OK, f"id {node.id} at {node.endpoint}", evidence)


def _strangers(cluster: Cluster, found: Mapping[int, Registration]) -> Finding:
    expected = {node.id for node in cluster.brokers}
    strangers = {
        broker: [str(endpoint) for endpoint in registration.endpoints]
        for broker, registration in sorted(found.items())
        if broker not in expected
    }
    evidence: dict[str, object] = {
        "registered": sorted(found),
        "expected": sorted(expected),
        "strangers": {str(broker): endpoints for broker, endpoints in strangers.items()},
    }
    if not strangers:
        detail = f"{len(found)} of {len(expected)} brokers, no strangers"
        return Finding(
            "broker.registered", cluster.name, OK if set(found) == expected else CRIT, detail, evidence
        )
    named = "; ".join(f"id {broker} at {', '.join(endpoints)}" for broker, endpoints in strangers.items())
    return Finding("broker.registered", cluster.name, CRIT, f"not in the inventory: {named}", evidence)


def judge_controller(
    cluster: Cluster, controller: Controller | Unknown, found: Registrations, views: Views
) -> tuple[Finding, ...]:
    """The controller: one, registered; and every broker, asked on its own, names the same one."""
    elected = _elected(cluster, controller, found)
    wanted = None if isinstance(controller, Unknown) else controller.broker
    return (elected, *(_names_controller(node, wanted, views[node.id], found) for node in cluster.brokers))


def _elected(cluster: Cluster, controller: Controller | Unknown, found: Registrations) -> Finding:
    if isinstance(controller, Unknown):
        return Finding("controller.elected", cluster.name, UNKNOWN, controller.reason)
    evidence: dict[str, object] = {"controller": controller.broker, "epoch": controller.epoch}
    if controller.broker is None:
        return Finding(
            "controller.elected", cluster.name, CRIT, f"none since epoch {controller.epoch}", evidence
        )
    text = f"broker {controller.broker}, epoch {controller.epoch}"
    if isinstance(found, Unknown):
        detail = f"{text}; whether it is registered is unknown: {found.reason}"
        return Finding("controller.elected", cluster.name, UNKNOWN, detail, evidence)
    if controller.broker not in found:
        return Finding("controller.elected", cluster.name, CRIT, f"{text}, is not registered", evidence)
    return Finding("controller.elected", cluster.name, OK, text, evidence)


def _names_controller(
    node: Node, wanted: int | None, view: Metadata | Unknown, found: Registrations
) -> Finding:
    if isinstance(view, Unknown):
        gone = not isinstance(found, Unknown) and node.id not in found
        return Finding("controller.agreed", node.name, CRIT if gone else UNKNOWN, f"not told: {view.reason}")
    evidence: dict[str, object] = {"controller": view.controller, "elected": wanted}
    if view.controller is None:
        return Finding("controller.agreed", node.name, CRIT, "knows no controller", evidence)
    if wanted is None:
        detail = f"names broker {view.controller}, which ZooKeeper does not confirm"
        return Finding("controller.agreed", node.name, UNKNOWN, detail, evidence)
    if view.controller != wanted:
        detail = f"names broker {view.controller}, elected is {wanted}"
        return Finding("controller.agreed", node.name, CRIT, detail, evidence)
    return Finding("controller.agreed", node.name, OK, f"names broker {wanted}", evidence)


def judge_identity(cluster: Cluster, cluster_id: str | Unknown | None, views: Views) -> Finding:
    """The cluster id: ZooKeeper and every broker that answers say the same."""
    said: dict[str, list[str]] = {}
    if isinstance(cluster_id, str):
        said.setdefault(cluster_id, []).append("zookeeper")
    silent = [] if isinstance(cluster_id, (str, type(None))) else [f"zookeeper: {cluster_id.reason}"]
    for node in cluster.brokers:
        view = views[node.id]
        if isinstance(view, Unknown):
            silent.append(f"{node.name}: {view.reason}")
        elif view.cluster_id is not None:
            said.setdefault(view.cluster_id, []).append(node.name)
    evidence: dict[str, object] = {"ids": said, "silent": silent}

    def finding(severity: Severity, detail: str) -> Finding:
        return Finding("cluster.id", cluster.name, severity, detail, evidence)

    if len(said) > 1:
        told = "; ".join(f"{known} say {', '.join(who)}" for known, who in said.items())
        return finding(CRIT, f"{len(said)} ids: {told}")
    if cluster_id is None:
        return finding(CRIT, "ZooKeeper has none: no broker has ever been started with this chroot")
    if silent:
        return finding(UNKNOWN, f"{next(iter(said), 'none seen')}; not told by {'; '.join(silent)}")
    return finding(OK, f"{next(iter(said))}, the same everywhere")


_PARTITION_CHECKS = (
    "partitions.offline",
    "partitions.leaderless",
    "partitions.under-replicated",
    "partitions.under-min-isr",
    "partitions.at-min-isr",
    "partitions.replication-factor",
    "partitions.preferred-leader",
)


def judge_partitions(cluster: Cluster, metadata: Metadata | Unknown, configs: Configs) -> tuple[Finding, ...]:
    """Partitions, with counts and the first names. Offline has no live replica; leaderless has, but none may lead."""
    if isinstance(metadata, Unknown):
        return tuple(Finding(check, cluster.name, UNKNOWN, metadata.reason) for check in _PARTITION_CHECKS)
    partitions, live = metadata.partitions, set(metadata.brokers)
    offline = [p for p in partitions if not live.intersection(p.replicas)]
    leaderless = [p for p in partitions if p.leader is None and live.intersection(p.replicas)]
    behind = [p for p in partitions if len(p.isr) < len(p.replicas)]
    count = _Counted(cluster, len(partitions))
    return (
        count("partitions.offline", CRIT, offline, "have no live replica"),
        count("partitions.leaderless", CRIT, leaderless, "have live replicas but no leader"),
        count("partitions.under-replicated", CRIT, behind, "have replicas outside the ISR"),
        *_min_isr(cluster, partitions, configs, count),
        _replication_factor(cluster, metadata, count),
        _preferred_leaders(cluster, partitions),
    )


class _Counted:
    """Makes one finding of a list of partitions: the count, out of how many, and up to five names."""

    def __init__(self, cluster: Cluster, total: int) -> None:
        self._cluster = cluster
        self._total = total

    def __call__(self, check: str, bad: Severity, found: Sequence[Partition], what: str) -> Finding:
        names = [partition.name for partition in found[:NAMES_SHOWN]]
        evidence: dict[str, object] = {"partitions": self._total, "count": len(found), "names": names}
        if not found:
            return Finding(check, self._cluster.name, OK, f"0 of {self._total} {what}", evidence)
        detail = f"{len(found)} of {self._total} {what}: {_few([p.name for p in found])}"
        return Finding(check, self._cluster.name, bad, detail, evidence)


def _min_isr(
    cluster: Cluster, partitions: Sequence[Partition], configs: Configs, count: _Counted
) -> tuple[Finding, ...]:
    checks = ("partitions.under-min-isr", "partitions.at-min-isr")
    if isinstance(configs, Unknown):
        return tuple(Finding(check, cluster.name, UNKNOWN, configs.reason) for check in checks)
    spare = {
        p: len(p.isr) - _effective(cluster, p, configs[p.topic]) for p in partitions if p.topic in configs
    }
    under = [p for p, more in spare.items() if more < 0]
    # Where there is one broker, the last replica is also the only one there can be.
    at = [p for p, more in spare.items() if more == 0 and len(cluster.brokers) > 1]
    return (
        count(
            checks[0],
            CRIT,
            under,
            "have fewer in-sync replicas than min.insync.replicas: acks=all is refused",
        ),
        count(checks[1], WARN, at, "have no in-sync replica to spare: one more loss stops acks=all"),
    )


def _effective(cluster: Cluster, partition: Partition, config: Mapping[str, ConfigEntry]) -> int:
    wanted = int(config["min.insync.replicas"].value or 1)
    return min(wanted, len(partition.replicas)) if cluster.version >= MIN_ISR_CAPPED else wanted


def _replication_factor(cluster: Cluster, metadata: Metadata, count: _Counted) -> Finding:
    known, live = len(cluster.brokers), len(metadata.brokers)
    check = "partitions.replication-factor"
    if never := [p for p in metadata.partitions if len(p.replicas) > known]:
        return count(check, CRIT, never, f"have more replicas than the inventory has brokers ({known})")
    for_now = [p for p in metadata.partitions if len(p.replicas) > live]
    return count(check, WARN, for_now, f"have more replicas than there are live brokers ({live})")


def _preferred_leaders(cluster: Cluster, partitions: Sequence[Partition]) -> Finding:
    check = "partitions.preferred-leader"
    led = [p for p in partitions if p.replicas and p.leader is not None]
    brokers = {p.replicas[0] for p in led}
    share = {broker: _imbalance([p for p in led if p.replicas[0] == broker]) for broker in sorted(brokers)}
    elsewhere = [p for p in led if p.leader != p.replicas[0]]
    percent = _imbalance(led)
    evidence: dict[str, object] = {
        "percent": percent,
        "count": len(elsewhere),
        "names": [p.name for p in elsewhere[:NAMES_SHOWN]],
        "percent_by_broker": {str(broker): value for broker, value in share.items()},
    }
    detail = f"{len(elsewhere)} of {len(led)} ({percent:g} %) are not led by their preferred leader"
    over = [f"broker {broker} {value:g} %" for broker, value in share.items() if value > IMBALANCE_LIMIT]
    if over:
        return Finding(check, cluster.name, WARN, f"{detail}: {_few(over)}", evidence)
    return Finding(check, cluster.name, OK, detail, evidence)


def _imbalance(partitions: Sequence[Partition]) -> float:
    elsewhere = sum(partition.leader != partition.replicas[0] for partition in partitions)
    return round(100 * elsewhere / len(partitions), 1) if partitions else 0.0


def choose_view(controller: Controller | Unknown, views: Views) -> Metadata | Unknown:
    """Return the controller's view of the partitions, which is the first to be right, or that of a broker that answers."""
    preferred = [] if isinstance(controller, Unknown) or controller.broker is None else [controller.broker]
    for broker in chain(preferred, views):
        view = views.get(broker)
        if isinstance(view, Metadata):
            return view
    reasons = [view.reason for view in views.values() if isinstance(view, Unknown)]
    return Unknown("no broker answers: " + "; ".join(reasons))


def without(metadata: Metadata | Unknown, leave_out: Callable[[str], bool]) -> Metadata | Unknown:
    """Return the metadata without the partitions of some topics."""
    if isinstance(metadata, Unknown):
        return metadata
    kept = tuple(partition for partition in metadata.partitions if not leave_out(partition.topic))
    return Metadata(metadata.cluster_id, metadata.controller, metadata.brokers, kept)


def _few(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMES_SHOWN} more" if len(every) > NAMES_SHOWN else ""
    return ", ".join(every[:NAMES_SHOWN]) + more
