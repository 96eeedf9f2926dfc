"""What a cluster's own words say of its health, in either mode: metadata in, findings out. No I/O, no time, no memory.

Every check always gives the same findings' names, also when its input is Unknown: a check that disappears looks healthy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from kafab.cluster.metadata import ConfigEntry, Metadata, Partition
from kafab.cluster.seen import Configs, LogDirs, Registered, Registrations, Views
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Endpoint, Node, Version
from kafab.unknown import Unknown
from kafab.words import SHOWN, few, plural

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT

IMBALANCE_LIMIT = 10
"""Per cent of a broker's preferred leaderships that others may hold: Kafka's leader.imbalance.per.broker.percentage."""
MIN_ISR_CAPPED = Version(3, 7, 0)
"""From here on min.insync.replicas above the replication factor counts as the replication factor (KIP-966's
`Partition.effectiveMinIsr`); before, every acks=all write is refused."""


def judge_registrations(
    cluster: Cluster, found: Registrations, views: Views, *, absent: str = "is not registered"
) -> tuple[Finding, ...]:
    """Brokers: each of the inventory is registered at the address it advertises and answers there, and there are no others.

    ``absent`` says what it means that a broker is not among those found.
    """
    if isinstance(found, Unknown):
        return tuple(
            Finding("broker.registered", subject, UNKNOWN, found.reason)
            for subject in (*(node.name for node in cluster.brokers), cluster.name)
        )
    each = [
        _registered(node, _announced(cluster, node), found.get(node.id), views[node.id], absent)
        for node in cluster.brokers
    ]
    return (*each, _strangers(cluster, found))


def _announced(cluster: Cluster, node: Node) -> tuple[Endpoint, ...]:
    """Return where a registration has a broker: ZooKeeper's at all its listeners, KRaft's as one listener tells it.

    A KRaft broker that is asked at a listener tells the addresses of that one; `kafab.checks.listeners` judges the others.
    """
    return (node.endpoint,) if cluster.kraft else tuple(own.endpoint for own in node.broker_listeners)


def _registered(
    node: Node, at: Sequence[Endpoint], found: Registered | None, view: Metadata | Unknown, absent: str
) -> Finding:
    wanted = ", ".join(map(str, at))
    silent = view.reason if isinstance(view, Unknown) else None
    evidence: dict[str, object] = {"id": node.id, "answers": silent is None}
    but_silent = f", and does not answer: {silent}" if silent else ""

    def finding(severity: Severity, detail: str) -> Finding:
        return Finding("broker.registered", node.name, severity, detail, evidence)

    if found is None:
        return finding(CRIT, f"id {node.id} {absent}{but_silent}")
    endpoints = [str(endpoint) for endpoint in found.endpoints]
    evidence |= {"endpoints": endpoints, **found.evidence}
    if set(found.endpoints) != set(at):
        return finding(
            CRIT, f"id {node.id} is registered at {', '.join(endpoints)}, the inventory says {wanted}"
        )
    if found.fenced:
        return finding(CRIT, f"id {node.id} is registered but fenced{but_silent}")
    if silent:
        return finding(UNKNOWN, f"id {node.id} is registered but does not answer: {silent}")
    return finding(OK, f"id {node.id} at {wanted}")


def _strangers(cluster: Cluster, found: Mapping[int, Registered]) -> Finding:
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
        serving = {broker for broker, registration in found.items() if not registration.fenced}
        detail = f"{len(serving)} of {len(expected)} brokers, no strangers"
        return Finding(
            "broker.registered", cluster.name, OK if serving == expected else CRIT, detail, evidence
        )
    named = "; ".join(
        f"id {broker} at {', '.join(endpoints)}{' (fenced)' if found[broker].fenced else ''}"
        for broker, endpoints in strangers.items()
    )
    return Finding("broker.registered", cluster.name, CRIT, f"not in the inventory: {named}", evidence)


def judge_identity(cluster: Cluster, known: Mapping[str, str | Unknown | None], views: Views) -> Finding:
    """The cluster id: whoever has to know it and every broker that answers say the same.

    ``known`` is by who says it: ``zookeeper``, ``the inventory``; None: it has none.
    """
    told = {node.name: _cluster_id(views[node.id]) for node in cluster.brokers}
    said: dict[str, list[str]] = {}
    silent, without_one = [], [who for who, id_ in known.items() if id_ is None]
    for who, id_ in (*known.items(), *told.items()):
        if isinstance(id_, Unknown):
            silent.append(f"{who}: {id_.reason}")
        elif id_ is not None:
            said.setdefault(id_, []).append(who)
    evidence: dict[str, object] = {"ids": said, "silent": silent}

    def finding(severity: Severity, detail: str) -> Finding:
        return Finding("cluster.id", cluster.name, severity, detail, evidence)

    if len(said) > 1:
        each = "; ".join(
            f"{', '.join(who)} say{'' if len(who) > 1 else 's'} {id_}" for id_, who in said.items()
        )
        return finding(CRIT, f"{len(said)} ids: {each}")
    if without_one:
        who = " and ".join(without_one)
        return finding(CRIT, f"{who} has none: no broker has ever been started with this chroot")
    if silent or not said:
        by = "; ".join(silent) or "any broker"
        return finding(UNKNOWN, f"{next(iter(said), 'none seen')}; not told by {by}")
    return finding(OK, f"{next(iter(said))}, the same everywhere")


def _cluster_id(view: Metadata | Unknown) -> str | Unknown | None:
    return view if isinstance(view, Unknown) else view.cluster_id


def judge_log_dirs(cluster: Cluster, answers: LogDirs) -> tuple[Finding, ...]:
    """Brokers' log directories: one that fails (a disk) is taken offline with its replicas, and the broker goes on without."""
    return tuple(_log_dirs(node, answers[node.id]) for node in cluster.brokers)


def _log_dirs(node: Node, answer: Mapping[str, str | None] | Unknown) -> Finding:
    check = "broker.log-dirs"
    if isinstance(answer, Unknown):
        return Finding(check, node.name, UNKNOWN, answer.reason)
    evidence: dict[str, object] = {"log_dirs": dict(answer)}
    gone = offline(answer)
    if not gone:
        count = plural(len(answer), "log directory", "log directories")
        return Finding(check, node.name, OK, f"{count} online", evidence)
    hint = f"mend the file system on {node.host.name}, then `fab restart --limit {node.name}`; `fab logs {node.name}` tells why"
    detail = f"{len(gone)} of {len(answer)} log directories are offline: {few(gone)}"
    return Finding(check, node.name, CRIT, detail, evidence, hint)


def offline(answer: Mapping[str, str | None]) -> list[str]:
    """Return the log directories that are offline, each with Kafka's error."""
    return [f"{path} ({error})" for path, error in sorted(answer.items()) if error is not None]


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
        names = [partition.name for partition in found[:SHOWN]]
        evidence: dict[str, object] = {"partitions": self._total, "count": len(found), "names": names}
        if not found:
            return Finding(check, self._cluster.name, OK, f"0 of {self._total} {what}", evidence)
        detail = f"{len(found)} of {self._total} {what}: {few([p.name for p in found])}"
        return Finding(check, self._cluster.name, bad, detail, evidence)


def _min_isr(
    cluster: Cluster, partitions: Sequence[Partition], configs: Configs, count: _Counted
) -> tuple[Finding, ...]:
    checks = ("partitions.under-min-isr", "partitions.at-min-isr")
    if isinstance(configs, Unknown):
        return tuple(Finding(check, cluster.name, UNKNOWN, configs.reason) for check in checks)
    left = {p: spare(cluster, p, configs[p.topic]) for p in partitions if p.topic in configs}
    under = [p for p, more in left.items() if more < 0]
    # Where there is one broker, the last replica is also the only one there can be.
    at = [p for p, more in left.items() if more == 0 and len(cluster.brokers) > 1]
    return (
        count(
            checks[0],
            CRIT,
            under,
            "have fewer in-sync replicas than min.insync.replicas: acks=all is refused",
        ),
        count(checks[1], WARN, at, "have no in-sync replica to spare: one more loss stops acks=all"),
    )


def spare(cluster: Cluster, partition: Partition, config: Mapping[str, ConfigEntry]) -> int:
    """Return how many in-sync replicas more than min.insync.replicas a partition has; below zero acks=all is refused."""
    wanted = int(config["min.insync.replicas"].value or 1)
    lowest = min(wanted, len(partition.replicas)) if cluster.version >= MIN_ISR_CAPPED else wanted
    return len(partition.isr) - lowest


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
        "names": [p.name for p in elsewhere[:SHOWN]],
        "percent_by_broker": {str(broker): value for broker, value in share.items()},
    }
    detail = f"{len(elsewhere)} of {len(led)} ({percent:g} %) are not led by their preferred leader"
    over = [f"broker {broker} {value:g} %" for broker, value in share.items() if value > IMBALANCE_LIMIT]
    if over:
        hint = "`fab leaders.restore` has them lead again"
        return Finding(check, cluster.name, WARN, f"{detail}: {few(over)}", evidence, hint=hint)
    return Finding(check, cluster.name, OK, detail, evidence)


def _imbalance(partitions: Sequence[Partition]) -> float:
    elsewhere = sum(partition.leader != partition.replicas[0] for partition in partitions)
    return round(100 * elsewhere / len(partitions), 1) if partitions else 0.0


def choose_view(preferred: Iterable[int], views: Views) -> Metadata | Unknown:
    """Return the first preferred broker's view of the partitions, or that of any broker that answers.

    In ZooKeeper mode the controller's is the first to be right; in KRaft mode that of any broker that is not fenced.
    """
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
    return replace(metadata, partitions=kept)
