"""The process of a drill's worker: does what its order says as a client of the cluster, and tells each event as a line on stdout.

The order is the first line on stdin. The line ``finish`` lets it end in good order, a reader behind the poll that it is at. Where stdin ends without that word its
owner is gone, and it ends at once; what it did is not to be told to anybody.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.drills import share, transactions
from kafab.adapters.kafka.drills.members import member
from kafab.adapters.kafka.handover import HandedOver
from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.adapters.kafka.records.consumers import Consumer, Refused
from kafab.adapters.kafka.sockets import DIRECT, own, proxy_url, use
from kafab.drills import history, orders
from kafab.drills.history import Event, Kind
from kafab.drills.orders import Commits, Order, Role
from kafab.records.reading import Found
from kafab.records.settings import Acks, Client, ConsumerSettings, Isolation
from kafab.records.writing import UNKNOWN_OUTCOMES

if TYPE_CHECKING:
    from kafab.adapters.kafka.drills.marks import Effects

FINISH = b"finish"
POLL = 0.1
FLUSH_LIMIT = 60.0


class Worker:
    """One worker at its order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.ended = threading.Event()
        self._effects = 0
        self._in_redis: Effects | None = None
        self._lock = threading.Lock()

    def tell(
        self,
        kind: Kind,
        partition: int = -1,
        offset: int = -1,
        detail: str = "",
        *,
        number: int = -1,
        poll: int = -1,
    ) -> None:
        """Write an event; it is out when this returns, also where the process is killed next."""
        event = Event(time.monotonic(), self.order.who, kind, partition, offset, number, poll, detail)
        # A client's callback may come in another thread.
        with self._lock:
            os.write(sys.stdout.fileno(), history.line(event).encode() + b"\n")

    def write(self) -> None:
        """Send all records and wait for what comes of them, through a relay that cuts connections where the order says so."""
        order = self.order
        write = _write_confluent if order.client is Client.CONFLUENT else _write_kafka_python
        if not order.cut_every:
            write(self)
            return
        from kafab.adapters.kafka.drills.relay import Relay

        told = partial(self.tell, Kind.FAULT, detail="connection cut")
        with Relay(order.bootstrap, 0 if order.orderly else order.cut_every, told, own()) as relay:
            self.order = replace(order, bootstrap=relay.bootstrap)
            write(self)

    def read(self) -> None:
        """Be a member until the word comes."""
        ready, poll = False, 0
        if self.order.redis:
            from kafab.adapters.kafka.drills.marks import Effects

            self._in_redis = Effects(self.order)
        me = member(self.order, self.tell)
        nexts: dict[int, int] = {}
        while not self.ended.is_set():
            found = me.poll(POLL)
            if not ready and (found or me.ready()):
                ready = True
                self.tell(Kind.READY)
            if found:
                poll += 1
                nexts = self._take(me, found, poll)
        if nexts and self.order.commits is Commits.CLOSE:
            self._commit(me, nexts)
        me.close()

    def _take(self, me: Consumer, found: Sequence[Found], poll: int) -> dict[int, int]:
        """Have the effects of a poll's records and commit as the order says; return where each partition goes on."""
        order = self.order
        for each in found:
            number = orders.number_in(each.value, order.topic)
            self.tell(Kind.READ, each.partition, each.offset, number=number, poll=poll)
        if order.commits is Commits.BEFORE:
            self._commit(me, _nexts(found))
        for place, each in enumerate(found):
            self._effect(me, each, last=place == len(found) - 1)
        if order.commits is Commits.BATCH:
            self._commit(me, _nexts(found))
        elif order.commits in (Commits.ASYNC, Commits.CLOSE):
            me.commit(_nexts(found), wait=False)
        return _nexts(found)

    def _effect(self, me: Consumer, found: Found, *, last: bool) -> None:
        order = self.order
        if order.effect:
            time.sleep(order.effect)
        number = orders.number_in(found.value, order.topic)
        self._effects += 1
        # In the midst of a batch, so that something of it has no effect yet.
        dies = order.dies_after is not None and self._effects >= order.dies_after and not last
        done = partial(self.tell, Kind.EFFECT, found.partition, found.offset, number=number)
        if self._in_redis is None:
            done()
        else:
            self._in_redis.have(number, done, self._die if dies and not order.kills_redis else lambda: None)
        if dies:
            self._die()
        if order.commits is Commits.EACH:
            self._commit(me, {found.partition: found.offset + 1})
        elif order.commits is Commits.STORED:
            me.store(found)

    def _die(self) -> None:
        if not self.order.orderly:
            if self._in_redis is not None and self.order.kills_redis:
                self._in_redis.kill()
            os.kill(os.getpid(), signal.SIGKILL)
        self.ended.set()

    def _commit(self, me: Consumer, nexts: dict[int, int]) -> None:
        try:
            me.commit(nexts, wait=True)
        except Refused as error:
            self.tell(Kind.UNCOMMITTED, detail=str(error))
        else:
            for partition, offset in nexts.items():
                self.tell(Kind.COMMIT, partition, offset)

    def log(self) -> None:
        """Read every partition to the end that it has now."""
        from kafka import KafkaConsumer, TopicPartition

        order = self.order
        settings = ConsumerSettings(order.bootstrap, isolation=Isolation.READ_UNCOMMITTED, login=order.login)
        consumer = KafkaConsumer(**kafka_python.consumer_config(settings))
        every = [TopicPartition(order.topic, number) for number in range(order.partitions)]
        consumer.assign(every)
        consumer.seek_to_beginning(*every)
        ends = consumer.end_offsets(every)
        while any(consumer.position(each) < ends[each] for each in every) and not self.ended.is_set():
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    number = orders.number_in(record.value, order.topic)
                    self.tell(Kind.READ, record.partition, record.offset, number=number)
        consumer.close()

    def trim(self) -> None:
        """Delete the first records of each partition."""
        from kafka import KafkaAdminClient, TopicPartition

        order = self.order
        admin = KafkaAdminClient(
            bootstrap_servers=order.bootstrap.split(","),
            proxy_url=proxy_url(None),
            **logins.kafka_python(order.login),
        )
        try:
            admin.delete_records(
                {TopicPartition(order.topic, number): order.count for number in range(order.partitions)}
            )
        finally:
            admin.close()

    def keep_redis(self) -> None:
        """Keep a Redis server until the word comes; its socket and its pid are told with each start."""
        from kafab.adapters.kafka.drills import redis_server

        def ready(socket: str, pid: int) -> None:
            self.tell(Kind.READY, detail=socket, number=pid)

        redis_server.keep(self.ended.is_set, ready, appends=self.order.appends)

    def count(self) -> None:
        """Tell of each effect that is counted in Redis."""
        from kafab.adapters.kafka.drills.marks import counted

        for number in counted(self.order):
            self.tell(Kind.READ, number=number)

    def copy(self) -> None:
        """Copy until the word comes."""
        from kafab.adapters.kafka.drills.copying import copy

        copy(self.order, self.tell, self.ended)


def _nexts(found: Sequence[Found]) -> dict[int, int]:
    return {each.partition: each.offset + 1 for each in found}


def _write_confluent(worker: Worker) -> None:
    from confluent_kafka import KafkaException, Producer

    order = worker.order
    more: dict[str, int] = {"linger.ms": 0}
    if order.request:
        # librdkafka's request.timeout.ms is the broker's; how long it waits itself is this.
        more["socket.timeout.ms"] = round(order.request * 1000)
    if order.cut_every:
        more["batch.num.messages"] = 1  # a request a record: while it waits for its id it would collect them
    producer = Producer({**confluent.producer_config(order.producer), **more})

    def answered(number: int, partition: int) -> Any:
        def take(error: Any, message: Any) -> None:
            if error is None:
                _acked(worker, partition, message.offset(), number)
            else:
                _refused(worker, partition, number, str(error.name()).lstrip("_"))

        return take

    for number, partition in _records(order):
        worker.tell(Kind.SEND, partition, number=number)
        value = orders.value(order.topic, number)
        try:
            producer.produce(order.topic, value, partition=partition, on_delivery=answered(number, partition))
            producer.poll(0)
        except (KafkaException, BufferError) as error:
            if not isinstance(error, KafkaException) or not error.args[0].fatal():
                _refused(worker, partition, number, type(error).__name__)
            else:
                # An idempotent producer whose broker has lost what it acknowledged goes on no more, nor can it be asked to.
                worker.tell(Kind.TROUBLE, detail=str(error.args[0].name()))
                break
        if worker.ended.is_set():
            break
        time.sleep(order.effect)
    with suppress(KafkaException):
        producer.flush(FLUSH_LIMIT)


def _write_kafka_python(worker: Worker) -> None:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    order = worker.order
    more: dict[str, Any] = {"linger_ms": 0}
    if order.cut_every:
        more |= {
            "batch_size": 0,
            "proxy_url": DIRECT,
        }  # as above; the relay is here, whatever the way behind it
    producer = KafkaProducer(**{**kafka_python.producer_config(order.producer), **more})
    for number, partition in _records(order):
        worker.tell(Kind.SEND, partition, number=number)
        try:
            future = producer.send(order.topic, value=orders.value(order.topic, number), partition=partition)
        except KafkaError as error:
            _refused(worker, partition, number, type(error).__name__)
            continue
        future.add_callback(
            lambda found, number=number: _acked(worker, found.partition, found.offset, number)
        )
        future.add_errback(
            lambda error, number=number, partition=partition: _refused(
                worker, partition, number, type(error).__name__
            )
        )
        if worker.ended.is_set():
            break
        time.sleep(order.effect)
    producer.flush(timeout=FLUSH_LIMIT)
    producer.close(timeout=5)


def _records(order: Order) -> Iterable[tuple[int, int]]:
    fixed = order.partition
    return (
        (number, number % order.partitions if fixed is None else fixed)
        for number in range(order.first, order.first + order.count)
    )


def _acked(worker: Worker, partition: int, offset: int | None, number: int) -> None:
    if worker.order.acks is Acks.NONE:
        return  # no broker was asked: its outcome is unknown
    worker.tell(Kind.ACK, partition, -1 if offset is None else offset, number=number)


def _refused(worker: Worker, partition: int, number: int, name: str) -> None:
    kind = Kind.UNKNOWN if name in UNKNOWN_OUTCOMES else Kind.FAIL
    worker.tell(kind, partition, number=number, detail=name)


def _listen(worker: Worker, heard: bytes) -> None:
    # The word may have come in one piece with the order.
    while FINISH not in heard.splitlines() and (chunk := os.read(sys.stdin.fileno(), 4096)):
        heard += chunk
    if FINISH in heard.splitlines() or worker.order.role is Role.REDIS:
        worker.ended.set()  # a Redis server and its folder go first
        return
    os._exit(0)  # nobody is left to be told


def main() -> None:
    """Do what the order says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is its owner's matter
    heard = b""
    while b"\n" not in heard:
        chunk = os.read(sys.stdin.fileno(), 4096)
        if not chunk:
            return
        heard += chunk
    text, _, rest = heard.partition(b"\n")
    worker = Worker(orders.read(text.decode()))
    if (owner := HandedOver.of_environment()) is not None:
        use(owner)
    threading.Thread(target=_listen, args=(worker, rest), daemon=True).start()
    does: dict[Role, Callable[[], object]] = {
        Role.WRITE: worker.write,
        Role.READ: worker.read,
        Role.LOG: worker.log,
        Role.TRIM: worker.trim,
        Role.REDIS: worker.keep_redis,
        Role.COUNT: worker.count,
        Role.COPY: worker.copy,
        Role.TRANSACT: lambda: transactions.transact(worker.order, worker.tell, worker.ended),
        Role.SHARE: lambda: share.share(worker.order, worker.tell, worker.ended),
        Role.END_HANGING: lambda: transactions.end_hanging(worker.order, worker.tell),
    }
    does[worker.order.role]()
    worker.tell(Kind.END)


if __name__ == "__main__":
    main()
