"""What Kafka asks of a topic, told before a broker is asked: its name, its counts, its properties.

Each check raises UsageError with the numbers and the nearest right name. The rules are those of Kafka's own
`org.apache.kafka.common.internals.Topic`, `TopicConfig` and `TopicCommand`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from kafab.cluster.metadata import Metadata
from kafab.errors import UsageError
from kafab.words import nearest, plural

PROPERTIES = (
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
)
"""Topic properties of Kafka 2.4 to 4.x (`TopicConfig`), for a cluster that has no topic yet to ask about."""

_NAME = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)
_LONGEST_NAME = 249
MOST_REPLICAS = 32767  # the replication factor is a 16 bit number in the protocol
MOST_PARTITIONS = 2**31 - 1


def check_name(name: str) -> None:
    """Raise UsageError unless Kafka takes this as a topic's name (`Topic.validate`)."""
    if not name:
        problem = "it is empty"
    elif name in (".", ".."):
        problem = "`.` and `..` are folders"
    elif len(name) > _LONGEST_NAME:
        problem = f"it has {len(name)} characters, at most {_LONGEST_NAME} are allowed"
    elif not _NAME.fullmatch(name):
        wrong = sorted({char for char in name if not _NAME.fullmatch(char)})
        problem = f"it contains {', '.join(repr(char) for char in wrong)}"
    else:
        return
    raise UsageError(
        f"{name!r} cannot be the name of a topic: {problem}",
        hint="use ASCII letters, digits, `.`, `_` and `-`",
    )


def count(text: str | None, flag: str) -> int | None:
    """Read a number from the command line; None stays None. Raises UsageError."""
    if text is None:
        return None
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise UsageError(f"{flag} {text}: not a whole number", hint=f"for example {flag} 3")
    return int(text)


def assignments(texts: Iterable[str], flag: str = "--config") -> dict[str, str]:
    """Read ``NAME=VALUE`` texts. Raises UsageError for a missing ``=`` and for a name given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{flag} {text}: not NAME=VALUE", hint=f"for example {flag} retention.ms=86400000"
            )
        if name.strip() in found:
            raise UsageError(
                f"{flag} {name.strip()} is given twice: {found[name.strip()]} and {value.strip()}",
                hint="give each property once",
            )
        found[name.strip()] = value.strip()
    return found


def changes(assigned: Mapping[str, str], reset: Sequence[str]) -> dict[str, str | None]:
    """Join what is set and what is reset (to None). Raises UsageError for a property that is in both."""
    if both := [name for name in reset if name in assigned]:
        raise UsageError(
            f"{', '.join(both)}: to be set and to be reset at once",
            hint="use --config or --delete-config, not both",
        )
    return {**assigned, **dict.fromkeys(reset)}


def check_free(name: str, metadata: Metadata) -> None:
    """Raise UsageError if the name is taken, or collides with one that is."""
    known = {partition.topic for partition in metadata.partitions}
    if existing := [partition for partition in metadata.partitions if partition.topic == name]:
        raise UsageError(
            f"topic {name} exists already, with {plural(len(existing), 'partition')} "
            f"and replication factor {len(existing[0].replicas)}",
            hint=f"`topics.describe {name}` shows it, `topics.alter {name}` changes it",
        )
    # Kafka's metrics write both characters as `_`, so it refuses the second name (Topic.hasCollision).
    if same := [other for other in sorted(known) if other.replace(".", "_") == name.replace(".", "_")]:
        raise UsageError(
            f"topic {name} collides with topic {same[0]}: Kafka does not tell `.` from `_` in metric names",
            hint="choose a name that differs in another character",
        )


def check_count(what: str, value: int, most: int) -> None:
    """Raise UsageError unless the number is from 1 to ``most``."""
    if not 1 <= value <= most:
        raise UsageError(
            f"{what} {value}: it must be from 1 to {most}", hint="leave it out for the brokers' default"
        )


def check_brokers(name: str, factor: int, metadata: Metadata) -> None:
    """Raise UsageError if more replicas are wanted than brokers live: Kafka places only on live ones."""
    live = len(metadata.brokers)
    if factor > live:
        ids = ", ".join(str(broker) for broker in sorted(metadata.brokers))
        raise UsageError(
            f"topic {name}: replication factor {factor} is above the {plural(live, 'live broker')} ({ids})",
            hint=f"use at most {live}, or start more brokers: `status` shows which are down",
        )


def check_properties(configs: Iterable[str], known: Sequence[str]) -> None:
    """Raise UsageError for a property that is not among the known ones."""
    unknown = [name for name in configs if name not in known]
    if unknown:
        hints = [hint for name in unknown if (hint := meant(name, known))]
        raise UsageError(
            f"this Kafka version knows no topic property {' and no '.join(repr(name) for name in unknown)}",
            hint=" ".join(hints) or f"it knows {', '.join(sorted(known))}",
        )


def check_min_isr(text: str | None, factor: int | None) -> None:
    """Raise UsageError if min.insync.replicas is above the replication factor; what is not given is not judged."""
    if text is not None and factor is not None and text.isdecimal() and int(text) > factor:
        raise UsageError(
            f"min.insync.replicas {text} is above the replication factor {factor}: acks=all could never be given",
            hint=f"use at most {factor}; one less than the replication factor lets a broker restart",
        )


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the hint that names the nearest known name, or None where none is near."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else None
