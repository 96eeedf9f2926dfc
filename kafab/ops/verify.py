"""Is this cluster what the inventory says, and does it do what a Kafka cluster is for? Findings with evidence.

Everything is asked first, side by side and each broker on its own; then judged (`kafab.health`); then proven by doing
(`kafab.ops.probe`, `kafab.ops.election`). A cluster with faults is verified to the end: every finding is told, not the first.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone

from kafab import health
from kafab.command import Unknown
from kafab.events import Emit
from kafab.findings import Finding, Report
from kafab.metadata import Controller, Member, Metadata, Registration
from kafab.model import Cluster, Node
from kafab.ops import election as elections
from kafab.ops import probe as probes
from kafab.ports import Clock, KafkaAdmin, ZooKeeper


@dataclass(frozen=True)
class Answers:
    """What ZooKeeper and each broker answered, before anything is judged."""

    members: Mapping[str, Member | Unknown]
    """By node name."""
    registrations: Mapping[int, Registration] | Unknown
    controller: Controller | Unknown
    cluster_id: str | Unknown | None
    views: Mapping[int, Metadata | Unknown]
    """By broker id."""

    @property
    def live(self) -> tuple[int, ...]:
        """The inventory's brokers that are registered and answer, by id."""
        if isinstance(self.registrations, Unknown):
            return ()
        known = self.registrations
        return tuple(
            id_ for id_, view in self.views.items() if id_ in known and not isinstance(view, Unknown)
        )


def verify(
    cluster: Cluster,
    *,
    zookeeper: ZooKeeper,
    admin: KafkaAdmin,
    clock: Clock,
    emit: Emit,
    nodes: Callable[[], Sequence[Finding]] = tuple,
    probe: bool = True,
    election: bool = False,
    now: datetime | None = None,
) -> Report:
    """Return every finding about the cluster, those about its processes (``nodes``, asked side by side) first.

    ``probe`` writes to a topic of its own and removes it again; ``election`` forces a controller election. Without both
    the cluster is only read. ``now`` dates the probe topic. Raises nothing for a cluster's fault.
    """
    at = now or datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=1) as pool:
        processes = pool.submit(nodes)
        answers = ask(cluster, zookeeper=zookeeper, admin=admin)
        findings = list(processes.result())
    findings += [*judge(cluster, answers, admin=admin, at=at)]
    if probe:
        name = probes.probe_name(at)
        findings += probes.replication(cluster, answers.live, admin=admin, clock=clock, emit=emit, name=name)
    if election:
        live = [node for node in cluster.brokers if node.id in answers.live]
        findings.append(
            elections.election(
                cluster, lambda: _views(live, admin), zookeeper=zookeeper, clock=clock, emit=emit
            )
        )
    return Report(cluster.name, tuple(findings))


def ask(cluster: Cluster, *, zookeeper: ZooKeeper, admin: KafkaAdmin) -> Answers:
    """Ask every ZooKeeper server, the ensemble and every broker on its own, all side by side."""
    with ThreadPoolExecutor(max_workers=_workers(len(cluster.nodes) + 3)) as pool:
        registrations = pool.submit(zookeeper.registrations)
        controller = pool.submit(zookeeper.controller)
        cluster_id = pool.submit(zookeeper.cluster_id)
        views = {node.id: pool.submit(_view, node, admin) for node in cluster.brokers}
        members = {node.name: pool.submit(zookeeper.member, node.endpoint) for node in cluster.zookeepers}
        return Answers(
            {name: answer.result() for name, answer in members.items()},
            registrations.result(),
            controller.result(),
            cluster_id.result(),
            {broker: answer.result() for broker, answer in views.items()},
        )


def judge(cluster: Cluster, answers: Answers, *, admin: KafkaAdmin, at: datetime) -> tuple[Finding, ...]:
    """Judge the answers; only the topics' configuration is still asked for."""
    seen = health.choose_view(answers.controller, answers.views)
    partitions = health.without(seen, probes.is_probe)
    if isinstance(partitions, Unknown):
        configs: health.Configs = partitions
    else:
        configs = admin.topic_configs(sorted({partition.topic for partition in partitions.partitions}))
    return (
        *health.judge_ensemble(cluster, answers.members),
        *health.judge_registrations(cluster, answers.registrations, answers.views),
        *health.judge_controller(cluster, answers.controller, answers.registrations, answers.views),
        health.judge_identity(cluster, answers.cluster_id, answers.views),
        *health.judge_partitions(cluster, partitions, configs),
        probes.judge_leftovers(cluster, seen, at),
    )


def _views(nodes: Sequence[Node], admin: KafkaAdmin) -> dict[int, Metadata | Unknown]:
    with ThreadPoolExecutor(max_workers=_workers(len(nodes))) as pool:
        return dict(zip((node.id for node in nodes), pool.map(_asker(admin), nodes), strict=True))


def _asker(admin: KafkaAdmin) -> Callable[[Node], Metadata | Unknown]:
    return lambda node: _view(node, admin)


def _view(node: Node, admin: KafkaAdmin) -> Metadata | Unknown:
    return admin.metadata(node.endpoint)


def _workers(questions: int) -> int:
    return max(1, min(questions, 64))
