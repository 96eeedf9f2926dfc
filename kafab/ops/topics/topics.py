"""Topics by name: list, describe, create, alter, delete.

What a broker would refuse is refused before it is asked (`topic_rules`); what it refuses nevertheless is told in its
own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kafab.cluster.metadata import ConfigEntry, Metadata, Partition, TopicSpec
from kafab.cluster.own_topics import KAFKAS_OWN
from kafab.errors import WHICH_RUN, OutcomeUnknown, Unreachable, Unsafe, UsageError
from kafab.events import Note
from kafab.ops.topics.rules import (
    MOST_PARTITIONS,
    MOST_REPLICAS,
    PROPERTIES,
    check_brokers,
    check_count,
    check_free,
    check_min_isr,
    check_name,
    check_properties,
    meant,
)
from kafab.ops.world import World
from kafab.unknown import Unknown

INTERNAL = KAFKAS_OWN


@dataclass(frozen=True)
class Topic:
    """One topic as the cluster shows it: its partitions by number, and its properties if they could be read."""

    name: str
    partitions: tuple[Partition, ...]
    configs: Mapping[str, ConfigEntry] | Unknown

    @property
    def replication_factor(self) -> int:
        """The replicas of the first partition, as kafka-topics counts them."""
        return len(self.partitions[0].replicas)

    @property
    def own_configs(self) -> dict[str, str | None] | Unknown:
        """The properties that the topic itself sets; the others follow the brokers."""
        if isinstance(self.configs, Unknown):
            return self.configs
        return {
            name: None if entry.is_sensitive else entry.value
            for name, entry in sorted(self.configs.items())
            if not entry.is_default
        }


@dataclass(frozen=True)
class Alteration:
    """What is to change on a topic: property -> new value (None: back to the brokers' value), and a new total."""

    topic: Topic
    configs: Mapping[str, str | None]
    partitions: int | None

    def __str__(self) -> str:
        changes = [
            f"{name} = {value}" if value is not None else f"{name} reset"
            for name, value in self.configs.items()
        ]
        if self.partitions is not None:
            changes.append(f"partitions {len(self.topic.partitions)} -> {self.partitions}")
        return ", ".join(changes)


def names(world: World, *, internal: bool = False) -> tuple[str, ...]:
    """Return the names of all topics in order, Kafka's internal ones only if asked. Raises Unreachable."""
    found = {partition.topic for partition in _metadata(world).partitions}
    return tuple(sorted(name for name in found if internal or name not in INTERNAL))


def find(world: World, name: str) -> Topic:
    """Return one topic. Raises UsageError with the nearest name when there is none, Unreachable without an answer."""
    partitions = _partitions(_metadata(world), name)
    return Topic(name, partitions, _configs(world, name))


def check_new(world: World, spec: TopicSpec) -> None:
    """Refuse a topic that cannot be created; nothing is changed.

    Raises UsageError for a name, a count or a property that cannot be, with the numbers; Unreachable.
    """
    check_name(spec.name)
    metadata = _metadata(world)
    check_free(spec.name, metadata)
    if spec.partitions is not None:
        check_count("partitions", spec.partitions, MOST_PARTITIONS)
    if spec.replication_factor is not None:
        check_count("replication factor", spec.replication_factor, MOST_REPLICAS)
        check_brokers(spec.name, spec.replication_factor, metadata)
    if spec.configs:
        check_properties(spec.configs, _known_properties(world, metadata))
        check_min_isr(spec.configs.get("min.insync.replicas"), spec.replication_factor)


def create(world: World, spec: TopicSpec) -> Topic | None:
    """Create a topic that `check_new` lets pass; return it, or None where the cluster does not show it yet.

    Raises Failed with the broker's own message, OutcomeUnknown when the answer was lost.
    """
    _seen(world.topics.create_topic(spec), spec.name, "whether it was created")
    after = world.brokers.metadata()
    if isinstance(after, Unknown) or not any(partition.topic == spec.name for partition in after.partitions):
        return None
    return Topic(spec.name, _partitions(after, spec.name), _configs(world, spec.name))


def alteration(
    world: World, name: str, *, configs: Mapping[str, str | None], partitions: int | None
) -> Alteration | None:
    """Return what is left to change, or None where the topic already is as asked. Nothing is changed yet.

    Raises UsageError when nothing is asked, for an unknown topic or property, fewer partitions, a min.insync.replicas
    above the replication factor; Unsafe for more partitions of an internal topic; Unreachable.
    """
    if not configs and partitions is None:
        raise UsageError(
            f"nothing is asked of topic {name}",
            hint="give --partitions, --config NAME=VALUE or --delete-config NAME",
        )
    metadata = _metadata(world)
    partitions_now, now = _partitions(metadata, name), _configs(world, name)
    if isinstance(now, Unknown):
        raise _unreachable(now)
    topic = Topic(name, partitions_now, now)
    check_properties(configs, tuple(now))
    check_min_isr(configs.get("min.insync.replicas"), topic.replication_factor)
    if partitions is not None:
        _check_growth(topic, partitions, metadata)
    left = {key: value for key, value in configs.items() if not _is_already(now[key], value)}
    more = partitions if partitions != len(topic.partitions) else None
    return Alteration(topic, left, more) if left or more else None


def alter(world: World, change: Alteration) -> None:
    """Do it: properties first, since partitions can never be taken back. Raises Failed, OutcomeUnknown."""
    name = change.topic.name
    if change.configs:
        _seen(world.topics.alter_configs(name, change.configs), name, "its properties")
        world.emit(Note(name, str(replace(change, partitions=None))))
    if change.partitions is not None:
        _seen(world.topics.add_partitions(name, change.partitions), name, "its partitions")
        world.emit(Note(name, str(replace(change, configs={}))))


def deletable(world: World, name: str) -> Topic:
    """Return the topic that a deletion would destroy. Raises Unsafe for one of Kafka's own, UsageError, Unreachable."""
    if name in INTERNAL:
        raise Unsafe(
            f"topic {name} is Kafka's own: without it every consumer group or transaction loses its place",
            hint="`topics.list` shows the topics that can be deleted",
        )
    return find(world, name)


def delete(world: World, topic: Topic) -> None:
    """Delete a topic and its records. Raises Failed with the broker's message.

    Raises OutcomeUnknown, too, where ZooKeeper keeps the topic marked for deletion, for a broker that is down.
    """
    told = "whether clients still see it; its name is free when it is gone for good"
    _seen(world.topics.delete_topic(topic.name), topic.name, told)


def warnings(topic: Topic) -> tuple[str, ...]:
    """Return what an operator should know of a topic that exists and yet cannot serve as it is."""
    if isinstance(topic.configs, Unknown):
        return (f"topic {topic.name}: its properties are unknown ({topic.configs.reason})",)
    entry = topic.configs.get("min.insync.replicas")
    wanted = int(entry.value) if entry and entry.value and entry.value.isdecimal() else 0
    if wanted <= topic.replication_factor:
        return ()
    factor = topic.replication_factor
    text = f"topic {topic.name}: min.insync.replicas {wanted} is above its replication factor {factor}"
    return (f"{text}: Kafka 2.4 refuses every write with acks=all, newer versions take the lower number",)


def _metadata(world: World) -> Metadata:
    metadata = world.brokers.metadata()
    if isinstance(metadata, Unknown):
        raise _unreachable(metadata)
    return metadata


def _unreachable(answer: Unknown) -> Unreachable:
    return Unreachable({"brokers": answer.reason}, hint=WHICH_RUN)


def _partitions(metadata: Metadata, name: str) -> tuple[Partition, ...]:
    found = [partition for partition in metadata.partitions if partition.topic == name]
    if not found:
        known = sorted({partition.topic for partition in metadata.partitions})
        raise UsageError(
            f"there is no topic {name!r}", hint=meant(name, known) or "`topics.list` shows all names"
        )
    return tuple(sorted(found, key=lambda partition: partition.number))


def _configs(world: World, name: str) -> Mapping[str, ConfigEntry] | Unknown:
    answer = world.brokers.topic_configs([name])
    if isinstance(answer, Unknown):
        return answer
    return answer.get(name, Unknown("the brokers' answer does not have the topic"))


def _check_growth(topic: Topic, partitions: int, metadata: Metadata) -> None:
    have = len(topic.partitions)
    check_count("partitions", partitions, MOST_PARTITIONS)
    if partitions < have:
        raise UsageError(
            f"topic {topic.name} has {have} partitions, asked for {partitions}: Kafka cannot take partitions away",
            hint="create a new topic with fewer partitions and copy the records",
        )
    if partitions > have and topic.name in INTERNAL:
        raise Unsafe(
            f"topic {topic.name} is Kafka's own, with {have} partitions: with more of them, groups and "
            "transactions would look for their state in the wrong place",
            hint="its size is decided before the first start, by the brokers' properties",
        )
    if partitions > have:
        check_brokers(topic.name, topic.replication_factor, metadata)


def _known_properties(world: World, metadata: Metadata) -> tuple[str, ...]:
    # Any topic's description names every property that this version of Kafka knows.
    if not metadata.partitions:
        return PROPERTIES
    known = _configs(world, metadata.partitions[0].topic)
    if isinstance(known, Unknown):
        raise _unreachable(known)
    return tuple(known)


def _is_already(entry: ConfigEntry, value: str | None) -> bool:
    if value is None:
        return entry.is_default
    return not entry.is_default and not entry.is_sensitive and entry.value == value


def _seen(answer: Unknown | None, name: str, what: str) -> None:
    if answer is not None:
        raise OutcomeUnknown(
            f"topic {name}: not seen to be done ({answer.reason})",
            hint=f"`topics.list` and `topics.describe {name}` show {what}",
        )
