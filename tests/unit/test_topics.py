"""Topics: what is refused before a broker is asked, with its numbers, and what is left to do."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.cluster.metadata import ConfigEntry, Metadata, Partition, Produced, ReplicaState, TopicSpec
from kafab.errors import Failed, KafabError, OutcomeUnknown, Unreachable, Unsafe, UsageError
from kafab.events import Emit, Event, silent
from kafab.model import Endpoint, Version
from kafab.ops.topics import topics
from kafab.ops.topics.rules import PROPERTIES, assignments, changes, check_name, count
from kafab.screens import topics as topic_screens
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.kraft_by_hand import kraft_in

_DEFAULTS = {"retention.ms": "604800000", "min.insync.replicas": "2", "cleanup.policy": "delete"}


class Brokers:
    """Three live brokers and their topics, which do what they are told and record it."""

    def __init__(self, *partitions: Partition) -> None:
        self.partitions = partitions
        self.own: dict[str, str] = {}
        self.asked: list[str] = []
        self.answer: Unknown | None = None
        self.reading: Unknown | None = None

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        """Return the topics, or the fault."""
        brokers = {broker: Endpoint("127.0.0.1", 9090 + broker) for broker in (1, 2, 3)}
        return Metadata("id", 1, brokers, self.partitions) if self.reading is None else self.reading

    def topic_configs(
        self, topics: Sequence[str], keys: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[str, ConfigEntry]] | Unknown:
        """Return three properties of each topic."""
        entries = {
            name: ConfigEntry(name, self.own.get(name, value), is_default=name not in self.own)
            for name, value in _DEFAULTS.items()
        }
        return dict.fromkeys(topics, entries)

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        """Record the call and make the topic."""
        self.asked.append(f"create {spec.name}")
        self.own.update(spec.configs)
        self.partitions += tuple(
            Partition(spec.name, number, 1, (1, 2, 3)[: spec.replication_factor or 3], (1,))
            for number in range(spec.partitions or 1)
        )
        return self.answer

    def delete_topic(self, name: str) -> Unknown | None:
        """Record the call."""
        self.asked.append(f"delete {name}")
        return self.answer

    def add_partitions(self, name: str, total: int) -> Unknown | None:
        """Record the call."""
        self.asked.append(f"grow {name} to {total}")
        return self.answer

    def alter_configs(self, topic: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Record the call."""
        self.asked.append(f"configure {topic} {dict(values)}")
        return self.answer

    def replicas(self, topic: str) -> tuple[ReplicaState, ...] | Unknown:
        """Topics' verbs never ask this."""
        raise AssertionError

    def produce(
        self, topic: str, records: Mapping[int, Sequence[bytes]], *, timeout: timedelta
    ) -> Produced | Unknown:
        """Topics' verbs never ask this."""
        raise AssertionError

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        """Topics' verbs never ask this."""
        raise AssertionError

    def close(self) -> None:
        """Nothing is open."""


def clients(admin: Brokers | FakeAdmin, emit: Emit = silent) -> FakeWorld:
    """Return a world in which these brokers are asked, and nobody else is there."""
    kafka = FakeKafka(cluster_in(Path("/nowhere")))
    return FakeWorld.of(kafka, brokers=admin, topics=admin, records=admin, emit=emit)


def _topic(name: str, partitions: int = 6) -> tuple[Partition, ...]:
    return tuple(Partition(name, number, 1, (1, 2, 3), (1, 2, 3)) for number in range(partitions))


@pytest.fixture
def brokers() -> Brokers:
    """Return brokers with the topic orders.eu: 6 partitions, replication factor 3."""
    return Brokers(*_topic("orders.eu"), *_topic("__consumer_offsets", 50))


def _said(error: KafabError) -> str:
    return f"{error.message} | {error.hint}"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TopicSpec("new", replication_factor=4), ["replication factor 4", "3 live brokers", "1, 2, 3"]),
        (TopicSpec("new", replication_factor=0), ["replication factor 0", "from 1"]),
        (TopicSpec("new", partitions=0), ["partitions 0", "from 1"]),
        (TopicSpec("orders.eu"), ["exists already", "6 partitions", "replication factor 3"]),
        (TopicSpec("orders.eu", 6, 3), ["exists already"]),
        (TopicSpec("orders_eu"), ["collides with topic orders.eu"]),
        (TopicSpec("new", configs={"retention.m": "1"}), ["'retention.m'", "did you mean retention.ms?"]),
        (TopicSpec("new", configs={"zzz": "1", "qqq": "2"}), ["'zzz' and no 'qqq'", "cleanup.policy"]),
        (
            TopicSpec("new", replication_factor=2, configs={"min.insync.replicas": "3"}),
            ["min.insync.replicas 3", "replication factor 2"],
        ),
        (TopicSpec("a b"), ["'a b'", "' '"]),
    ],
)
def test_create_refuses(brokers: Brokers, spec: TopicSpec, words: list[str]) -> None:
    """What cannot be created is a usage error with the numbers, and no broker is asked to try."""
    with pytest.raises(UsageError) as caught:
        topics.check_new(clients(brokers), spec)
    assert [word for word in words if word not in _said(caught.value)] == []
    assert brokers.asked == []


def test_create_returns_what_was_made(brokers: Brokers) -> None:
    """The new topic is read back from the cluster."""
    made = topics.create(clients(brokers), TopicSpec("new", 2, 2, {"retention.ms": "1000"}))
    assert made is not None
    assert (len(made.partitions), made.replication_factor, made.own_configs) == (
        2,
        2,
        {"retention.ms": "1000"},
    )


def test_create_in_an_empty_cluster_knows_the_properties() -> None:
    """Without a topic to ask about, the shipped names decide."""
    empty = Brokers()
    with pytest.raises(UsageError, match=r"unclean\.leader"):
        topics.check_new(clients(empty), TopicSpec("new", configs={"unclean.leader.election": "true"}))
    topics.check_new(clients(empty), TopicSpec("new", configs={"unclean.leader.election.enable": "true"}))


def test_shipped_properties_are_in_order() -> None:
    """The shipped names are sorted and each is there once, so that a change of them is easy to read."""
    assert list(PROPERTIES) == sorted(set(PROPERTIES))


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ä", "x" * 250, "a;b", "a\n", "{{x}}", "a,b"])
def test_illegal_names(name: str) -> None:
    """Names that Kafka's Topic.validate refuses are refused, each with a reason."""
    with pytest.raises(UsageError, match="cannot be the name of a topic"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "...", "-x", "x" * 249, "A.b_c-9"])
def test_legal_names(name: str) -> None:
    """Names that Kafka takes are taken."""
    check_name(name)


@pytest.mark.parametrize(
    ("configs", "partitions", "words"),
    [
        ({}, 3, ["has 6 partitions", "asked for 3"]),
        ({}, 0, ["partitions 0"]),
        ({}, None, ["nothing is asked", "--partitions"]),
        ({"retentoin.ms": "1"}, None, ["'retentoin.ms'", "did you mean retention.ms?"]),
        ({"retentoin.ms": None}, None, ["did you mean retention.ms?"]),
        ({"min.insync.replicas": "4"}, None, ["min.insync.replicas 4", "replication factor 3"]),
    ],
)
def test_alter_refuses(
    brokers: Brokers, configs: dict[str, str | None], partitions: int | None, words: list[str]
) -> None:
    """What cannot be altered is a usage error with the numbers."""
    with pytest.raises(UsageError) as caught:
        topics.alteration(clients(brokers), "orders.eu", configs=configs, partitions=partitions)
    assert [word for word in words if word not in _said(caught.value)] == []


def test_alter_changes_properties_first(brokers: Brokers) -> None:
    """Properties come before partitions, which cannot be taken back; both are told."""
    brokers.own = {"cleanup.policy": "compact"}
    change = topics.alteration(
        clients(brokers), "orders.eu", configs={"retention.ms": "5", "cleanup.policy": None}, partitions=9
    )
    assert change is not None
    told: list[Event] = []
    topics.alter(clients(brokers, emit=told.append), change)
    assert brokers.asked == [
        "configure orders.eu {'retention.ms': '5', 'cleanup.policy': None}",
        "grow orders.eu to 9",
    ]
    assert len(told) == 2
    assert str(change) == "retention.ms = 5, cleanup.policy reset, partitions 6 -> 9"


def test_alter_to_the_same_is_nothing(brokers: Brokers) -> None:
    """A topic that is as asked needs no change."""
    brokers.own = {"retention.ms": "5"}
    wanted: dict[str, str | None] = {"retention.ms": "5", "cleanup.policy": None}
    assert topics.alteration(clients(brokers), "orders.eu", configs=wanted, partitions=6) is None


def test_alter_pins_a_value_that_is_only_the_default(brokers: Brokers) -> None:
    """A value that the brokers happen to have is still set when asked: their default may change."""
    change = topics.alteration(
        clients(brokers), "orders.eu", configs={"retention.ms": "604800000"}, partitions=None
    )
    assert change is not None
    assert change.configs == {"retention.ms": "604800000"}


def test_kafkas_own_topics_are_guarded(brokers: Brokers) -> None:
    """Deleting or growing __consumer_offsets would lose the groups' places: exit code 3."""
    with pytest.raises(Unsafe):
        topics.deletable(clients(brokers), "__consumer_offsets")
    with pytest.raises(Unsafe, match="50 partitions"):
        topics.alteration(clients(brokers), "__consumer_offsets", configs={}, partitions=60)


def test_names_hide_internal_topics(brokers: Brokers) -> None:
    """Kafka's own topics are listed only when asked for."""
    assert topics.names(clients(brokers)) == ("orders.eu",)
    assert topics.names(clients(brokers), internal=True) == ("__consumer_offsets", "orders.eu")


_VERBS: list[Callable[[Brokers, str], object]] = [
    lambda brokers, name: topics.find(clients(brokers), name),
    lambda brokers, name: topics.deletable(clients(brokers), name),
    lambda brokers, name: topics.alteration(clients(brokers), name, configs={}, partitions=9),
]


@pytest.mark.parametrize("verb", _VERBS)
def test_unknown_topic_names_the_nearest(brokers: Brokers, verb: Callable[[Brokers, str], object]) -> None:
    """A misspelt topic is a usage error with the name that was meant."""
    with pytest.raises(UsageError, match=r"no topic 'order\.eu'") as caught:
        verb(brokers, "order.eu")
    assert caught.value.hint == "did you mean orders.eu?"


@pytest.mark.parametrize(
    "verb",
    [
        *_VERBS,
        lambda brokers, _name: topics.names(clients(brokers)),
        lambda brokers, _name: topics.check_new(clients(brokers), TopicSpec("new")),
    ],
)
def test_brokers_without_an_answer(brokers: Brokers, verb: Callable[[Brokers, str], object]) -> None:
    """No answer is never "no topics": exit code 4 with the reason."""
    brokers.reading = Unknown("connection refused")
    with pytest.raises(Unreachable, match="connection refused"):
        verb(brokers, "orders.eu")


def test_lost_answers_are_told(brokers: Brokers) -> None:
    """A change whose answer was lost is neither done nor failed: exit code 5, and how to look."""
    brokers.answer = Unknown("connection reset")
    topic = topics.find(clients(brokers), "orders.eu")
    growth = topics.Alteration(topic, {}, 9)
    setting = topics.Alteration(topic, {"retention.ms": "5"}, None)
    acts: list[Callable[[], object]] = [
        lambda: topics.create(clients(brokers), TopicSpec("new")),
        lambda: topics.delete(clients(brokers), topic),
        lambda: topics.alter(clients(brokers), growth),
        lambda: topics.alter(clients(brokers), setting),
    ]
    for act in acts:
        with pytest.raises(OutcomeUnknown, match="connection reset"):
            act()


def test_unreadable_properties_stay_unknown(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic whose properties could not be read has no empty properties, on screen, in JSON and for alter."""
    monkeypatch.setattr(brokers, "topic_configs", lambda _names: Unknown("timed out"))
    topic = topics.find(clients(brokers), "orders.eu")
    document = topic_screens.document(topic)
    assert "Configs: unknown (timed out)" in topic_screens.text(topic)
    assert (document["configs"], document["configs_unknown"]) == (None, "timed out")
    with pytest.raises(Unreachable, match="timed out"):
        topics.alteration(clients(brokers), "orders.eu", configs={"retention.ms": "5"}, partitions=None)


def test_warning_for_a_topic_that_cannot_be_written() -> None:
    """A min.insync.replicas that comes from the brokers and is above the replication factor is told."""
    empty = Brokers()
    made = topics.create(clients(empty), TopicSpec("new", 1, 1))
    assert made is not None
    assert [("min.insync.replicas 2" in text) for text in topics.warnings(made)] == [True]


def test_describe_speaks_like_kafka_topics() -> None:
    """The screen has kafka-topics' column names, and a partition without a leader says none."""
    brokers = Brokers(Partition("t", 1, None, (2, 3), ()), Partition("t", 0, 1, (1, 2), (1, 2)))
    brokers.own = {"retention.ms": "5"}
    assert topic_screens.text(topics.find(clients(brokers), "t")).splitlines() == [
        "Topic: t  PartitionCount: 2  ReplicationFactor: 2  Configs: retention.ms=5",
        "Topic  Partition  Leader  Replicas  Isr",
        "t              0  1       1,2       1,2",
        "t              1  none    2,3",
    ]


def test_describe_as_json() -> None:
    """The document has a schema, the topic's own properties and null for no leader."""
    brokers = Brokers(Partition("t", 0, None, (2, 3), (2,)))
    assert topic_screens.document(topics.find(clients(brokers), "t")) == {
        "schema": "kafab.topic/1",
        "topic": "t",
        "partition_count": 1,
        "replication_factor": 2,
        "configs": {},
        "configs_unknown": None,
        "partitions": [{"partition": 0, "leader": None, "replicas": [2, 3], "isr": [2]}],
    }


@pytest.mark.parametrize("text", ["three", "", "1.5", "0x3", "1_000", "٣"])
def test_counts_are_whole_numbers(text: str) -> None:
    """A number that is none is a usage error which names its flag."""
    with pytest.raises(UsageError, match="--partitions"):
        count(text, "--partitions")


def test_counts_may_be_left_out() -> None:
    """No flag is no number, and numbers are read."""
    assert (count(None, "--partitions"), count("12", "--partitions")) == (None, 12)


def test_assignments_are_read() -> None:
    """The first = separates; a value may contain more of them, or be empty."""
    assert assignments(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a=1", "a=2"]])
def test_bad_assignments(texts: list[str]) -> None:
    """A missing =, a missing name and a name given twice are usage errors."""
    with pytest.raises(UsageError, match="--config"):
        assignments(texts)


def test_set_and_reset_at_once() -> None:
    """One property cannot be set and reset by the same command."""
    assert changes({"a": "1"}, ["b"]) == {"a": "1", "b": None}
    with pytest.raises(UsageError, match="a: to be set and to be reset"):
        changes({"a": "1"}, ["a"])


def test_a_deletion_that_waits_for_a_dead_broker_is_told(tmp_path: Path) -> None:
    """With ZooKeeper a replica on a dead broker keeps the topic's name: exit code 5, until that broker is back."""
    kafka = FakeKafka(cluster_in(tmp_path, hosts=3))
    admin = FakeAdmin(kafka)
    admin.create_topic(TopicSpec("orders", 1, 3))
    endpoint = kafka.registrations[3].endpoints[0]
    kafka.stop_broker(3)
    with pytest.raises(OutcomeUnknown, match="orders is marked for deletion"):
        topics.delete(clients(admin), topics.find(clients(admin), "orders"))
    with pytest.raises(Failed, match="already exists"):
        topics.create(clients(admin), TopicSpec("orders", 1, 1))
    kafka.start_broker(3, endpoint)
    assert topics.create(clients(admin), TopicSpec("orders", 1, 1)) is not None


def test_kraft_deletes_without_a_dead_broker(tmp_path: Path) -> None:
    """In KRaft a topic is gone, and its name free, though a replica of it lies on a dead broker's disk."""
    kafka = FakeKafka(kraft_in(tmp_path, Version(4, 3, 1)))
    admin = FakeAdmin(kafka)
    admin.create_topic(TopicSpec("orders", 1, 3))
    kafka.stop_broker(3)
    topics.delete(clients(admin), topics.find(clients(admin), "orders"))
    assert topics.create(clients(admin), TopicSpec("orders", 1, 1)) is not None
