"""Rows about rolling restarts: three brokers against the same by hand, idle and with records, and the longest silence in it."""

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Producer

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.cluster.metadata import TopicSpec
from kafab.model import Endpoint
from kafab.unknown import Unknown
from scripts.benches import kraft, running
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import DEADLINE, VERSION, Row, ratio

TOPIC, PARTITIONS = "rolled", 3
QUIET = logging.getLogger("scripts.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
RECORDS = 300
"""Records a second over all partitions."""
BROKERS = ("node1/broker", "node2/broker", "node3/broker")


class Rival(Protocol):
    """A cluster of three brokers that is restarted without kafab."""

    @property
    def brokers(self) -> Sequence[Endpoint]:
        """Where they listen."""

    def start(self) -> float:
        """Start it."""

    def restart(self, number: int) -> None:
        """Let one broker end, and start it again."""

    def stop(self) -> None:
        """End it."""


class Load:
    """Records that are written all the while, and the longest time without an acknowledgement of one partition."""

    def __init__(self, brokers: Sequence[Endpoint]) -> None:
        self._producer = Producer({
            "bootstrap.servers": ",".join(map(str, brokers)),
            "acks": "all",
            "enable.idempotence": True,
        }, logger=QUIET)  # fmt: skip
        self._over = threading.Event()
        self._acked = dict.fromkeys(range(PARTITIONS), 0.0)
        self.gap = 0.0
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Load":  # noqa: PYI034  # typing has Self from Python 3.11 on
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._producer.flush(DEADLINE)

    def _write(self) -> None:
        number = 0
        while not self._over.wait(1 / RECORDS):
            number += 1
            self._producer.produce(TOPIC, b"x" * 100, partition=number % PARTITIONS, on_delivery=self._ack)
            self._producer.poll(0)

    def _ack(self, error: object, message: Any) -> None:
        if error is not None:
            sys.exit(f"a record was refused: {error}")
        now, partition = time.monotonic(), message.partition()
        if before := self._acked[partition]:
            self.gap = max(self.gap, now - before)
        self._acked[partition] = now


def by_hand(rival: Rival, admin: ClientsAdmin) -> float:
    """Restart one broker after the other, waiting for the full ISR on all of them; return the seconds."""
    started = time.monotonic()
    for number in range(len(rival.brokers)):
        rival.restart(number)
        while not whole(rival.brokers, admin):
            if time.monotonic() - started > DEADLINE:
                sys.exit("a broker that was restarted by hand is not in the ISR")
            time.sleep(0.05)
    return time.monotonic() - started


def whole(brokers: Sequence[Endpoint], admin: ClientsAdmin) -> bool:
    """Tell whether every broker answers and shows all of them, and all replicas in sync."""
    views = [admin.metadata(at, timeout=timedelta(seconds=2)) for at in brokers]
    return all(
        not isinstance(view, Unknown)
        and len(view.brokers) == len(brokers)
        and all(len(one.isr) == len(one.replicas) for one in view.partitions)
        for view in views
    )


@contextmanager
def _topic(brokers: Sequence[Endpoint]) -> Iterator[ClientsAdmin]:
    admin = ClientsAdmin(brokers)
    try:
        spec = TopicSpec(TOPIC, PARTITIONS, 3, configs={"min.insync.replicas": "2"})
        if isinstance(unknown := admin.create_topic(spec), Unknown):
            sys.exit(f"the topic to restart under: {unknown.reason}")
        yield admin
    finally:
        admin.close()


def _pair(here: Lab, rival: Rival, runs: int, what: str) -> list[Row]:
    """Measure both sides in turn, idle and with records."""
    here.fab("deploy", "start")
    rival.start()
    mine = [node.endpoint for node in here.cluster.brokers]

    def ours() -> float:
        return here.fab("restart", "--limit", ",".join(BROKERS), "--no-canary")

    try:
        with _topic(mine), _topic(rival.brokers) as admin:
            # Each measured start finds the archives of classes, which a host makes once.
            running.wait_for_archives(here)
            here.fab("restart", "--no-canary")
            idle = [(ours(), by_hand(rival, admin)) for _ in range(runs)]
            busy = [
                (*_under_load(mine, ours), *_under_load(rival.brokers, lambda: by_hand(rival, admin)))
                for _ in range(runs)
            ]
    finally:
        rival.stop()
        here.fab("stop", "--yes")
    hand = "by hand: stop, start, full ISR"
    left, right = zip(*idle, strict=True)
    seconds, gaps, hand_seconds, hand_gaps = zip(*busy, strict=True)
    return [
        ratio(f"roll of 3 brokers, {what}, idle / {hand}", left, right, 1.25),
        ratio(f"the same, {RECORDS} records a second", seconds, hand_seconds, 1.25),
        ratio("longest time without an ack of one partition in it", gaps, hand_gaps, 1.0),
    ]


def _under_load(brokers: Sequence[Endpoint], work: Callable[[], float]) -> tuple[float, float]:
    with Load(brokers) as load:
        time.sleep(1)
        seconds = work()
        time.sleep(1)
    return seconds, load.gap


def roll(runs: int) -> list[Row]:
    """Measure a roll of three ZooKeeper-mode brokers."""
    with lab(3, VERSION) as here, tempfile.TemporaryDirectory(prefix="kafab-by-hand-") as folder:
        here.fab("deploy")
        return _pair(here, running.ByHand(Path(folder), running.libs(here)), runs, VERSION)


def roll_kraft(runs: int) -> list[Row]:
    """Measure a roll of three combined KRaft nodes."""
    with lab(3, kraft.VERSION) as here, tempfile.TemporaryDirectory(prefix="kafab-by-hand-") as folder:
        here.fab("deploy")
        return _pair(here, kraft.ByHand(Path(folder), running.libs(here)), runs, f"{kraft.VERSION} combined")
