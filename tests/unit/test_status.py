"""The status screen: what each node leads, as a broker and as a controller."""

from datetime import timedelta
from pathlib import Path

import pytest

from kafab.cluster.metadata import TopicSpec
from kafab.model import Version
from kafab.ops.check.status import NodeStatus, exit_code, findings, status
from kafab.screens.cluster import show_status
from kafab.screens.console import Console
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from tests.kraft_by_hand import kraft_in
from tests.worlds import running_hosts


def leads(kafka: FakeKafka) -> list[str]:
    """Return the last column of the screen, by node."""
    lines = status(kafka.cluster, None, FakeWorld.of(kafka, fleet=running_hosts(kafka.cluster)))
    return [line.leads for line in lines]


def kafka_of(*, isolated: bool, version: str = "4.3.1") -> FakeKafka:
    """Return a KRaft cluster with a topic of three partitions."""
    kafka = FakeKafka(kraft_in(Path("/srv"), Version.parse(version), isolated=isolated))
    FakeAdmin(kafka).create_topic(TopicSpec("orders", 3, 3))
    return kafka


def test_a_combined_node_leads_partitions_and_the_quorum() -> None:
    """A combined node says both; a controller that does not lead is a follower."""
    assert leads(kafka_of(isolated=False)) == [
        "1 partition, leader",
        "1 partition, follower",
        "1 partition, follower",
    ]


def test_isolated_controllers_lead_or_follow() -> None:
    """Controllers say who leads, brokers how many partitions they lead."""
    expected = ["leader", "1 partition", "follower", "1 partition", "follower", "1 partition"]
    assert leads(kafka_of(isolated=True)) == expected


@pytest.mark.parametrize(("version", "word"), [("4.3.1", "fenced"), ("3.9.2", "not registered, or fenced")])
def test_a_fenced_broker_says_so(version: str, word: str) -> None:
    """A broker that answers and serves nobody is not shown as one that is well."""
    kafka = kafka_of(isolated=True, version=version)
    kafka.fence(3)
    assert leads(kafka)[-1] == f"0 partitions, {word}"


def test_a_silent_half_is_unknown() -> None:
    """A frozen process is UNKNOWN, as a broker and as a controller; without a majority the others know no leader."""
    kafka = kafka_of(isolated=True)
    kafka.voters.stopped.add(12)
    kafka.voters.frozen.add(13)
    told = leads(kafka)
    assert (told[0], told[2].startswith("UNKNOWN: "), told[4].startswith("UNKNOWN: ")) == (
        "no leader",
        True,
        True,
    )


@pytest.mark.parametrize(("ids", "exit_says"), [({}, "OK"), ({13: "foreign"}, "CRIT")])
def test_the_findings_end_with_the_cluster_ids(ids: dict[int, str], exit_says: str) -> None:
    """Behind the processes stands whether all data directories are of one cluster."""
    cluster = kraft_in(Path("/srv"), Version(4, 3, 1), isolated=True)
    world = FakeWorld.of(FakeKafka(cluster), fleet=running_hosts(cluster, ids))
    found = findings(cluster, world)
    assert [finding.check for finding in found] == [*["process"] * 6, "storage.cluster-id"]
    assert str(found[-1].severity) == exit_says


@pytest.mark.parametrize(
    ("other", "shown"), [("", "kafka_2.13-4.3.1 "), ("kafka_2.13-4.3.1-cdcdcdcdcdcd", "-abababababab")]
)
def test_a_release_is_short_where_all_nodes_have_the_same(
    capsys: pytest.CaptureFixture[str], other: str, shown: str
) -> None:
    """The digest of a build is shown only where it tells builds apart; the line then fits 95 columns."""
    cluster = kraft_in(Path("/srv"), Version(4, 3, 1), isolated=True)
    named = {cluster.nodes[0]: other} if other else {}
    lines = [
        NodeStatus(
            node,
            *("running", 123456, timedelta(minutes=3, seconds=20)),
            *(named.get(node, "kafka_2.13-4.3.1-abababababab"), "as deployed", "12 partitions"),
        )
        for node in cluster.nodes
    ]
    show_status(Console(), cluster, lines)
    out = capsys.readouterr().out
    assert shown in out
    assert other or max(map(len, out.splitlines())) <= 95


def of(kafka: FakeKafka) -> tuple[NodeStatus, ...]:
    """Return the screen's lines of a cluster whose processes all run."""
    return status(kafka.cluster, None, FakeWorld.of(kafka, fleet=running_hosts(kafka.cluster)))


def test_all_that_runs_serves() -> None:
    """A cluster that is well lacks nothing, and the exit code says so."""
    lines = of(kafka_of(isolated=True))
    assert ([line.lacks for line in lines], exit_code(lines)) == ([""] * 6, 0)


def test_silent_broker_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """A process that runs and does not answer is counted apart, named with its reason, and ends with 5."""
    kafka = kafka_of(isolated=True)
    kafka.frozen = {3}
    lines = of(kafka)
    show_status(Console(), kafka.cluster, lines)
    out = capsys.readouterr().out.splitlines()
    name = lines[-1].node.name
    assert exit_code(lines) == 5
    assert f"6 of 6 nodes run, 1 of them do not serve as they should ({name})" in out[-1]
    assert any(line.startswith(f"  {name}: does not answer: ") for line in out)


def test_fenced_broker_is_no_success() -> None:
    """A broker that answers and serves nobody is known not to serve: 1, as for a check that fails."""
    kafka = kafka_of(isolated=True)
    kafka.fence(3)
    lines = of(kafka)
    assert (lines[-1].lacks, exit_code(lines)) == ("fenced", 1)


def test_offline_log_directory_is_told() -> None:
    """A broker whose disk failed serves what is left of it: its directory is named, and the exit code is not 0."""
    kafka = kafka_of(isolated=True)
    node = kafka.cluster.brokers[0]
    kafka.offline = {node.id: {str(node.data[0])}}
    (line,) = (line for line in of(kafka) if line.node == node)
    assert (line.lacks, exit_code([line])) == (f"offline: {node.data[0]} (KafkaStorageError)", 1)
