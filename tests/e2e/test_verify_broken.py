"""Real clusters, broken on purpose: verify names what is wrong, and heals with the cluster."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kafab.adapters.kafka.canaries import CanaryProcesses
from kafab.adapters.kafka.controllers import KraftControllers
from kafab.canary.verdict import judge
from kafab.cluster.metadata import Member, TopicSpec
from kafab.findings import Finding, Report, Severity
from kafab.model import Node, Role
from kafab.ops.canary import beside
from kafab.ops.check.verify import verify
from kafab.unknown import Unknown
from tests.kafka_by_hand import KafkaByHand, until
from tests.worlds import by_hand

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("contract 3.9.2"),  # one cluster for both modules
    pytest.mark.timeout(600),  # six JVMs on a machine that is busy
]

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


@pytest.fixture(scope="module")
def running(hand_3_9_2: KafkaByHand) -> Iterator[KafkaByHand]:
    """Yield six JVMs with a topic of three partitions; every test heals what it breaks."""
    hand, spec = hand_3_9_2, TopicSpec("orders", assignment=((1, 2, 3), (2, 3, 1), (3, 1, 2)))
    with hand.asked():
        assert hand.admin.create_topic(spec) is None
        yield hand
    hand.close()  # nobody asks it any more, and processes that idle take from what the other tests have


@contextlib.contextmanager
def stopped(hand: KafkaByHand, *nodes: Node) -> Iterator[None]:
    """Stop nodes for the length of the block, and wait until the cluster is whole again."""
    for node in nodes:
        hand.stop(node)
    try:
        yield
    finally:
        hand.start(nodes)
        hand.wait_until_healthy()


def checked(hand: KafkaByHand, *, probe: bool = False) -> Report:
    """Verify, as `fab verify` does."""
    world = by_hand(hand.cluster, hand.admin, hand.zookeeper, KraftControllers([], []))
    return verify(hand.cluster, world, probe=probe)


def found(report: Report, check: str, subject: str = "hand") -> Finding:
    """Return the one finding of that check and subject."""
    (finding,) = (f for f in report.findings if (f.check, f.subject) == (check, subject))
    return finding


def test_one_broker_stopped_is_named_and_the_rest_still_replicates(running: KafkaByHand) -> None:
    """The missing broker, the replicas it lacks and RF above the live brokers are told; two brokers pass the probe."""
    third = running.node(Role.BROKER, 3)
    with stopped(running, third):
        running.wait_until_agreed(third)  # the controller takes a moment to tell the others, whom verify asks
        report = checked(running, probe=True)
    assert found(report, "broker.registered", "node3/broker").severity is CRIT
    assert found(report, "broker.registered", "node1/broker").severity is OK
    assert found(report, "partitions.offline").severity is OK
    assert found(report, "partitions.under-replicated").evidence["names"] == [
        "orders-0",
        "orders-1",
        "orders-2",
    ]
    assert found(report, "partitions.under-min-isr").severity is OK
    assert found(report, "partitions.at-min-isr").severity is WARN
    assert found(report, "partitions.replication-factor").severity is WARN
    probe = found(report, "replication.probe")
    assert (probe.severity, probe.evidence.get("records"), probe.evidence.get("lost")) == (WARN, 200, 0), (
        probe
    )
    assert "1 of 3 brokers took no part" in probe.detail
    assert report.exit_code == 1


def test_two_brokers_stopped_leave_nothing_writable(running: KafkaByHand) -> None:
    """Both are named, and every partition is under its min ISR."""
    away = (running.node(Role.BROKER, 2), running.node(Role.BROKER, 3))
    with stopped(running, *away):
        running.wait_until_agreed(*away)
        report = checked(running)
    missing = [f.subject for f in report.findings if (f.check, f.severity) == ("broker.registered", CRIT)]
    assert missing == ["node2/broker", "node3/broker", "hand"]
    assert found(report, "partitions.under-min-isr").evidence["count"] == 3
    assert found(report, "partitions.under-min-isr").severity is CRIT
    assert found(report, "controller.elected").evidence["controller"] == 1


def test_a_stopped_zookeeper_leader_is_named(running: KafkaByHand) -> None:
    """The silent server is UNKNOWN, the ensemble has one follower too few, the brokers are well."""
    members = {node: running.zookeeper.member(node.endpoint) for node in running.cluster.zookeepers}
    (leader,) = (node for node, m in members.items() if isinstance(m, Member) and m.mode == "leader")
    with stopped(running, leader):

        def reelected() -> bool:
            found = [running.zookeeper.member(node.endpoint) for node in running.cluster.zookeepers]
            return any(isinstance(m, Member) and m.synced_followers == 1 for m in found)

        until(reelected, "a new ZooKeeper leader")
        until(lambda: not isinstance(running.zookeeper.controller(), Unknown), "a session")
        report = checked(running)
    assert found(report, "zookeeper.member", leader.name).severity is UNKNOWN
    quorum = found(report, "zookeeper.quorum")
    assert (quorum.severity, quorum.evidence["synced_followers"]) == (CRIT, 1)
    assert found(report, "partitions.under-replicated").severity is OK


def test_a_frozen_broker_is_unknown_and_then_missing(running: KafkaByHand) -> None:
    """A broker under SIGSTOP is UNKNOWN while its session lives, and CRIT once it is no longer registered."""
    node = running.node(Role.BROKER, 2)
    running.signal(node, signal.SIGSTOP)
    try:
        before = checked(running)
        running.wait_until_agreed(node)  # its session ends, and the others are told
        after = checked(running)
    finally:
        running.signal(node, signal.SIGCONT)
        running.wait_until_healthy()
    assert found(before, "broker.registered", node.name).severity is UNKNOWN
    assert found(before, "controller.agreed", node.name).severity is UNKNOWN
    assert found(after, "broker.registered", node.name).severity is CRIT
    assert found(after, "controller.agreed", node.name).severity is CRIT
    assert found(after, "partitions.under-replicated").severity is CRIT


def test_a_stranger_is_named_with_its_address(running: KafkaByHand) -> None:
    """A broker that the inventory does not know is CRIT, with its id and where it listens."""
    cluster = running.cluster
    # As if the inventory had never had the third broker.
    running.cluster = replace(
        cluster, nodes=tuple(node for node in cluster.nodes if (node.role, node.id) != (Role.BROKER, 3))
    )
    try:
        report = checked(running)
    finally:
        running.cluster = cluster
    stranger = found(report, "broker.registered")
    assert stranger.severity is CRIT
    assert stranger.detail == f"not in the inventory: id 3 at {running.node(Role.BROKER, 3).endpoint}"
    assert found(report, "partitions.replication-factor").severity is CRIT


def test_after_all_that_the_cluster_is_healthy(running: KafkaByHand) -> None:
    """Healed, nothing but the preferred leaders is told, and the probe finds every record."""
    report = checked(running, probe=True)
    told = {f.check for f in report.findings if f.severity is not OK}
    assert told <= {"partitions.preferred-leader"}
    assert report.exit_code == 0


def test_a_canary_turns_red_where_acknowledged_records_are_lost(running: KafkaByHand) -> None:
    """Min ISR 1 and unclean election: the leader that alone acknowledged is killed, and its followers lead without its records."""
    first, *others = (running.node(Role.BROKER, number) for number in (1, 2, 3))
    world = by_hand(running.cluster, running.admin, running.zookeeper, KraftControllers([], []))
    world.canaries = CanaryProcesses()
    weak = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    with beside(running.cluster, world) as canary:
        assert running.admin.alter_configs(canary.topic, weak) is None
        for node in others:
            running.stop(node)
        running.wait_until_agreed(*others)
        alone = canary.figures().total.acked
        until(lambda: canary.figures().total.acked > alone + 100, "acknowledgements of the last broker")
        running.signal(first, signal.SIGKILL)
        running.processes.pop(first.name).wait()
        running.start(others)
        until(lambda: canary.figures().total.lost > 0, "offsets that are given out again", 60)
        running.start([first])
        running.wait_until_healthy()
        found = canary.finish()
    assert (found.counted, found.total.lost > 0, found.total.unread) == (True, True, 0)
    assert judge(found).exit_code == 1
