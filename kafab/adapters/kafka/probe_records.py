"""Probe records written on kafka-python, over connections that may lead through SSH, where librdkafka cannot go."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from kafab.adapters.kafka import logins
from kafab.cluster.metadata import Produced
from kafab.login import IN_THE_CLEAR, Login
from kafab.unknown import Unknown


class _Acks:
    """What came back for the records of one topic; the callbacks are called on the client's own thread."""

    def __init__(self, topic: str, partitions: Sequence[int]) -> None:
        self.topic = topic
        self.offsets: dict[int, list[int]] = {partition: [] for partition in partitions}
        self.latencies: list[float] = []
        self.failed: list[str] = []

    @property
    def told(self) -> int:
        """How many records something is known of."""
        return len(self.failed) + sum(map(len, self.offsets.values()))

    def take(self, sent: float, metadata: Any) -> None:
        self.latencies.append(time.monotonic() - sent)
        self.offsets[metadata.partition].append(-1 if metadata.offset is None else metadata.offset)

    def refuse(self, partition: int, error: Exception) -> None:
        self.failed.append(f"{self.topic}-{partition}: {error}")

    def produced(self) -> Produced:
        offsets = {partition: tuple(found) for partition, found in self.offsets.items()}
        return Produced(offsets, max(self.latencies, default=0.0), tuple(self.failed))


def write(
    bootstrap: str,
    topic: str,
    records: Mapping[int, Sequence[bytes]],
    *,
    timeout: timedelta,
    proxy_url: str,
    login: Login = IN_THE_CLEAR,
) -> Produced | Unknown:
    """Write records as `clients.write` does: acks=all, an idempotent producer, and the first of each partition for itself."""
    seconds = timeout.total_seconds()
    limit = max(int(seconds * 1000), 1000)
    deadline = time.monotonic() + seconds
    acks = _Acks(topic, list(records))
    try:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="kafab",
            proxy_url=proxy_url,
            **logins.kafka_python(login),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            bootstrap_timeout_ms=limit,
            max_block_ms=limit,
            # The client refuses a delivery limit that is not longer than one request's.
            request_timeout_ms=limit // 2,
            delivery_timeout_ms=limit,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        return Unknown(f"{bootstrap}: {error}")
    try:
        firsts = {partition: values[:1] for partition, values in records.items()}
        others = {partition: values[1:] for partition, values in records.items()}
        left = _flushed(producer, acks, firsts, deadline)
        if not left and not acks.failed and any(others.values()):
            acks.latencies.clear()
            left = _flushed(producer, acks, others, deadline)
    except KafkaError as error:
        return Unknown(f"{bootstrap}: {error}")
    finally:
        end(producer)
    if left and not acks.failed and not any(acks.offsets.values()):
        return Unknown(f"{bootstrap}: no record of {topic} was acknowledged within {seconds:g} s")
    if left:
        acks.failed.append(f"{topic}: {left} records were not acknowledged within {seconds:g} s")
    return acks.produced()


def end(producer: Any) -> None:
    """End the producer at once; kafka-python's own close goes no further where records are still out."""
    try:
        producer.close(timeout=0)
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001
        producer._closed = True  # noqa: SLF001  # else it is closed again when it is collected, and says so on stderr


def _flushed(producer: Any, acks: _Acks, records: Mapping[int, Sequence[bytes]], until: float) -> int:
    """Send, and wait until the deadline at most; return of how many records nothing is known."""
    wanted = acks.told + sum(map(len, records.values()))
    for partition, values in records.items():
        for value in values:
            future = producer.send(acks.topic, value, partition=partition)
            future.add_callback(partial(acks.take, time.monotonic()))
            future.add_errback(partial(acks.refuse, partition))
    # Not flush alone: it may end a moment before the callbacks.
    while acks.told < wanted and time.monotonic() < until:
        time.sleep(0.001)
    return wanted - acks.told
