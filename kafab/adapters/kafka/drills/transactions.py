"""What a worker does with transactions: writes some with either client, and ends one that hangs as an operator would."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.adapters.kafka.sockets import proxy_url
from kafab.drills import orders
from kafab.drills.history import Kind
from kafab.drills.orders import Ending, Order
from kafab.records.settings import Client
from kafab.records.writing import UNKNOWN_OUTCOMES

INIT_LIMIT = 20.0
"""Seconds until a transactional.id must have its coordinator and its epoch."""
FLUSH_LIMIT = 15.0


class Tell(Protocol):
    """`kafab.adapters.kafka.drills.worker.Worker.tell`."""

    def __call__(
        self, kind: Kind, partition: int = -1, offset: int = -1, detail: str = "", *, number: int = -1
    ) -> None:
        """Tell of an event."""


class Refused(Exception):
    """The producer cannot do what it is asked, in the client's words."""


class Producer(Protocol):
    """A transactional producer."""

    def begin(self) -> None:
        """Begin a transaction. Raises Refused, as all of its methods do."""

    def send(self, number: int, partition: int) -> None:
        """Hand a record over."""

    def flush(self) -> None:
        """Wait until it is known what came of all records."""

    def commit(self) -> None:
        """Commit the transaction."""

    def abort(self) -> None:
        """Abort it."""

    def close(self) -> None:
        """Close the producer, without a wait."""


def transact(order: Order, tell: Tell, ended: threading.Event) -> None:
    """Write the order's transactions. READY is told once the transactional.id is this producer's."""
    make = ConfluentProducer if order.client is Client.CONFLUENT else KafkaPythonProducer
    try:
        producer = make(order, tell)
    except Refused as error:
        tell(Kind.TROUBLE, detail=f"no producer of transactions within {INIT_LIMIT:g} s: {error}")
        raise SystemExit(1) from error
    tell(Kind.READY)
    many = order.count // max(len(order.endings), 1)
    for place, ending in enumerate(order.endings):
        first = order.first + place * many
        numbers = range(first, first + many)
        # One that is left open goes on, with as many records again, when the word comes.
        more = range(numbers.stop, numbers.stop + many) if ending is Ending.LEAVE else range(0)
        sent: list[int] = []
        try:
            producer.begin()
            _send(order, tell, producer, numbers, sent)
            if ending is Ending.LEAVE:
                ended.wait()
            _send(order, tell, producer, more, sent)
            _each(order, tell, sent, Kind.TXN_ABORT if ending is Ending.ABORT else Kind.TXN_COMMIT)
            (producer.abort if ending is Ending.ABORT else producer.commit)()
        except Refused as error:
            # Whoever has fenced this producer has aborted its transaction, too. Of anything else the outcome is unknown.
            _each(order, tell, sent, Kind.TXN_ABORT if _fenced(str(error)) else Kind.UNKNOWN, str(error))
    producer.close()


def _each(order: Order, tell: Tell, numbers: Sequence[int], kind: Kind, detail: str = "") -> None:
    for number in numbers:
        tell(kind, number % order.partitions, detail=detail, number=number)


def _send(order: Order, tell: Tell, producer: Producer, numbers: range, sent: list[int]) -> None:
    for number in numbers:
        tell(Kind.SEND, number % order.partitions, number=number)
        sent.append(number)
        producer.send(number, number % order.partitions)
    producer.flush()


def _fenced(words: str) -> bool:
    return any(
        name in words.upper().replace("_", "")
        for name in ("FENCED", "INVALIDPRODUCEREPOCH", "INVALIDPRODUCERID")
    )


class ConfluentProducer:
    """`Producer` on librdkafka."""

    def __init__(self, order: Order, tell: Tell) -> None:
        import logging

        from confluent_kafka import KafkaException
        from confluent_kafka import Producer as Client

        quiet = logging.getLogger("kafab.librdkafka.drill")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._order, self._tell, self._errors = order, tell, KafkaException
        self._producer = Client({**confluent.producer_config(order.producer), "linger.ms": 0}, logger=quiet)
        self._asked(lambda: self._producer.init_transactions(INIT_LIMIT))

    def begin(self) -> None:
        """Begin."""
        self._asked(self._producer.begin_transaction)

    def send(self, number: int, partition: int) -> None:
        """Hand it over; a producer that is fenced refuses at once."""

        def answered(error: Any, message: Any) -> None:
            name = "" if error is None else str(error.name()).lstrip("_")
            _told(self._tell, number, partition, -1 if error else message.offset(), name)

        value = orders.value(self._order.topic, number)
        try:
            self._producer.produce(self._order.topic, value, partition=partition, on_delivery=answered)
        except self._errors as error:
            _told(self._tell, number, partition, -1, str(error.args[0].name()).lstrip("_"))
        self._producer.poll(0)

    def flush(self) -> None:
        """Flush."""
        self._producer.flush(FLUSH_LIMIT)

    def commit(self) -> None:
        """Commit."""
        self._asked(lambda: self._producer.commit_transaction(FLUSH_LIMIT))

    def abort(self) -> None:
        """Abort."""
        self._asked(lambda: self._producer.abort_transaction(FLUSH_LIMIT))

    def close(self) -> None:
        """Drop what is left."""
        self._producer.purge()

    def _asked(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except self._errors as error:
            raise Refused(f"{str(error.args[0].name()).lstrip('_')}: {error.args[0].str()}") from error


class KafkaPythonProducer:
    """`Producer` on kafka-python."""

    def __init__(self, order: Order, tell: Tell) -> None:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        self._order, self._tell, self._errors = order, tell, KafkaError
        config = kafka_python.producer_config(order.producer)
        config |= {"linger_ms": 0, "max_block_ms": round(INIT_LIMIT * 1000)}
        self._producer: Any = None
        self._asked(lambda: self._begin(KafkaProducer(**config)))

    def _begin(self, producer: Any) -> None:
        self._producer = producer
        producer.init_transactions()

    def begin(self) -> None:
        """Begin."""
        self._asked(self._producer.begin_transaction)

    def send(self, number: int, partition: int) -> None:
        """Hand it over; a producer that is fenced refuses at once."""
        value = orders.value(self._order.topic, number)
        try:
            future = self._producer.send(self._order.topic, value=value, partition=partition)
        except self._errors as error:
            _told(self._tell, number, partition, -1, type(error).__name__)
            return
        future.add_callback(lambda found: _told(self._tell, number, partition, found.offset, ""))
        future.add_errback(lambda error: _told(self._tell, number, partition, -1, type(error).__name__))

    def flush(self) -> None:
        """Flush."""
        self._asked(lambda: self._producer.flush(timeout=FLUSH_LIMIT))

    def commit(self) -> None:
        """Commit."""
        self._asked(self._producer.commit_transaction)

    def abort(self) -> None:
        """Abort."""
        self._asked(self._producer.abort_transaction)

    def close(self) -> None:
        """Close it at once."""
        self._asked(lambda: self._producer.close(timeout=0))

    def _asked(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except self._errors as error:
            raise Refused(f"{type(error).__name__}: {error}") from error


def _told(tell: Tell, number: int, partition: int, offset: int, name: str) -> None:
    if not name:
        tell(Kind.ACK, partition, offset, number=number)
    else:
        kind = Kind.UNKNOWN if name in UNKNOWN_OUTCOMES else Kind.FAIL
        tell(kind, partition, number=number, detail=name)


def end_hanging(order: Order, tell: Tell) -> None:
    """Ask the leaders for the producers with an open transaction, and have an abort marker written for each.

    librdkafka's admin client has neither call. DescribeProducers needs brokers of Kafka 3.0 (KIP-664).
    """
    from kafka import KafkaAdminClient, TopicPartition
    from kafka.admin import AbortTransactionSpec
    from kafka.errors import KafkaError

    admin = KafkaAdminClient(
        bootstrap_servers=order.bootstrap.split(","),
        proxy_url=proxy_url(None),
        **logins.kafka_python(order.login),
    )
    try:
        places: Sequence[Any] = [TopicPartition(order.topic, number) for number in range(order.partitions)]
        for place, state in admin.describe_producers(places).items():
            for one in state.active_producers:
                begun = one.current_transaction_start_offset
                if begun < 0:
                    continue
                told = f"producer {one.producer_id}, epoch {one.producer_epoch}, open since offset {begun}"
                tell(Kind.READY, place.partition, begun, told)
                # kafka-python's own default, -1, is refused once a marker of this producer stands in the partition
                # (TransactionCoordinatorFenced). Java's tool sends what the leader tells, and 0 where it tells none.
                epoch = max(one.coordinator_epoch, 0)
                admin.abort_transaction(
                    AbortTransactionSpec(place, one.producer_id, one.producer_epoch, epoch)
                )
    except KafkaError as error:
        tell(Kind.TROUBLE, detail=f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error
    finally:
        admin.close()
