"""A client of a cluster as somebody would write one who knows nothing of kafab: kafka-python with its defaults, and a pause.

Its producer (acks=all and idempotent are kafka-python's defaults) sends a number after another, its consumer reads them in a
group. What the process is told on stdin, a line, ends it; then it reads on until it has all that was acknowledged, for a
minute at most, and prints what it has met as one JSON document. It imports nothing of kafab.
"""

import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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
    """Have a client at work in the block, from its first acknowledged and read record on."""
    with subprocess.Popen(
        [sys.executable, __file__, bootstrap, topic],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == BEGUN
            yield PlainClient(process)
        finally:
            if process.poll() is None:
                process.kill()


def main(bootstrap: str, topic: str) -> None:
    """Write and read until a line comes on stdin; print the figures."""
    from kafka import KafkaConsumer, KafkaProducer  # the tests import this file, and need no client

    ended = told()
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"readers of {topic}", auto_offset_reset="earliest"
    )
    acked: dict[int, tuple[int, float]] = {}
    """Number -> its partition, and when it was acknowledged."""
    refused: Counter[str] = Counter()
    offsets: dict[int, set[tuple[int, int]]] = {}

    def send(number: int) -> None:
        future = producer.send(topic, str(number).encode())
        future.add_callback(lambda to: acked.setdefault(number, (to.partition, time.monotonic())))
        future.add_errback(lambda error: refused.update([type(error).__name__]))

    def write() -> None:
        number = 0
        while not ended.is_set():
            send(number)
            number += 1
            time.sleep(EVERY)
        producer.flush()

    def read() -> None:
        for partition, records in consumer.poll(timeout_ms=200).items():
            for record in records:
                # A group reads again what it has not committed before a rebalance: the same offset is no duplicate.
                offsets.setdefault(int(record.value), set()).add((partition.partition, record.offset))

    writer = threading.Thread(target=write)
    writer.start()
    while not offsets:
        read()
    tell(BEGUN)
    while writer.is_alive():
        read()
    deadline = time.monotonic() + PATIENCE
    while acked.keys() - offsets.keys() and time.monotonic() < deadline:
        read()
    consumer.close()
    producer.close()
    acks = sorted(acked.values())
    gaps = [later - at for (one, at), (other, later) in itertools.pairwise(acks) if one == other]
    found = {
        "acked": len(acked),
        "lost": len(acked.keys() - offsets.keys()),
        "duplicates": sum(len(at) - 1 for at in offsets.values()),
        "refused": dict(refused),
        "longest_gap_s": round(max(gaps, default=0), 3),
    }
    tell(json.dumps(found))


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
