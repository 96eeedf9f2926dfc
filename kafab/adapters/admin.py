"""The brokers as a client sees them: questions to single brokers on kafka-python, changes and records in `clients`.

The two Kafka libraries complement each other (docs/decisions): kafka-python can ask exactly one broker and knows
DescribeLogDirs, librdkafka writes records the way production clients do. Each is imported when it is first needed.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kafab.command import Unknown
from kafab.metadata import ConfigEntry, Metadata, Partition, Produced, ReplicaState, TopicSpec
from kafab.model import Endpoint

if TYPE_CHECKING:
    from kafab.adapters.brokers import BrokerConnections
    from kafab.adapters.clients import TopicChanges

_TIMEOUT = timedelta(seconds=5)
_SEEN = timedelta(seconds=15)  # how long metadata may take to show what the controller has agreed to
_POLL = 0.05
_TOPIC = 2  # org.apache.kafka.common.config.ConfigResource.Type
# DescribeConfigs says where a value comes from since 1.1: 1 is the topic's own configuration, 5 Kafka's default
_OWN_SOURCE = 1
_NO_SUCH_TOPIC = 3


class ClientsAdmin:
    """`kafab.ports.KafkaAdmin` on kafka-python and librdkafka. Safe to use from several threads."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)
        self._bootstrap = ",".join(str(endpoint) for endpoint in endpoints)
        self._lock = threading.Lock()
        self._connections: BrokerConnections | None = None
        self._changes: TopicChanges | None = None

    def metadata(self, at: Endpoint | None = None, *, timeout: timedelta = _TIMEOUT) -> Metadata | Unknown:
        """Ask the broker at ``at`` alone, or all of them at once and take the first answer."""
        asked = self._endpoints if at is None else (at,)
        answer = self._brokers().ask_any(asked, _metadata_request, timeout)
        return answer if isinstance(answer, Unknown) else _metadata(answer)

    def topic_configs(self, topics: Sequence[str]) -> dict[str, dict[str, ConfigEntry]] | Unknown:
        """Read the configuration in force of each topic from whichever broker answers first.

        A topic that is not there (any more) is not in the answer.
        """
        if not topics:
            return {}
        answer = self._brokers().ask_any(self._endpoints, lambda: _configs_request(topics), _TIMEOUT)
        return answer if isinstance(answer, Unknown) else _configs(answer)

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        """Create, then wait until metadata shows every partition with a leader."""
        if (unknown := self._topics().create(spec)) is not None:
            return unknown
        return self._seen(
            lambda found: bool(found) and all(partition.leader is not None for partition in found),
            spec.name,
            "was created but has no leaders yet",
        )

    def delete_topic(self, name: str) -> Unknown | None:
        """Delete, then wait until metadata no longer shows it."""
        if (unknown := self._topics().delete(name)) is not None:
            return unknown
        return self._seen(lambda found: not found, name, "is marked for deletion but still there")

    def add_partitions(self, name: str, total: int) -> Unknown | None:
        """Grow, then wait until metadata shows that many."""
        if (unknown := self._topics().grow(name, total)) is not None:
            return unknown
        return self._seen(lambda found: len(found) >= total, name, f"does not show {total} partitions yet")

    def alter_configs(self, topic: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set or reset single properties."""
        return self._topics().configure(topic, values)

    def replicas(self, topic: str) -> tuple[ReplicaState, ...] | Unknown:
        """Ask every live broker for its replicas of the topic; Unknown names every broker that did not answer."""
        seen = self.metadata()
        if isinstance(seen, Unknown):
            return seen
        numbers = [partition.number for partition in seen.partitions if partition.topic == topic]
        requests = {
            broker: (endpoint, lambda: _log_dirs_request(topic, numbers))
            for broker, endpoint in seen.brokers.items()
        }
        answers = self._brokers().ask(requests, _TIMEOUT)
        silent = [answer.reason for answer in answers.values() if isinstance(answer, Unknown)]
        if silent:
            return Unknown("log directories: " + "; ".join(silent))
        return tuple(state for broker, answer in answers.items() for state in _replicas(broker, answer))

    def produce(
        self, topic: str, records: Mapping[int, Sequence[bytes]], *, timeout: timedelta
    ) -> Produced | Unknown:
        """Write with acks=all and an idempotent producer, and wait for each acknowledgement."""
        from kafab.adapters.clients import write

        return write(self._bootstrap, topic, records, timeout=timeout)

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> dict[int, tuple[bytes, ...]] | Unknown:
        """Read from the beginning, without a group: nothing is created or committed.

        The reader starts at the brokers that are in the cluster now: a frozen one of the list would hold it up.
        """
        from kafab.adapters.clients import read

        view = self.metadata()
        if isinstance(view, Unknown):
            return view
        return read(",".join(map(str, view.brokers.values())), topic, upto, timeout=timeout)

    def close(self) -> None:
        """Close every client."""
        with self._lock:
            connections, self._connections = self._connections, None
            self._changes = None
        if connections is not None:
            connections.close()

    def _brokers(self) -> "BrokerConnections":
        with self._lock:
            if self._connections is None:
                from kafab.adapters.brokers import BrokerConnections

                self._connections = BrokerConnections()
            return self._connections

    def _topics(self) -> "TopicChanges":
        with self._lock:
            if self._changes is None:
                from kafab.adapters.clients import TopicChanges

                self._changes = TopicChanges(self._bootstrap)
            return self._changes

    def _seen(self, wanted: Callable[[list[Partition]], bool], topic: str, otherwise: str) -> Unknown | None:
        deadline = time.monotonic() + _SEEN.total_seconds()
        while True:
            # Every broker answers from its own cache: all that answer must show it, or the next question goes astray.
            answers = self._brokers().ask({at: (at, _metadata_request) for at in self._endpoints}, _TIMEOUT)
            views = [_metadata(answer) for answer in answers.values() if not isinstance(answer, Unknown)]
            if views and all(wanted([p for p in view.partitions if p.topic == topic]) for view in views):
                return None
            if time.monotonic() >= deadline:
                return Unknown(
                    f"{topic} {otherwise} after {_SEEN.total_seconds():g} s, {len(views)} brokers answering"
                )
            time.sleep(_POLL)


def _metadata_request() -> Any:
    from kafka.protocol.metadata import MetadataRequest

    return MetadataRequest(topics=None, allow_auto_topic_creation=False)


def _configs_request(topics: Sequence[str]) -> Any:
    from kafka.protocol.admin import DescribeConfigsRequest

    resource = DescribeConfigsRequest.DescribeConfigsResource
    return DescribeConfigsRequest(
        resources=[
            resource(resource_type=_TOPIC, resource_name=name, configuration_keys=None) for name in topics
        ],
        include_synonyms=False,
        include_documentation=False,
    )


def _log_dirs_request(topic: str, partitions: Sequence[int]) -> Any:
    from kafka.protocol.admin import DescribeLogDirsRequest

    wanted = DescribeLogDirsRequest.DescribableLogDirTopic(topic=topic, partitions=list(partitions))
    return DescribeLogDirsRequest(topics=[wanted])


def _metadata(response: Any) -> Metadata:
    return Metadata(
        cluster_id=response.cluster_id,
        controller=_id(response.controller_id),
        brokers={broker.node_id: Endpoint(broker.host, broker.port) for broker in response.brokers},
        partitions=tuple(
            Partition(
                topic.name,
                found.partition_index,
                _id(found.leader_id),
                tuple(found.replica_nodes),
                tuple(found.isr_nodes),
            )
            for topic in sorted(response.topics, key=lambda topic: str(topic.name))
            for found in sorted(topic.partitions, key=lambda found: int(found.partition_index))
        ),
    )


def _configs(response: Any) -> dict[str, dict[str, ConfigEntry]] | Unknown:
    from kafka.errors import for_code

    refused = [
        f"{found.resource_name}: {found.error_message or for_code(found.error_code).__name__}"
        for found in response.results
        if found.error_code not in (0, _NO_SUCH_TOPIC)
    ]
    if refused:
        return Unknown("topic configuration: " + "; ".join(refused))
    return {
        found.resource_name: {
            entry.name: ConfigEntry(
                entry.name, entry.value, entry.config_source != _OWN_SOURCE, entry.is_sensitive
            )
            for entry in found.configs
        }
        for found in response.results
        if not found.error_code
    }


def _replicas(broker: int, response: Any) -> list[ReplicaState]:
    return [
        ReplicaState(broker, topic.name, found.partition_index, found.partition_size, found.offset_lag)
        for folder in response.results
        for topic in folder.topics
        for found in topic.partitions
        if not found.is_future_key
    ]


def _id(number: int) -> int | None:
    # Kafka writes "none" as -1
    return number if number >= 0 else None
