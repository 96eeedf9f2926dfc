"""The canary's process: writes and reads on librdkafka as a client of the cluster would, keeps the books, tells its figures.

It is started with its orders as the first line on stdin (a JSON document of `kafab.ports.Perch`), and tells its figures as
JSON documents on stdout, a line each. The line ``finish``, or SIGTERM, lets it flush, read its topic from the beginning to
the end, count, tell the final figures and end. Where stdin ends without that word its owner is gone: it removes its topic
and ends.

The file is over 400 lines long because it is one program: what writes, follows and reads share its books and its end.
"""

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from kafab import login
from kafab.adapters.kafka import logins
from kafab.adapters.kafka.clients import TopicChanges, offset_of
from kafab.canary.course import Acknowledgements, Steps
from kafab.canary.figures import CONFLUENT, Figures, document
from kafab.canary.ledger import Group, Read, Written, counted, course_of, figures
from kafab.errors import Failed
from kafab.ports import Perch

TELL_EVERY = 0.25
TELL_COURSE_EVERY = 5.0
"""Seconds between two tellings of the whole course, so that little is missing where the canary is not heard out."""
COMMIT_EVERY_MS = 250
DELIVERY_LIMIT_MS = 120_000
"""delivery.timeout.ms: the default of Java's producer. Until then a record is sent again and again."""
FLUSH_LIMIT = 30.0
LEAVE_LIMIT = 5.0
"""Seconds that the consumer has to leave its group."""
SETTLED_AFTER = 5.0
"""Seconds that a partition's end must have been read up to and stood still before what is missing is lost. After a leader's
change the high watermark, which a reader does not pass, may be behind what was acknowledged for a moment (KIP-207)."""
GIVEN_UP_AFTER = 30.0
"""Seconds without anything new after which a reading that has not reached the end ends."""
LOOK_EVERY = 0.5
BATCH = 1000
FINISH = b"finish"

_LOG = logging.getLogger("kafab.librdkafka.canary")
_LOG.propagate = False


class Orders:
    """What stands on stdin: the orders, then a word or the end. Read by a thread that nobody waits for."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.orphaned = False
        self._line = b""
        self._first = threading.Event()
        # A thread that waits in sys.stdin would hold its lock when the interpreter ends.
        threading.Thread(target=self._listen, daemon=True).start()

    def perch(self) -> Perch:
        """Wait for the first line and read it."""
        self._first.wait()
        return read_perch(json.loads(self._line))

    def finish(self, *_signal: object) -> None:
        """Let the canary come to its end."""
        self.ended.set()

    def _listen(self) -> None:
        heard = b""
        while chunk := os.read(sys.stdin.fileno(), 65536):
            heard += chunk
            *lines, heard = heard.split(b"\n")
            for line in lines:
                if not self._first.is_set():
                    self._line = line
                    self._first.set()
                elif line.strip() == FINISH:
                    self.finish()
        self.orphaned = not self.ended.is_set()
        self._first.set()
        self.finish()


def perch_document(perch: Perch) -> dict[str, object]:
    """Return the orders as the process reads them."""
    return {
        "bootstrap": perch.bootstrap,
        "topic": perch.topic,
        "leaders": list(perch.leaders),
        "every_s": perch.every.total_seconds(),
        "login": login.document(perch.login),
    }


def read_perch(read: Mapping[str, Any]) -> Perch:
    """Read what `perch_document` has made."""
    return Perch(
        read["bootstrap"],
        read["topic"],
        tuple(read["leaders"]),
        timedelta(seconds=read["every_s"]),
        login.read(read["login"]),
    )


BROKEN = (KafkaException, SystemError)
"""What the client raises where it is of no use any more.

confluent-kafka 2.16.1 raises a SystemError out of poll and flush where a callback has raised what the interpreter itself
raises, such as a TypeError ("exception <class 'str'> is not a BaseException subclass"). The callbacks here raise nothing.
"""


class Refusals(logging.Handler):
    """librdkafka's own lines, of which those about a broker's refusal of a batch are counted.

    A refusal that is followed by another try comes to no callback: it is in the producer's log alone (debug ``msg``).
    """

    _LINE = re.compile(
        r"\[(\d+)\]: MessageSet with \d+ message\(s\).* encountered error: (.+?) \(actions (.+?)\)"
    )

    def __init__(self, written: list[Written]) -> None:
        super().__init__(logging.DEBUG)
        self._written = written

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        found = self._LINE.search(record.getMessage())
        if found and "Retry" in found[3]:
            self._written[int(found[1])].retry(found[2].removeprefix("Broker: "))


class Writer:
    """The producer and its books: a record to each partition, one after another, in even steps."""

    def __init__(self, perch: Perch, written: list[Written]) -> None:
        self._perch = perch
        self._written = written
        logger = logging.getLogger("kafab.librdkafka.canary.producer")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Refusals(written))
        self._logger = logger
        self._producer: Any = self._made()
        self._due: list[float] = []
        self._next = 0

    @property
    def ready(self) -> bool:
        """True once each partition has acknowledged a record."""
        return all(partition.acked for partition in self._written)

    def begin(self, until: float) -> None:
        """Send each partition its first record, which opens the connections; then wait for the acknowledgements."""
        if not self._due:
            if not self._meet(until):
                return
            for number in range(len(self._written)):
                self._send(number, time.monotonic())
        while not self.ready and (left := until - time.monotonic()) > 0:
            self._poll(left)
        # The steps of two partitions lie apart.
        began, step = time.monotonic(), self._perch.every.total_seconds() / len(self._written)
        self._due = [began + step * number for number in range(len(self._written))]

    def write(self, until: float) -> None:
        """Send what is due until then, and take acknowledgements as they come."""
        every = self._perch.every.total_seconds()
        while (now := time.monotonic()) < until:
            wait = self._due[self._next] - now
            if wait > 0:
                self._poll(min(wait, until - now))
                continue
            self._send(self._next, now)
            # Missed steps are not made up for: after a silence the pace is the one before.
            self._due[self._next] = max(self._due[self._next] + every, now)
            self._next = (self._next + 1) % len(self._due)

    def flush(self, limit: float) -> None:
        """Wait for what is under way."""
        try:
            self._producer.flush(limit)
        except BROKEN:
            self._begin_anew()

    def close(self) -> None:
        """End the producer, and drop what it has not sent.

        While it lives it asks for its topic, and where auto.create.topics.enable is true a broker makes it again.
        """
        with suppress(*BROKEN):
            self._producer.purge()
            self._producer.close()

    def _meet(self, until: float) -> bool:
        """Have the producer know its topic, which brings it its connections; False where records would have to wait for that."""
        with suppress(KafkaException):
            # Asked for by name: else it asks at its next half second.
            self._producer.list_topics(self._perch.topic, timeout=until - time.monotonic())
        return True

    def _send(self, partition: int, now: float) -> None:
        written, topic = self._written[partition], self._perch.topic
        number = written.send(now)
        try:
            self._producer.produce(
                topic,
                value(topic, partition, number),
                partition=partition,
                on_delivery=self._answered(partition, number),
            )
        except BufferError:
            written.unsend()
        except KafkaException as error:
            written.refuse(_name(error.args[0]))
            if error.args[0].fatal() or _name(error.args[0]) == "FATAL":
                self._begin_anew()
        self._poll(0)

    def _answered(self, partition: int, number: int) -> Callable[[KafkaError | None, Any], None]:
        def take(error: KafkaError | None, message: Any) -> None:
            written = self._written[partition]
            if error is not None:
                written.refuse(_name(error))
            else:
                written.ack(number, offset_of(message), message.latency() or 0.0, time.monotonic())

        return take

    def _poll(self, limit: float) -> None:
        try:
            self._producer.poll(limit)
        except BROKEN:
            # The client raises here what is fatal to it, and nothing else.
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Go on with another producer: one that cannot keep the promise of idempotence any more takes nothing from then on.

        So it is after an unclean election, where the brokers miss what came before (OUT_OF_ORDER_SEQUENCE_NUMBER).
        """
        with suppress(*BROKEN):
            self._producer.flush(1)
        for written in self._written:
            written.give_up("FATAL")
        self._producer = self._made()

    def _made(self) -> Any:
        return Producer(
            {
                **_common(self._perch),
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                # With more, a refused request makes the one behind it come out of order, and librdkafka (up to 2.16, its
                # issue 4953) then begins a new epoch for all partitions: what another one has written and lost the answer of
                # is written twice. A broker works at one request of a connection at a time, so this costs a way there and back.
                "max.in.flight.requests.per.connection": 1,
                "delivery.timeout.ms": DELIVERY_LIMIT_MS,
                "queue.buffering.max.messages": 1_000_000,
                "debug": "msg",
            },
            logger=self._logger,
        )


class Follower:
    """The consumer of a group, in a thread of its own: it shows how long a group is without a coordinator."""

    def __init__(self, perch: Perch) -> None:
        self.group = Group()
        self._perch = perch
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the group and end; a group without a coordinator cannot be left, and is not waited for."""
        self._ended.set()
        self._thread.join(LEAVE_LIMIT)

    def _follow(self) -> None:
        consumer = Consumer(
            {
                **_common(self._perch),
                "group.id": self._perch.topic,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": True,
                "auto.commit.interval.ms": COMMIT_EVERY_MS,
                "on_commit": self._committed,
            },
            logger=_LOG,
        )
        try:
            consumer.subscribe([self._perch.topic])
            while not self._ended.is_set():
                if any(message.error() is None for message in consumer.consume(BATCH, 0.1)):
                    self.group.read(time.monotonic())
        except KafkaException as error:
            _LOG.warning("the group's consumer ended: %s", error)
        finally:
            with suppress(KafkaException):
                consumer.close()

    def _committed(self, error: KafkaError | None, _partitions: object) -> None:
        if error is None:
            self.group.commit(time.monotonic())


class Reader:
    """A reading of the whole topic from its beginning: in no group's name, and up to ends that stand still."""

    def __init__(self, perch: Perch, written: list[Written]) -> None:
        self._open(perch.topic, written)
        self._consumer: Any = Consumer(
            {
                **_common(perch),
                "group.id": f"{perch.topic}-reading",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            },
            logger=_LOG,
        )

    def _open(self, topic: str, written: list[Written]) -> None:
        self._topic = topic
        self._written = written
        self.logs = [Read() for _ in written]
        self._ends: list[int | None] = [None] * len(written)
        self._settled_since = [0.0] * len(written)

    def read(self, alive: Callable[[], None]) -> list[bool]:
        """Read until nothing is missing, or no end moves any more; return which partitions were read to their end."""
        self._assign()
        looked = told = 0.0
        moved = time.monotonic()
        while True:
            if self._take():
                moved = time.monotonic()
            now = time.monotonic()
            if now - told >= TELL_EVERY:
                alive()
                told = now
            if now - looked >= LOOK_EVERY:
                self._look(now)
                looked = now
            whole = [self._is_whole(number, now) for number in range(len(self.logs))]
            if all(whole) or now - moved >= GIVEN_UP_AFTER:
                return whole

    def close(self) -> None:
        """Close the consumer."""
        with suppress(KafkaException):
            self._consumer.close()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, number, 0) for number in range(len(self.logs))])

    def _take(self) -> bool:
        found = [message for message in self._consumer.consume(BATCH, 0.1) if message.error() is None]
        for message in found:
            partition, offset = message.partition(), message.offset()
            if partition is not None and offset is not None:
                self.logs[partition].take(offset, number_in(message.value(), self._topic, partition))
        return bool(found)

    def _look(self, now: float) -> None:
        """Ask for the ends of those partitions in which something is missing."""
        for number, log in enumerate(self.logs):
            if not log.lacks(self._written[number]):
                continue
            end = self._end_of(number)
            reached = end is not None and log.position >= end
            if not reached or end != self._ends[number]:
                self._settled_since[number] = now
            self._ends[number] = end

    def _end_of(self, number: int) -> int | None:
        with suppress(KafkaException):
            found = self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=1)
            return int(found[1])
        return None

    def _is_whole(self, number: int, now: float) -> bool:
        log = self.logs[number]
        if not log.lacks(self._written[number]):
            # Behind the last acknowledged record may stand others; up to there all is read.
            return log.position >= self._written[number].end
        end = self._ends[number]
        return end is not None and log.position >= end and now - self._settled_since[number] >= SETTLED_AFTER


@dataclass(frozen=True)
class Clients:
    """The clients of a canary, and what removes its topic where its owner is gone."""

    writer: type[Writer]
    follower: type[Follower]
    reader: type[Reader]
    remove: Callable[[Perch], None]
    name: str = CONFLUENT


def tell(found: Figures) -> None:
    """Write the figures to stdout, a line; a reader that is gone is no fault of ours."""
    line = json.dumps(document(found), separators=(",", ":")) + "\n"
    with suppress(OSError, ValueError):
        sys.stdout.write(line)
        sys.stdout.flush()


def value(topic: str, partition: int, number: int) -> bytes:
    """Return a record's value: it says where it belongs, so a record of somebody else, or a damaged one, is none of these."""
    return f"{topic}/{partition}/{number}".encode()


def number_in(read: bytes | None, topic: str, partition: int) -> int | None:
    """Return the number of a record of the canary's; None for any other one."""
    text = (read or b"").decode("utf-8", "replace").rpartition("/")[2]
    if not text.isdecimal() or read != value(topic, partition, int(text)):
        return None
    return int(text)


def main(clients: Clients | None = None) -> None:
    """Be a canary until the end of the orders, on librdkafka unless other clients are given."""
    _LOG.addHandler(logging.NullHandler())
    orders = Orders()
    signal.signal(signal.SIGTERM, orders.finish)
    perch = orders.perch()
    steps = Steps(Acknowledgements, time.monotonic())
    written = [Written(steps) for _ in perch.leaders]
    made = clients or Clients(Writer, Follower, Reader, _remove)
    writer, follower = made.writer(perch, written), made.follower(perch)
    began = time.monotonic()

    def now() -> Figures:
        found = figures(
            perch.topic,
            perch.leaders,
            written,
            follower.group,
            began=began,
            now=time.monotonic(),
            every=perch.every,
        )
        return replace(found, client=made.name)

    def with_course() -> Figures:
        return replace(now(), course=course_of(steps, written, now=time.monotonic(), every=perch.every))

    told = began
    try:
        while not orders.ended.is_set() and not writer.ready:
            writer.begin(time.monotonic() + TELL_EVERY)
            began = steps.began = time.monotonic()
            tell(now())
        while not orders.ended.is_set():
            writer.write(time.monotonic() + TELL_EVERY)
            if time.monotonic() - told < TELL_COURSE_EVERY:
                tell(now())
            else:
                tell(with_course())
                told = time.monotonic()
        if orders.orphaned:
            return
        deadline = time.monotonic() + FLUSH_LIMIT
        while now().total.in_flight and time.monotonic() < deadline:
            writer.flush(TELL_EVERY)
            tell(now())
        final = with_course()
    finally:
        if orders.orphaned:
            writer.close()
        follower.close()
        if orders.orphaned:
            made.remove(perch)
    reader = made.reader(perch, written)
    try:
        ended = reader.read(lambda: tell(final))
    finally:
        reader.close()
    tell(counted(final, written, reader.logs, ended))


def _remove(perch: Perch) -> None:
    # Nobody is left who could be told of a refusal.
    with suppress(Failed):
        TopicChanges(perch.bootstrap, perch.login).delete(perch.topic)


def _common(perch: Perch) -> dict[str, str | int | float | bool]:
    return {
        "bootstrap.servers": perch.bootstrap,
        "client.id": "kafab-canary",
        **logins.librdkafka(perch.login),
    }


def _name(error: KafkaError) -> str:
    """Return an error's name as Kafka spells it; librdkafka's own begin with an underscore."""
    return str(error.name()).lstrip("_")


if __name__ == "__main__":
    main()
