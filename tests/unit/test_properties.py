"""The properties of a node are complete, safe and in order, and their file reads back as Java reads it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kafab.config.defaults import replication
from kafab.config.properties import (
    RESERVED_BROKER,
    RESERVED_ZOOKEEPER,
    broker_properties,
    format_properties,
    parse_properties,
    zookeeper_properties,
)
from kafab.inventory import load
from kafab.model import Cluster, Host, Node, Version

EXAMPLES = Path(__file__).resolve().parents[2] / "inventory" / "examples"
TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=30)


def _example(name: str) -> Cluster:
    return load(EXAMPLES / f"{name}.yaml")[0]


def _at(cluster: Cluster, address: str) -> Cluster:
    """Return the cluster with every host at one address."""

    def moved(host: Host) -> Host:
        return replace(host, address=address)

    def told(node: Node) -> Node:
        own = tuple(replace(listener, advertised=address) for listener in node.listeners)
        return replace(node, host=moved(node.host), listeners=own)

    return replace(cluster, hosts=tuple(map(moved, cluster.hosts)), nodes=tuple(map(told, cluster.nodes)))


def test_broker_of_three() -> None:
    """A broker's file has identity, listeners, storage, ZooKeeper and the safe defaults, in this order."""
    cluster = _example("three")
    assert list(broker_properties(cluster, cluster.brokers[1]).items()) == [
        ("broker.id", "2"),
        ("broker.id.generation.enable", "false"),
        ("listeners", "PLAINTEXT://:9092"),
        ("advertised.listeners", "PLAINTEXT://10.0.0.12:9092"),
        ("log.dirs", "/var/lib/kafka/broker"),
        ("zookeeper.connect", "10.0.0.11:2181,10.0.0.12:2181,10.0.0.13:2181/kafka"),
        ("default.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("offsets.topic.replication.factor", "3"),
        ("transaction.state.log.replication.factor", "3"),
        ("transaction.state.log.min.isr", "2"),
        ("unclean.leader.election.enable", "false"),
        ("auto.create.topics.enable", "false"),
        ("delete.topic.enable", "true"),
    ]


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)])
def test_replication_of_internal_topics(brokers: int, replicas: int, in_sync: int) -> None:
    """No internal topic asks for more replicas than there are brokers, that of share groups no more than the others."""
    found = replication(Version(4, 3, 1), brokers)
    assert {value for name, value in found.items() if name.endswith("replication.factor")} == {replicas}
    assert {value for name, value in found.items() if not name.endswith("replication.factor")} == {in_sync}
    assert len(found) == 7


def test_older_kafka_has_no_topic_of_share_groups() -> None:
    """Before 4.0 the properties of share groups are unknown, and none is written."""
    assert not any(name.startswith("share.") for name in replication(Version(3, 9, 2), 1))


def test_zookeeper_of_three() -> None:
    """A server's file has its folder, its port, the whole ensemble and the defaults, in this order."""
    cluster = _example("three")
    assert list(zookeeper_properties(cluster, cluster.zookeepers[0]).items()) == [
        ("dataDir", "/var/lib/kafka/zookeeper"),
        ("clientPort", "2181"),
        ("server.1", "10.0.0.11:2888:3888"),
        ("server.2", "10.0.0.12:2888:3888"),
        ("server.3", "10.0.0.13:2888:3888"),
        ("tickTime", "2000"),
        ("initLimit", "10"),
        ("syncLimit", "5"),
        ("4lw.commands.whitelist", "srvr,ruok,mntr"),
        ("admin.enableServer", "false"),
        ("autopurge.snapRetainCount", "3"),
        ("autopurge.purgeInterval", "24"),
    ]


def test_single_host() -> None:
    """One broker asks for one replica, and a single ZooKeeper server has no server line."""
    cluster = _example("one")
    broker = broker_properties(cluster, cluster.brokers[0])
    assert (broker["default.replication.factor"], broker["min.insync.replicas"]) == ("1", "1")
    assert not [
        key for key in zookeeper_properties(cluster, cluster.zookeepers[0]) if key.startswith("server.")
    ]


def test_two_brokers_require_no_second_replica() -> None:
    """With two brokers the loss of one must not stop every acks=all write."""
    cluster = _example("three")
    two = replace(cluster, nodes=cluster.zookeepers + cluster.brokers[:2])
    found = broker_properties(two, two.brokers[0])
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("2", "1")


def test_racks_disks_and_own_properties() -> None:
    """Rack and data folders come from the host and the node; the user's properties win over the defaults."""
    cluster = _example("six")
    node = replace(cluster.brokers[5], properties={"min.insync.replicas": "1", "num.io.threads": "16"})
    found = broker_properties(cluster, node)
    assert (found["broker.rack"], found["log.dirs"]) == ("c", "/data1/kafka,/data2/kafka")
    assert (found["min.insync.replicas"], found["num.io.threads"]) == ("1", "16")


@pytest.mark.parametrize(
    ("address", "listeners", "client_port_address"),
    [
        ("127.0.0.1", "PLAINTEXT://127.0.0.1:9092", "127.0.0.1"),
        ("localhost", "PLAINTEXT://localhost:9092", "localhost"),
        ("::1", "PLAINTEXT://[::1]:9092", "::1"),
        ("10.0.0.1", "PLAINTEXT://:9092", None),
        ("2001:db8::1", "PLAINTEXT://:9092", None),
        ("kafka1.example.org", "PLAINTEXT://:9092", None),
    ],
)
def test_loopback_stays_on_loopback(address: str, listeners: str, client_port_address: str | None) -> None:
    """A node that is reached at a loopback address listens there only."""
    cluster = _at(_example("three"), address)
    assert broker_properties(cluster, cluster.brokers[0])["listeners"] == listeners
    zookeeper = zookeeper_properties(cluster, cluster.zookeepers[0])
    assert zookeeper.get("clientPortAddress") == client_port_address


def test_ipv6_servers_are_in_brackets() -> None:
    """An IPv6 address has brackets in server.N, as its colons would end it."""
    cluster = _at(_example("three"), "2001:db8::1")
    assert zookeeper_properties(cluster, cluster.zookeepers[0])["server.1"] == "[2001:db8::1]:2888:3888"


def test_what_kafab_sets_is_reserved_or_a_default() -> None:
    """Every property that an address, an id or a path of the inventory decides cannot be set beside it."""
    cluster = _example("six")
    broker, zookeeper = cluster.brokers[0], cluster.zookeepers[0]
    decided = {key for key, value in broker_properties(cluster, broker).items() if not value.isalnum()}
    assert decided <= RESERVED_BROKER.keys()
    assert {"dataDir", "clientPort", "clientPortAddress"} <= RESERVED_ZOOKEEPER.keys()
    assert zookeeper_properties(cluster, zookeeper)["maxClientCnxns"] == "200"


@given(some.dictionaries(TEXTS, TEXTS))
def test_written_properties_read_back(mapping: Mapping[str, str]) -> None:
    """Whatever is written is read back the same."""
    assert parse_properties(format_properties(mapping)) == mapping


@given(some.dictionaries(TEXTS, TEXTS))
def test_written_properties_are_ascii_lines(mapping: Mapping[str, str]) -> None:
    """A file has one printable ASCII line a property: nothing a value holds begins a line of its own."""
    text = format_properties(mapping)
    assert text.count("\n") == len(mapping)
    assert all(" " <= letter <= "~" or letter == "\n" for letter in text)


def test_readable_values_stay_as_they_are() -> None:
    """Values look as in Kafka's own documentation."""
    assert (
        format_properties({"zookeeper.connect": "a:2181,b:2181/kafka"})
        == "zookeeper.connect=a:2181,b:2181/kafka\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("  a : b  ", {"a": "b  "}),
        ("a b=c", {"a": "b=c"}),
        ("a", {"a": ""}),
        ("=b", {"": "b"}),
        ("# a=b\n ! c=d\n\n", {}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1,\\\n   2,\\\r\n   3", {"a": "1,2,3"}),
        ("a=1\\\n# 2", {"a": "1# 2"}),
        ("# no \\\na=1", {"a": "1"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a\\=b\\:\\ c=d", {"a=b: c": "d"}),
        ("a=\\t\\n\\q\\u00e9\\uD83D\\uDE00", {"a": "\t\nqé😀"}),
        ("a=#b!c", {"a": "#b!c"}),
        ("\\", {"": ""}),
        ("a=b\\", {"a": "b"}),
    ],
)
def test_properties_are_read_as_java_does(text: str, expected: dict[str, str]) -> None:
    """Comments, continuations, separators and escapes follow java.util.Properties.load (checked against Java 17)."""
    assert parse_properties(text) == expected


def test_malformed_escape_is_refused() -> None:
    """A backslash-u without four digits is an error in Java and here."""
    with pytest.raises(ValueError, match="four hexadecimal digits"):
        parse_properties("a=\\u12")
