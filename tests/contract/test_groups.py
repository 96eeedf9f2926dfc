"""The fake of groups and offsets against real brokers: what holds for one holds for the other."""

import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Protocol

import pytest
from confluent_kafka import Consumer, Producer

from kafab.adapters.kafka.groups import KafkaGroups
from kafab.cluster.metadata import Metadata, TopicSpec
from kafab.groups.coordinating import TOPIC, coordinator
from kafab.groups.values import CLASSIC, At, Commit, Ends, Group, Listed, Member
from kafab.ports import Groups, Offsets
from kafab.testing.groups import FakeGroups
from kafab.unknown import Unknown
from tests.contract.conftest import World
from tests.kafka_by_hand import until

RECORDS = 5
BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
STEP = timedelta(minutes=1)
"""Between the timestamps of two records."""
PATIENCE = 90
TRIES = 3
pytestmark = [
    pytest.mark.parametrize(
        "kafka",
        ["fake", pytest.param("3.9.2", marks=[pytest.mark.e2e, pytest.mark.xdist_group("contract 3.9.2")])],
        indirect=True,
    ),
]


class Both(Groups, Offsets, Protocol):
    """What knows groups and offsets."""


@dataclass(frozen=True)
class Known:
    """A topic of one partition with five records, a minute from each other, and who knows groups and offsets."""

    topic: str
    groups: Both
    metadata: Metadata
    world: World

    @property
    def at(self) -> At:
        """The partition."""
        return (self.topic, 0)

    def new(self, name: str) -> Listed:
        """Return a group that is not there yet, with its coordinator."""
        found = coordinator(self.metadata, name)
        return Listed(name, CLASSIC, None, 1 if found is None else found)

    def described(self, group: Listed) -> Group | Unknown:
        """Ask for one group."""
        return self.groups.describe(self.metadata, [group])[group.name]

    def with_member(self, group: Listed) -> AbstractContextManager[None]:
        """Have a member in the group, which has read and committed all, for the length of the block."""
        if isinstance(self.groups, FakeGroups):
            return _pretended(self.groups, group, self.at)
        return _member(self.world, self.topic, group.name)


@pytest.fixture(scope="module", autouse=True)
def as_before(kafka: World) -> Iterator[None]:
    """Remove the topic of offsets in the end: the modules behind this one share the brokers, and have no group."""
    yield
    if kafka.real and TOPIC in _topics(kafka):
        kafka.admin.delete_topic(TOPIC)
        until(lambda: TOPIC not in _topics(kafka), "the topic of offsets to be gone")


@pytest.fixture
def known(kafka: World) -> Iterator[Known]:
    """Yield it; the topic is removed."""
    topic = f"groups-{secrets.token_hex(4)}"
    assert kafka.admin.create_topic(TopicSpec(topic, assignment=((1, 2, 3),))) is None
    times = [BEGUN + number * STEP for number in range(RECORDS)]
    if kafka.real:
        _write(kafka, topic, times)
        if TOPIC not in _topics(kafka):
            # The first group makes the offsets' topic, which says who coordinates which group.
            with _member(kafka, topic, f"first-{topic}"):
                pass
    metadata = _metadata(kafka)
    try:
        if kafka.real:
            with closing(KafkaGroups()) as groups:
                yield Known(topic, groups, metadata, kafka)
        else:
            at = (topic, 0)
            written = {(at, offset): moment for offset, moment in enumerate(times)}
            yield Known(topic, FakeGroups({}, {at: Ends(0, RECORDS, RECORDS)}, written), metadata, kafka)
    finally:
        kafka.admin.delete_topic(topic)


def test_commit_makes_a_group_without_members(known: Known) -> None:
    """What is committed from outside is what the group has, as it was given, and no member is there."""
    group, commit = known.new(f"made-{known.topic}"), Commit(3, -1, "by hand")
    assert known.groups.commit(known.metadata, group, {known.at: commit}) == {}
    found = known.described(group)
    assert isinstance(found, Group)
    assert (found.committed, found.members, found.state, found.idle) == (
        {known.at: commit},
        (),
        "Empty",
        True,
    )


def test_commits_add_to_one_another(known: Known) -> None:
    """A second commit of another partition leaves the first one's offset; one beyond the end is taken."""
    group, other = known.new(f"added-{known.topic}"), (known.topic, 7)
    known.groups.commit(known.metadata, group, {known.at: Commit(1)})
    known.groups.commit(known.metadata, group, {known.at: Commit(10**9)})
    found = known.described(group)
    assert isinstance(found, Group)
    assert found.committed == {known.at: Commit(10**9)}
    # Kafka takes a commit for a partition that is not there, or refuses it by its own error; kafab never asks for one.
    assert known.groups.ends(known.metadata, [other]) == {other: Unknown("there is no such partition")}


def test_member_refuses_what_comes_from_outside(known: Known) -> None:
    """A group with a member takes no commit and is not deleted, and says so with Kafka's errors."""
    group = known.new(f"busy-{known.topic}")
    with known.with_member(group):
        found = known.described(group)
        assert isinstance(found, Group)
        assert (found.idle, isinstance(found.members, tuple) and len(found.members)) == (False, 1)
        told = known.groups.commit(known.metadata, group, {known.at: Commit(1)})
        assert told == {known.at: "UnknownMemberIdError"}
        assert known.groups.delete(known.metadata, group) == "NonEmptyGroupError"
        assert known.described(group) == found


def test_deleted_group_is_in_no_list(known: Known) -> None:
    """A group is listed until it is deleted, and its offsets are gone with it."""
    group = known.new(f"gone-{known.topic}")
    known.groups.commit(known.metadata, group, {known.at: Commit(2)})
    assert group.name in _names(known)
    assert known.groups.delete(known.metadata, group) is None
    assert group.name not in _names(known)
    found = known.described(group)
    assert isinstance(found, Group)
    assert (found.state, found.committed, found.members) == ("Dead", {}, ())


def test_ends_are_those_of_the_log(known: Known) -> None:
    """First offset, last stable offset and high watermark of five records are 0, 5 and 5."""
    assert known.groups.ends(known.metadata, [known.at]) == {known.at: Ends(0, RECORDS, RECORDS)}


@pytest.mark.parametrize(
    ("moment", "offset"),
    [
        (BEGUN - STEP, 0),
        (BEGUN, 0),
        (BEGUN + timedelta(seconds=1), 1),
        (BEGUN + 4 * STEP, 4),
        (BEGUN + 5 * STEP, None),
    ],
)
def test_first_record_not_before_a_moment(known: Known, moment: datetime, offset: int | None) -> None:
    """It is the first one whose timestamp is that late; none is where all are earlier."""
    assert known.groups.since(known.metadata, [known.at], moment) == {known.at: offset}


def test_times_of_records_are_read(known: Known) -> None:
    """The timestamp at an offset is the one that its record was written with."""
    asked = [(known.at, 0), (known.at, 3)]
    found = known.groups.written(known.metadata, asked)
    assert found == {(known.at, 0): BEGUN, (known.at, 3): BEGUN + 3 * STEP}


def _topics(kafka: World) -> set[str]:
    return {each.topic for each in _metadata(kafka).partitions}


def _metadata(kafka: World) -> Metadata:
    found = kafka.admin.metadata()
    assert isinstance(found, Metadata)
    return found


def _names(known: Known) -> set[str]:
    found = known.groups.list(known.metadata)
    assert found.silent == {}
    return {one.name for one in found.groups}


@contextmanager
def _pretended(groups: FakeGroups, group: Listed, at: At) -> Iterator[None]:
    member = Member("checker-1", "checker", "/127.0.0.1", None, (at,))
    made = Group(group.name, CLASSIC, "Stable", group.coordinator, "range", (member,), {at: Commit(RECORDS)})
    groups.groups[group.name] = made
    yield
    groups.groups[group.name] = replace(made, members=(), state="Empty")


@contextmanager
def _member(kafka: World, topic: str, group: str) -> Iterator[None]:
    consumer = _reader(kafka, topic, group)
    try:
        consumer.commit(asynchronous=False)
        yield
    finally:
        consumer.close()


def _reader(kafka: World, topic: str, group: str) -> Consumer:
    """Return a member that has read all; one that is given nothing, on a machine that stalls, makes room for another one."""
    told: list[str] = []
    for _ in range(TRIES):
        consumer = Consumer(
            {
                "bootstrap.servers": _brokers(kafka),
                "group.id": group,
                "client.id": "checker",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                # The broker that is asked first may not know the topic yet; the next look is five minutes later by default.
                "topic.metadata.refresh.interval.ms": 1000,
            }
        )
        consumer.subscribe([topic])
        deadline, last = time.monotonic() + PATIENCE / TRIES, -1
        while time.monotonic() < deadline:
            record = consumer.poll(0.5)
            if record is None:
                continue
            if (error := record.error()) is not None:
                told.append(error.str())
                continue
            last = int(record.offset() or 0)
            if last == RECORDS - 1:
                return consumer
        told.append(f"read up to {last}")
        consumer.close()
    raise AssertionError("; ".join(told))


def _write(kafka: World, topic: str, times: list[datetime]) -> None:
    producer = Producer({"bootstrap.servers": _brokers(kafka), "acks": "all"})
    for moment in times:
        producer.produce(topic, b"x", partition=0, timestamp=int(moment.timestamp() * 1000))
    assert producer.flush(PATIENCE) == 0


def _brokers(kafka: World) -> str:
    return ",".join(str(node.endpoint) for node in kafka.cluster.brokers)
