"""What holds for the Python beside the tables of docs/guarantees.md: on a cluster that runs, it does what its first line says."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from redis import Redis

from tests.drill_redis import served
from tests.group_checks import Lab

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "python"
CLIENTS = ("confluent", "kafka_python")
READERS = ("commits", "duplicates", "groups", "transactions")
RECORDS, PARTITIONS = 10, 3
"""Records of each partition."""
LIMIT = 90
"""Seconds for programs that run side by side; each of them ends when nothing has come for ten."""


def check_programs_do_what_they_say(lab: Lab, folder: Path) -> None:
    """Those of both clients, each with topics and a group of its own."""
    names = [f"{name}_{client}" for client in CLIENTS for name in ("acks", "offsets", *READERS)]
    with _topics(lab, names) as (admin, topics), served() as (_worker, redis, _pid):
        for name, topic in topics.items():
            if not name.startswith("acks"):
                _fill(lab, topic)
            if name.startswith("duplicates"):
                _fill(lab, topic)
            if name.startswith("offsets"):
                _commit(admin, topic, {0: 2, 1: 1})
                _each(admin.delete_records([TopicPartition(topic, 1, 3)]))
        with ExitStack() as stack:
            programs = [
                stack.enter_context(_program(lab, each, topics[each], folder, redis)) for each in names
            ]
            ends = {name: program.wait(LIMIT) for name, program in zip(names, programs, strict=True)}
        said = {name: _said(folder, name) for name in names}
        assert ends == dict.fromkeys(names, 0), _troubles(folder)
        for client in CLIENTS:
            assert _end(admin, topics[f"acks_{client}"]) == RECORDS
            assert [line.partition(":")[0] for line in sorted(said[f"offsets_{client}"].splitlines())] == [
                "0 goes on at 2 with 8 to read",
                "1 2 records are gone, unread",
                "2 nothing committed",
            ], said
            committed = {name: _committed(admin, topics[f"{name}_{client}"]) for name in READERS}
            every = dict.fromkeys(READERS, RECORDS * PARTITIONS)
            assert committed == every | {"duplicates": 2 * RECORDS * PARTITIONS}, said
            with Redis(unix_socket_path=redis) as asked:
                assert (
                    asked.get(f"{topics[f'duplicates_{client}']} paid") == str(RECORDS * PARTITIONS).encode()
                )
            # A transaction that is committed leaves a marker in the log behind its records.
            assert _end(admin, f"{topics[f'transactions_{client}']}-bills") > RECORDS * PARTITIONS


def check_share_group_is_a_queue(lab: Lab, folder: Path) -> None:
    """A share group begins at the end of the log, so records are written until one of them is read."""
    name = "queue_confluent"
    with _topics(lab, [name]) as (_, topics), _program(lab, name, topics[name], folder) as program:
        deadline = time.monotonic() + LIMIT
        while "order" not in _said(folder, name):
            assert program.poll() is None, _troubles(folder)
            assert time.monotonic() < deadline
            _fill(lab, topics[name])
            time.sleep(0.5)
        assert program.wait(LIMIT) == 0, _troubles(folder)


@contextmanager
def _topics(lab: Lab, names: Sequence[str]) -> Iterator[tuple[AdminClient, Mapping[str, str]]]:
    """Make the topics of these programs, a program's name -> its topic, and remove them."""
    admin = AdminClient({**_brokers(lab)})
    topics = {name: f"python-{name}-{secrets.token_hex(3)}" for name in names}
    spare = [f"{topic}-bills" for name, topic in topics.items() if name.startswith("transactions")]
    made = [NewTopic(topic, PARTITIONS, 1) for topic in (*topics.values(), *spare)]
    _each(admin.create_topics(made))
    try:
        yield admin, topics
    finally:
        _each(admin.delete_topics([*topics.values(), *spare]))


@contextmanager
def _program(
    lab: Lab, name: str, topic: str, folder: Path, redis: str = ""
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program with the names of this cluster, its topic and its group in place of those of the page."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    mine = {
        "node1:9092": _brokers(lab)["bootstrap.servers"],
        '"orders"': f'"{topic}"',
        '"bills"': f'"{topic}-bills"',
        '"billing"': f'"{topic}"',
        '"billing-1"': f'"{topic}"',
        '"workers"': f'"{topic}"',
        "redis://node1:6379": f"unix://{redis}",
        '"orders paid"': f'"{topic} paid"',
        "paid:": f"{topic}:",
    }
    for word, other in mine.items():
        text = text.replace(word, other)
    # librdkafka writes its log to stderr, as of a coordinator that is not there yet.
    with (folder / f"{name}.txt").open("wb") as said, (folder / f"{name}.log").open("wb") as log:
        program = subprocess.Popen([sys.executable, "-uc", text], stdout=said, stderr=log)
        try:
            yield program
        finally:
            program.kill()
            program.wait()


def _said(folder: Path, name: str) -> str:
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def _troubles(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.log")))


def _brokers(lab: Lab) -> dict[str, str]:
    return {"bootstrap.servers": ",".join(str(node.endpoint) for node in lab.cluster.brokers)}


def _fill(lab: Lab, topic: str) -> None:
    producer = Producer(_brokers(lab))
    for number in range(RECORDS * PARTITIONS):
        producer.produce(topic, key=f"order-{number}", value=b"paid", partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def _commit(admin: AdminClient, group: str, offsets: Mapping[int, int]) -> None:
    places = [TopicPartition(group, partition, offset) for partition, offset in offsets.items()]
    _each(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)]))


def _committed(admin: AdminClient, group: str) -> int:
    (found,) = _each(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    return sum(place.offset for place in found.topic_partitions)


def _end(admin: AdminClient, topic: str) -> int:
    """Return the sum of the partitions' ends."""
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(PARTITIONS)}  # type: ignore[no-untyped-call]
    return sum(found.offset for found in _each(admin.list_offsets(asked)))


def _each(futures: Mapping[Any, Any]) -> list[Any]:
    return [future.result(30) for future in futures.values()]
