"""What a cluster holds before and after an upgrade: what must not change, what only grows, what somebody may have changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.cluster.metadata import TopicSpec
from kafab.model import Version
from kafab.ops.upgrade.comparing import holdings
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from kafab.upgrading.holdings import Compared, Holdings, compare
from tests.conftest import cluster_in

AT = ("orders", 0)
BEFORE = Holdings(
    cluster_id={"cluster id": "a"},
    topics={"orders": "id-1", "kafab-canary-00000000-0000": "id-2"},
    configs={"orders: retention.ms": "7"},
    dynamic={"node1/broker": {"log.cleaner.threads": "2"}, "node2/broker": Unknown("connection refused")},
    acls={"anna may read orders": "there"},
    users={"anna (SCRAM-SHA-512)": "4096"},
    quotas={"producer_byte_rate of user anna": "1.0"},
    committed={("readers", AT): 5},
    ends={AT: 9},
)


def found(after: Holdings) -> dict[str, Compared]:
    """Return what differs, by its kind."""
    return {one.what: one for one in compare(BEFORE, after) if one.changed or one.unknown}


def test_what_is_the_same_is_counted() -> None:
    """Topics of kafab's own come and go, and are left out; what has grown is no difference."""
    later = replace(
        BEFORE,
        topics={"orders": "id-1", "new": "id-3"},
        configs={**BEFORE.configs, "new: retention.ms": "8"},  # type: ignore[dict-item]
        committed={("readers", AT): 8},
        ends={AT: 9, ("new", 0): 1},
    )
    assert found(later) == {}
    assert {one.what: one.count for one in compare(BEFORE, later)}["topics"] == 1


@pytest.mark.parametrize(
    ("later", "what", "changed", "lost"),
    [
        ({"cluster_id": {"cluster id": "b"}}, "cluster id", "cluster id", True),
        ({"topics": {"orders": "id-9"}}, "topics", "orders", True),
        ({"topics": {}}, "topics", "orders", True),
        ({"configs": {}}, "configs of topics", "orders: retention.ms", False),
        ({"dynamic": {"node1/broker": {}}}, "dynamic values", "node1/broker: log.cleaner.threads", False),
        ({"acls": {**BEFORE.acls, "bob may read orders": "there"}}, "ACLs", "bob may read orders", False),  # type: ignore[dict-item]
        ({"users": {"anna (SCRAM-SHA-512)": "8192"}}, "SCRAM users", "anna (SCRAM-SHA-512)", False),
        ({"quotas": {}}, "quotas", "producer_byte_rate of user anna", False),
        ({"committed": {("readers", AT): 4}}, "committed offsets", "readers at orders-0 5 became 4", True),
        ({"committed": {}}, "committed offsets", "readers at orders-0 5 became none", True),
        ({"ends": {AT: 8}}, "ends of partitions", "orders-0 9 became 8", True),
    ],
)
def test_difference_is_told(later: dict[str, object], what: str, changed: str, lost: bool) -> None:
    """By its name, and whether it is one that nobody can have wanted."""
    told = found(replace(BEFORE, **later))  # type: ignore[arg-type]  # its fields by name
    assert (list(told), told[what].changed, told[what].lost) == ([what], (changed,), lost)


def test_what_was_not_read_is_not_the_same() -> None:
    """Unknown on either side is told with the reason."""
    told = found(replace(BEFORE, quotas=Unknown("nobody answers")))
    assert told["quotas"].text == "UNKNOWN: nobody answers"


@pytest.mark.parametrize("version", [Version(2, 4, 1), Version(3, 9, 2)])
def test_holdings_of_a_cluster(tmp_path: Path, version: Version) -> None:
    """Topics by id where Kafka has ids, else by their partitions; what a topic itself sets."""
    kafka = FakeKafka(replace(cluster_in(tmp_path, 3), version=version))
    world = FakeWorld.of(kafka)
    world.topics.create_topic(TopicSpec("orders", 2, 3, {"retention.ms": "7"}))
    seen = holdings(kafka.cluster, world)
    ids = {"orders": "id-1" if version >= Version(2, 8, 0) else "2 partitions"}
    assert (seen.topics, seen.configs) == (ids, {"orders: retention.ms": "7"})
    assert (seen.cluster_id, seen.acls) == ({"cluster id": kafka.cluster_id}, {})
    # No host is there to be asked for its log.
    assert isinstance(seen.complaints, Unknown)


def test_complaint_that_was_there_before_is_not_new() -> None:
    """Lines have their time, so each is there once; a new one is told with its node."""
    old, new = "node1/broker: [09:00] SchemaException", "node2/broker: [10:00] UnsupportedVersionException"
    before, after = (replace(BEFORE, complaints=frozenset(lines)) for lines in ([old], [old, new]))
    told = {one.what: one for one in compare(before, after) if one.changed}
    assert [(one.text, one.lost) for one in told.values()] == [
        ("1 new line: node2/broker: [10:00] UnsupportedVersionException", False)
    ]
