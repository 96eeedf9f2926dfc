"""Real KRaft clusters, broken on purpose: verify names what is wrong, and heals with the cluster."""

import contextlib
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.zookeeper import KazooEnsemble
from kafab.cluster.metadata import QuorumState, TopicSpec
from kafab.findings import Finding, Report, Severity
from kafab.model import Node, Version
from kafab.ops.check.verify import verify
from kafab.unknown import Unknown
from tests.kafka_by_hand import unpacked, until
from tests.kraft_by_hand import KraftByHand, new_id
from tests.worlds import by_hand

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # six JVMs on a machine that is busy
LIMIT = 180

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KraftByHand]:
    """Yield three controllers and three brokers with a topic of three partitions; every test heals what it breaks."""
    root, version = tmp_path_factory.mktemp("broken"), Version(4, 3, 1)
    hand = KraftByHand(root, unpacked(version, root), version, isolated=True)
    try:
        hand.format(hand.cluster.nodes)
        hand.start(hand.cluster.nodes)
        hand.wait_until_healthy()
        with closing(admin_of(hand)) as admin:
            assert (
                admin.create_topic(TopicSpec("orders", assignment=((1, 2, 3), (2, 3, 1), (3, 1, 2)))) is None
            )
        yield hand
    finally:
        hand.close()


def admin_of(hand: KraftByHand) -> ClientsAdmin:
    """Return a client of the brokers."""
    return ClientsAdmin([node.endpoint for node in hand.cluster.brokers])


def checked(hand: KraftByHand, *, probe: bool = False) -> Report:
    """Verify, as `fab verify` does."""
    with closing(admin_of(hand)) as admin:
        world = by_hand(hand.cluster, admin, KazooEnsemble([], ""), hand.quorum)
        return verify(hand.cluster, world, probe=probe)


def found(report: Report, check: str, subject: str = "hand") -> Finding:
    """Return the one finding of that check and subject."""
    (finding,) = (f for f in report.findings if (f.check, f.subject) == (check, subject))
    return finding


def told(report: Report) -> set[tuple[str, str]]:
    """Return check and subject of what is not OK."""
    return {(f.check, f.subject) for f in report.findings if f.severity is not OK}


def healed(hand: KraftByHand) -> None:
    """Wait until nothing but the preferred leaders is told."""

    def whole() -> bool:
        return {check for check, _ in told(checked(hand))} <= {"partitions.preferred-leader"}

    until(whole, "the cluster is whole again", 240)


@contextlib.contextmanager
def stopped(hand: KraftByHand, node: Node) -> Iterator[Callable[[Node], None]]:
    """Stop a node for the length of the block, and those that it asks for; wait until the cluster is whole again."""
    away: list[Node] = []

    def stop(node: Node) -> None:
        hand.stop(node)
        away.append(node)

    stop(node)
    try:
        yield stop
    finally:
        hand.start(away)
        healed(hand)


@contextlib.contextmanager
def frozen(hand: KraftByHand, node: Node) -> Iterator[None]:
    """Freeze a process for the length of the block, and wait until the cluster is whole again."""
    hand.signal(node, signal.SIGSTOP)
    try:
        yield
    finally:
        hand.signal(node, signal.SIGCONT)
        healed(hand)


def leader_and_others(hand: KraftByHand) -> tuple[Node, list[Node]]:
    """Return the controller that leads, and those that follow."""
    state = hand.quorum.describe()
    assert isinstance(state, QuorumState)
    leader = hand.node(state.leader)
    return leader, [node for node in hand.cluster.controllers if node != leader]


def leading(hand: KraftByHand) -> Node | None:
    """Return the controller that leads, None where nobody describes the quorum."""
    state = hand.quorum.describe()
    return hand.node(state.leader) if isinstance(state, QuorumState) else None


def behind(hand: KraftByHand, node: Node) -> bool:
    """Tell whether the leader takes this voter for one that does not follow."""
    state = hand.quorum.describe()
    return isinstance(state, QuorumState) and not all(v.follows for v in state.voters if v.id == node.id)


def test_one_controller_down_is_a_degraded_quorum(running: KraftByHand) -> None:
    """The stopped voter is CRIT with its figures, the quorum a WARN, and the cluster replicates."""
    _, (first, *_) = leader_and_others(running)
    with stopped(running, first):
        until(lambda: behind(running, first), "the leader misses its follower", LIMIT)
        report = checked(running, probe=True)
    voter = found(report, "quorum.voter", first.name)
    assert voter.severity is CRIT
    assert "last caught up" in voter.detail
    majority = found(report, "quorum.majority")
    assert (majority.severity, majority.detail) == (
        WARN,
        "2 of 3 voters are caught up: one more loss leaves no majority",
    )
    assert told(report) - {("partitions.preferred-leader", "hand")} == {
        ("quorum.voter", first.name),
        ("quorum.majority", "hand"),
        ("controller.agreed", first.name),
    }
    assert found(report, "replication.probe").severity is OK


def test_two_of_three_controllers_down_are_no_quorum(running: KraftByHand) -> None:
    """Nobody leads, which is told with the majority that is missing; the brokers still answer."""
    leader, others = leader_and_others(running)
    with stopped(running, leader) as stop:
        until(lambda: leading(running) in others, "another controller leads", LIMIT)
        last = leading(running)
        assert last is not None
        # One that leads gives up without followers; one that follows may go on naming the leader that it had.
        stop(next(node for node in others if node != last))
        until(
            lambda: running.quorum.leader(last.controller_endpoint) is None,
            "the last one knows no leader",
            LIMIT,
        )
        report = checked(running)
    quorum = found(report, "quorum.leader")
    assert (quorum.severity, quorum.detail) == (
        CRIT,
        "no leader: 1 of 3 controllers answers, a majority is 2",
    )
    assert found(report, "quorum.majority").severity is CRIT
    assert found(report, "quorum.voter", leader.name).severity is UNKNOWN
    assert found(report, "controller.agreed", last.name).severity is CRIT
    assert found(report, "partitions.leaderless").severity is OK


def test_a_lagging_voter_is_told_with_its_figures(running: KraftByHand) -> None:
    """A controller under SIGSTOP is behind by records and seconds, and the quorum is degraded."""
    _, (first, *_) = leader_and_others(running)
    with frozen(running, first):
        until(lambda: behind(running, first), "the leader misses its follower", LIMIT)
        report = checked(running)
    voter = found(report, "quorum.voter", first.name)
    assert voter.severity is CRIT
    figures = voter.evidence
    assert isinstance(figures["behind"], int)
    assert isinstance(figures["caught_up_seconds"], float)
    assert (figures["behind"] > 0, figures["caught_up_seconds"] > 5, figures["answers"]) == (
        True,
        True,
        False,
    )
    assert found(report, "quorum.majority").severity is WARN


def test_a_fenced_broker_is_named(running: KraftByHand) -> None:
    """A broker under SIGSTOP is registered and fenced once its session has ended, and follows the metadata no more."""
    node = running.node(2)
    with frozen(running, node):

        def fenced() -> bool:
            known = running.quorum.brokers()
            return not isinstance(known, Unknown) and known[node.id].fenced

        until(fenced, "the frozen broker is fenced", LIMIT)
        until(lambda: not _observes(running, node), "the leader misses the observer", LIMIT)
        report = checked(running)
    broker = found(report, "broker.registered", node.name)
    assert broker.severity is CRIT
    assert broker.detail.startswith("id 2 is registered but fenced, and does not answer")
    assert found(report, "quorum.observers").severity is CRIT
    assert found(report, "controller.agreed", node.name).severity is CRIT
    assert found(report, "quorum.majority").severity is OK
    assert found(report, "partitions.under-replicated").severity is CRIT


def _observes(hand: KraftByHand, node: Node) -> bool:
    state = hand.quorum.describe()
    return not isinstance(state, QuorumState) or any(o.follows for o in state.observers if o.id == node.id)


def test_a_controller_of_a_foreign_cluster_is_no_voter_that_follows(running: KraftByHand) -> None:
    """A controller whose storage was formatted with another cluster id is CRIT; the two others hold the quorum."""
    _, (first, *_) = leader_and_others(running)
    data, ours = Path(first.data[0]), running.cluster_id
    kept = data.with_name("kept")
    running.stop(first)
    data.rename(kept)
    running.cluster_id = new_id()
    try:
        running.format([first])
        running.start([first])
        until(lambda: behind(running, first), "the leader misses its follower", LIMIT)
        report = checked(running)
    finally:
        running.cluster_id = ours
        running.stop(first)
        shutil.rmtree(data, ignore_errors=True)
        kept.rename(data)
        running.start([first])
        healed(running)
    assert found(report, "quorum.voter", first.name).severity is CRIT
    assert found(report, "quorum.majority").severity is WARN
    assert found(report, "cluster.id").severity is OK


def test_a_replaced_disk_is_another_voter(running: KraftByHand) -> None:
    """A controller whose directory id is new only observes; both ids and the commands that mend it are told."""
    _, (first, *_) = leader_and_others(running)
    data, before = Path(first.data[0]), running.directories[first.id]
    kept = data.with_name("kept")
    running.stop(first)
    data.rename(kept)
    running.directories[first.id] = new_id()
    try:
        running.format([first])
        running.start([first])

        def observes() -> bool:
            state = running.quorum.describe()
            observers = {o.id for o in state.observers} if isinstance(state, QuorumState) else set()
            answers = not isinstance(running.quorum.leader(first.controller_endpoint), Unknown)
            return first.id in observers and answers and behind(running, first)

        until(observes, "the replaced one observes and answers", LIMIT)
        report = checked(running)
    finally:
        running.stop(first)
        shutil.rmtree(data)
        kept.rename(data)
        running.directories[first.id], after = before, running.directories[first.id]
        running.start([first])
        healed(running)
    voter = found(report, "quorum.voter", first.name)
    assert voter.severity is CRIT
    assert f"it runs with directory id {after}, the voter is {before}" in voter.detail


def test_strangers_and_an_unknown_leader_are_named(running: KraftByHand) -> None:
    """Voters and brokers that the inventory does not know are CRIT by id."""
    leader, _ = leader_and_others(running)
    cluster = running.cluster
    # As if the inventory had never had the leader and the third broker.
    running.cluster = replace(
        cluster, nodes=tuple(node for node in cluster.nodes if node.id not in (leader.id, 3))
    )
    try:
        report = checked(running)
    finally:
        running.cluster = cluster
    assert found(report, "quorum.voters").detail == f"not in the inventory: {leader.id}"
    assert found(report, "quorum.leader").severity is CRIT
    stranger = found(report, "broker.registered")
    assert stranger.detail == f"not in the inventory: id 3 at {running.node(3).endpoint}"


def test_after_all_that_the_cluster_is_healthy(running: KraftByHand) -> None:
    """Healed, nothing but the preferred leaders is told, and the probe finds every record."""
    report = checked(running, probe=True)
    assert {check for check, _ in told(report)} <= {"partitions.preferred-leader"}
    assert report.exit_code == 0
