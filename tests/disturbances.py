"""What the tests of a roll do to a cluster while it rolls, and how they meet the moment."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kazoo.client import KazooClient

from kafab.model import Cluster
from tests.labs import Lab


def heard(roll: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read what a roll says up to a line that this pattern is found in."""
    assert roll.stderr is not None
    lines = []
    for line in roll.stderr:
        lines.append(line)
        if re.search(words, line):
            return lines
    pytest.fail(f"{words!r} was not said:\n{''.join(lines)}")


@contextmanager
def frozen(group: int) -> Iterator[None]:
    """Stop a command, and whatever it has started, for the length of the block."""
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


@contextmanager
def zookeeper(cluster: Cluster) -> Iterator[KazooClient]:
    """Have a client of the cluster's ZooKeeper for the length of the block."""
    client = KazooClient(cluster.zookeeper_connect)
    client.start(timeout=30)
    try:
        yield client
    finally:
        client.stop()
        client.close()


@contextmanager
def topic(lab: Lab, name: str, partitions: int, *configs: str, replicas: int = 3) -> Iterator[str]:
    """Have a topic, with configs as NAME=VALUE, for the length of the block."""
    given = [word for each in configs for word in ("--config", each)]
    shape = ("--partitions", str(partitions), "--replication-factor", str(replicas))
    lab.fab.must("topics.create", name, *shape, *given)
    try:
        yield name
    finally:
        lab.fab.must("topics.delete", name)


def produce(lab: Lab, name: str, records: int, size: int) -> None:
    """Write records of so many bytes, in batches of 16 kB at most, and have them acknowledged."""
    failed = []
    producer = Producer(
        {
            "bootstrap.servers": lab.cluster.bootstrap,
            "linger.ms": 20,
            "batch.size": 16_000,
            "on_delivery": lambda error, _: failed.append(str(error)) if error else None,
        }
    )
    for number in range(records):
        producer.produce(name, number.to_bytes(size, "big"))
        while len(producer) > 5_000:
            producer.poll(0.1)
    assert (producer.flush(60), failed[:1]) == (0, [])


def configure(lab: Lab, kind: ResourceType, name: str, configs: Mapping[str, str | None]) -> None:
    """Set dynamic values, or take away those that are None."""
    entries = [
        ConfigEntry(
            key, value, incremental_operation=AlterConfigOpType.SET if value else AlterConfigOpType.DELETE
        )
        for key, value in configs.items()
    ]
    admin = AdminClient({"bootstrap.servers": lab.cluster.bootstrap})
    resource = ConfigResource(kind, name, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(30)
