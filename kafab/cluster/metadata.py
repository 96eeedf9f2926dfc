"""What Kafka and ZooKeeper say of themselves, as frozen values: brokers, partitions, registrations, members."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from kafab.model import Endpoint


@dataclass(frozen=True)
class Partition:
    """One partition as a broker's metadata shows it; ``leader`` is None where there is none."""

    topic: str
    number: int
    leader: int | None
    replicas: tuple[int, ...]
    isr: tuple[int, ...]

    @property
    def name(self) -> str:
        """Kafka's own spelling, ``topic-0``."""
        return f"{self.topic}-{self.number}"


@dataclass(frozen=True)
class Metadata:
    """One broker's answer to a Metadata request."""

    cluster_id: str | None
    controller: int | None
    brokers: Mapping[int, Endpoint]
    partitions: tuple[Partition, ...] = ()
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    """Topic -> the id that no other topic of that name has (KIP-516); Kafka before 2.8 has none."""


def distinct(views: Iterable[Metadata]) -> tuple[Metadata, ...]:
    """Return the views that differ in brokers or partitions, in order.

    Hundreds of brokers mostly say the same, and each says it of tens of thousands of partitions.
    """
    found: list[Metadata] = []
    for view in views:
        if not any(view.partitions == one.partitions and view.brokers == one.brokers for one in found):
            found.append(view)
    return tuple(found)


@dataclass(frozen=True)
class Registration:
    """A broker's ephemeral node ``/brokers/ids/<id>``: where it says it listens, and whose session holds it."""

    broker: int
    endpoints: tuple[Endpoint, ...]
    session: int
    """ephemeralOwner: another number after a restart means another process."""


@dataclass(frozen=True)
class Controller:
    """``/controller`` and ``/controller_epoch``; ``broker`` is None while no controller is elected."""

    broker: int | None
    epoch: int


@dataclass(frozen=True)
class Member:
    """A ZooKeeper server's own answer to ``srvr``; ``mode`` is leader, follower, observer or standalone."""

    mode: str
    zxid: int
    version: str
    synced_followers: int | None = None
    """Only the leader knows it (``mntr``, zk_synced_followers)."""


CAUGHT_UP = timedelta(seconds=5)
"""A replica of the metadata log that had everything this short a while ago counts as caught up. 5 s tolerate a short pause:
the leader writes every half second (metadata.max.idle.interval.ms). They exclude a dead replica, which the leader drops after
2 s without a fetch (controller.quorum.fetch.timeout.ms)."""


@dataclass(frozen=True)
class QuorumReplica:
    """A voter or an observer of the metadata log as the KRaft leader sees it (DescribeQuorum)."""

    id: int
    log_end: int
    behind: int
    """Records that the leader has and it has not."""
    caught_up: timedelta | None
    """How long ago it was last seen with everything the leader had; zero for the leader, None: never since it leads."""
    directory: str | None = None
    """Directory id of its metadata log; None where the quorum is static."""

    @property
    def follows(self) -> bool:
        """True where it was last seen with everything a moment ago: it can vote without losing anything."""
        return self.caught_up is not None and self.caught_up <= CAUGHT_UP


@dataclass(frozen=True)
class QuorumState:
    """The KRaft quorum as its leader describes it."""

    leader: int
    epoch: int
    high_watermark: int
    voters: tuple[QuorumReplica, ...]
    observers: tuple[QuorumReplica, ...]
    """Brokers that are no controllers, and controllers that are not in the voter set."""


@dataclass(frozen=True)
class KraftBroker:
    """A broker's registration with the KRaft controllers. A fenced one serves nobody; clients are not told of it."""

    broker: int
    endpoints: tuple[Endpoint, ...]
    fenced: bool


@dataclass(frozen=True)
class ReplicaState:
    """One replica on one broker, from DescribeLogDirs: bytes on disk and records behind the high watermark."""

    broker: int
    topic: str
    partition: int
    size: int
    lag: int


@dataclass(frozen=True)
class ConfigEntry:
    """A configuration value in force; ``is_default`` is False where the topic (or broker) itself sets it."""

    name: str
    value: str | None
    is_default: bool
    is_sensitive: bool = False


class Source(Enum):
    """Where a broker has the value of a property from (DescribeConfigsResponse.ConfigSource), the first wins."""

    BROKER = ("dynamic, this broker", 2)
    CLUSTER = ("dynamic, all brokers", 3)
    FILE = ("file at its start", 4)
    DEFAULT = ("default", 5)
    OTHER = ("other", 0)

    def __init__(self, words: str, code: int) -> None:
        self.words, self.code = words, code

    @property
    def dynamic(self) -> bool:
        """True where it was set in the running cluster, and outlives restarts."""
        return self in (Source.BROKER, Source.CLUSTER)


@dataclass(frozen=True)
class Running:
    """A value that one of the places has for a property; ``name`` may be a synonym (log.retention.ms, log.retention.hours)."""

    name: str
    value: str | None
    source: Source


@dataclass(frozen=True)
class Setting:
    """A property of a running broker; ``value`` is None where Kafka's is null, and of a secret always."""

    name: str
    value: str | None
    source: Source
    is_sensitive: bool = False
    places: tuple[Running, ...] = ()
    """Every place that has a value, the one in force first."""


@dataclass(frozen=True)
class TopicSpec:
    """A topic to create: ``None`` leaves the choice to the broker's defaults."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    configs: Mapping[str, str] = field(default_factory=dict)
    assignment: tuple[tuple[int, ...], ...] | None = None
    """Explicit replicas a partition, first the preferred leader; then the two counts stay None."""


@dataclass(frozen=True)
class Produced:
    """Acknowledged probe records: the offset each got, in send order, and the slowest acknowledgement in seconds."""

    offsets: Mapping[int, tuple[int, ...]]
    """partition -> offsets of its records in send order; -1 where the broker did not tell."""
    slowest_ack: float
    failed: tuple[str, ...] = ()
