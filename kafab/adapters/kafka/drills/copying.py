"""Read, process, write: the records of a batch and the offsets that they were read up to become one transaction (KIP-98, KIP-447).

A member that dies in the midst of one leaves records in the log of which no reader of what is committed is ever given one: its
successor has the same transactional id, so the coordinator ends what it began.
"""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from kafab.adapters.kafka.drills.members import Tell
from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.drills import orders
from kafab.drills.history import Kind
from kafab.drills.orders import Order
from kafab.records.reading import Found
from kafab.records.settings import Client, ProducerSettings

_POLL = 0.1
_LIMIT = 30.0


class _Copier(Protocol):
    """A consumer with a transactional producer."""

    def poll(self) -> Sequence[Found]:
        """Return the next records."""

    def begin(self, values: Sequence[bytes], nexts: Mapping[int, int]) -> None:
        """Begin a transaction of these records and offsets; all of it is with the brokers when this returns."""

    def commit(self) -> None:
        """Commit it."""

    def close(self) -> None:
        """Leave the group."""


def copy(order: Order, tell: Tell, ended: threading.Event) -> None:
    """Copy records to ``order.target``, in the midst of a transaction of which it dies where the order says so."""
    me: _Copier = (_Confluent if order.client is Client.CONFLUENT else _KafkaPython)(order)
    tell(Kind.READY, -1, -1, "")
    copied = 0
    while not ended.is_set():
        found = me.poll()
        if not found:
            continue
        numbers = [orders.number_in(each.value, order.topic) for each in found]
        nexts = {each.partition: each.offset + 1 for each in found}
        me.begin([orders.value(order.target, number) for number in numbers], nexts)
        copied += len(found)
        if order.dies_after is not None and copied >= order.dies_after:
            if not order.orderly:
                os.kill(os.getpid(), signal.SIGKILL)
            ended.set()
        me.commit()
        for each in found:
            tell(Kind.EFFECT, each.partition, each.offset, "")
    me.close()


def _producer(order: Order) -> ProducerSettings:
    return replace(order.producer, transactional_id=order.group)


class _Confluent:
    """On librdkafka."""

    def __init__(self, order: Order) -> None:
        from confluent_kafka import Consumer, Producer, TopicPartition

        self._order, self._partition = order, TopicPartition
        self._producer = Producer(confluent.producer_config(_producer(order)))
        self._producer.init_transactions(_LIMIT)
        self._consumer: Any = Consumer(confluent.consumer_config(order.consumer))
        self._consumer.subscribe([order.topic])

    def poll(self) -> Sequence[Found]:
        found = self._consumer.consume(self._order.batch, _POLL)
        return [
            Found(one.partition(), one.offset(), one.key(), one.value())
            for one in found
            if one.error() is None
        ]

    def begin(self, values: Sequence[bytes], nexts: Mapping[int, int]) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(self._order.target, value)
        self._producer.flush(_LIMIT)
        offsets = [self._partition(self._order.topic, number, at) for number, at in nexts.items()]
        group = self._consumer.consumer_group_metadata()
        self._producer.send_offsets_to_transaction(offsets, group, _LIMIT)

    def commit(self) -> None:
        self._producer.commit_transaction(_LIMIT)

    def close(self) -> None:
        self._consumer.close()


class _KafkaPython:
    """On kafka-python."""

    def __init__(self, order: Order) -> None:
        from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

        self._order, self._offset, self._partition = order, OffsetAndMetadata, TopicPartition
        self._producer: Any = KafkaProducer(**kafka_python.producer_config(_producer(order)))
        self._producer.init_transactions()
        self._consumer: Any = KafkaConsumer(**kafka_python.consumer_config(order.consumer))
        self._consumer.subscribe([order.topic])

    def poll(self) -> Sequence[Found]:
        found = self._consumer.poll(timeout_ms=round(_POLL * 1000), max_records=self._order.batch)
        return [
            Found(one.partition, one.offset, one.key, one.value)
            for records in found.values()
            for one in records
        ]

    def begin(self, values: Sequence[bytes], nexts: Mapping[int, int]) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.send(self._order.target, value=value)
        self._producer.flush(timeout=_LIMIT)
        offsets = {
            self._partition(self._order.topic, number): self._offset(at, "", -1)
            for number, at in nexts.items()
        }
        self._producer.send_offsets_to_transaction(offsets, self._consumer.group_metadata())

    def commit(self) -> None:
        self._producer.commit_transaction()

    def close(self) -> None:
        self._consumer.close()
        self._producer.close(timeout=5)
