"""What holds for groups.* on a cluster that runs, of whichever version: one life of a group, and what Kafka itself answers."""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, Producer

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.groups import KafkaGroups
from kafab.cluster.metadata import Metadata
from kafab.groups.coordinating import coordinator
from kafab.groups.values import CLASSIC, Commit, Ends, Group, Listed
from kafab.model import Cluster
from kafab.unknown import Unknown
from tests.fab import Fab

RECORDS = 20
"""Of each partition."""
PATIENCE = 60
"""Seconds for the offsets' topic to be made and a member to get its partitions."""


class Lab(Protocol):
    """A lab whose cluster runs."""

    @property
    def fab(self) -> Fab:
        """Its command line."""

    @property
    def cluster(self) -> Cluster:
        """Its inventory."""


def check_life_of_a_group(lab: Lab, protocol: str = "classic") -> None:
    """Describe it with its member, refuse a reset then; reset, restore, delete it and bring it back without."""
    with topic_of_one(lab) as topic:
        name = f"pay/{topic} é"
        with _member(lab, topic, name, protocol):
            (busy,) = _described(lab, name)
            assert (busy["type"], busy["state"], len(busy["members"])) == (protocol, "Stable", 1)
            assert busy["members"][0]["client"] == "checker"
            assert sum(one["lag"] for one in busy["partitions"] if one["lag"]) == 0
            refused = lab.fab("groups.reset", name, "--to", "earliest", "--yes")
            assert (refused.code, "checker on " in refused.err) == (3, True)
            assert lab.fab("groups.delete", name, "--yes").code == 3
        _left(lab, name)
        reset = lab.fab.must("groups.reset", name, "--to=-5", "--yes", "--json").document
        assert [(one["to"], one["again"]) for one in reset["partitions"]] == [(RECORDS - 5, 5)] * 2
        (group,) = _described(lab, name)
        assert group["lag"] == 10
        assert all(0 <= one["behind_seconds"] < 600 for one in group["partitions"])
        late = lab.fab.must("groups.reset", name, "--to", "2100-01-01", "--yes", "--json").document
        assert {one["note"] for one in late["partitions"]} == {"no record is that late: the end"}
        lab.fab.must("groups.restore", reset["snapshot"], "--yes")
        assert _committed(lab, name) == [RECORDS, RECORDS]
        gone = lab.fab.must("groups.delete", name, "--yes", "--json").document
        assert name not in [one["group"] for one in lab.fab.must("groups.list", "--json").document["groups"]]
        lab.fab.must("groups.restore", gone["snapshot"], "--yes")
        assert _committed(lab, name) == [RECORDS, RECORDS]
        lab.fab.must("groups.delete", name, "--yes")
        assert not Path(gone["snapshot"]).stat().st_mode & 0o077


@contextmanager
def reading(lab: Lab) -> Iterator[None]:
    """Have a group with a member that has read a topic to its end, for the length of the block."""
    with topic_of_one(lab) as topic:
        name = f'panels "{topic}"'
        with _member(lab, topic, name, "classic"):
            yield
        _left(lab, name)
        lab.fab.must("groups.delete", name, "--yes")


def check_what_kafka_answers(lab: Lab) -> None:
    """The traps of a reset: a commit beyond the end is taken, a late time has no offset, a member refuses every partition."""
    with topic_of_one(lab) as topic, closing(KafkaGroups()) as groups:
        view = _metadata(lab.cluster)
        ats = [(topic, 0), (topic, 1)]
        assert groups.ends(view, ats) == dict.fromkeys(ats, Ends(0, RECORDS, RECORDS))
        later = datetime.now(timezone.utc) + timedelta(days=1)
        assert groups.since(view, ats, later) == dict.fromkeys(ats, None)
        assert groups.since(view, ats, later - timedelta(days=2)) == dict.fromkeys(ats, 0)
        missing = groups.ends(view, [(topic, 9)])
        assert missing == {(topic, 9): Unknown("there is no such partition")}
        name = f"traps-{topic}"
        with _member(lab, topic, name, "classic"):
            busy = next(one for one in groups.list(view).groups if one.name == name)
            told = groups.commit(view, busy, dict.fromkeys(ats, Commit(3)))
            assert told == dict.fromkeys(ats, "UnknownMemberIdError")
        _left(lab, name)
        wanted = {ats[0]: Commit(10**9, -1, "beyond"), ats[1]: Commit(0)}
        before = dict(wanted)
        assert groups.commit(view, busy, wanted) == {}
        found = groups.describe(view, [busy])[name]
        assert isinstance(found, Group)
        assert (found.committed, wanted) == (before, before)
        assert coordinator(view, name) == busy.coordinator
        assert groups.delete(view, busy) is None
        assert groups.delete(view, Listed("never-there", CLASSIC, None, busy.coordinator)) in (
            None,
            "NotCoordinatorError",
        )


def check_markers_are_no_records(lab: Lab) -> None:
    """A group at the marker of a transaction has nothing to read: no age, and no error."""
    with topic_of_one(lab) as topic:
        producer = Producer({"bootstrap.servers": _bootstrap(lab.cluster), "transactional.id": topic})
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        producer.produce(topic, b"x", partition=0)
        producer.commit_transaction(PATIENCE)
        words = ("--to", str(RECORDS + 1), "--topics", f"{topic}:0", "--new", "--yes")
        lab.fab.must("groups.reset", f"marker-{topic}", *words)
        (group,) = _described(lab, f"marker-{topic}")
        (place,) = group["partitions"]
        assert (place["end"], place["lag"], place["behind_seconds"], place["unknown"]) == (
            RECORDS + 2,
            1,
            None,
            None,
        )
        lab.fab.must("groups.delete", f"marker-{topic}", "--yes")


def _described(lab: Lab, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.fab.must("groups.describe", name, "--json").document["groups"]
    return found


def _committed(lab: Lab, name: str) -> list[int]:
    (group,) = _described(lab, name)
    return [one["committed"] for one in group["partitions"]]


def _metadata(cluster: Cluster) -> Metadata:
    with closing(ClientsAdmin([node.endpoint for node in cluster.brokers])) as admin:
        view = admin.metadata()
    assert isinstance(view, Metadata), view
    return view


def _bootstrap(cluster: Cluster) -> str:
    return ",".join(str(node.endpoint) for node in cluster.brokers)


@contextmanager
def topic_of_one(lab: Lab) -> Iterator[str]:
    """Have a topic of two partitions with one replica and records in each, for the length of the block."""
    name = f"groups-{secrets.token_hex(4)}"
    # Kafka 2.4 holds a topic of one replica to the brokers' min.insync.replicas.
    one = ("--replication-factor", "1", "--config", "min.insync.replicas=1")
    lab.fab.must("topics.create", name, "--partitions", "2", *one)
    try:
        producer = Producer({"bootstrap.servers": _bootstrap(lab.cluster), "acks": "all"})
        for number in range(2 * RECORDS):
            producer.produce(name, b"x", partition=number % 2)
        assert producer.flush(PATIENCE) == 0
        yield name
    finally:
        lab.fab("topics.delete", name, "--yes")


@contextmanager
def _member(lab: Lab, topic: str, group: str, protocol: str) -> Iterator[None]:
    """Let a member of the group read all records and commit; it stays for the length of the block."""
    settings = {
        "bootstrap.servers": _bootstrap(lab.cluster),
        "group.id": group,
        "client.id": "checker",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings | ({"group.protocol": protocol} if protocol != "classic" else {}))
    try:
        consumer.subscribe([topic])
        last: dict[int, int] = {}
        deadline = time.monotonic() + PATIENCE
        while last != {0: RECORDS - 1, 1: RECORDS - 1}:
            assert time.monotonic() < deadline, f"read up to {last}"
            record = consumer.poll(0.5)
            if record is not None and record.error() is None:
                last[int(record.partition() or 0)] = int(record.offset() or 0)
        consumer.commit(asynchronous=False)
        yield
    finally:
        consumer.close()


def _left(lab: Lab, name: str) -> None:
    """Wait until the coordinator has taken the member's leaving in."""
    deadline = time.monotonic() + PATIENCE
    while (state := _described(lab, name)[0]["state"]) != "Empty":
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
