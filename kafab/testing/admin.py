"""The brokers, topics and records of a `FakeKafka`, behind their ports."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from kafab.cluster.metadata import (
    ConfigEntry,
    Metadata,
    Produced,
    ReplicaState,
    Running,
    Setting,
    Source,
    TopicSpec,
)
from kafab.config.catalogue.definitions import catalogue
from kafab.config.properties import broker_properties
from kafab.errors import Failed
from kafab.model import Endpoint
from kafab.ops.check.figures import THROTTLES
from kafab.testing.kafka import FakeKafka
from kafab.unknown import Unknown

_RECORD_BYTES = 70


class FakeAdmin:
    """`kafab.ports.Brokers`, `Topics` and `Records` over a `FakeKafka`. ``lagging`` brokers never catch up with a leader."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.lagging: set[int] = set()
        self.is_through_ssh = False
        self.moving: set[tuple[str, int]] = set()
        """Partitions that are being moved."""
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
            return Metadata(kafka.cluster_id, controller, brokers, partitions, dict(kafka.topic_ids))
        if at is None:
            return Unknown("no broker answers")
        frozen = any(at in known.endpoints for known in kafka.registrations.values())
        silence = f"did not answer within {timeout.total_seconds():g} s" if frozen else "connection refused"
        return Unknown(f"{at}: {silence}")

    def through_ssh(self) -> bool:
        """Return what a test has said."""
        return self.is_through_ssh

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

    def broker_configs(
        self,
        broker: int,
        at: Endpoint,
        keys: Sequence[str] | None = None,
        *,
        timeout: timedelta = timedelta(seconds=5),
    ) -> Mapping[str, Setting] | Unknown:
        """What was set dynamically, and the file of the broker's start; of the defaults, those of the catalogue."""
        if isinstance(seen := self.metadata(at, timeout=timeout), Unknown):
            return seen
        kafka = self._kafka
        node = next(node for node in kafka.cluster.brokers if node.id == broker)
        # Kafka fills one of the two ids with the other, as the file's
        ids = dict.fromkeys(("broker.id", "node.id"), str(broker))
        static = ids | kafka.started_with.get(broker, broker_properties(kafka.cluster, node))
        known = catalogue(kafka.cluster.version).known
        defaults = {name: one.default for name, one in known.items() if one.default is not None}
        found = {}
        set_now = kafka.dynamic.get(broker, {}).keys() | kafka.dynamic.get(None, {}).keys()
        for name in known if keys is None else [key for key in keys if key in known or key in set_now]:
            secret = name in known and known[name].type == "password"
            places = tuple(
                Running(name, None if secret else values[name], source)
                for source, values in (
                    (Source.BROKER, kafka.dynamic.get(broker, {})),
                    (Source.CLUSTER, kafka.dynamic.get(None, {})),
                    (Source.FILE, static),
                    (Source.DEFAULT, defaults),
                )
                if name in values
            )
            first = places[0] if places else Running(name, None, Source.DEFAULT)
            found[name] = Setting(name, first.value, first.source, secret, places)
        return found

    def log_dirs(
        self, at: Endpoint, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Mapping[str, str | None] | Unknown:
        """The directories of the broker at that address, as the inventory has them."""
        if isinstance(seen := self.metadata(at, timeout=timeout), Unknown):
            return seen
        node = next(node for node in self._kafka.cluster.brokers if node.endpoint == at)
        gone = self._kafka.offline.get(node.id, set())
        return {str(path): "KafkaStorageError" if str(path) in gone else None for path in node.data}

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
        self._kafka.topic_ids.pop(name, None)
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

    def alter_broker_configs(
        self, broker: int, at: Endpoint, values: Mapping[str, str | None]
    ) -> Unknown | None:
        """Set and take away dynamic values of one broker, or raise Failed for what only a restart changes."""
        self.calls.append(("alter_broker_configs", ",".join(values)))
        if isinstance(seen := self.metadata(at), Unknown):
            return seen
        changeable = {*catalogue(self._kafka.cluster.version).changeable, *THROTTLES}
        fixed = sorted(values.keys() - changeable)
        self._refuse(
            f"alter broker {broker}", bool(fixed), f"Cannot update these configs dynamically: {fixed}"
        )
        wanted = {**self._kafka.dynamic.get(broker, {}), **values}
        self._kafka.dynamic[broker] = {name: value for name, value in wanted.items() if value is not None}
        return None

    def elect_preferred(
        self, partitions: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], str] | Unknown:
        """Let the first replica lead where it is in the ISR and serves."""
        self.calls.append(("elect_preferred", ",".join(f"{topic}-{number}" for topic, number in partitions)))
        if isinstance(seen := self.metadata(), Unknown):
            return seen
        known = {(one.topic, one.number) for one in seen.partitions}
        refused = dict.fromkeys(set(partitions) - known, "Broker: Unknown topic or partition")
        for one in seen.partitions:
            if (one.topic, one.number) not in partitions:
                continue
            if one.replicas[0] in one.isr and one.replicas[0] in self._kafka.serving_brokers:
                self._kafka.lead(one.topic, one.number, one.replicas[0])
            else:
                refused[one.topic, one.number] = "Broker: Preferred leader was not available"
        return refused

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

    def reassigning(self) -> frozenset[tuple[str, int]] | Unknown:
        """Return what a test has said, where a broker answers."""
        seen = self.metadata()
        return seen if isinstance(seen, Unknown) else frozenset(self.moving)

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
