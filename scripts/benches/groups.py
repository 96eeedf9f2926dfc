"""A row about groups: 200 of them described, over 2,000 partitions."""

import statistics
import sys
import time
from contextlib import closing

from confluent_kafka import Consumer, Producer, TopicPartition

from kafab.events import silent
from kafab.groups.coordinating import coordinator
from kafab.groups.values import CLASSIC, Commit, Listed
from kafab.unknown import Unknown
from kafab.wiring import Session
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import DEADLINE, Row

GROUPS, TOPICS, PARTITIONS, EACH = 200, 20, 100, 10
"""Groups; topics with so many partitions each; partitions of a group."""


def groups(runs: int) -> list[Row]:
    """Measure `groups.list --lag`, which describes every group: each is behind on each of its partitions."""
    with lab(3) as here:
        here.fab("deploy", "start")
        for number in range(TOPICS):
            here.fab(
                *("topics.create", f"bench{number}"),
                *("--partitions", str(PARTITIONS), "--replication-factor", "1"),
            )
        try:
            _fill(here)
            ours = statistics.median(here.fab("groups.list", "--lag") for _ in range(runs))
        finally:
            here.fab("stop", "--yes")
    what = f"groups.list --lag, {GROUPS} groups, {TOPICS * PARTITIONS} partitions"
    return [Row(what, ours, None, "2 s", ours <= 2)]


def _fill(here: Lab) -> None:
    """Write three records into each partition, and let each group have read the first of them."""
    bootstrap = {"bootstrap.servers": ",".join(str(node.endpoint) for node in here.cluster.brokers)}
    producer = Producer(bootstrap)
    for number in range(TOPICS * PARTITIONS * 3):
        producer.produce(
            f"bench{number % TOPICS}", b"x" * 100, partition=number // TOPICS % PARTITIONS, on_delivery=_sent
        )
        producer.poll(0)
    producer.flush(DEADLINE)
    with closing(Consumer(bootstrap | {"group.id": "first"})) as consumer:
        consumer.committed([TopicPartition("bench0", 0)], timeout=60)  # makes the offsets' topic
    with closing(Session(here.cluster, silent)) as session:
        for number in range(GROUPS):
            _commit(session, number)


def _commit(session: Session, number: int) -> None:
    name, first = f"bench-{number}", number * EACH
    offsets = {(f"bench{at // PARTITIONS}", at % PARTITIONS): Commit(1) for at in range(first, first + EACH)}
    until = time.monotonic() + DEADLINE
    told: object = None
    while time.monotonic() < until:  # the coordinators may not have loaded yet
        view = session.brokers.metadata()
        broker = None if isinstance(view, Unknown) else coordinator(view, name)
        if not isinstance(view, Unknown) and broker is not None:
            told = session.groups.commit(view, Listed(name, CLASSIC, None, broker), offsets)
            if told == {}:
                return
        time.sleep(0.2)
    sys.exit(f"group {name} could not be made: {told}")


def _sent(error: object, _message: object) -> None:
    if error is not None:
        sys.exit(f"a record could not be written: {error}")
