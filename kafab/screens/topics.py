"""A topic as text, spelled as kafka-topics spells it, and as a JSON document."""

from kafab.cluster.metadata import Partition, TopicSpec
from kafab.ops.topics.topics import Alteration, Topic
from kafab.screens import layout
from kafab.unknown import Unknown


def text(topic: Topic) -> str:
    """Return what `kafka-topics --describe` says of a topic, as a line and a table of its partitions."""
    own = topic.own_configs
    configs = (
        f"unknown ({own.reason})"
        if isinstance(own, Unknown)
        else ",".join(f"{name}={value}" for name, value in own.items())
    )
    heading = (
        f"Topic: {topic.name}  PartitionCount: {len(topic.partitions)}"
        f"  ReplicationFactor: {topic.replication_factor}  Configs: {configs}"
    )
    # No wrapping: the columns are short, and scripts read them.
    rows = [_row(partition) for partition in topic.partitions]
    return heading.rstrip() + "\n" + layout.table(("Topic", "Partition", "Leader", "Replicas", "Isr"), rows)


def document(topic: Topic) -> dict[str, object]:
    """Return a topic as ``kafab.topic/1``. ``configs`` is null where it could not be read; ``configs_unknown`` says why."""
    own = topic.own_configs
    return {
        "schema": "kafab.topic/1",
        "topic": topic.name,
        "partition_count": len(topic.partitions),
        "replication_factor": topic.replication_factor,
        "configs": None if isinstance(own, Unknown) else own,
        "configs_unknown": own.reason if isinstance(own, Unknown) else None,
        "partitions": [
            {
                "partition": partition.number,
                "leader": partition.leader,
                "replicas": list(partition.replicas),
                "isr": list(partition.isr),
            }
            for partition in topic.partitions
        ],
    }


def change(action: str, name: str, made: TopicSpec | Alteration | None = None) -> dict[str, object]:
    """Return a change as ``kafab.topic-change/1``; ``action`` is created, altered, unchanged or deleted."""
    return {
        "schema": "kafab.topic-change/1",
        "topic": name,
        "action": action,
        "configs": dict(made.configs) if made else {},
        "partitions": made.partitions if made else None,
    }


def _row(partition: Partition) -> tuple[object, ...]:
    return (
        partition.topic,
        partition.number,
        "none" if partition.leader is None else partition.leader,
        ",".join(str(broker) for broker in partition.replicas),
        ",".join(str(broker) for broker in partition.isr),
    )
