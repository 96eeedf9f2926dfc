"""What Kafka and ZooKeeper say of themselves, as frozen values: brokers, partitions, registrations, members."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """partition -> offsets of its records in send order."""
    slowest_ack: float
    failed: tuple[str, ...] = ()
