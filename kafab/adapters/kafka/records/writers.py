"""Writing records with either client, and keeping the books of what came back."""

import contextlib
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.errors import Failed
from kafab.records.settings import Acks, Client, ProducerSettings
from kafab.records.writing import Record, Tally, Written

_LOOK_EVERY = 1000
"""Records between two looks for what came back."""


def write(
    client: Client,
    settings: ProducerSettings,
    topic: str,
    records: Iterable[Record],
    alive: Callable[[int], None] = lambda _told: None,
) -> Written:
    """Write the records without waiting for each, then wait for all of them; Ctrl-C ends the sending, and what is out is told.

    ``alive`` hears now and then how many records something is known of. Raises Failed where the topic does not exist or
    no broker answers, UsageError for settings that exclude each other.
    """
    tally = Tally(asked=settings.acks is not Acks.NONE)
    write_with = _with_confluent if client is Client.CONFLUENT else _with_kafka_python
    return write_with(settings, topic, records, tally, alive)


def _with_confluent(
    settings: ProducerSettings,
    topic: str,
    records: Iterable[Record],
    tally: Tally,
    alive: Callable[[int], None],
) -> Written:
    from confluent_kafka import KafkaException, Producer

    from kafab.adapters.kafka.clients import _LOG

    config = {**confluent.producer_config(settings), "queue.buffering.max.messages": 1_000_000}
    producer = Producer(config, logger=_LOG)
    limit = settings.waits.total_seconds()
    try:
        found = producer.list_topics(topic, timeout=settings.request_limit.total_seconds()).topics[topic]
    except KafkaException as error:
        raise Failed(f"{settings.bootstrap}: {error.args[0].str()}; no record was sent") from error
    if found.error is not None:
        raise Failed(f"topic {topic}: {found.error.str()}; no record was sent")

    def take(error: Any, message: Any) -> None:
        if error is not None:
            tally.refuse(str(error.name()).lstrip("_"))
        else:
            tally.ack(message.partition(), message.offset(), message.latency())

    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        for number, record in enumerate(records):
            at = -1 if record.partition is None else record.partition
            while True:
                try:
                    producer.produce(topic, record.value, record.key, at, on_delivery=take)
                except BufferError:
                    producer.poll(0.1)
                    continue
                except KafkaException as error:
                    tally.refuse(str(error.args[0].name()).lstrip("_"))
                break
            if number % _LOOK_EVERY == 0:
                producer.poll(0)
                alive(tally.told)
    tally.refuse("MSG_TIMED_OUT", producer.flush(limit))
    return tally.written(time.monotonic() - began)


def _with_kafka_python(
    settings: ProducerSettings,
    topic: str,
    records: Iterable[Record],
    tally: Tally,
    alive: Callable[[int], None],
) -> Written:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    try:
        producer = KafkaProducer(**kafka_python.producer_config(settings))
    except KafkaError as error:
        raise Failed(f"{settings.bootstrap}: {error}; no record was sent") from error

    def took(sent: float, metadata: Any) -> None:
        tally.ack(metadata.partition, metadata.offset, time.monotonic() - sent)

    def refused(error: Exception) -> None:
        tally.refuse(type(error).__name__)

    limit, sent = settings.waits.total_seconds(), 0
    with contextlib.closing(producer):
        _find_topic(producer, settings, topic)
        began = time.monotonic()
        with contextlib.suppress(KeyboardInterrupt):
            for number, record in enumerate(records):
                sent = number + 1
                try:
                    future = producer.send(topic, record.value, record.key, partition=record.partition)
                except ValueError:
                    # The client's own word for a partition that the topic does not have.
                    tally.refuse("UnknownTopicOrPartitionError")
                    continue
                except (KafkaError, AssertionError) as error:
                    refused(error)
                    continue
                future.add_callback(partial(took, time.monotonic())).add_errback(refused)
                if number % _LOOK_EVERY == 0:
                    alive(tally.told)
        with contextlib.suppress(KafkaError):
            producer.flush(timeout=limit)
        # The I/O thread calls back after it has let the flush go.
        until = time.monotonic() + 1
        while tally.told < sent and time.monotonic() < until:
            time.sleep(0.001)
        if tally.told < sent:
            tally.refuse("KafkaTimeoutError", sent - tally.told)
        return tally.written(time.monotonic() - began)


def _find_topic(producer: Any, settings: ProducerSettings, topic: str) -> None:
    from kafka.errors import KafkaError, KafkaTimeoutError

    try:
        producer.partitions_for(topic)
    except KafkaTimeoutError as error:
        # The client cannot tell an unknown topic from a cluster that does not answer.
        seconds = settings.request_limit.total_seconds()
        raise Failed(
            f"topic {topic}: no metadata within {seconds:g} s; no record was sent",
            hint="`topics.list` shows what there is",
        ) from error
    except KafkaError as error:
        raise Failed(f"topic {topic}: {error}; no record was sent") from error
