"""A data disk that is not mounted, under systemd: nothing starts on the empty folder below it, and no acked record is lost."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.docker_hosts import DockerLab, docker, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
DATA = "/var/lib/kafka/broker"
DISK = "/srv/disk"
"""Where the disk's content stays when it is not mounted."""
BROKER = "node3/broker"
UNIT = "kafka-broker@broker.service"
RECORDS = 1000


def mount(lab: DockerLab) -> None:
    """Mount the disk of the third host over its broker's data folder."""
    lab.on("node3", f"mount --bind {DISK} {DATA}")


def at(lab: DockerLab, host: str) -> str:
    """Return where a host's broker listens."""
    return str(next(node for node in lab.cluster.brokers if node.host.name == host).endpoint)


def offsets(lab: DockerLab) -> int:
    """Return the end offset of the topic, as clients of the second broker are told."""
    consumer = Consumer({"bootstrap.servers": at(lab, "node2"), "group.id": "nobody"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition("orders", 0), timeout=30)
    finally:
        consumer.close()
    return int(end)


def in_sync(lab: DockerLab) -> str:
    """Return the in-sync replicas of the topic."""
    told = AdminClient({"bootstrap.servers": at(lab, "node2")}).list_topics(timeout=30)
    return " ".join(map(str, sorted(told.topics["orders"].partitions[0].isrs)))


def create(lab: DockerLab) -> None:
    """Create a topic of two replicas that takes records with a single one."""
    settings = {"min.insync.replicas": "1"}
    topic = NewTopic("orders", 1, replica_assignment=[[3, 1]], config=settings)
    admin = AdminClient({"bootstrap.servers": at(lab, "node2")})  # the answer comes for as long as it lives
    admin.create_topics([topic])["orders"].result(30)


def produce(lab: DockerLab) -> int:
    """Write records; return how many were acked by every in-sync replica."""
    acked: list[int] = []
    producer = Producer({"bootstrap.servers": at(lab, "node2"), "acks": "all"})
    for number in range(RECORDS):
        producer.produce(
            "orders",
            str(number),
            on_delivery=lambda error, _record: acked.append(1) if error is None else None,
        )
    producer.flush(60)
    return len(acked)


def refusals(lab: DockerLab) -> str:
    """Say `refused` once the unit's journal has why it does not start."""
    told = lab.on("node3", f"journalctl -q -o cat -u {UNIT}")
    return "refused" if f"{DATA}, where it lay, is not mounted" in told else told


def test_a_disk_that_is_not_mounted(new_docker_lab: Callable[..., DockerLab]) -> None:
    """Refused, mounted and served; then really new, and accepted: each acked record is there each time."""
    lab = new_docker_lab()
    lab.fab.must("deploy")
    lab.on("node3", f"mkdir -p {DISK}; chown kafka:kafka {DISK}; chmod 750 {DISK}")
    mount(lab)
    lab.fab.must("start")
    assert lab.on("node3", "cut -d' ' -f1,2,5 /etc/kafka/broker/held").split() == [DATA, "3", DATA]
    assert "nothing to do" in lab.fab.must("plan").out

    create(lab)
    lab.fab.must("stop", "--limit", "node1/broker", "--yes", "--unsafe")
    assert until(lambda: in_sync(lab), "3", 60) == "3"
    assert produce(lab) == RECORDS
    assert offsets(lab) == RECORDS

    lab.fab.must("stop", "--limit", BROKER, "--yes", "--unsafe")
    lab.on("node3", f"umount {DATA}")
    found = lab.fab("preflight", "--json").document["findings"]
    assert [each["subject"] for each in found if each["check"] == "held" and each["severity"] == "CRIT"] == [
        BROKER
    ]
    assert f"{DATA} has held the data of id 3" in lab.fab.must("status").out
    for words in (["plan"], ["deploy"], ["start"], ["restart", "--yes", "--limit", BROKER]):
        refused = lab.fab(*words)
        assert (refused.code, "orders-0" in refused.err) == (3, True), refused.err
        assert f"--accept-empty {BROKER}" in refused.err
    # At boot, or by hand, nobody asks kafab: the unit itself does not start.
    docker("exec", lab.container("node3"), "systemctl", "start", UNIT)
    assert until(lambda: refusals(lab), "refused", 60) == "refused"
    lab.on("node3", f"systemctl stop {UNIT}")
    assert lab.on("node3", f"ls -A {DATA}") == ""

    mount(lab)
    lab.fab.must("start")
    assert until(lambda: in_sync(lab), "1 3", 120) == "1 3"
    assert offsets(lab) == RECORDS

    lab.fab.must("stop", "--limit", BROKER, "--yes")
    lab.on("node3", f"umount {DATA}")
    refused = lab.fab("start")
    assert (refused.code, "every partition has an in-sync replica elsewhere" in refused.err) == (3, True), (
        refused.err
    )
    lab.fab.must("start", "--accept-empty", BROKER)
    assert until(lambda: in_sync(lab), "1 3", 120) == "1 3"
    assert offsets(lab) == RECORDS
    assert lab.on("node3", "cut -d' ' -f1,2,5 /etc/kafka/broker/held").split()[:2] == [DATA, "3"]
    assert "nothing to do" in lab.fab.must("plan").out
