"""What holds for records.* on a cluster that runs, of whichever version, with both clients."""

import json
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer
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


def check_records_are_read(lab: Lab, client: str) -> None:
    """The guide's examples: ten keyed records, read without a trace, by a group, by it again, by two members, by another group."""
    with _topic(lab) as topic, _groups(lab, topic) as (one, two):
        _written(lab, topic, client, "--count", "4", "--keys", "2", "--partition", "1", "--sync")
        written = _written(lab, topic, client, "--count", "6", "--keys", "3", "--partition", "0", "--sync")
        alone = _reads(lab, topic, client)
        assert [each for each in alone["records"] if each["partition"] == 0] == written["records"]
        assert (alone["read"], alone["group"]) == (10, None)
        by_hand = _reads(lab, topic, client, "--group", one, "--commit", "each", "--until", "7")
        assert (by_hand["read"], by_hand["commits_refused"], _sum(by_hand)) == (7, {}, 7)
        again = _reads(lab, topic, client, "--group", one, "--from", "committed")
        assert (again["read"], _sum(again)) == (3, 10)
        _written(lab, topic, client, "--count", "3", "--partition", "0")
        queue = _reads(lab, topic, client, "--group", one, "--members", "2", "--commit", "batch:2")
        assert (queue["read"], sorted(each["assigned"] for each in queue["members"])) == (3, [[0], [1]])
        other = _reads(lab, topic, client, "--group", two, "--commit", "none")
        assert (other["read"], other["by_partition"]) == (13, {"0": 9, "1": 4})
        listed = lab.fab.must("groups.list", "--json").document["groups"]
        # A reader without a group has made none; one that committed nothing is empty, and soon gone.
        assert {each["group"] for each in listed if topic in each["group"]} - {two} == {one}


def check_commits_are_of_what_was_read(lab: Lab, client: str) -> None:
    """However a member commits: a count that ends in the middle of what was fetched commits so much and no more."""
    with _topic(lab) as topic:
        _written(lab, topic, client, "--count", "300", "--partition", "0")
        for mode in ("auto", "batch:7", "async"):
            with _groups(lab, topic) as (group, _):
                part = _reads(lab, topic, client, "--group", group, "--commit", mode, "--until", "100")
                assert (mode, part["read"], _sum(part)) == (mode, 100, 100)
                rest = _reads(lab, topic, client, "--group", group, "--commit", mode)
                assert (mode, rest["read"], _sum(rest)) == (mode, 200, 300)


def check_end_is_found_behind_no_record(lab: Lab, client: str) -> None:
    """A reading ends behind the marker of an aborted transaction, and of committed records before one that hangs."""
    with _topic(lab) as topic:
        assert _reads(lab, topic, client)["read"] == 0
        _written(lab, topic, client, "--count", "5", "--partition", "0")
        brokers = ",".join(str(node.endpoint) for node in lab.cluster.brokers)
        producer = Producer({"bootstrap.servers": brokers, "transactional.id": topic})
        producer.init_transactions(60)
        for left_open in (False, True):
            producer.begin_transaction()
            for number in range(3):
                producer.produce(topic, b"\xff\x1b[2J", partition=0, key=str(number))
            producer.flush(30)
            if not left_open:
                producer.abort_transaction(60)
        try:
            committed = _reads(lab, topic, client, "--isolation", "read_committed")
            every = _reads(lab, topic, client, "--isolation", "read_uncommitted")
        finally:
            producer.abort_transaction(60)
        assert (committed["read"], every["read"]) == (5, 11)
        assert every["records"][-1]["value"] == r"\xff\x1b[2J"
        beyond = ("--from", "10", "--partition", "0", "--isolation", "read_committed")
        assert _reads(lab, topic, client, *beyond)["read"] == 0


def check_reading_is_refused(lab: Lab) -> None:
    """What cannot be read is told with the numbers, before any client is made."""
    with _topic(lab) as topic:
        _written(lab, topic, "confluent", "--count", "3", "--partition", "0")
        late, high = ("--from", "2100-01-01"), ("--from", "9", "--partition", "0")
        for words, told in ((late, "as late as"), (high, "0 to 3"), (("--partition", "7"), "0 to 1")):
            refused = lab.fab("records.read", topic, *words)
            assert (refused.code, told in refused.err) == (2, True), refused.err
        absent = lab.fab("records.read", topic, "--group", f"{topic}-none", "--from", "committed")
        assert (absent.code, "committed no offset" in absent.err) == (2, True)


def check_reader_leaves_at_ctrl_c(lab: Lab, client: str) -> None:
    """A member that follows shows records as they come, and at Ctrl-C commits them, leaves its group and tells the figures."""
    with _topic(lab) as topic, _groups(lab, topic) as (group, _):
        _written(lab, topic, client, "--count", "4", "--partition", "0")
        words = ("--group", group, "--commit", "batch:3", "--follow", "--client", client, "--json")
        process = lab.fab.start("records.read", topic, *words)
        try:
            assert process.stdout is not None
            first = [json.loads(process.stdout.readline()) for _ in range(4)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        summary = json.loads(out)
        assert [each["value"] for each in first] == [f"value-{number}" for number in range(4)]
        assert (process.returncode, summary["interrupted"], _sum(summary)) == (130, True, 4), err
        described = lab.fab.must("groups.describe", group, "--json").document["groups"][0]
        assert described["members"] == []


def _written(lab: Lab, topic: str, client: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.fab.must(
        "records.write", topic, "--client", client, *words, "--json"
    ).document
    return found


def _reads(lab: Lab, topic: str, client: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.fab.must("records.read", topic, "--client", client, *words, "--json").document
    return found


def _sum(found: dict[str, Any]) -> int:
    """Return the sum of the offsets that are committed at the end."""
    return sum(each["offset"] or 0 for each in found["committed"].values())


@contextmanager
def _groups(lab: Lab, topic: str) -> Iterator[tuple[str, str]]:
    names = (f"{topic} 1 é {secrets.token_hex(2)}", f"{topic}/2")
    try:
        yield names
    finally:
        for name in names:
            lab.fab("groups.delete", name, "--yes")


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
