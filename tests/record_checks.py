"""What holds for records.* on a cluster that runs, of whichever version, with both clients."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from tests.group_checks import Lab

CLIENTS = ("confluent", "kafka-python")
PARTITIONS = 2


def check_written_records_are_there(lab: Lab, client: str) -> None:
    """Every record that is told as acknowledged stands at the offset that is told, with its key and value."""
    with _topic(lab) as topic:
        few = _written(lab, topic, client, "--count", "6", "--keys", "2", "--sync")
        assert (few["acked"], few["failed"], few["unknown_outcome"]) == (6, {}, {})
        found = {(one["partition"], one["offset"]): (one["key"], one["value"]) for one in few["records"]}
        assert found == _read(lab, topic)
        many = _written(lab, topic, client, "--count", "3000", "--size", "100", "--compression", "gzip")
        assert (many["acked"], sum(many["by_partition"].values())) == (3000, 3000)
        together = _written(lab, topic, client, "--count", "20", "--transaction", "8", "--partition", "1")
        assert (together["transactional"], together["idempotent"], together["acked"]) == (True, True, 20)
        assert Counter(len(value or "") for _, value in _read(lab, topic).values())[100] == 3000
        assert len(_read(lab, topic)) == 6 + 3000 + 20


def check_refused_records_are_told(lab: Lab, client: str) -> None:
    """A record that is too large is in no log, and an unknown partition and topic are told at once."""
    with _topic(lab) as topic:
        large = lab.fab(
            "records.write", topic, "--size", "2000000", "--count", "2", "--client", client, "--json"
        )
        document = json.loads(large.out)
        assert (large.code, document["acked"], sum(document["failed"].values())) == (1, 0, 2)
        nowhere = lab.fab("records.write", topic, "--partition", "9", "--client", client, "--json")
        assert (nowhere.code, sum(json.loads(nowhere.out)["failed"].values())) == (1, 10)
        assert _read(lab, topic) == {}
        assert lab.fab("records.write", f"{topic}-missing", "--client", client).code == 2


def check_examples_of_guides(lab: Lab, client: str) -> None:
    """Ten keyed records are read in a group, which goes on where it committed; two members share them, another group has all."""
    with _topic(lab) as topic:
        told = _written(lab, topic, client, "--count", "10", "--keys", "4", "--sync")
        placed = {(one["partition"], one["offset"]): (one["key"], one["value"]) for one in told["records"]}
        first = _read_by(lab, topic, client, "--group", f"{topic}-a", "--until", "4", "--commit", "each")
        again = _read_by(lab, topic, client, "--group", f"{topic}-a")
        assert (first["read"], again["read"]) == (4, 6)
        assert _places(first) | _places(again) == placed
        assert sum(again["committed"].values()) == 10
        other = _read_by(lab, topic, client, "--group", f"{topic}-b", "--members", "2")
        assert _places(other) == placed
        held: dict[int, list[int]] = {}
        for one in other["rebalances"]:
            held[one["member"]] = one["partitions"] if one["given"] else []
        assert sorted(held.values()) == [[0], [1]]
        idle = _read_by(lab, topic, client, "--group", f"{topic}-c", "--commit", "none")
        assert (idle["read"], idle["committed"]) == (10, {})
        for group in "ab":
            lab.fab.must("groups.delete", f"{topic}-{group}", "--yes")


def check_reading_leaves_no_trace(lab: Lab, client: str) -> None:
    """Without a group a reading ends at the log's end, be it markers of transactions, and no broker knows of a group."""
    with _topic(lab) as topic:
        before = _groups(lab)
        assert _read_by(lab, topic, client)["read"] == 0
        _written(lab, topic, client, "--count", "6", "--transaction", "2", "--partition", "1")
        for isolation in ("read_committed", "read_uncommitted"):
            found = _read_by(lab, topic, client, "--isolation", isolation)
            assert (found["read"], list(_places(found))) == (6, [(1, at) for at in (0, 1, 3, 4, 6, 7)])
        late = _read_by(lab, topic, client, "--from", "4", "--partition", "1", "--until", "2")
        assert list(_places(late)) == [(1, 4), (1, 6)]
        assert _groups(lab) == before


def _groups(lab: Lab) -> list[str]:
    return sorted(one["group"] for one in lab.fab.must("groups.list", "--json").document["groups"])


def _places(found: dict[str, Any]) -> dict[tuple[int, int], tuple[str | None, str | None]]:
    return {(one["partition"], one["offset"]): (one["key"], one["value"]) for one in found["records"]}


def _read_by(lab: Lab, topic: str, client: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.fab.must("records.read", topic, "--client", client, *words, "--json").document
    return found


def _written(lab: Lab, topic: str, client: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.fab.must(
        "records.write", topic, "--client", client, *words, "--json"
    ).document
    return found


def _read(lab: Lab, topic: str) -> dict[tuple[int, int], tuple[str | None, str | None]]:
    """Read all records, with those of committed transactions alone: (partition, offset) -> key and value."""
    brokers = [str(node.endpoint) for node in lab.cluster.brokers]
    consumer = KafkaConsumer(bootstrap_servers=brokers, isolation_level="read_committed", group_id=None)
    try:
        every = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(every)
        consumer.seek_to_beginning(*every)
        ends = consumer.end_offsets(every)
        found = {}
        while any(consumer.position(partition) < ends[partition] for partition in every):
            for records in consumer.poll(500).values():
                for record in records:
                    key = None if record.key is None else record.key.decode()
                    found[record.partition, record.offset] = (key, record.value.decode())
        return found
    finally:
        consumer.close()


@contextmanager
def _topic(lab: Lab) -> Iterator[str]:
    name = f"records-{secrets.token_hex(4)}"
    one = ("--replication-factor", "1", "--config", "min.insync.replicas=1")
    lab.fab.must("topics.create", name, "--partitions", str(PARTITIONS), *one)
    try:
        yield name
    finally:
        lab.fab("topics.delete", name, "--yes")
