"""Is this cluster what the inventory says, and does it do what a Kafka cluster is for? Findings with evidence.

Everything is asked first, side by side and each node on its own; then judged (`kafab.health` for both modes,
`kafab.ensemble_health` for ZooKeeper, `kafab.quorum_health` for KRaft); then proven by doing (`kafab.ops.probe`, and an
election). A cluster with faults is verified to the end: every finding is told, not the first.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone

from kafab import ensemble_health, health, quorum_health
from kafab.command import Unknown
from kafab.events import Emit
from kafab.findings import Finding, Report
from kafab.metadata import Controller, Member
from kafab.model import Cluster, Node
from kafab.ops import probe as probes
from kafab.ports import Clock, KafkaAdmin, MetadataQuorum, ZooKeeper
from kafab.quorum_health import QuorumAnswers


@dataclass(frozen=True)
class EnsembleAnswers:
    """What ZooKeeper answered."""

    members: Mapping[str, Member | Unknown]
    """By node name."""
    registered: health.Registrations
    controller: Controller | Unknown
    cluster_id: str | Unknown | None


@dataclass(frozen=True)
class Answers:
    """What each broker answered, and ZooKeeper or the KRaft quorum, before anything is judged."""

    views: health.Views
    """By broker id."""
    mode: EnsembleAnswers | QuorumAnswers

    @property
    def registered(self) -> health.Registrations:
        """The registrations, in either mode."""
        if isinstance(self.mode, EnsembleAnswers):
            return self.mode.registered
        return quorum_health.fenced(self.mode.brokers)

    @property
    def live(self) -> tuple[int, ...]:
        """The inventory's brokers that are registered, not fenced, and answer, by id."""
        known = self.registered
        if isinstance(known, Unknown):
            return ()
        return tuple(
            id_
            for id_, view in self.views.items()
            if id_ in known and not known[id_].fenced and not isinstance(view, Unknown)
        )


def verify(
    cluster: Cluster,
    *,
    zookeeper: ZooKeeper,
    quorum: MetadataQuorum,
    admin: KafkaAdmin,
    clock: Clock,
    emit: Emit,
    nodes: Callable[[], Sequence[Finding]] = tuple,
    probe: bool = True,
    election: Callable[[Sequence[Node]], Finding] | None = None,
    now: datetime | None = None,
) -> Report:
    """Return every finding about the cluster, those about its processes (``nodes``, asked side by side) first.

    ``probe`` writes to a topic of its own and removes it again; ``election`` (see `kafab.ops.election`) moves the
    controller, given the live brokers. Without both the cluster is only read. Of ``zookeeper`` and ``quorum`` the one of
    the cluster's mode is asked. ``now`` dates the probe topic. Raises nothing for a cluster's fault.
    """
    at = now or datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=1) as pool:
        processes = pool.submit(nodes)
        answers = ask(cluster, zookeeper=zookeeper, quorum=quorum, admin=admin)
        findings = list(processes.result())
    findings += [*judge(cluster, answers, admin=admin, at=at)]
    if probe:
        name = probes.probe_name(at)
        findings += probes.replication(cluster, answers.live, admin=admin, clock=clock, emit=emit, name=name)
    if election:
        findings.append(election([node for node in cluster.brokers if node.id in answers.live]))
    return Report(cluster.name, tuple(findings))


def ask(cluster: Cluster, *, zookeeper: ZooKeeper, quorum: MetadataQuorum, admin: KafkaAdmin) -> Answers:
    """Ask every node on its own, and the ensemble or the quorum as a whole, all side by side."""
    questions = 2 * len(cluster.nodes) + 3
    with ThreadPoolExecutor(max_workers=min(questions, 64)) as pool:
        views = {node.id: pool.submit(admin.metadata, node.endpoint) for node in cluster.brokers}
        mode = (
            _ask_quorum(cluster, quorum, pool) if cluster.kraft else _ask_ensemble(cluster, zookeeper, pool)
        )
        return Answers({broker: answer.result() for broker, answer in views.items()}, mode)


def _ask_ensemble(cluster: Cluster, zookeeper: ZooKeeper, pool: ThreadPoolExecutor) -> EnsembleAnswers:
    registrations = pool.submit(zookeeper.registrations)
    controller = pool.submit(zookeeper.controller)
    cluster_id = pool.submit(zookeeper.cluster_id)
    members = {node.name: pool.submit(zookeeper.member, node.endpoint) for node in cluster.zookeepers}
    return EnsembleAnswers(
        {name: answer.result() for name, answer in members.items()},
        ensemble_health.sessions(registrations.result()),
        controller.result(),
        cluster_id.result(),
    )


def _ask_quorum(cluster: Cluster, quorum: MetadataQuorum, pool: ThreadPoolExecutor) -> QuorumAnswers:
    state = pool.submit(quorum.describe)
    features = pool.submit(quorum.features)
    brokers = pool.submit(quorum.brokers)
    leaders = {
        node.name: pool.submit(quorum.leader, node.controller_endpoint) for node in cluster.controllers
    }
    reached = {node.name: pool.submit(quorum.describe, node.endpoint) for node in cluster.brokers}
    through = {name: answer.result() for name, answer in reached.items()}
    described = [state.result(), *through.values()]
    # A leader that does not answer here may be reached through a broker.
    known = (found for found in described if not isinstance(found, Unknown))
    return QuorumAnswers(
        next(known, described[0]),
        {name: answer.result() for name, answer in leaders.items()},
        through,
        features.result(),
        brokers.result(),
    )


def judge(cluster: Cluster, answers: Answers, *, admin: KafkaAdmin, at: datetime) -> tuple[Finding, ...]:
    """Judge the answers; only the topics' configuration is still asked for."""
    seen = health.choose_view(_first_to_be_right(answers), answers.views)
    partitions = health.without(seen, probes.is_probe)
    if isinstance(partitions, Unknown):
        configs: health.Configs = partitions
    else:
        configs = admin.topic_configs(
            sorted({p.topic for p in partitions.partitions}), ["min.insync.replicas"]
        )
    return (
        *_judge_mode(cluster, answers, answers.mode),
        *health.judge_partitions(cluster, partitions, configs),
        probes.judge_leftovers(cluster, seen, at),
    )


def _judge_mode(
    cluster: Cluster, answers: Answers, mode: EnsembleAnswers | QuorumAnswers
) -> tuple[Finding, ...]:
    registered, views = answers.registered, answers.views
    if isinstance(mode, QuorumAnswers):
        pinned = {"the inventory": cluster.cluster_id} if cluster.cluster_id else {}
        absent = quorum_health.absent(cluster)
        return (
            *quorum_health.judge_quorum(cluster, mode, views),
            *health.judge_registrations(cluster, registered, views, absent=absent),
            health.judge_identity(cluster, pinned, views),
        )
    return (
        *ensemble_health.judge_ensemble(cluster, mode.members),
        *health.judge_registrations(cluster, registered, views),
        *ensemble_health.judge_controller(cluster, mode.controller, registered, views),
        health.judge_identity(cluster, {"zookeeper": mode.cluster_id}, views),
    )


def _first_to_be_right(answers: Answers) -> tuple[int, ...]:
    """Return whose view of the partitions is asked for first: the controller's; in KRaft, of whoever is not fenced."""
    if isinstance(answers.mode, QuorumAnswers):
        return answers.live
    controller = answers.mode.controller
    return () if isinstance(controller, Unknown) or controller.broker is None else (controller.broker,)
