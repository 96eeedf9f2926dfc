"""The fakes of Kafka and ZooKeeper against the real ones: what holds for one holds for the other.

The file is over 400 lines long because all its tests share one cluster a release, which a module's fixture holds.
"""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from kafab.adapters.kafka import zookeeper
from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.controllers import KraftControllers
from kafab.adapters.kafka.zookeeper import (
    KazooEnsemble,
    parse_registration,
    parse_srvr,
    parse_synced_followers,
)
from kafab.cluster.metadata import Controller, Member, Metadata, Produced, Source, TopicSpec
from kafab.errors import Failed
from kafab.findings import Severity
from kafab.model import Endpoint, Version
from kafab.ops.check.figures import THROTTLES
from kafab.ops.check.verify import verify
from kafab.unknown import Unknown
from tests.access_by_hand import check_without_authorizer
from tests.contract.conftest import World
from tests.kafka_by_hand import until
from tests.worlds import by_hand

LIMIT = timedelta(seconds=30)
BUSY = 30
"""Seconds within which what takes two at most has ended, be the machine as busy as it may: the peer never would."""
RING = ((1, 2, 3), (2, 3, 1), (3, 1, 2))


@pytest.fixture
def topic(kafka: World) -> Iterator[str]:
    """Yield a topic whose three partitions are led by brokers 1, 2 and 3."""
    name = f"contract-{secrets.token_hex(4)}"
    assert kafka.admin.create_topic(TopicSpec(name, assignment=RING)) is None
    yield name
    kafka.admin.delete_topic(name)


def test_one_server_leads_and_the_others_are_in_sync(kafka: World) -> None:
    """Of three members one is the leader, which knows two synced followers; the others know none."""
    members = [kafka.zookeeper.member(node.endpoint) for node in kafka.cluster.zookeepers]
    told = sorted((m.mode, m.synced_followers) for m in members if isinstance(m, Member))
    assert told == [("follower", None), ("follower", None), ("leader", 2)]


def test_brokers_are_registered_where_the_inventory_says(kafka: World) -> None:
    """The registrations are the inventory's ids and endpoints, each with a session of its own."""
    found = kafka.zookeeper.registrations()
    assert not isinstance(found, Unknown)
    assert {key: one.endpoints for key, one in found.items()} == {
        node.id: (node.endpoint,) for node in kafka.cluster.brokers
    }
    assert len({one.session for one in found.values()}) == 3


def test_every_broker_names_the_elected_controller(kafka: World) -> None:
    """Each broker, asked alone, names the controller and the cluster id that ZooKeeper has."""
    controller, cluster_id = kafka.zookeeper.controller(), kafka.zookeeper.cluster_id()
    assert isinstance(controller, Controller)
    views = [kafka.admin.metadata(node.endpoint) for node in kafka.cluster.brokers]
    assert {(v.controller, v.cluster_id) for v in views if isinstance(v, Metadata)} == {
        (controller.broker, cluster_id)
    }


def test_a_forced_election_is_the_next_epoch(kafka: World) -> None:
    """After force_election a registered broker is the controller, one epoch later."""
    before = kafka.zookeeper.controller()
    assert isinstance(before, Controller)
    assert kafka.zookeeper.force_election() is None
    until(lambda: _epoch(kafka) > before.epoch, "a later epoch", 30)
    assert _epoch(kafka) == before.epoch + 1


def _epoch(kafka: World) -> int:
    found = kafka.zookeeper.controller()
    return found.epoch if isinstance(found, Controller) and found.broker is not None else -1


def test_without_an_authorizer_there_are_no_acls(kafka: World) -> None:
    """Brokers with ZooKeeper and without an authorizer say so."""
    if not kafka.real or kafka.cluster.version >= Version(2, 7, 0):
        check_without_authorizer(kafka.cluster, real=kafka.real)


def test_a_created_topic_is_seen_as_assigned(kafka: World, topic: str) -> None:
    """Right after create_topic every broker shows the partitions with their replicas, led by the first of them."""
    for node in kafka.cluster.brokers:
        seen = kafka.admin.metadata(node.endpoint)
        assert isinstance(seen, Metadata)
        mine = [(p.number, p.leader, p.replicas) for p in seen.partitions if p.topic == topic]
        assert mine == [(0, 1, RING[0]), (1, 2, RING[1]), (2, 3, RING[2])]


def test_topic_that_is_made_again_is_another_one(kafka: World) -> None:
    """Its id tells it from the one before, on every broker; Kafka before 2.8 has no ids."""
    ids = []
    for _ in range(2):
        assert kafka.admin.create_topic(TopicSpec("again", assignment=RING)) is None
        seen = [kafka.admin.metadata(node.endpoint) for node in kafka.cluster.brokers]
        ids.append({one.topic_ids.get("again") for one in seen if isinstance(one, Metadata)})
        kafka.admin.delete_topic("again")
    has = kafka.cluster.version >= Version(2, 8, 0)
    assert ([len(found) for found in ids], ids[0] != ids[1], None not in ids[0]) == ([1, 1], has, has)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            TopicSpec("rf", 1, 9),
            "create topic rf: Replication factor: 9 larger than available brokers: 3.",
        ),
        (TopicSpec("none", 0, 1), "create topic none: Number of partitions must be larger than 0."),
    ],
)
def test_a_refused_topic_is_an_error_in_kafkas_words(kafka: World, spec: TopicSpec, message: str) -> None:
    """What the controller refuses is raised as Failed with the controller's own message."""
    with pytest.raises(Failed) as refused:
        kafka.admin.create_topic(spec)
    assert refused.value.message == message


def test_an_existing_topic_is_refused(kafka: World, topic: str) -> None:
    """Creating a topic twice fails with its name."""
    with pytest.raises(Failed, match=rf"^create topic {topic}: Topic '{topic}' already exists\.$"):
        kafka.admin.create_topic(TopicSpec(topic, 1, 1))


def test_partitions_only_grow(kafka: World, topic: str) -> None:
    """add_partitions adds, and refuses a number that is not more."""
    assert kafka.admin.add_partitions(topic, 4) is None
    seen = kafka.admin.metadata()
    assert isinstance(seen, Metadata)
    assert sum(p.topic == topic for p in seen.partitions) == 4
    with pytest.raises(Failed, match=r"Topic already has 4 partitions\.$"):
        kafka.admin.add_partitions(topic, 4)


def test_a_missing_topic_cannot_be_deleted(kafka: World) -> None:
    """Deleting what is not there fails."""
    with pytest.raises(Failed, match=r"^delete topic nosuch: Broker: Unknown topic or partition$"):
        kafka.admin.delete_topic("nosuch")


def test_a_deleted_topics_name_is_free_at_once(kafka: World, topic: str) -> None:
    """Right after delete_topic a topic of that name can be created: no deletion is still queued."""
    assert kafka.admin.delete_topic(topic) is None
    assert kafka.admin.create_topic(TopicSpec(topic, 1, 1)) is None


def test_properties_are_set_and_reset_one_by_one(kafka: World, topic: str) -> None:
    """alter_configs changes what it names, None resets it, and topic_configs says at once what is the topic's own."""
    steps: list[tuple[dict[str, str | None], dict[str, str]]] = [
        (
            {"retention.ms": "1000", "min.insync.replicas": "1"},
            {"retention.ms": "1000", "min.insync.replicas": "1"},
        ),
        ({"retention.ms": None}, {"min.insync.replicas": "1"}),
    ]
    for values, expected in steps:
        assert kafka.admin.alter_configs(topic, values) is None
        found = kafka.admin.topic_configs([topic])
        assert not isinstance(found, Unknown)
        own = {name: entry.value for name, entry in found[topic].items() if not entry.is_default}
        assert own == expected


def test_preferred_replica_is_elected_and_one_that_has_to_be_refused_is_told(
    kafka: World, topic: str
) -> None:
    """Where it leads already nothing is refused; a partition that is not there is, with the controller's words."""
    found = kafka.admin.elect_preferred([(topic, 0), ("nosuch", 0)])
    assert not isinstance(found, Unknown)
    assert list(found) == [("nosuch", 0)]


def test_only_the_wanted_properties_are_read(kafka: World, topic: str) -> None:
    """With keys the answer has those properties alone."""
    found = kafka.admin.topic_configs([topic], ["min.insync.replicas"])
    assert not isinstance(found, Unknown)
    assert {name: list(entries) for name, entries in found.items()} == {topic: ["min.insync.replicas"]}


def test_the_brokers_min_isr_is_the_topics(kafka: World, topic: str) -> None:
    """The configuration in force shows the brokers' min.insync.replicas, and a missing topic is left out."""
    found = kafka.admin.topic_configs([topic, "nosuch"])
    assert not isinstance(found, Unknown)
    assert list(found) == [topic]
    entry = found[topic]["min.insync.replicas"]
    assert (entry.value, entry.is_default) == ("2", True)


def test_records_come_back_in_order(kafka: World, topic: str) -> None:
    """What was written with acks=all is read back from every partition, in order, at consecutive offsets."""
    records = {number: [f"{number}/{count}".encode() for count in range(50)] for number in range(3)}
    written = kafka.admin.produce(topic, records, timeout=LIMIT)
    assert isinstance(written, Produced)
    assert (written.failed, written.offsets) == ((), dict.fromkeys(range(3), tuple(range(50))))
    assert 0 < written.slowest_ack < 30
    read = kafka.admin.consume(topic, dict.fromkeys(range(3), 50), timeout=LIMIT)
    assert read == {number: tuple(values) for number, values in records.items()}


def test_reading_leaves_no_group_behind(kafka: World, topic: str) -> None:
    """Consuming does not make the brokers create __consumer_offsets."""
    kafka.admin.produce(topic, {0: [b"one"]}, timeout=LIMIT)
    kafka.admin.consume(topic, {0: 1}, timeout=LIMIT)
    seen = kafka.admin.metadata()
    assert isinstance(seen, Metadata)
    assert not [p.name for p in seen.partitions if p.topic.startswith("__")]


def test_replicas_hold_what_their_leaders_hold(kafka: World, topic: str) -> None:
    """Every broker tells its own replicas; once written they are of equal, positive size, and none lags."""
    kafka.admin.produce(topic, {number: [b"x" * 20] * 10 for number in range(3)}, timeout=LIMIT)
    until(lambda: _equal(kafka, topic), "equal replicas", 60)
    found = kafka.admin.replicas(topic)
    assert not isinstance(found, Unknown)
    assert sorted((one.partition, one.broker, one.lag) for one in found) == [
        (number, broker, 0) for number in range(3) for broker in (1, 2, 3)
    ]


def test_a_broker_tells_its_log_directories(kafka: World) -> None:
    """Each broker tells its own, by path, and that they are online, also those without a partition."""
    answers = {node.id: kafka.admin.log_dirs(node.endpoint) for node in kafka.cluster.brokers}
    assert [[*answer.values()] for answer in answers.values() if not isinstance(answer, Unknown)] == [
        [None]
    ] * 3


def test_a_broker_tells_what_it_runs_with(kafka: World) -> None:
    """It tells of each property where the value is from: its file or Kafka's default."""
    node = kafka.cluster.brokers[0]
    found = kafka.admin.broker_configs(node.id, node.endpoint, ["broker.id", "queued.max.requests", "nosuch"])
    assert not isinstance(found, Unknown)
    assert {name: (one.value, one.source) for name, one in found.items()} == {
        "broker.id": ("1", Source.FILE),
        "queued.max.requests": ("500", Source.DEFAULT),
    }


def test_a_brokers_value_is_set_and_taken_away(kafka: World) -> None:
    """What was set is told at once, in front of the other values; without it the value before is in force again."""
    node = kafka.cluster.brokers[0]
    seen: list[tuple[str | None, Source]] = []
    for value in ("11", None):
        assert kafka.admin.alter_broker_configs(node.id, node.endpoint, {"background.threads": value}) is None
        found = kafka.admin.broker_configs(node.id, node.endpoint, ["background.threads"])
        assert not isinstance(found, Unknown)
        one = found["background.threads"]
        seen.append((one.value if value else None, one.source))
    assert seen[0] == ("11", Source.BROKER)
    assert seen[1][1] is not Source.BROKER


def test_a_limit_of_replication_is_told_until_it_is_taken_away(kafka: World) -> None:
    """No file has it, and the broker on which it was set tells it as dynamic; no other one does."""
    first, second, _ = kafka.cluster.brokers
    seen: list[list[Source]] = []
    for value in ("1000000", None):
        assert kafka.admin.alter_broker_configs(first.id, first.endpoint, {THROTTLES[0]: value}) is None
        for node in (first, second):
            found = kafka.admin.broker_configs(node.id, node.endpoint, THROTTLES)
            assert not isinstance(found, Unknown)
            seen.append([one.source for one in found.values() if one.source.dynamic])
    assert seen == [[Source.BROKER], [], [], []]


def test_nothing_is_moved_where_nobody_asked_for_it(kafka: World) -> None:
    """The controller of either mode is found, and says that no partition is on its way."""
    assert kafka.admin.reassigning() == frozenset()


def test_a_value_that_needs_a_restart_is_refused(kafka: World) -> None:
    """A read-only property cannot be set while the broker runs, in Kafka's words."""
    node = kafka.cluster.brokers[0]
    with pytest.raises(Failed, match="Cannot update these configs dynamically"):
        kafka.admin.alter_broker_configs(node.id, node.endpoint, {"queued.max.requests": "600"})


def _equal(kafka: World, topic: str) -> bool:
    found = kafka.admin.replicas(topic)
    assert not isinstance(found, Unknown)
    sizes = [{one.size for one in found if one.partition == number} for number in range(3)]
    return all(len(size) == 1 and 0 not in size for size in sizes)


def test_nobody_at_an_address_is_unknown(kafka: World) -> None:
    """An address where no broker listens is Unknown and says so."""
    nobody = Endpoint("127.0.0.1", 1)
    answer = kafka.admin.metadata(nobody)
    assert answer == Unknown("127.0.0.1:1: connection refused")
    assert kafka.zookeeper.member(nobody) == Unknown("127.0.0.1:1: connection refused")


def test_a_healthy_cluster_verifies_with_the_same_findings(kafka: World) -> None:
    """A verification with probe and election finds nothing but OK, by the same names for fake and real."""
    world = by_hand(kafka.cluster, kafka.admin, kafka.zookeeper, KraftControllers([], []))
    report = verify(kafka.cluster, world, election=True)
    assert [f for f in report.findings if f.severity is not Severity.OK] == []
    assert [f.check for f in report.findings] == [
        *["process"] * 6,
        *["zookeeper.member"] * 3,
        "zookeeper.quorum",
        *["broker.registered"] * 4,
        "controller.elected",
        *["controller.agreed"] * 3,
        "cluster.id",
        *["broker.log-dirs"] * 3,
        *["broker.dynamic-config"] * 3,
        "partitions.offline",
        "partitions.leaderless",
        "partitions.under-replicated",
        "partitions.under-min-isr",
        "partitions.at-min-isr",
        "partitions.replication-factor",
        "partitions.preferred-leader",
        "replication.leftovers",
        "replication.probe",
        "replication.removed",
        "controller.election",
    ]
    (probe,) = (f for f in report.findings if f.check == "replication.probe")
    assert {key: probe.evidence[key] for key in ("records", "replicas", "lost", "duplicates")} == {
        "records": 300,
        "replicas": 9,
        "lost": 0,
        "duplicates": 0,
    }


@pytest.fixture
def mute() -> Iterator[Endpoint]:
    """Yield an address that takes connections and never says a word, like a frozen process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Endpoint("127.0.0.1", server.getsockname()[1])


def test_a_mute_server_is_unknown_within_the_timeout(mute: Endpoint) -> None:
    """A ZooKeeper server that accepts and is silent costs two seconds, not for ever."""
    begun = time.monotonic()
    assert KazooEnsemble([mute], "").member(mute) == Unknown(f"{mute}: did not answer within 2 s")
    assert time.monotonic() - begun < BUSY


def test_a_mute_broker_is_unknown_within_the_timeout(mute: Endpoint) -> None:
    """A broker that accepts and is silent costs the timeout that was given, also the second time."""
    admin = ClientsAdmin([mute])
    begun = time.monotonic()
    answers = [admin.metadata(mute, timeout=timedelta(seconds=0.5)) for _ in range(2)]
    took = time.monotonic() - begun
    admin.close()
    assert answers == [Unknown(f"{mute}: did not answer within 0.5 s")] * 2
    assert took < BUSY


def test_a_dead_ensemble_is_told_once_to_all_who_ask(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four threads that ask a dead ensemble wait side by side, get Unknown, and nothing is written to stderr."""
    monkeypatch.setattr(zookeeper, "_SESSION_TIMEOUT", timedelta(seconds=2))
    ensemble = KazooEnsemble([Endpoint("127.0.0.1", 1)], "/kafka")
    answers: list[object] = []
    questions = (ensemble.registrations, ensemble.controller, ensemble.cluster_id, ensemble.force_election)
    threads = [threading.Thread(target=lambda ask=ask: answers.append(ask())) for ask in questions]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(answer, Unknown) for answer in answers)
    assert len(answers) == 4
    assert time.monotonic() - begun < 7  # each waits 2 s; one after the other that were 8
    assert capfd.readouterr() == ("", "")


SRVR_FOLLOWER = """Zookeeper version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on 2024-02-12 22:16 UTC
Latency min/avg/max: 4/10.5/25
Received: 5
Sent: 4
Connections: 1
Outstanding: 0
Zxid: 0x100000561
Mode: follower
Node count: 1134
"""
SRVR_LEADER = """Zookeeper version: 3.5.7-f0fdd52973d373ffd9c86b81d99842dc2c7f660e, built on 02/10/2020 11:30 GMT
Latency min/avg/max: 0/0/58
Received: 348
Sent: 347
Connections: 2
Outstanding: 0
Zxid: 0x1000004f9
Mode: leader
Node count: 1029
Proposal sizes last/min/max: 36/36/1046
"""


@pytest.mark.parametrize(
    ("text", "member"),
    [
        (SRVR_FOLLOWER, Member("follower", 0x100000561, "3.8.4")),
        (SRVR_LEADER, Member("leader", 0x1000004F9, "3.5.7")),
        (SRVR_LEADER.replace("leader", "standalone"), Member("standalone", 0x1000004F9, "3.5.7")),
    ],
)
def test_srvr_is_read(text: str, member: Member) -> None:
    """Recorded answers of both ZooKeeper lines give mode, zxid and version."""
    assert parse_srvr(text) == member


@pytest.mark.parametrize(
    "text",
    [
        "This ZooKeeper instance is not currently serving requests\n",
        "srvr is not executed because it is not in the whitelist.\n",
        "",
    ],
)
def test_a_refused_word_is_its_own_reason(text: str) -> None:
    """An answer that is no state is an error with the server's own words."""
    with pytest.raises(ValueError, match=text.strip() or "nothing"):
        parse_srvr(text)


@pytest.mark.parametrize(
    ("text", "synced"),
    [
        ("zk_followers\t2\nzk_synced_followers\t2\n", 2),
        ("zk_synced_followers\t2.0\n", 2),
        ("zk_server_state\tfollower\n", None),
    ],
)
def test_synced_followers_are_read(text: str, synced: int | None) -> None:
    """The answer to mntr gives the number on the leader and None elsewhere."""
    assert parse_synced_followers(text) == synced


@pytest.mark.parametrize(
    ("data", "endpoints"),
    [
        (
            b'{"endpoints":["PLAINTEXT://[::1]:9092","EXTERNAL://a.b:9093"],"host":"x","port":1}',
            (Endpoint("::1", 9092), Endpoint("a.b", 9093)),
        ),
        (b'{"version":1,"host":"a.b","port":9092}', (Endpoint("a.b", 9092),)),
    ],
)
def test_registrations_are_read(data: bytes, endpoints: tuple[Endpoint, ...]) -> None:
    """Every listener of a registration counts, IPv6 too, and the oldest form has one."""
    assert parse_registration(7, data, 1).endpoints == endpoints
