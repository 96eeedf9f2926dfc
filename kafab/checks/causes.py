"""Which findings follow from a node that is gone, so that its loss is told once. Findings and what was seen in, findings out.

A node is gone where its host says that its process does not run, or where neither its host nor the node itself answers.
Invariant: a finding gets a cause only where nodes that are gone explain all of it. A partition that also lacks a replica
on a broker that runs, a registration at a foreign address, a voter that is not in the voter set keep standing on their own.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kafab.checks.brokers import spare
from kafab.cluster.metadata import Metadata, Partition
from kafab.cluster.seen import Seen
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Node, Role
from kafab.unknown import Unknown

PROCESS = "process"
"""The check whose findings are the roots."""

_Explains = Callable[["_Loss", Finding], Collection[Node]]
"""Returns the nodes that are gone and explain all of a finding; none where something else is in it."""


def with_causes(
    cluster: Cluster, findings: Sequence[Finding], seen: Seen, view: Metadata | Unknown
) -> tuple[Finding, ...]:
    """Return the findings, those that follow from nodes that are gone with ``caused_by``: the names of these nodes.

    ``view`` has the partitions that were judged.
    """
    gone = [
        node
        for node in cluster.nodes
        for found in findings
        if (found.check, found.subject) == (PROCESS, node.name) and _is_gone(found, node, seen)
    ]
    if not gone:
        return tuple(findings)
    loss = _Loss(cluster, gone, seen, view)
    return tuple(_with_cause(loss, found) for found in findings)


def _is_gone(found: Finding, node: Node, seen: Seen) -> bool:
    if found.severity is Severity.UNKNOWN:
        return _is_silent(node, seen)
    return found.severity is Severity.CRIT


def _is_silent(node: Node, seen: Seen) -> bool:
    """True where a node was asked, and was silent as whatever it is."""
    said: list[object] = []
    if node.role is Role.BROKER:
        said.append(seen.views.get(node.id))
    if node.role is Role.ZOOKEEPER:
        said.append(seen.ensemble.members.get(node.name))
    if node.name in seen.controllers.leaders:
        said.append(seen.controllers.leaders[node.name])
    return bool(said) and all(isinstance(each, Unknown) for each in said)


@dataclass(frozen=True)
class _Loss:
    """The nodes that are gone, in the cluster that was seen."""

    cluster: Cluster
    gone: Sequence[Node]
    seen: Seen
    view: Metadata | Unknown

    @property
    def brokers(self) -> dict[int, Node]:
        return {node.id: node for node in self.gone if node.role is Role.BROKER}

    @property
    def voters(self) -> dict[int, Node]:
        return {node.id: node for node in self.gone if node.is_voter}

    @property
    def partitions(self) -> Iterable[Partition]:
        return () if isinstance(self.view, Unknown) else self.view.partitions

    def spare(self, partition: Partition) -> int | None:
        """Return how many in-sync replicas a partition has to spare; None where its minimum was not told."""
        configs = self.seen.configs
        if isinstance(configs, Unknown) or partition.topic not in configs:
            return None
        return spare(self.cluster, partition, configs[partition.topic])

    def brokers_if_all(self, ids: Collection[int]) -> Collection[Node]:
        """Return the brokers of these ids where all of them are gone."""
        known = self.brokers
        return [known[broker] for broker in sorted(ids)] if set(ids) <= known.keys() else ()


def _with_cause(loss: _Loss, found: Finding) -> Finding:
    if found.severity is Severity.OK or found.check == PROCESS:
        return found
    explains = _OF_A_NODE if "/" in found.subject else _OF_THE_CLUSTER
    rule = explains.get(found.check)
    causes = rule(loss, found) if rule else ()
    return replace(found, caused_by=tuple(node.name for node in causes))


def _itself(loss: _Loss, found: Finding) -> Collection[Node]:
    return [node for node in loss.gone if node.name == found.subject]


def _registered(loss: _Loss, found: Finding) -> Collection[Node]:
    """Explain a broker that is absent, fenced or silent; a registration at another address is of another process."""
    registered = loss.seen.registered(loss.cluster)
    for node in _itself(loss, found):
        known = None if isinstance(registered, Unknown) else registered.get(node.id)
        at = {node.endpoint} if loss.cluster.kraft else {own.endpoint for own in node.broker_listeners}
        if known is None or set(known.endpoints) == at:
            return [node]
    return ()


def _voter(loss: _Loss, found: Finding) -> Collection[Node]:
    """Explain a controller that is silent; that it is not in the voter set has another cause."""
    state = loss.seen.controllers.state
    ids = None if isinstance(state, Unknown) else {voter.id for voter in state.voters}
    return [node for node in _itself(loss, found) if ids is None or node.id in ids]


def _all_registered(loss: _Loss, _found: Finding) -> Collection[Node]:
    registered = loss.seen.registered(loss.cluster)
    if isinstance(registered, Unknown):
        return ()
    expected = {node.id for node in loss.cluster.brokers}
    serving = {broker for broker, known in registered.items() if not known.fenced}
    return loss.brokers_if_all(expected - serving) if registered.keys() <= expected else ()


def _told_the_id(loss: _Loss, found: Finding) -> Collection[Node]:
    """Explain an id that nobody disagrees on, and that only brokers that are gone do not tell."""
    zookeeper = loss.seen.ensemble.cluster_id
    if found.severity is not Severity.UNKNOWN or (not loss.cluster.kraft and not isinstance(zookeeper, str)):
        return ()
    return loss.brokers_if_all(
        [broker for broker, view in loss.seen.views.items() if isinstance(view, Unknown)]
    )


def _members(loss: _Loss, found: Finding) -> Collection[Node]:
    """Explain an ensemble that leads as it should and lacks only servers that are gone, or has too few left to lead."""
    size, gone = len(loss.cluster.zookeepers), loss.voters
    synced = found.evidence.get("synced_followers")
    if isinstance(synced, int):
        return list(gone.values()) if synced + len(gone) == size - 1 else ()
    return list(gone.values()) if size - len(gone) <= size // 2 else ()


def _caught_up(loss: _Loss, _found: Finding) -> Collection[Node]:
    """Explain a quorum of which all others follow, or that has too few left to lead."""
    state, gone = loss.seen.controllers.state, loss.voters
    size = len(loss.cluster.controllers)
    if isinstance(state, Unknown):
        return list(gone.values()) if size - len(gone) <= size // 2 else ()
    behind = {voter.id for voter in state.voters if voter.id != state.leader and not voter.follows}
    # The leader takes a follower that has just gone for caught up: the others are what matters.
    return [gone[number] for number in sorted(behind)] if behind <= gone.keys() else ()


def _leader(loss: _Loss, found: Finding) -> Collection[Node]:
    return _caught_up(loss, found) if isinstance(loss.seen.controllers.state, Unknown) else ()


def _observers(loss: _Loss, found: Finding) -> Collection[Node]:
    state = loss.seen.controllers.state
    if isinstance(state, Unknown):
        return _leader(loss, found)
    following = {replica.id for replica in state.observers if replica.follows}
    silent = {broker for broker, view in loss.seen.views.items() if isinstance(view, Unknown)}
    own = {node.id for node in loss.cluster.brokers if not node.combined}
    return loss.brokers_if_all({broker for broker in own if broker in silent or broker not in following})


def _lacking(loss: _Loss, concerned: Callable[[Partition], bool]) -> Collection[Node]:
    """Explain partitions that lack only replicas on brokers that are gone."""
    lacking = [set(p.replicas) - set(p.isr) for p in loss.partitions if concerned(p)]
    return loss.brokers_if_all(set().union(*lacking)) if lacking and all(lacking) else ()


def _under_replicated(loss: _Loss, _found: Finding) -> Collection[Node]:
    return _lacking(loss, lambda p: len(p.isr) < len(p.replicas))


def _under_min_isr(loss: _Loss, _found: Finding) -> Collection[Node]:
    return _lacking(loss, lambda p: (spare := loss.spare(p)) is not None and spare < 0)


def _at_min_isr(loss: _Loss, _found: Finding) -> Collection[Node]:
    """Explain partitions that lack a replica; one that has all of them never had one to spare."""
    return _lacking(loss, lambda p: loss.spare(p) == 0)


def _offline(loss: _Loss, _found: Finding) -> Collection[Node]:
    live = set() if isinstance(loss.view, Unknown) else set(loss.view.brokers)
    concerned = [p for p in loss.partitions if not live.intersection(p.replicas)]
    return loss.brokers_if_all({broker for p in concerned for broker in p.replicas})


def _leaderless(loss: _Loss, _found: Finding) -> Collection[Node]:
    """Explain partitions whose in-sync replicas were on brokers that are gone: the others may not lead."""
    live = set() if isinstance(loss.view, Unknown) else set(loss.view.brokers)
    concerned = [set(p.isr) for p in loss.partitions if p.leader is None and live.intersection(p.replicas)]
    return loss.brokers_if_all(set().union(*concerned)) if concerned and all(concerned) else ()


def _replication_factor(loss: _Loss, found: Finding) -> Collection[Node]:
    """Explain topics that are as wide as the cluster; more replicas than it has brokers is no loss."""
    if found.severity is not Severity.WARN or isinstance(loss.view, Unknown):
        return ()
    return loss.brokers_if_all({node.id for node in loss.cluster.brokers} - loss.view.brokers.keys())


def _preferred(loss: _Loss, _found: Finding) -> Collection[Node]:
    elsewhere = {p.replicas[0] for p in loss.partitions if p.leader is not None and p.leader != p.replicas[0]}
    return loss.brokers_if_all(elsewhere)


def _took_part(loss: _Loss, found: Finding) -> Collection[Node]:
    if found.severity is not Severity.WARN:
        return ()
    live = {node.id for node in loss.seen.live(loss.cluster)}
    return loss.brokers_if_all({node.id for node in loss.cluster.brokers} - live)


_OF_A_NODE: Mapping[str, _Explains] = {
    "broker.registered": _registered,
    "broker.log-dirs": _itself,
    "broker.dynamic-config": _itself,
    "broker.listeners": _itself,
    "controller.agreed": _itself,
    "zookeeper.member": _itself,
    "quorum.voter": _voter,
}
_OF_THE_CLUSTER: Mapping[str, _Explains] = {
    "broker.registered": _all_registered,
    "cluster.id": _told_the_id,
    "zookeeper.quorum": _members,
    "quorum.leader": _leader,
    "quorum.majority": _caught_up,
    "quorum.observers": _observers,
    "partitions.offline": _offline,
    "partitions.leaderless": _leaderless,
    "partitions.under-replicated": _under_replicated,
    "partitions.under-min-isr": _under_min_isr,
    "partitions.at-min-isr": _at_min_isr,
    "partitions.replication-factor": _replication_factor,
    "partitions.preferred-leader": _preferred,
    "replication.probe": _took_part,
}
