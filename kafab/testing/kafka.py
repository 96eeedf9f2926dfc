"""A Kafka cluster in memory, behind the ports: for tests of what is built on kafab, without a JVM.

`FakeKafka` is the state; `admin.FakeAdmin`, `zookeeper.FakeZooKeeper` and `controllers.FakeControllers` are ways to look at it.
Stopping, freezing and restarting brokers, controllers and ZooKeeper servers changes what all of them say, the way the real
ones do (tests/contract holds them side by side).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kafab.cluster.metadata import (
    Partition,
    Registration,
)
from kafab.model import Cluster, Endpoint, Version
from kafab.testing.voters import FakeVoters

FIRST_TOPIC_IDS = Version(2, 8, 0)


@dataclass
class FakeKafka:
    """The state of a cluster: which servers live, who controls, which topics there are.

    Brokers are ids, ZooKeeper servers and KRaft controllers too. ``min_isr`` is the brokers' min.insync.replicas. A frozen
    broker keeps its registration and answers nothing, as in the seconds before its session ends. In KRaft a stopped broker
    stays registered, as a fenced one; a combined process is stopped as a whole.
    """

    cluster: Cluster
    min_isr: int = 1
    default_partitions: int = 1
    epoch: int = 1
    cluster_id: str | None = "fakefakefakefakefakefQ"
    topic_ids: dict[str, str] = field(default_factory=dict)
    """Topic -> its id; a topic that is made again has another one."""
    _made: int = 0
    registrations: dict[int, Registration] = field(default_factory=dict)
    controller: int | None = None
    frozen: set[int] = field(default_factory=set)
    stopped_servers: set[int] = field(default_factory=set)
    fenced: set[int] = field(default_factory=set)
    """Brokers that are registered in KRaft and serve nobody: see `fence`."""
    left: dict[int, Registration] = field(default_factory=dict)
    """What the KRaft controllers remember of stopped brokers."""
    voters: FakeVoters = field(init=False)
    """The KRaft controllers."""
    partitions: list[Partition] = field(default_factory=list)
    configs: dict[str, dict[str, str]] = field(default_factory=dict)
    logs: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)
    unheard: dict[int, set[int]] = field(default_factory=dict)
    """Broker -> those that its copy of the metadata does not have yet."""
    controller_of: dict[int, int] = field(default_factory=dict)
    """Broker -> the controller in its copy of the metadata, where that is an old one."""
    offline: dict[int, set[str]] = field(default_factory=dict)
    """Broker -> those of its log directories that it has taken offline."""
    dynamic: dict[int | None, dict[str, str]] = field(default_factory=dict)
    """Broker, None for all of them -> what was set in the running cluster."""
    started_with: dict[int, dict[str, str]] = field(default_factory=dict)
    """Broker -> the properties of the file that it was started with, where they are not the inventory's."""
    outdated: dict[int, tuple[Partition, ...]] = field(default_factory=dict)
    """Broker -> the partitions in its copy of the metadata, where that is an old one."""

    def __post_init__(self) -> None:
        self.voters = FakeVoters(
            tuple(node.id for node in self.cluster.controllers), lambda: self.frozen & self._combined
        )
        for node in self.cluster.brokers:
            self.start_broker(node.id, *(listener.endpoint for listener in node.broker_listeners))

    def start_broker(self, broker: int, *at: Endpoint) -> None:
        """Register a broker at its listeners, also one that the inventory does not know; it joins the ISR of its partitions.

        A combined process is a controller again, too.
        """
        session = 1 + max((known.session for known in self.registrations.values()), default=0)
        self.registrations[broker] = Registration(broker, at, session)
        self.left.pop(broker, None)
        if self.controller is None:
            self.controller = broker
        if broker in self._combined:
            self.voters.start(broker)
        self.unfence(broker)

    def stop_broker(self, broker: int) -> None:
        """Take a broker away: it leaves each ISR but as its last member, and another one controls.

        With a combined process its controller goes, too.
        """
        gone = self.registrations.pop(broker)
        if self.cluster.kraft:
            self.left[broker] = gone
        if broker in self._combined:
            self.voters.stop(broker)
        self.fence(broker)

    def fence(self, broker: int) -> None:
        """Let a broker serve nobody, though its process may live: it leaves each ISR but as its last member."""
        self.fenced.add(broker)
        if self.controller == broker:
            self.elect()
        self.partitions = [self._led(self.shrunk(p, broker)) for p in self.partitions]

    def unfence(self, broker: int) -> None:
        """Let a registered broker serve: it joins the ISR of its partitions."""
        self.fenced.discard(broker)
        self.partitions = [
            self._led(replace(p, isr=(*p.isr, broker)) if broker in p.replicas and broker not in p.isr else p)
            for p in self.partitions
        ]

    @property
    def operator(self) -> int:
        """The place of kafab's own listener among those of a registration."""
        node = self.cluster.brokers[0]
        return node.broker_listeners.index(node.operator_listener)

    @property
    def silent_brokers(self) -> set[int]:
        """The brokers that keep their registration and answer nothing."""
        return self.frozen | (self.voters.frozen & self._combined)

    @property
    def serving_brokers(self) -> list[int]:
        """The brokers that clients are told of: the registered ones that are not fenced."""
        return [broker for broker in self.registrations if broker not in self.fenced]

    def elect(self) -> None:
        """Let another live broker control, in the next epoch."""
        able = sorted(self.serving_brokers)
        others = [broker for broker in able if broker != self.controller]
        self.controller = next(iter(others or able), None)
        self.epoch += self.controller is not None

    def lead(self, topic: str, number: int, leader: int | None) -> None:
        """Let this broker, or none, lead a partition."""
        self.partitions = [
            replace(p, leader=leader) if (p.topic, p.number) == (topic, number) else p
            for p in self.partitions
        ]

    @property
    def serving(self) -> bool:
        """True while a majority of the ensemble lives."""
        alive = len(self.cluster.zookeepers) - len(self.stopped_servers)
        return alive > len(self.cluster.zookeepers) // 2

    def add(self, topic: str, assignment: Sequence[Sequence[int]]) -> None:
        """Add partitions with these replicas, in order, each led by the first live one."""
        first = sum(partition.topic == topic for partition in self.partitions)
        for number, replicas in enumerate(assignment, first):
            alive = tuple(broker for broker in replicas if broker in self.serving_brokers)
            self.partitions.append(self._led(Partition(topic, number, None, tuple(replicas), alive)))
            self.logs[topic, number] = []
        self.configs.setdefault(topic, {})
        if self.cluster.version >= FIRST_TOPIC_IDS:
            self._made += 1
            self.topic_ids.setdefault(topic, f"id-{self._made}")

    @property
    def _combined(self) -> set[int]:
        return {node.id for node in self.cluster.brokers if node.combined}

    def _led(self, partition: Partition) -> Partition:
        serving = self.serving_brokers
        if partition.leader in serving:
            return partition
        able = [b for b in partition.replicas if b in partition.isr and b in serving]
        return replace(partition, leader=next(iter(able), None))

    @staticmethod
    def shrunk(partition: Partition, gone: int) -> Partition:
        """Return a partition without this broker in its ISR; its last member stays."""
        left = tuple(broker for broker in partition.isr if broker != gone)
        return replace(partition, isr=left) if left else partition
