"""The canary's clients on kafka-python, for brokers that are reached through SSH, where librdkafka cannot go.

It is a program like `kafab.adapters.kafka.canary`, with the same orders and the same figures; its connections are made by its
owner. The producer works in a thread of its own; what it tells is taken into the books by the canary's.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.canary import (
    BATCH,
    COMMIT_EVERY_MS,
    DELIVERY_LIMIT_MS,
    LEAVE_LIMIT,
    LOOK_EVERY,
    Clients,
    Follower,
    Reader,
    Writer,
    main,
    number_in,
    value,
)
from kafab.adapters.kafka.handover import HandedOver
from kafab.adapters.kafka.probe_records import end
from kafab.adapters.kafka.sockets import proxy_url, use
from kafab.canary.ledger import Written
from kafab.ports import Perch
from kafab.records.settings import Client

_METADATA_LIMIT_MS = 1000
"""How long a record may wait for the topic to be known: the other partitions wait with it."""
_SENDER = "kafka.producer.sender"
_RETRIED = "Got error produce response"

logging.getLogger("kafka").addHandler(logging.NullHandler())


class _Refusals(logging.Handler):
    """kafka-python's own lines, of which those about a broker's refusal of a batch are counted, as librdkafka's are."""

    def __init__(self, take: Callable[[int, str], None]) -> None:
        super().__init__(logging.WARNING)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        if _RETRIED in str(record.msg) and isinstance(record.args, tuple) and len(record.args) >= 4:
            _, place, _, name, *_ = record.args
            self._take(getattr(place, "partition", -1), _short(str(name)))


class PythonWriter(Writer):
    """The producer and its books."""

    def __init__(self, perch: Perch, written: list[Written]) -> None:
        self._heard: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._handler = _Refusals(self._retried)
        logging.getLogger(_SENDER).addHandler(self._handler)
        super().__init__(perch, written)

    def flush(self, limit: float) -> None:
        """Wait for what is under way."""
        with suppress(KafkaError):
            self._producer.flush(timeout=limit)
        self._poll(0)

    def close(self) -> None:
        """End the producer, and drop what it has not sent."""
        logging.getLogger(_SENDER).removeHandler(self._handler)
        end(self._producer)

    def _meet(self, until: float) -> bool:  # noqa: ARG002  # the client has its own limit
        try:
            self._producer.partitions_for(self._perch.topic)
        except KafkaError:
            return False
        return True

    def _send(self, partition: int, now: float) -> None:
        written, topic = self._written[partition], self._perch.topic
        number = written.send(now)
        try:
            future = self._producer.send(topic, value(topic, partition, number), partition=partition)
        except (KafkaTimeoutError, AssertionError, ValueError):
            written.unsend()
        except KafkaError as error:
            written.refuse(_short(type(error).__name__))
            self._begin_anew()
        else:
            future.add_callback(
                lambda found: self._heard.put(lambda: self._acked(partition, number, found, now))
            )
            future.add_errback(lambda error: self._heard.put(lambda: self._refused(partition, error)))
        self._poll(0)

    def _acked(self, partition: int, number: int, found: Any, sent: float) -> None:
        at, now = -1 if found.offset is None else found.offset, time.monotonic()
        self._written[partition].ack(number, at, now - sent, now)

    def _refused(self, partition: int, error: Exception) -> None:
        self._written[partition].refuse(_short(type(error).__name__))

    def _retried(self, partition: int, name: str) -> None:
        if 0 <= partition < len(self._written):
            self._heard.put(lambda: self._written[partition].retry(name))

    def _poll(self, limit: float) -> None:
        until = time.monotonic() + limit
        while True:
            try:
                heard = self._heard.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                return
            heard()

    def _begin_anew(self) -> None:
        """Go on with another producer, where this one cannot keep the promise of idempotence any more."""
        end(self._producer)
        self._poll(0)
        for written in self._written:
            written.give_up("FATAL")
        self._heard = SimpleQueue()  # what the old one may still tell is given up
        self._producer = self._made()

    def _made(self) -> Any:
        return KafkaProducer(
            **_common(self._perch),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            delivery_timeout_ms=DELIVERY_LIMIT_MS,
            max_block_ms=_METADATA_LIMIT_MS,
            allow_auto_create_topics=False,
        )


class PythonFollower(Follower):
    """The consumer of a group, in a thread of its own."""

    def _follow(self) -> None:
        consumer = KafkaConsumer(
            **_common(self._perch),
            group_id=self._perch.topic,
            auto_offset_reset="earliest",
            enable_auto_commit=True,
            auto_commit_interval_ms=COMMIT_EVERY_MS,
            default_offset_commit_callback=self._answered,
            allow_auto_create_topics=False,
        )
        try:
            consumer.subscribe([self._perch.topic])
            # As in `records.consumers`: the topic is known before the first join.
            consumer.topics()
            while not self._ended.is_set():
                if consumer.poll(timeout_ms=100, max_records=BATCH):
                    self.group.read(time.monotonic())
        except KafkaError as error:
            logging.getLogger("kafka").warning("the group's consumer ended: %s", error)
        finally:
            with suppress(KafkaError):
                consumer.close(timeout_ms=LEAVE_LIMIT * 1000)

    def _answered(self, _offsets: object, response: object) -> None:
        if not isinstance(response, Exception):
            self.group.commit(time.monotonic())


class PythonReader(Reader):
    """A reading of the whole topic from its beginning."""

    def __init__(self, perch: Perch, written: list[Written]) -> None:
        self._open(perch.topic, written)
        self._consumer: Any = KafkaConsumer(
            **_common(perch),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )

    def close(self) -> None:
        """Close the consumer."""
        with suppress(KafkaError):
            self._consumer.close()

    def _assign(self) -> None:
        places = [TopicPartition(self._topic, number) for number in range(len(self.logs))]
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, 0)

    def _take(self) -> bool:
        found = self._consumer.poll(timeout_ms=100, max_records=BATCH)
        for place, records in found.items():
            for record in records:
                number = number_in(record.value, self._topic, place.partition)
                self.logs[place.partition].take(record.offset, number)
        return bool(found)

    def _end_of(self, number: int) -> int | None:
        place = TopicPartition(self._topic, number)
        with suppress(KafkaError):
            return int(self._consumer.end_offsets([place], timeout_ms=round(LOOK_EVERY * 2000))[place])
        return None


def _common(perch: Perch) -> dict[str, Any]:
    return {
        "bootstrap_servers": perch.bootstrap.split(","),
        "client_id": "kafab-canary",
        "proxy_url": proxy_url(None),
        **logins.kafka_python(perch.login),
    }


def _short(name: str) -> str:
    return name.removesuffix("Error")


def _leave(_perch: Perch) -> None:
    """Leave the topic to whoever comes next: the way to the brokers has gone with its owner."""


if __name__ == "__main__":
    if (_owner := HandedOver.of_environment()) is not None:
        use(_owner)
    main(Clients(PythonWriter, PythonFollower, PythonReader, _leave, Client.KAFKA_PYTHON.value))
