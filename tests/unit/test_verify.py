"""Verification end to end over the fakes: probe, leftovers and JUnit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kafab.checks.junit import junit
from kafab.cluster.metadata import Produced, QuorumState, TopicSpec
from kafab.cluster.seen import everything
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster, Endpoint, Node, Version
from kafab.ops.check.probe import probe_name
from kafab.ops.check.verify import verify
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.testing.admin import FakeAdmin
from kafab.testing.controllers import FakeControllers
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.kraft_by_hand import kraft_in
from tests.worlds import running_hosts

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class _Losing(FakeAdmin):
    """Acknowledges every record and forgets the last one of each partition."""

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        return {number: self._read(topic, number, end)[:-1] for number, end in upto.items()}

    def _read(self, topic: str, number: int, end: int) -> tuple[bytes, ...]:
        read = super().consume(topic, {number: end}, timeout=timedelta(seconds=1))
        assert not isinstance(read, Unknown)
        return read[number]


class _Repeating(_Losing):
    """Gives the first record of each partition twice."""

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        read = {number: self._read(topic, number, end) for number, end in upto.items()}
        return {number: (values[0], *values) for number, values in read.items()}


class _Shuffling(_Losing):
    """Gives each partition's records backwards."""

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        return {number: self._read(topic, number, end)[::-1] for number, end in upto.items()}


class _Unreadable(FakeAdmin):
    """Cannot be read from."""

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        return Unknown("no fetch answered")


class _Interrupted(FakeAdmin):
    """The operator presses Ctrl-C while records are written."""

    def produce(
        self, topic: str, records: Mapping[int, Sequence[bytes]], *, timeout: timedelta
    ) -> Produced | Unknown:
        raise KeyboardInterrupt


class _FarControllers(FakeControllers):
    """Only brokers are in reach."""

    def describe(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> QuorumState | Unknown:
        return Unknown("no route to host") if at is None else super().describe(at, timeout=timeout)


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers and three servers, all well, with one topic."""
    fake = FakeKafka(cluster_in(tmp_path, hosts=3), min_isr=2)
    FakeAdmin(fake).create_topic(TopicSpec("orders", 6, 3))
    return fake


def checked(
    kafka: FakeKafka,
    admin: FakeAdmin | None = None,
    *,
    probe: bool = True,
    election: bool = False,
) -> Report:
    """Verify at a fixed time."""
    world = FakeWorld.of(kafka, admin, fleet=running_hosts(kafka.cluster))
    return verify(kafka.cluster, world, probe=probe, election=election, now=NOW)


def found(report: Report, check: str) -> Finding:
    """Return the cluster's finding of that check."""
    (finding,) = (f for f in report.findings if (f.check, f.subject) == (check, report.cluster))
    return finding


def test_reading_only_changes_nothing(kafka: FakeKafka) -> None:
    """Without a probe no change is asked for, and the cluster is healthy."""
    admin = FakeAdmin(kafka)
    report = checked(kafka, admin, probe=False)
    assert (report.verdict, admin.calls) == (OK, [])


def test_the_findings_about_processes_come_first(kafka: FakeKafka) -> None:
    """What the hosts said of the processes opens the report and counts for the verdict."""
    fleet = running_hosts(kafka.cluster)
    fleet.unreachable = {"node1": "no route"}
    report = verify(kafka.cluster, FakeWorld.of(kafka, fleet=fleet), probe=False)
    first = [(f.check, f.subject, f.severity) for f in report.findings[:2]]
    assert first == [("process", "node1/zookeeper", UNKNOWN), ("process", "node1/broker", UNKNOWN)]
    assert report.exit_code == 5


def test_releases_are_compared_on_demand(kafka: FakeKafka) -> None:
    """`--deep` adds a finding about the releases of every host, also where none answers; without it none is asked."""
    found = {
        deep: [
            (item.subject, item.severity)
            for item in verify(kafka.cluster, FakeWorld.of(kafka), probe=False, deep=deep).findings
            if item.check == "release.files"
        ]
        for deep in (False, True)
    }
    assert found == {False: [], True: [(host.name, UNKNOWN) for host in kafka.cluster.hosts]}


def test_the_probe_is_led_by_every_broker_and_removed(kafka: FakeKafka) -> None:
    """The topic has one partition led by each broker, 300 records, and is gone afterwards."""
    report = checked(kafka)
    evidence = found(report, "replication.probe").evidence
    assert {key: evidence[key] for key in ("partitions", "replication_factor", "records", "replicas")} == {
        "partitions": 3,
        "replication_factor": 3,
        "records": 300,
        "replicas": 9,
    }
    assert {p.topic for p in kafka.partitions} == {"orders"}


@pytest.mark.parametrize(
    ("admin", "severity", "words"),
    [
        (_Losing, CRIT, "3 acknowledged records lost"),
        (_Repeating, CRIT, "3 duplicates"),
        (_Shuffling, CRIT, "differ from what was sent in partitions 0, 1, 2"),
        (_Unreadable, UNKNOWN, "not read back: no fetch answered"),
    ],
)
def test_the_probe_sees_what_goes_wrong(
    kafka: FakeKafka, admin: type[FakeAdmin], severity: Severity, words: str
) -> None:
    """Lost, repeated, reordered and unreadable records are told, and the topic is still removed."""
    report = checked(kafka, admin(kafka))
    finding = found(report, "replication.probe")
    assert (finding.severity, words in finding.detail) == (severity, True)
    assert {p.topic for p in kafka.partitions} == {"orders"}


def test_the_probe_sees_a_replica_that_does_not_follow(kafka: FakeKafka) -> None:
    """A follower that stays behind its leader until the deadline is named with its numbers."""
    admin = FakeAdmin(kafka)
    admin.lagging = {3}
    finding = found(checked(kafka, admin), "replication.probe")
    assert finding.severity is CRIT
    assert "partition 0 on broker 3 has 0 bytes, lag 100, its leader 7000" in finding.detail


def test_the_probe_sees_writes_refused(kafka: FakeKafka) -> None:
    """With one broker left and min ISR 2 nothing is acknowledged."""
    kafka.stop_broker(2)
    kafka.stop_broker(3)
    finding = found(checked(kafka), "replication.probe")
    assert (finding.severity, finding.evidence["records"]) == (CRIT, 0)
    assert "Not enough in-sync replicas" in finding.detail


def test_the_probe_does_not_run_without_brokers(kafka: FakeKafka) -> None:
    """No broker, no probe: UNKNOWN, and no topic is asked for."""
    for broker in (1, 2, 3):
        kafka.stop_broker(broker)
    admin = FakeAdmin(kafka)
    finding = found(checked(kafka, admin), "replication.probe")
    assert (finding.severity, admin.calls) == (UNKNOWN, [])


def test_the_probe_topic_is_removed_after_ctrl_c(kafka: FakeKafka) -> None:
    """An interruption in the middle leaves no topic behind."""
    with pytest.raises(KeyboardInterrupt):
        checked(kafka, _Interrupted(kafka))
    assert {p.topic for p in kafka.partitions} == {"orders"}


@pytest.mark.parametrize(("age", "severity"), [(timedelta(minutes=9), OK), (timedelta(minutes=11), WARN)])
def test_old_probe_topics_are_told_with_the_command(
    kafka: FakeKafka, age: timedelta, severity: Severity
) -> None:
    """A probe topic of ten minutes ago was left behind; a younger one may be another operator's."""
    name = probe_name(NOW - age)
    FakeAdmin(kafka).create_topic(TopicSpec(name, 1, 1))
    finding = found(checked(kafka, probe=False), "replication.leftovers")
    assert finding.severity is severity
    assert finding.hint == (f"fab on small topics.delete {name}" if severity is WARN else None)


def test_probe_topics_do_not_count_as_partitions(kafka: FakeKafka) -> None:
    """Another run's probe topic, half made or half gone, is no fault of the cluster."""
    kafka.add(probe_name(NOW), [[1]])
    kafka.lead(kafka.partitions[-1].topic, 0, None)
    report = checked(kafka, probe=False)
    assert found(report, "partitions.leaderless").evidence["partitions"] == 6
    assert report.verdict is OK


def test_an_election_is_given_the_brokers_that_live(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held after everything else, among the brokers that answer, and its finding is the last of the report."""
    kafka.stop_broker(2)
    moved = Finding("controller.election", "small", OK, "moved")
    given: list[int] = []

    def election(_cluster: Cluster, live: Sequence[Node], _world: World) -> Finding:
        given.extend(node.id for node in live)
        return moved

    monkeypatch.setattr("kafab.ops.check.ensemble_election.election", election)
    report = checked(kafka, probe=False, election=True)
    assert (given, report.findings[-1]) == ([1, 3], moved)


def test_nothing_is_healthy_when_zookeeper_is_silent(kafka: FakeKafka) -> None:
    """Without a quorum what ZooKeeper alone knows is UNKNOWN, and the exit code says so."""
    kafka.stopped_servers = {1, 2, 3}
    report = checked(kafka, probe=False)
    unknown = {f.check for f in report.findings if f.severity is UNKNOWN}
    assert unknown >= {"zookeeper.quorum", "broker.registered", "controller.elected", "cluster.id"}
    assert report.exit_code == 5


@pytest.mark.parametrize("isolated", [False, True])
def test_a_kraft_cluster_that_is_well_is_ok(tmp_path: Path, isolated: bool) -> None:
    """In KRaft the quorum is asked in the place of ZooKeeper, and the probe is the same."""
    kraft = FakeKafka(kraft_in(tmp_path, Version(4, 3, 1), isolated=isolated), min_isr=2)
    report = checked(kraft)
    assert [f for f in report.findings if f.severity is not OK] == []
    assert {f.check.split(".")[0] for f in report.findings} == {
        *("process", "storage", "quorum", "controller", "features", "broker", "cluster"),
        *("partitions", "replication"),
    }


@pytest.mark.parametrize(("version", "words"), [("4.3.1", "fenced"), ("3.9.2", "not registered, or fenced")])
def test_a_fenced_broker_takes_no_part_in_the_probe(tmp_path: Path, version: str, words: str) -> None:
    """A broker that answers and is fenced is CRIT, and the probe does without it, also before fenced ones can be asked for."""
    kraft = FakeKafka(kraft_in(tmp_path, Version.parse(version), isolated=True), min_isr=2)
    kraft.fence(1)
    report = checked(kraft)
    (broker,) = (f for f in report.findings if (f.check, f.subject) == ("broker.registered", "node1/broker"))
    assert (broker.severity, broker.detail.endswith(words)) == (CRIT, True), broker.detail
    probe = found(report, "replication.probe")
    assert (probe.severity, "1 of 3 brokers took no part" in probe.detail) == (WARN, True), probe.detail


def test_a_pinned_cluster_id_is_held_against_the_brokers(tmp_path: Path) -> None:
    """The inventory's cluster id counts as one that somebody says."""
    kraft = FakeKafka(kraft_in(tmp_path, Version(4, 3, 1)), min_isr=2)
    kraft.cluster = replace(kraft.cluster, cluster_id="pinnedpinnedpinnedpinQ")
    finding = found(checked(kraft, probe=False), "cluster.id")
    assert (finding.severity, "the inventory says pinned" in finding.detail) == (CRIT, True), finding.detail


def test_a_leader_that_only_a_broker_reaches_is_the_leader(tmp_path: Path) -> None:
    """Controllers that do not answer from here are described through a broker."""
    kraft = FakeKafka(kraft_in(tmp_path, Version(4, 3, 1), isolated=True), min_isr=2)
    world = FakeWorld.of(kraft, controllers=_FarControllers(kraft))
    seen = see(kraft.cluster, world, everything(kraft.cluster))
    assert isinstance(seen.controllers.state, QuorumState)


def test_junit_has_a_case_for_each_finding() -> None:
    """CRIT and UNKNOWN fail, WARN passes with its text, OK passes; forbidden characters do not break the file."""
    report = Report(
        "small",
        tuple(
            Finding("check", str(severity), severity, f"a \x1b<b> {severity}")
            for severity in (OK, WARN, UNKNOWN, CRIT)
        ),
    )
    root = ET.fromstring(junit(report, "kafab.verify"))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    assert [[child.tag for child in case] for case in suite] == [[], ["system-out"], ["failure"], ["failure"]]
    assert suite[3][0].get("message") == "a \N{REPLACEMENT CHARACTER}<b> CRIT"


def test_junit_without_findings_fails() -> None:
    """A report that proved nothing is no success on a build server either."""
    root = ET.fromstring(junit(Report("small", ()), "kafab.verify"))
    assert root.get("failures") == "1"
