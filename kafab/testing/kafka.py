"""A Kafka cluster in memory, behind the ports: for tests of what is built on kafab, without a JVM.

`FakeKafka` is the state; `FakeZooKeeper`, `FakeAdmin` and (in `controllers`) `FakeControllers` are ways to look at it. Stopping,
freezing and restarting brokers, controllers and ZooKeeper servers changes what all of them say, the way the real ones do
(tests/contract holds them side by side). The file is over 400 lines long because the two ways change with the state.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from kafab.cluster.metadata import (
    ConfigEntry,
    Controller,
    Member,
    Metadata,
    Partition,
    Produced,
    Registration,
    ReplicaState,
    TopicSpec,
)
from kafab.errors import Failed
from kafab.model import Cluster, Endpoint
from kafab.testing.voters import FakeVoters
from kafab.unknown import Unknown

_RECORD_BYTES = 70
_T = TypeVar("_T")


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


class FakeZooKeeper:
    """`kafab.ports.ZooKeeper` over a `FakeKafka`. ``calls`` counts elections that were forced."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.calls: list[str] = []

    def member(self, at: Endpoint) -> Member | Unknown:
        """The lowest live server leads, all others follow in sync."""
        servers = {node.endpoint: node.id for node in self._kafka.cluster.zookeepers}
        alive = sorted(set(servers.values()) - self._kafka.stopped_servers)
        if servers.get(at) not in alive:
            return Unknown(f"{at}: connection refused")
        if not self._kafka.serving:
            return Unknown(f"{at}: This ZooKeeper instance is not currently serving requests")
        if len(servers) == 1:
            return Member("standalone", 1, "3.8.4")
        if servers[at] == alive[0]:
            return Member("leader", 1, "3.8.4", len(alive) - 1)
        return Member("follower", 1, "3.8.4")

    def registrations(self) -> Mapping[int, Registration] | Unknown:
        """The brokers that live or are frozen."""
        return self._or_unknown(dict(self._kafka.registrations))

    def controller(self) -> Controller | Unknown:
        """The controller and its epoch."""
        return self._or_unknown(Controller(self._kafka.controller, self._kafka.epoch))

    def cluster_id(self) -> str | Unknown | None:
        """The id."""
        return self._or_unknown(self._kafka.cluster_id)

    def force_election(self) -> Unknown | None:
        """Another live broker controls at once."""
        self.calls.append("force_election")
        if self._kafka.serving:
            self._kafka.elect()
        return self._or_unknown(None)

    def close(self) -> None:
        """Nothing was opened."""
        self.calls.append("close")

    def _or_unknown(self, value: _T) -> _T | Unknown:
        return value if self._kafka.serving else Unknown("ZooKeeper: no quorum")


class FakeAdmin:
    """`kafab.ports.Brokers`, `Topics` and `Records` over a `FakeKafka`. ``lagging`` brokers never catch up with a leader."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.lagging: set[int] = set()
        self._deleted: dict[str, set[int]] = {}
        self.calls: list[tuple[str, str]] = []
        """(method, topic) of every change that was asked for."""

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        """The view of the broker at that address, or of any that answers."""
        kafka = self._kafka
        asked = [
            broker
            for broker, known in kafka.registrations.items()
            if broker not in kafka.silent_brokers and (at is None or at in known.endpoints)
        ]
        if asked:
            unheard = kafka.unheard.get(asked[0], ())
            # A broker tells the addresses of the listener that it was asked at.
            of = kafka.operator if at is None else kafka.registrations[asked[0]].endpoints.index(at)
            brokers = {
                broker: kafka.registrations[broker].endpoints[of]
                for broker in kafka.serving_brokers
                if broker not in unheard and len(kafka.registrations[broker].endpoints) > of
            }
            partitions = kafka.outdated.get(asked[0], tuple(kafka.partitions))
            controller = kafka.controller_of.get(asked[0], kafka.controller)
            return Metadata(kafka.cluster_id, controller, brokers, partitions)
        if at is None:
            return Unknown("no broker answers")
        frozen = any(at in known.endpoints for known in kafka.registrations.values())
        silence = f"did not answer within {timeout.total_seconds():g} s" if frozen else "connection refused"
        return Unknown(f"{at}: {silence}")

    def topic_configs(
        self, topics: Sequence[str], keys: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[str, ConfigEntry]] | Unknown:
        """min.insync.replicas and what was set; a topic that is not there is left out."""
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        default = ConfigEntry("min.insync.replicas", str(self._kafka.min_isr), True)
        found: dict[str, dict[str, ConfigEntry]] = {}
        for topic in self._kafka.configs.keys() & set(topics):
            own = (ConfigEntry(name, value, False) for name, value in self._kafka.configs[topic].items())
            entries = {default.name: default} | {entry.name: entry for entry in own}
            found[topic] = {name: entries[name] for name in entries if keys is None or name in keys}
        return found

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        """Create, or raise Failed as Kafka would: it exists, too many replicas, an impossible name or count."""
        self.calls.append(("create_topic", spec.name))
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        what = f"create topic {spec.name}"
        brokers = sorted(seen.brokers)
        replicas = spec.replication_factor or min(3, len(brokers))
        partitions = self._kafka.default_partitions if spec.partitions is None else spec.partitions
        taken = spec.name in self._kafka.configs or self._awaited(spec.name)
        self._refuse(what, bool(taken), f"Topic '{spec.name}' already exists.")
        legal = re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", spec.name)
        self._refuse(what, not legal, f"Topic name is invalid: '{spec.name}'")
        self._refuse(what, partitions < 1, "Number of partitions must be larger than 0.")
        few = f"Replication factor: {replicas} larger than available brokers: {len(brokers)}."
        self._refuse(what, replicas > len(brokers), few)
        self._kafka.configs[spec.name] = dict(spec.configs)
        self._kafka.add(spec.name, spec.assignment or _spread(brokers, partitions, replicas))
        return None

    def delete_topic(self, name: str) -> Unknown | None:
        """Delete, or raise Failed where there is no such topic; with ZooKeeper its name waits for every replica."""
        self.calls.append(("delete_topic", name))
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        self._known("delete topic", name)
        del self._kafka.configs[name]
        self._deleted[name] = {b for p in self._kafka.partitions if p.topic == name for b in p.replicas}
        self._kafka.partitions = [p for p in self._kafka.partitions if p.topic != name]
        self._kafka.logs = {key: log for key, log in self._kafka.logs.items() if key[0] != name}
        if away := self._awaited(name):
            return Unknown(f"{name} is marked for deletion: brokers {sorted(away)} with a replica are down")
        return None

    def add_partitions(self, name: str, total: int) -> Unknown | None:
        """Grow, or raise Failed where that would not be more."""
        self.calls.append(("add_partitions", name))
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        self._known("grow topic", name)
        now = [partition for partition in self._kafka.partitions if partition.topic == name]
        what = f"grow topic {name} to {total} partitions"
        self._refuse(what, total <= len(now), f"Topic already has {len(now)} partitions.")
        self._kafka.add(name, _spread(sorted(seen.brokers), total - len(now), len(now[0].replicas)))
        return None

    def alter_configs(self, topic: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set and reset properties; any name is taken."""
        self.calls.append(("alter_configs", topic))
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        self._known("alter topic", topic)
        wanted = {**self._kafka.configs[topic], **values}
        self._kafka.configs[topic] = {name: value for name, value in wanted.items() if value is not None}
        return None

    def replicas(self, topic: str) -> tuple[ReplicaState, ...] | Unknown:
        """Every live broker's replicas; those of lagging brokers that do not lead are empty."""
        silent = self._kafka.silent_brokers & set(self._kafka.registrations)
        if silent:
            return Unknown(f"log directories: brokers {sorted(silent)} did not answer within 5 s")
        return tuple(
            ReplicaState(
                broker, topic, p.number, 0 if behind else written, written // _RECORD_BYTES if behind else 0
            )
            for p in self._kafka.partitions
            if p.topic == topic
            for written in (len(self._kafka.logs[topic, p.number]) * _RECORD_BYTES,)
            for broker in p.replicas
            if broker in self._kafka.registrations
            for behind in (broker in self.lagging and broker != p.leader,)
        )

    def produce(
        self,
        topic: str,
        records: Mapping[int, Sequence[bytes]],
        *,
        timeout: timedelta,  # noqa: ARG002  # the port's signature; a fake answers at once
    ) -> Produced | Unknown:
        """Append where the ISR is large enough; elsewhere tell which partitions refused."""
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        known = {p.number: p for p in self._kafka.partitions if p.topic == topic}
        offsets: dict[int, tuple[int, ...]] = {}
        failed = []
        for number, values in records.items():
            if known[number].leader is None or len(known[number].isr) < self._min_isr(topic):
                failed.append(f"{known[number].name}: Broker: Not enough in-sync replicas")
                continue
            log = self._kafka.logs[topic, number]
            offsets[number] = tuple(range(len(log), len(log) + len(values)))
            log += values
        return Produced(offsets, 0.001 if offsets else 0.0, tuple(failed))

    def consume(
        self,
        topic: str,
        upto: Mapping[int, int],
        *,
        timeout: timedelta,  # noqa: ARG002  # the port's signature; a fake answers at once
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        """Read what was written."""
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        return {number: tuple(self._kafka.logs[topic, number][:end]) for number, end in upto.items()}

    def close(self) -> None:
        """Nothing was opened."""

    def _awaited(self, name: str) -> set[int]:
        gone = set() if self._kafka.cluster.kraft else self._deleted.get(name, set())
        return gone - set(self._kafka.registrations)

    def _min_isr(self, topic: str) -> int:
        return int(self._kafka.configs[topic].get("min.insync.replicas", self._kafka.min_isr))

    def _known(self, what: str, topic: str) -> None:
        absent = topic not in self._kafka.configs
        self._refuse(f"{what} {topic}", absent, "Broker: Unknown topic or partition")

    @staticmethod
    def _refuse(what: str, when: bool, message: str) -> None:
        if when:
            raise Failed(f"{what}: {message}")


def _spread(brokers: Sequence[int], partitions: int, replicas: int) -> list[list[int]]:
    ring = [*brokers, *brokers]
    return [ring[n % len(brokers) :][:replicas] for n in range(partitions)]
