"""What a cluster says of itself, judged: tables of answers and findings."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.checks import brokers, ensemble
from kafab.cluster.metadata import ConfigEntry, Controller, Member, Metadata, Partition, Registration
from kafab.cluster.seen import LogDirs, Views, registered_with_zookeeper
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Endpoint, Version
from kafab.unknown import Unknown
from tests.conftest import cluster_in

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT
GONE = Unknown("connection refused")
LEADER, FOLLOWER = Member("leader", 1, "3.8.4", 2), Member("follower", 1, "3.8.4")
CLUSTER = cluster_in(Path("/srv"), hosts=3)
ALONE = cluster_in(Path("/srv"), hosts=1)
ELECTED = Controller(1, 7)


def registered(cluster: Cluster = CLUSTER) -> dict[int, Registration]:
    """Return what ZooKeeper holds when every broker is well."""
    return {node.id: Registration(node.id, (node.endpoint,), node.id) for node in cluster.brokers}


def views(*partitions: Partition, controller: int | None = 1) -> dict[int, Metadata | Unknown]:
    """Return what the brokers answer when every one is well."""
    brokers = {node.id: node.endpoint for node in CLUSTER.brokers}
    view = Metadata("the-id", controller, brokers, partitions)
    return {node.id: view for node in CLUSTER.brokers}


def severities(findings: tuple[Finding, ...]) -> dict[tuple[str, str], Severity]:
    """Return (check, subject) -> severity; a pair that comes twice fails."""
    told = {(finding.check, finding.subject): finding.severity for finding in findings}
    assert len(told) == len(findings)
    return told


def partition(
    number: int, leader: int | None, replicas: tuple[int, ...], isr: tuple[int, ...] | None = None
) -> Partition:
    """Return a partition of topic t; in sync unless told otherwise."""
    return Partition("t", number, leader, replicas, replicas if isr is None else isr)


def min_isr(value: int) -> dict[str, dict[str, ConfigEntry]]:
    """Return topic t's configuration."""
    return {"t": {"min.insync.replicas": ConfigEntry("min.insync.replicas", str(value), True)}}


@pytest.mark.parametrize(
    ("members", "severity", "words"),
    [
        ((LEADER, FOLLOWER, FOLLOWER), OK, "2 of 2 followers in sync"),
        ((replace(LEADER, synced_followers=1), FOLLOWER, FOLLOWER), CRIT, "1 of 2 followers in sync"),
        ((replace(LEADER, synced_followers=None), FOLLOWER, FOLLOWER), UNKNOWN, "does not say"),
        ((LEADER, LEADER, FOLLOWER), CRIT, "2 of 3 servers lead: node1/zookeeper, node2/zookeeper"),
        ((FOLLOWER, FOLLOWER, FOLLOWER), CRIT, "0 of 3 servers lead"),
        ((GONE, FOLLOWER, FOLLOWER), UNKNOWN, "no leader among the 2 of 3"),
        ((GONE, GONE, GONE), UNKNOWN, "no leader among the 0 of 3"),
        ((Member("standalone", 1, "3.8.4"), GONE, GONE), CRIT, "runs as standalone in an ensemble of 3"),
    ],
)
def test_the_ensemble_has_one_leader_that_all_follow(
    members: tuple[Member | Unknown, ...], severity: Severity, words: str
) -> None:
    """The quorum finding follows from the members' modes and the leader's synced followers."""
    names = [node.name for node in CLUSTER.zookeepers]
    found = ensemble.judge_ensemble(CLUSTER, dict(zip(names, members, strict=True)))
    assert (found[-1].check, found[-1].severity) == ("zookeeper.quorum", severity)
    assert words in found[-1].detail


def test_a_single_server_stands_alone() -> None:
    """An ensemble of one is well when it is standalone."""
    found = ensemble.judge_ensemble(ALONE, {"node1/zookeeper": Member("standalone", 1, "3.8.4")})
    assert [finding.severity for finding in found] == [OK, OK]


def test_a_silent_server_is_unknown() -> None:
    """A member that does not answer is neither well nor gone."""
    found = ensemble.judge_ensemble(
        CLUSTER,
        {
            "node1/zookeeper": GONE,
            "node2/zookeeper": replace(LEADER, synced_followers=1),
            "node3/zookeeper": FOLLOWER,
        },
    )
    assert [finding.severity for finding in found] == [UNKNOWN, OK, OK, CRIT]


ELSEWHERE = Registration(2, (Endpoint("10.9.9.9", 1),), 2)


@pytest.mark.parametrize(
    ("change", "silent", "expected"),
    [
        ({}, None, [OK, OK, OK, OK]),
        ({2: None}, None, [OK, CRIT, OK, CRIT]),
        ({2: None}, 2, [OK, CRIT, OK, CRIT]),
        ({}, 2, [OK, UNKNOWN, OK, OK]),
        ({2: ELSEWHERE}, None, [OK, CRIT, OK, OK]),
        ({9: Registration(9, (Endpoint("10.9.9.9", 1),), 9)}, None, [OK, OK, OK, CRIT]),
    ],
)
def test_brokers_are_registered_as_the_inventory_says(
    change: dict[int, Registration | None], silent: int | None, expected: list[Severity]
) -> None:
    """Missing, moved, silent and strange brokers each change their own finding."""
    known = {key: value for key, value in {**registered(), **change}.items() if value is not None}
    seen = views() | ({silent: GONE} if silent else {})
    found = brokers.judge_registrations(CLUSTER, registered_with_zookeeper(known), seen)
    assert [finding.severity for finding in found] == expected


def test_a_stranger_is_named() -> None:
    """The finding of a stranger has its id and address."""
    stranger = Registration(9, (Endpoint("10.9.9.9", 9092),), 9)
    known = registered_with_zookeeper(registered() | {9: stranger})
    found = brokers.judge_registrations(CLUSTER, known, views())
    assert found[-1].detail == "not in the inventory: id 9 at 10.9.9.9:9092"


def test_unknown_registrations_are_unknown_for_every_broker() -> None:
    """When ZooKeeper does not answer, no broker is called registered or missing."""
    found = severities(brokers.judge_registrations(CLUSTER, GONE, views()))
    assert found == {
        ("broker.registered", subject): UNKNOWN
        for subject in ("node1/broker", "node2/broker", "node3/broker", "small")
    }


@pytest.mark.parametrize(
    ("controller", "known", "seen", "expected"),
    [
        (ELECTED, registered(), views(), [OK, OK, OK, OK]),
        (ELECTED, registered(), views() | {3: Metadata("the-id", 2, {})}, [OK, OK, OK, CRIT]),
        (ELECTED, registered(), views() | {3: Metadata("the-id", None, {})}, [OK, OK, OK, CRIT]),
        (ELECTED, registered(), views() | {3: GONE}, [OK, OK, OK, UNKNOWN]),
        (ELECTED, {1: registered()[1]}, views() | {3: GONE}, [OK, OK, OK, CRIT]),
        (ELECTED, {2: registered()[2]}, views(), [CRIT, OK, OK, OK]),
        (ELECTED, GONE, views() | {3: GONE}, [UNKNOWN, OK, OK, UNKNOWN]),
        (Controller(None, 7), registered(), views(), [CRIT, UNKNOWN, UNKNOWN, UNKNOWN]),
        (GONE, registered(), views(), [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]),
    ],
)
def test_every_broker_names_the_one_controller(
    controller: Controller | Unknown,
    known: dict[int, Registration] | Unknown,
    seen: Views,
    expected: list[Severity],
) -> None:
    """The elected controller is registered, and what each broker names is held against it."""
    found = ensemble.judge_controller(CLUSTER, controller, registered_with_zookeeper(known), seen)
    assert [finding.severity for finding in found] == expected


@pytest.mark.parametrize(
    ("cluster_id", "seen", "severity"),
    [
        ("the-id", views(), OK),
        ("the-id", views() | {3: Metadata("another", 1, {})}, CRIT),
        ("another", views(), CRIT),
        (None, views(), CRIT),
        ("the-id", views() | {3: GONE}, UNKNOWN),
        (GONE, views(), UNKNOWN),
    ],
)
def test_the_cluster_id_is_the_same_everywhere(
    cluster_id: str | Unknown | None, seen: Views, severity: Severity
) -> None:
    """ZooKeeper and all brokers say one id; two ids are two clusters."""
    assert brokers.judge_identity(CLUSTER, {"zookeeper": cluster_id}, seen).severity is severity


WELL = (partition(0, 1, (1, 2, 3)), partition(1, 2, (2, 3, 1)), partition(2, 3, (3, 1, 2)))
BROKERS = {node.id: node.endpoint for node in CLUSTER.brokers}


@pytest.mark.parametrize(
    ("partitions", "live", "wanted", "expected"),
    [
        (WELL, (1, 2, 3), 2, {}),
        ((), (1, 2, 3), 2, {}),
        (
            (partition(0, None, (3,)),),
            (1, 2),
            1,
            {"offline": CRIT, "at-min-isr": WARN},
        ),
        (
            (partition(0, None, (3, 1), (3,)),),
            (1, 2),
            1,
            {"leaderless": CRIT, "under-replicated": CRIT, "at-min-isr": WARN},
        ),
        (
            (partition(0, 1, (1, 2, 3), (1, 2)),),
            (1, 2),
            2,
            {"under-replicated": CRIT, "at-min-isr": WARN, "replication-factor": WARN},
        ),
        (
            (partition(0, 1, (1, 2, 3), (1,)),),
            (1, 2, 3),
            2,
            {"under-replicated": CRIT, "under-min-isr": CRIT},
        ),
        ((partition(0, 1, (1, 2, 3, 9)),), (1, 2, 3, 9), 2, {"replication-factor": CRIT}),
        ((*WELL, partition(3, 2, (1, 2, 3))), (1, 2, 3), 2, {"preferred-leader": WARN}),
    ],
)
def test_partitions_are_judged(
    partitions: tuple[Partition, ...], live: tuple[int, ...], wanted: int, expected: dict[str, Severity]
) -> None:
    """Each fault of a partition shows in its own checks, and all other checks stay OK."""
    answering = {broker: BROKERS.get(broker, Endpoint("10.9.9.9", 1)) for broker in live}
    metadata = Metadata("the-id", 1, answering, partitions)
    found = severities(brokers.judge_partitions(CLUSTER, metadata, min_isr(wanted)))
    assert len(found) == 7
    told = {check.removeprefix("partitions."): severity for (check, _), severity in found.items()}
    assert {check: severity for check, severity in told.items() if severity is not OK} == expected


def test_unknown_metadata_leaves_every_partition_check_unknown() -> None:
    """No check of partitions disappears when no broker answers."""
    found = brokers.judge_partitions(CLUSTER, GONE, GONE)
    assert [finding.severity for finding in found] == [UNKNOWN] * 7


def test_unknown_configuration_leaves_the_min_isr_checks_unknown() -> None:
    """Without topic configuration nothing is said of min ISR, and everything of the rest."""
    found = severities(brokers.judge_partitions(CLUSTER, Metadata("the-id", 1, BROKERS, WELL), GONE))
    unknown = {check for (check, _), severity in found.items() if severity is UNKNOWN}
    assert unknown == {"partitions.under-min-isr", "partitions.at-min-isr"}


@pytest.mark.parametrize(
    ("version", "severity"), [(Version(2, 4, 1), CRIT), (Version(3, 6, 2), CRIT), (Version(3, 9, 2), OK)]
)
def test_min_isr_above_the_replication_factor_depends_on_the_version(
    version: Version, severity: Severity
) -> None:
    """Before 3.7 such a partition refuses every acks=all write; later versions cap the number."""
    metadata = Metadata("the-id", 1, BROKERS, (partition(0, 1, (1,)),))
    found = severities(brokers.judge_partitions(replace(CLUSTER, version=version), metadata, min_isr(2)))
    assert found["partitions.under-min-isr", "small"] is severity


def test_the_evidence_has_a_count_and_five_names() -> None:
    """Many partitions give their number and the first five names."""
    behind = tuple(partition(number, 1, (1, 2, 3), (1, 2)) for number in range(8))
    found = brokers.judge_partitions(CLUSTER, Metadata("the-id", 1, BROKERS, behind), min_isr(1))
    (finding,) = (f for f in found if f.check == "partitions.under-replicated")
    assert finding.evidence == {"partitions": 8, "count": 8, "names": ["t-0", "t-1", "t-2", "t-3", "t-4"]}
    assert finding.detail.endswith("t-4 and 3 more")


def test_imbalance_is_told_in_per_cent_by_broker() -> None:
    """Half of broker 1's partitions elsewhere is 50 % for it and a quarter of all."""
    moved = (*WELL, partition(3, 2, (1, 2, 3)))
    found = brokers.judge_partitions(CLUSTER, Metadata("the-id", 1, BROKERS, moved), min_isr(1))
    assert found[-1].evidence["percent"] == 25.0
    assert found[-1].evidence["percent_by_broker"] == {"1": 50.0, "2": 0.0, "3": 0.0}


@pytest.mark.parametrize(
    ("preferred", "seen", "chosen"),
    [
        ([2], {1: views()[1], 2: Metadata("two", 2, {})}, "two"),
        ([2], {1: Metadata("one", 2, {}), 2: GONE}, "one"),
        ([], {1: Metadata("one", 2, {}), 2: Metadata("two", 2, {})}, "one"),
        ([1], {1: GONE, 2: GONE}, None),
    ],
)
def test_the_preferred_view_comes_first(preferred: list[int], seen: Views, chosen: str | None) -> None:
    """Partitions are judged by the preferred broker's view, then by any; none at all is Unknown."""
    view = brokers.choose_view(preferred, seen)
    assert (None if isinstance(view, Unknown) else view.cluster_id) == chosen


def test_offline_log_directory_is_critical() -> None:
    """A broker goes on without a disk that failed: the broker and the directory are named, with Kafka's own error."""
    known: LogDirs = {1: {"/data1": None, "/data2": "KafkaStorageError"}, 2: {"/data1": None}, 3: GONE}
    found = brokers.judge_log_dirs(CLUSTER, known)
    assert [(finding.severity, finding.detail) for finding in found] == [
        (CRIT, "1 of 2 log directories are offline: /data2 (KafkaStorageError)"),
        (OK, "1 log directory online"),
        (UNKNOWN, "connection refused"),
    ]
