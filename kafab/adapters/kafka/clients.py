"""Changes to topics and probe records: librdkafka for what is written, kafka-python's consumer for what is read back.

librdkafka's consumer insists on a group and looks for its coordinator, which makes the broker create __consumer_offsets:
a probe would leave fifty partitions behind. kafka-python's consumer without a group does not.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from datetime import timedelta
from typing import Any, TypeAlias

from confluent_kafka import ElectionType, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.changes import HINTS
from kafab.cluster.metadata import Produced, TopicSpec
from kafab.errors import Failed
from kafab.login import IN_THE_CLEAR, Login
from kafab.unknown import Unknown

_ADMIN_TIMEOUT = timedelta(seconds=15)
_ELECTION_POLL = 0.1

_Send: TypeAlias = Callable[[AdminClient, dict[str, float]], Mapping[Any, Future[Any]]]

# librdkafka writes a line to stderr every 50 ms while a broker is away, unless its lines have somewhere else to go.
_LOG = logging.getLogger("kafab.librdkafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

# The broker's answer was not a verdict on the request: it may or may not have been carried out.
_OUTCOME_UNKNOWN = (KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_CONTROLLER, KafkaError.NETWORK_EXCEPTION)


class TopicChanges:
    """Create, grow, configure and delete topics. ``bootstrap`` is a bootstrap.servers value."""

    def __init__(self, bootstrap: str, login: Login = IN_THE_CLEAR) -> None:
        self._bootstrap = bootstrap
        self._login = login

    def create(self, spec: TopicSpec) -> Unknown | None:
        """Ask the controller to create; returns when it has answered. Raises Failed when it refuses."""
        return self._answer(
            lambda admin, limits: admin.create_topics([_new_topic(spec)], **limits),
            f"create topic {spec.name}",
        )

    def delete(self, name: str) -> Unknown | None:
        """Ask the controller to delete; returns when it has answered. Raises Failed when it refuses."""
        return self._answer(
            lambda admin, limits: admin.delete_topics([name], **limits), f"delete topic {name}"
        )

    def grow(self, name: str, total: int) -> Unknown | None:
        """Ask the controller for ``total`` partitions. Raises Failed when it refuses."""
        return self._answer(
            lambda admin, limits: admin.create_partitions([NewPartitions(name, total)], **limits),
            f"grow topic {name} to {total} partitions",
        )

    def configure(self, name: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set or (None) reset single properties, KIP-339. Raises Failed when the broker refuses."""
        entries = [
            ConfigEntry(
                key,
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for key, value in values.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        return self._answer(
            lambda admin, limits: admin.incremental_alter_configs(
                [resource], request_timeout=limits["request_timeout"]
            ),
            f"alter topic {name}",
        )

    def elect(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str] | Unknown:
        """Ask the controller to elect the preferred leaders, KIP-460; return why it did not, for those that it refused."""
        asked: list[Future[Any]] = []

        def send(admin: AdminClient, _limits: dict[str, float]) -> Mapping[Any, Future[Any]]:
            wanted = [TopicPartition(topic, number) for topic, number in partitions]
            # confluent-kafka 2.16.1 takes no timeout here: SystemError, more argument specifiers than keyword list entries.
            asked.append(admin.elect_leaders(ElectionType.PREFERRED, wanted))
            return {None: asked[-1]}

        if (unknown := self._answer(send, "elect the preferred leaders")) is not None:
            return unknown
        return {
            (partition.topic, partition.partition): error.str()
            for partition, error in asked[-1].result().items()
            if error is not None and error.code() != KafkaError.ELECTION_NOT_NEEDED
        }

    def _answer(self, send: _Send, what: str) -> Unknown | None:
        deadline = time.monotonic() + _ADMIN_TIMEOUT.total_seconds()
        while True:
            try:
                self._send(send, max(deadline - time.monotonic(), 1))
            except (KafkaException, NotInTime) as error:
                if _code(error) == KafkaError.NOT_CONTROLLER and time.monotonic() < deadline:
                    # Nothing was done, and an election is on.
                    time.sleep(_ELECTION_POLL)
                    continue
                return _judged(error, what, self._bootstrap)
            except (TypeError, ValueError) as error:
                # librdkafka itself checks counts and names before it sends anything
                raise Failed(f"{what}: {error}") from error
            return None

    def _send(self, send: _Send, seconds: float) -> None:
        # A new client each time: librdkafka keeps the controller it knew, also when that broker has been stopped since.
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self._bootstrap,
            "client.id": "kafab",
            **logins.librdkafka(self._login),
        }
        admin = AdminClient(config, logger=_LOG)
        (answer,) = send(admin, {"request_timeout": seconds, "operation_timeout": seconds}).values()
        answer.result(timeout=seconds + 1)


def offset_of(message: Any) -> int:
    """Return the offset that a record has got, -1 where the broker did not tell.

    It does not where an idempotent producer has sent a record again of which only the answer was lost (DUPLICATE_SEQUENCE_NUMBER):
    it is acknowledged then, and confluent-kafka's ``offset()`` is None.
    """
    found = message.offset()
    return -1 if found is None else int(found)


class _Acks:
    """What came back for the records of one topic, as the producer's delivery callbacks tell it."""

    def __init__(self, topic: str, partitions: Sequence[int]) -> None:
        self.topic = topic
        self.offsets: dict[int, list[int]] = {partition: [] for partition in partitions}
        self.latencies: list[float] = []
        self.failed: list[str] = []

    def take(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failed.append(f"{self.topic}-{message.partition()}: {error.str()}")
            return
        self.offsets[message.partition()].append(offset_of(message))
        self.latencies.append(message.latency() or 0.0)

    def produced(self) -> Produced:
        offsets = {partition: tuple(found) for partition, found in self.offsets.items()}
        return Produced(offsets, max(self.latencies, default=0.0), tuple(self.failed))


def write(
    bootstrap: str,
    topic: str,
    records: Mapping[int, Sequence[bytes]],
    *,
    timeout: timedelta,
    login: Login = IN_THE_CLEAR,
) -> Produced | Unknown:
    """Write records with acks=all and an idempotent producer, and wait for each acknowledgement.

    The first record of each partition opens the connections and gets the producer its id; where there are more, the
    slowest acknowledgement is that of the others, so that it speaks of the cluster and not of the client's start.
    """
    seconds = timeout.total_seconds()
    deadline = time.monotonic() + seconds
    acks = _Acks(topic, list(records))
    producer = Producer(_producer_config(bootstrap, seconds) | logins.librdkafka(login), logger=_LOG)
    try:
        # Asked for by name, metadata brings the producer its connections at once instead of at its next half second.
        producer.list_topics(topic, timeout=seconds)
        firsts = {partition: values[:1] for partition, values in records.items()}
        others = {partition: values[1:] for partition, values in records.items()}
        left = _flushed(producer, acks, firsts, deadline)
        if not left and not acks.failed and any(others.values()):
            acks.latencies.clear()
            left = _flushed(producer, acks, others, deadline)
    except (KafkaException, BufferError) as error:
        return Unknown(f"{bootstrap}: {error}")
    finally:
        producer.purge()
    if left and not acks.failed and not any(acks.offsets.values()):
        return Unknown(f"{bootstrap}: no record of {topic} was acknowledged within {seconds:g} s")
    if left:
        acks.failed.append(f"{topic}: {left} records were not acknowledged within {seconds:g} s")
    return acks.produced()


def _flushed(producer: Producer, acks: _Acks, records: Mapping[int, Sequence[bytes]], deadline: float) -> int:
    for partition, values in records.items():
        for value in values:
            producer.produce(acks.topic, value, partition=partition, on_delivery=acks.take)
    return int(producer.flush(max(deadline - time.monotonic(), 0)))


def _producer_config(bootstrap: str, seconds: float) -> dict[str, str | int | float | bool]:
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "kafab",
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 0,
        "delivery.timeout.ms": max(int(seconds * 1000), 1000),
    }


def read(
    bootstrap: str,
    topic: str,
    upto: Mapping[int, int],
    *,
    timeout: timedelta,
    proxy_url: str,
    login: Login = IN_THE_CLEAR,
) -> dict[int, tuple[bytes, ...]] | Unknown:
    """Read each partition from offset 0 up to, not including, the given one; at the timeout what has come so far."""
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError as ClientError

    deadline = time.monotonic() + timeout.total_seconds()
    found: dict[int, list[bytes]] = {partition: [] for partition in upto}
    missing = {TopicPartition(topic, partition): end for partition, end in upto.items() if end > 0}
    if not missing:
        return dict.fromkeys(upto, ())
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            client_id="kafab",
            group_id=None,
            proxy_url=proxy_url,
            **logins.kafka_python(login),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=100,
            bootstrap_timeout_ms=timeout.total_seconds() * 1000,
            request_timeout_ms=timeout.total_seconds() * 1000,
        )
    except ClientError as error:
        return Unknown(f"{bootstrap}: {error}")
    with contextlib.closing(consumer):
        try:
            consumer.assign(list(missing))
            for partition in missing:
                consumer.seek(partition, 0)
            while missing and (left := deadline - time.monotonic()) > 0:
                for partition, records in consumer.poll(timeout_ms=min(left, 0.2) * 1000).items():
                    end = upto[partition.partition]
                    found[partition.partition] += [record.value for record in records if record.offset < end]
                    if records[-1].offset >= end - 1:
                        missing.pop(partition, None)
        except ClientError as error:
            return Unknown(f"{bootstrap}: {error}")
    return {partition: tuple(values) for partition, values in found.items()}


def _new_topic(spec: TopicSpec) -> NewTopic:
    if spec.assignment is not None:
        return NewTopic(
            spec.name,
            num_partitions=len(spec.assignment),
            replica_assignment=[list(replicas) for replicas in spec.assignment],
            config=dict(spec.configs),
        )
    # -1 is "the broker's default" since Kafka 2.4 (KIP-464)
    return NewTopic(
        spec.name,
        num_partitions=-1 if spec.partitions is None else spec.partitions,
        replication_factor=-1 if spec.replication_factor is None else spec.replication_factor,
        config=dict(spec.configs),
    )


def _judged(error: Exception, what: str, bootstrap: str) -> Unknown:
    code = _code(error)
    if code is None:
        return Unknown(f"{bootstrap}: {what}: no answer within {_ADMIN_TIMEOUT.total_seconds():g} s")
    kafka_error = error.args[0]
    # librdkafka's own errors are negative: the broker's verdict was not seen
    if code < 0 or code in _OUTCOME_UNKNOWN:
        return Unknown(f"{bootstrap}: {what}: {kafka_error.str()}")
    raise Failed(f"{what}: {kafka_error.str()}", hint=HINTS.get(code)) from error


def _code(error: Exception) -> int | None:
    return int(error.args[0].code()) if isinstance(error, KafkaException) else None
