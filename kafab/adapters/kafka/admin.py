"""The brokers as a client sees them: questions to single brokers on kafka-python, changes and records in `clients`.

The two Kafka libraries complement each other (docs/decisions): kafka-python can ask exactly one broker and knows
DescribeLogDirs, librdkafka writes records the way production clients do. Each is imported when it is first needed.

The file is a little over 400 lines long because its class is the one client of three ports.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kafab.cluster.metadata import (
    ConfigEntry,
    Metadata,
    Partition,
    Produced,
    ReplicaState,
    Setting,
    TopicSpec,
)
from kafab.cluster.values import shows
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

if TYPE_CHECKING:
    from kafab.adapters.kafka.brokers import BrokerConnections
    from kafab.adapters.kafka.changes import RequestedChanges
    from kafab.adapters.kafka.clients import TopicChanges
    from kafab.adapters.kafka.dialer import Dialer

_TIMEOUT = timedelta(seconds=5)
_SEEN = timedelta(seconds=15)  # how long brokers may take to show what the controller has agreed to
_POLL = 0.05
_TOPIC = 2  # org.apache.kafka.common.config.ConfigResource.Type
# DescribeConfigs says where a value comes from since 1.1: 1 is the topic's own configuration, 5 Kafka's default
_OWN_SOURCE = 1
# Error codes, org.apache.kafka.common.protocol.Errors
_NO_SUCH_TOPIC = 3
_TOPIC_EXISTS = 36
_NO_VERDICT = (7, 41)  # a timeout; not the controller


class ClientsAdmin:
    """`kafab.ports.Brokers`, `Topics` and `Records` on kafka-python and librdkafka. Safe to use from several threads."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        login: Login = IN_THE_CLEAR,
        logins_at: Mapping[Endpoint, Login] | None = None,
        dialer: "Dialer | None" = None,
    ) -> None:
        """``logins_at`` has the addresses at which another login than ``login`` is the right one; ``dialer`` makes connections."""
        self._login, self._logins_at, self._dialer = login, logins_at, dialer
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

    def through_ssh(self) -> bool:
        """Whether librdkafka is of no use here; where nothing is known yet, the brokers are asked for something first."""
        if self._dialer is None:
            return False
        if self._dialer.through_ssh is None:
            self.metadata()
        return bool(self._dialer.through_ssh)

    def topic_configs(
        self, topics: Sequence[str], keys: Sequence[str] | None = None
    ) -> dict[str, dict[str, ConfigEntry]] | Unknown:
        """Read the configuration in force of each topic from the broker that is the first to know them all.

        ``keys`` are the properties to read, all without it: a large cluster has a lot of them. A topic that no broker
        knows (any more) is not in the answer.
        """
        if not topics:
            return {}
        partial: list[dict[str, dict[str, ConfigEntry]]] = []

        def read(response: Any) -> dict[str, dict[str, ConfigEntry]] | Unknown:
            found = _configs(response)
            if isinstance(found, Unknown) or not (missing := [name for name in topics if name not in found]):
                return found
            partial.append(found)
            return Unknown(f"does not know {_some(missing)} yet")

        answer: dict[str, dict[str, ConfigEntry]] | Unknown = self._brokers().ask_any(
            self._endpoints, lambda: _configs_request(topics, keys), _TIMEOUT, read=read
        )
        if isinstance(answer, Unknown) and partial:
            return {name: entries for found in partial for name, entries in found.items()}
        return answer

    def broker_configs(
        self, broker: int, at: Endpoint, keys: Sequence[str] | None = None, *, timeout: timedelta = _TIMEOUT
    ) -> dict[str, Setting] | Unknown:
        """Ask the broker at ``at`` alone: no other one knows its static configuration."""
        from kafab.adapters.kafka import configs

        return self._brokers().ask_any(
            (at,), lambda: configs.request(broker, keys), timeout, read=configs.settings
        )

    def log_dirs(self, at: Endpoint, *, timeout: timedelta = _TIMEOUT) -> dict[str, str | None] | Unknown:
        """Ask the broker at ``at`` alone, for its directories and none of their partitions."""
        answer = self._brokers().ask_any((at,), _folders_request, timeout)
        return answer if isinstance(answer, Unknown) else _folders(answer)

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
        """Delete, then wait until metadata no longer shows it and its name is free.

        A ZooKeeper-mode controller hides a topic at once and keeps it, and its name, until every replica is deleted.
        """
        if (unknown := self._topics().delete(name)) is not None:
            return unknown
        unknown = self._seen(lambda found: not found, name, "is marked for deletion but still there")
        return self._freed(name) if unknown is None else unknown

    def add_partitions(self, name: str, total: int) -> Unknown | None:
        """Grow, then wait until metadata shows that many."""
        if (unknown := self._topics().grow(name, total)) is not None:
            return unknown
        return self._seen(lambda found: len(found) >= total, name, f"does not show {total} partitions yet")

    def alter_configs(self, topic: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set or reset single properties, then wait until every broker that answers shows it.

        KRaft brokers hear of a change up to 500 ms later; what is read before that is the old value.
        """
        if (unknown := self._topics().configure(topic, values)) is not None:
            return unknown
        return self._awaited(
            lambda: _configs_request([topic], list(values)),
            lambda answer: shows(_configs(answer), topic, values),
            f"{topic} does not show the change of {', '.join(values)} on every broker",
        )

    def alter_broker_configs(
        self, broker: int, at: Endpoint, values: Mapping[str, str | None]
    ) -> Unknown | None:
        """Set or reset single properties of one broker, then wait until that broker tells them."""
        from kafab.adapters.kafka import configs

        answer = self._brokers().ask_any(
            (at,), lambda: configs.change(broker, values), _SEEN, read=configs.outcome
        )
        if isinstance(answer, Unknown):
            return answer
        return self._awaited(
            lambda: configs.request(broker, list(values)),
            lambda answer: configs.set_for_broker(answer, values),
            f"broker {broker} does not tell the change of {', '.join(values)}",
            (at,),
        )

    def elect_preferred(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str] | Unknown:
        """Elect, then wait until every broker that answers shows the preferred replica as the leader of what was not refused."""
        refused = self._topics().elect(partitions)
        if isinstance(refused, Unknown):
            return refused
        wanted = set(partitions) - refused.keys()

        def shown(answer: Any) -> bool:
            found = _metadata(answer).partitions
            return all(one.leader == one.replicas[0] for one in found if (one.topic, one.number) in wanted)

        unknown = self._awaited(_metadata_request, shown, "the elected leaders are not shown on every broker")
        return refused if unknown is None else unknown

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

    def reassigning(self) -> frozenset[tuple[str, int]] | Unknown:
        """Ask all of them: in ZooKeeper mode only the controller knows, in KRaft mode each broker passes the question on to it."""
        answer: frozenset[tuple[str, int]] | Unknown = self._brokers().ask_any(
            self._endpoints, _moving_request, _TIMEOUT, read=_moving
        )
        return answer

    def produce(
        self, topic: str, records: Mapping[int, Sequence[bytes]], *, timeout: timedelta
    ) -> Produced | Unknown:
        """Write with acks=all and an idempotent producer, and wait for each acknowledgement."""
        if self.through_ssh():
            from kafab.adapters.kafka import probe_records
            from kafab.adapters.kafka.sockets import proxy_url

            url = proxy_url(self._dialer)
            return probe_records.write(
                self._bootstrap, topic, records, timeout=timeout, proxy_url=url, login=self._login
            )
        from kafab.adapters.kafka.clients import write

        return write(self._bootstrap, topic, records, timeout=timeout, login=self._login)

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> dict[int, tuple[bytes, ...]] | Unknown:
        """Read from the beginning, without a group: nothing is created or committed.

        The reader starts at the brokers that are in the cluster now: a frozen one of the list would hold it up.
        """
        from kafab.adapters.kafka.clients import read
        from kafab.adapters.kafka.sockets import proxy_url

        view = self.metadata()
        if isinstance(view, Unknown):
            return view
        bootstrap = ",".join(map(str, view.brokers.values()))
        url = proxy_url(self._dialer)
        return read(bootstrap, topic, upto, timeout=timeout, login=self._login, proxy_url=url)

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
                from kafab.adapters.kafka.brokers import BrokerConnections

                self._connections = BrokerConnections(self._login, self._logins_at, self._dialer)
            return self._connections

    def _topics(self) -> "TopicChanges | RequestedChanges":
        if self.through_ssh():
            from kafab.adapters.kafka.changes import RequestedChanges

            return RequestedChanges(self._brokers, self.metadata)
        with self._lock:
            if self._changes is None:
                from kafab.adapters.kafka.clients import TopicChanges

                self._changes = TopicChanges(self._bootstrap, self._login)
            return self._changes

    def _seen(self, wanted: Callable[[list[Partition]], bool], topic: str, otherwise: str) -> Unknown | None:
        def shown(answer: Any) -> bool:
            return wanted([found for found in _metadata(answer).partitions if found.topic == topic])

        return self._awaited(_metadata_request, shown, f"{topic} {otherwise}")

    def _awaited(
        self,
        make: Callable[[], Any],
        shown: Callable[[Any], bool],
        otherwise: str,
        at: Sequence[Endpoint] | None = None,
    ) -> Unknown | None:
        deadline = time.monotonic() + _SEEN.total_seconds()
        while True:
            # Every broker answers from its own cache: all that answer must show it, or the next question goes astray.
            asked = self._brokers().ask({one: (one, make) for one in at or self._endpoints}, _TIMEOUT)
            answers = [answer for answer in asked.values() if not isinstance(answer, Unknown)]
            if answers and all(map(shown, answers)):
                return None
            if time.monotonic() >= deadline:
                return Unknown(
                    f"{otherwise} after {_SEEN.total_seconds():g} s, {len(answers)} brokers answering"
                )
            time.sleep(_POLL)

    def _freed(self, name: str) -> Unknown | None:
        deadline = time.monotonic() + _SEEN.total_seconds()
        while True:
            taken = self._brokers().ask_any(
                self._endpoints, lambda: _trial_request(name), _SEEN, read=_is_taken
            )
            if taken is False:
                return None
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL)
        if isinstance(taken, Unknown):
            return Unknown(
                f"{name} is hidden from clients; whether its name is free is unknown: {taken.reason}"
            )
        return Unknown(
            f"{name} is marked for deletion and hidden from clients; its name stays taken until every broker with a"
            " replica of it is up and has deleted that: `status` shows which are"
        )


def _metadata_request() -> Any:
    from kafka.protocol.metadata import MetadataRequest

    return MetadataRequest(topics=None, allow_auto_topic_creation=False)


def _configs_request(topics: Sequence[str], keys: Sequence[str] | None) -> Any:
    from kafka.protocol.admin import DescribeConfigsRequest

    resource = DescribeConfigsRequest.DescribeConfigsResource
    wanted = None if keys is None else list(keys)
    return DescribeConfigsRequest(
        resources=[
            resource(resource_type=_TOPIC, resource_name=name, configuration_keys=wanted) for name in topics
        ],
        include_synonyms=False,
        include_documentation=False,
    )


def _trial_request(name: str) -> Any:
    """Ask whether a topic could be created, which is what the controller knows of its name; nothing is created."""
    from kafka.protocol.admin import CreateTopicsRequest

    topic = CreateTopicsRequest.CreatableTopic(
        name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )
    return CreateTopicsRequest(
        topics=[topic], timeout_ms=int(_SEEN.total_seconds() * 1000), validate_only=True
    )


def _log_dirs_request(topic: str, partitions: Sequence[int]) -> Any:
    from kafka.protocol.admin import DescribeLogDirsRequest

    wanted = DescribeLogDirsRequest.DescribableLogDirTopic(topic=topic, partitions=list(partitions))
    return DescribeLogDirsRequest(topics=[wanted])


def _folders_request() -> Any:
    from kafka.protocol.admin import DescribeLogDirsRequest

    return DescribeLogDirsRequest(topics=[])


def _folders(response: Any) -> dict[str, str | None] | Unknown:
    from kafka.errors import for_code

    # From version 3 on (Kafka 3.2) a refusal of the whole question has a code of its own.
    refused = getattr(response, "error_code", 0)
    if refused:
        return Unknown(for_code(refused).__name__)
    return {
        found.log_dir: for_code(found.error_code).__name__ if found.error_code else None
        for found in response.results
    }


def _moving_request() -> Any:
    from kafka.protocol.admin import ListPartitionReassignmentsRequest

    return ListPartitionReassignmentsRequest(timeout_ms=int(_TIMEOUT.total_seconds() * 1000), topics=None)


def _moving(response: Any) -> frozenset[tuple[str, int]] | Unknown:
    from kafka.errors import for_code

    if response.error_code:
        return Unknown(response.error_message or for_code(response.error_code).__name__)
    return frozenset(
        (topic.name, one.partition_index) for topic in response.topics for one in topic.partitions
    )


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
        topic_ids={
            str(topic.name): str(topic.topic_id)
            for topic in response.topics
            if getattr(topic, "topic_id", None) is not None and topic.topic_id.int
        },
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


def _is_taken(response: Any) -> bool | Unknown:
    from kafka.errors import for_code

    (found,) = response.topics
    if found.error_code in _NO_VERDICT:
        return Unknown(for_code(found.error_code).__name__)
    return bool(found.error_code == _TOPIC_EXISTS)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more topics" if len(names) > 1 else ""
    return f"topic {names[0]}{more}"


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
