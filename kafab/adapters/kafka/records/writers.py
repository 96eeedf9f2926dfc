"""Writing records with either client: one loop, and a small sender for each client below it."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.errors import Failed
from kafab.login import IN_THE_CLEAR, Login
from kafab.records.settings import Acks, Client, ProducerSettings
from kafab.records.writing import Acked, Order, Record, Tally, Written

_LOG = logging.getLogger("kafab.librdkafka.records")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_LOOK_EVERY = 1000
"""Records between two looks for what came back."""


class Trouble(Exception):
    """A producer that can go on no more, in the client's words."""


class Books:
    """What both senders write into."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.acked: list[Acked] = []


class Sender(Protocol):
    """A producer that tells the books what came of each record."""

    def send(self, record: Record, *, keep: bool) -> None:
        """Hand a record over; ``keep``: it is to be shown. Raises Trouble where no record can be sent any more."""

    def look(self, seconds: float) -> None:
        """Take what has come back, for so long."""

    def settle(self, seconds: float) -> int:
        """Wait for all that is out; return how many records nothing is known of."""

    def begin(self) -> None:
        """Begin a transaction. Raises Trouble."""

    def commit(self, seconds: float) -> None:
        """Wait for its records and end it. Raises Trouble."""

    def abort(self, seconds: float) -> None:
        """Take it back. Raises Trouble."""

    def close(self) -> None:
        """End the producer, without a wait."""


class KafkaWriters:
    """`kafab.ports.Writers`. librdkafka connects by itself; kafka-python's connections are those of ``dialer``, where there is one."""

    def __init__(self, login: Login = IN_THE_CLEAR, dialer: Dialer | None = None) -> None:
        self._login, self._dialer = login, dialer

    def write(
        self, client: Client, settings: ProducerSettings, order: Order, alive: Callable[[int], None]
    ) -> tuple[Written, tuple[Acked, ...]]:
        """Write the records, then wait for all of them; return the figures and the records to be shown."""
        books = Books(Tally(asked=settings.acks is not Acks.NONE))
        settings = replace(settings, login=self._login)
        sender: Sender = (
            _Confluent(settings, order.topic, books)
            if client is Client.CONFLUENT
            else _KafkaPython(settings, order.topic, books, self._dialer)
        )
        began, interrupted, trouble = time.monotonic(), False, ""
        limit = settings.waits.total_seconds()
        with contextlib.closing(sender):
            try:
                _drive(sender, order, books.tally, limit, alive)
            except KeyboardInterrupt:
                interrupted = True
            except Trouble as error:
                trouble = str(error)
            try:
                if (interrupted or trouble) and order.transaction:
                    with contextlib.suppress(Trouble):
                        sender.abort(limit)
                left = sender.settle(limit)
            except KeyboardInterrupt:
                # The second one: what is out is of unknown outcome.
                interrupted, left = True, sender.settle(0)
            books.tally.refuse("MSG_TIMED_OUT", left)
            seconds = time.monotonic() - began
        return books.tally.written(seconds, interrupted=interrupted, trouble=trouble), tuple(books.acked)


def _drive(sender: Sender, order: Order, tally: Tally, limit: float, alive: Callable[[int], None]) -> None:
    begun = False
    slow = order.together is not None or order.rate is not None
    for number, record in _paced(sender, order):
        if order.transaction and number % order.transaction == 0:
            if begun:
                sender.commit(limit)
            sender.begin()
            begun = True
        sender.send(record, keep=number < order.shown)
        if order.together and (number + 1) % order.together == 0:
            if left := sender.settle(limit):
                raise Trouble(f"{left} records were not acknowledged within {limit:g} s")
        elif slow or number % _LOOK_EVERY == 0:
            sender.look(0)
        if slow or number % _LOOK_EVERY == 0:
            alive(tally.told)
    if begun:
        sender.commit(limit)


def _paced(sender: Sender, order: Order) -> Iterator[tuple[int, Record]]:
    """Yield each record with its number, no sooner than the rate allows."""
    began = time.monotonic()
    for number, record in enumerate(order.records):
        while order.rate and (wait := began + number / order.rate - time.monotonic()) > 0:
            sender.look(wait)
        yield number, record


class _Confluent:
    """librdkafka."""

    def __init__(self, settings: ProducerSettings, topic: str, books: Books) -> None:
        from confluent_kafka import KafkaException, Producer

        self._errors = KafkaException
        self._books, self._topic = books, topic
        config = {**confluent.producer_config(settings), "queue.buffering.max.messages": 1_000_000}
        self._producer = Producer(config, logger=_LOG)
        seconds = settings.request_limit.total_seconds()
        try:
            found = self._producer.list_topics(topic, timeout=seconds).topics[topic]
            if settings.transactional_id is not None:
                self._producer.init_transactions(seconds)
        except KafkaException as error:
            raise Failed(f"{settings.bootstrap}: {error.args[0].str()}; no record was sent") from error
        if found.error is not None:
            raise Failed(
                f"topic {topic}: {found.error.str()}; no record was sent",
                hint="`topics.list` shows what there is",
            )

    def send(self, record: Record, *, keep: bool) -> None:
        """Hand it over, waiting for room where the queue is full."""
        taken = partial(self._take, record if keep else None)
        at = -1 if record.partition is None else record.partition
        while True:
            try:
                self._producer.produce(self._topic, record.value, record.key, at, on_delivery=taken)
            except BufferError:
                self._producer.poll(0.1)
                continue
            except self._errors as error:
                if error.args[0].fatal():
                    raise Trouble(error.args[0].str()) from error
                self._books.tally.refuse(_name(error.args[0]))
            return

    def look(self, seconds: float) -> None:
        """Poll."""
        self._producer.poll(seconds)

    def settle(self, seconds: float) -> int:
        """Flush."""
        return int(self._producer.flush(seconds))

    def begin(self) -> None:
        """Begin a transaction."""
        self._asked(self._producer.begin_transaction)

    def commit(self, seconds: float) -> None:
        """Flush and commit."""
        self._asked(partial(self._producer.commit_transaction, seconds))

    def abort(self, seconds: float) -> None:
        """Abort."""
        self._asked(partial(self._producer.abort_transaction, seconds))

    def close(self) -> None:
        """Drop what is left, which has been counted."""
        self._producer.purge()

    def _asked(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except self._errors as error:
            raise Trouble(error.args[0].str()) from error

    def _take(self, shown: Record | None, error: Any, message: Any) -> None:
        # A callback must not raise: the client is of no use afterwards.
        if error is not None:
            self._books.tally.refuse(_name(error))
            return
        self._books.tally.ack(message.partition(), message.latency() or 0.0)
        if shown is not None:
            # Where only an answer was lost the broker tells no offset (DUPLICATE_SEQUENCE_NUMBER), and the client None.
            offset = message.offset()
            at = -1 if offset is None else offset
            self._books.acked.append(Acked(message.partition(), at, shown.key, shown.value))


class _KafkaPython:
    """kafka-python."""

    def __init__(self, settings: ProducerSettings, topic: str, books: Books, dialer: Dialer | None) -> None:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        self._errors = KafkaError
        self._books, self._topic, self._sent = books, topic, 0
        try:
            self._producer = KafkaProducer(**kafka_python.producer_config(settings, dialer))
        except KafkaError as error:
            raise Failed(f"{settings.bootstrap}: {error}; no record was sent") from error
        try:
            self._find_topic(settings)
            if settings.transactional_id is not None:
                self._producer.init_transactions()
        except KafkaError as error:
            self.close()
            raise Failed(f"topic {topic}: {_words(error)}; no record was sent") from error
        except BaseException:
            self.close()
            raise

    def send(self, record: Record, *, keep: bool) -> None:
        """Hand it over."""
        self._sent += 1
        try:
            future = self._producer.send(self._topic, record.value, record.key, partition=record.partition)
        except ValueError:
            # The client's own word for a partition that the topic does not have.
            self._books.tally.refuse("UnknownTopicOrPartitionError")
            return
        except (self._errors, AssertionError) as error:
            self._refuse(error)
            return
        future.add_callback(partial(self._take, time.monotonic(), record if keep else None))
        future.add_errback(self._refuse)

    def look(self, seconds: float) -> None:
        """Wait; an I/O thread of the client's own takes what comes back."""
        if seconds > 0:
            time.sleep(seconds)

    def settle(self, seconds: float) -> int:
        """Flush, and wait for the callbacks, which come a moment after it."""
        with contextlib.suppress(self._errors):
            self._producer.flush(timeout=seconds)
        until = time.monotonic() + min(seconds, 1)
        while self._books.tally.told < self._sent and time.monotonic() < until:
            time.sleep(0.001)
        return self._sent - self._books.tally.told

    def begin(self) -> None:
        """Begin a transaction."""
        self._asked(self._producer.begin_transaction)

    def commit(self, _seconds: float) -> None:
        """Flush and commit."""
        self._asked(self._producer.commit_transaction)

    def abort(self, _seconds: float) -> None:
        """Abort."""
        self._asked(self._producer.abort_transaction)

    def close(self) -> None:
        """Close it at once."""
        with contextlib.suppress(self._errors):
            self._producer.close(timeout=0)

    def _asked(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except self._errors as error:
            raise Trouble(_words(error)) from error

    def _take(self, sent: float, shown: Record | None, metadata: Any) -> None:
        self._books.tally.ack(metadata.partition, time.monotonic() - sent)
        if shown is not None:
            offset = -1 if metadata.offset is None else metadata.offset
            self._books.acked.append(Acked(metadata.partition, offset, shown.key, shown.value))

    def _refuse(self, error: Exception) -> None:
        self._books.tally.refuse(type(error).__name__)

    def _find_topic(self, settings: ProducerSettings) -> None:
        from kafka.errors import KafkaTimeoutError

        try:
            self._producer.partitions_for(self._topic)
        except KafkaTimeoutError as error:
            # The client cannot tell an unknown topic from a cluster that does not answer.
            seconds = settings.request_limit.total_seconds()
            raise Failed(
                f"topic {self._topic}: no metadata within {seconds:g} s; no record was sent",
                hint="`topics.list` shows what there is",
            ) from error


def _name(error: Any) -> str:
    return str(error.name()).lstrip("_")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
