"""A client of a cluster as somebody would write one who knows nothing of kafab: kafka-python with its defaults, and a pause.

Its producer (acks=all and idempotent are kafka-python's defaults) sends a number after another, its consumer reads them in a
group. What the process is told on stdin, a line, ends it; then it reads on until it has all that was acknowledged, for a
minute at most, and prints what it has met as one JSON document. It imports nothing of kafab.
"""

import itertools
import json
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

BEGUN = "begun"
EVERY = 0.02
"""Seconds between two records."""
PATIENCE = 60.0


@dataclass(frozen=True)
class PlainClient:
    """A client at work; `end` lets it come to its end."""

    process: "subprocess.Popen[str]"

    def end(self) -> dict[str, Any]:
        """Let it read what is left, and return its figures: acked, lost, duplicates, refused, longest_gap_s."""
        out, _ = self.process.communicate("end\n", timeout=2 * PATIENCE + 60)
        read: dict[str, Any] = json.loads(out.splitlines()[-1])
        return read


@contextmanager
def plain_client(bootstrap: str, topic: str) -> Iterator[PlainClient]:
    """Have a client at work in the block, from its first acknowledged and read record on.

    A member of a group is given nothing, rarely, for as long as it asks; such a one says what it met, and another begins.
    """
    met = []
    for group in (f"readers of {topic}", f"other readers of {topic}"):
        with subprocess.Popen(
            [sys.executable, __file__, bootstrap, topic, group],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                told = process.stdout.readline().strip()
                if told == BEGUN:
                    yield PlainClient(process)
                    return
            finally:
                if process.poll() is None:
                    process.kill()
        met.append(told)
    raise AssertionError(f"no client began: {met}")


@dataclass
class Books:
    """What the client has met. Its records begin with ``name``: the topic may have those of another one."""

    name: str = field(default_factory=lambda: secrets.token_hex(4))
    acked: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Number -> its partition, and when it was acknowledged."""
    offsets: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    """Number -> where it was read: partition and offset. A group may read an offset again; two of them are a duplicate."""
    refused: "Counter[str]" = field(default_factory=Counter)
    unread: "Counter[str]" = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """How many acknowledged numbers were not read."""
        return len(self.acked.keys() - self.offsets.keys())

    def figures(self) -> dict[str, object]:
        """Return the figures."""
        acks = sorted(self.acked.values())
        gaps = [later - at for (one, at), (other, later) in itertools.pairwise(acks) if one == other]
        return {
            "acked": len(acks),
            "lost": self.missing,
            "duplicates": sum(len(at) - 1 for at in self.offsets.values()),
            "refused": dict(self.refused),
            "unread": dict(self.unread),
            "longest_gap_s": round(max(gaps, default=0), 3),
        }


def write(producer: KafkaProducer, topic: str, books: Books, ended: threading.Event) -> None:
    """Send a number after another until the end is told, and have all acknowledged or refused."""

    def send(number: int) -> None:
        future = producer.send(topic, f"{books.name} {number}".encode())
        future.add_callback(lambda to: books.acked.setdefault(number, (to.partition, time.monotonic())))
        future.add_errback(lambda error: books.refused.update([type(error).__name__]))

    for number in itertools.count():
        if ended.wait(EVERY):
            break
        send(number)
    producer.flush()


def read(consumer: KafkaConsumer, books: Books) -> None:
    """Read for a moment; where no broker is there kafka-python raises, and the next time goes on."""
    try:
        found = consumer.poll(timeout_ms=200)
    except KafkaError as error:
        books.unread.update([type(error).__name__])
        time.sleep(EVERY)
        return
    for partition, records in found.items():
        for record in records:
            whose, _, number = record.value.decode().partition(" ")
            if whose == books.name:
                books.offsets.setdefault(int(number), set()).add((partition.partition, record.offset))


def main(bootstrap: str, topic: str, group: str) -> None:
    """Write and read until a line comes on stdin; print the figures. Print them at once where nothing is read for a minute."""
    ended, books = told(), Books()
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
    writer = threading.Thread(target=write, args=(producer, topic, books, ended), daemon=True)
    writer.start()
    deadline = time.monotonic() + PATIENCE
    while not books.offsets:
        read(consumer, books)
        if time.monotonic() > deadline:
            assigned = sorted(f"{one.topic}-{one.partition}" for one in consumer.assignment())
            tell(json.dumps({"assigned": assigned, "writes": writer.is_alive(), **books.figures()}))
            return
    tell(BEGUN)
    while writer.is_alive():
        read(consumer, books)
    deadline = time.monotonic() + PATIENCE
    while books.missing and time.monotonic() < deadline:
        read(consumer, books)
    consumer.close()
    producer.close()
    tell(json.dumps(books.figures()))


def told() -> threading.Event:
    """Return what is set once a line comes."""
    event = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        event.set()

    threading.Thread(target=listen, daemon=True).start()
    return event


def tell(line: str) -> None:
    """Say a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
