"""What each of Kafka's command line tools is given, as data."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.config.tools import TAKES, filled
from kafab.inventory import load
from kafab.model import Cluster, Version
from kafab.releases import launchers
from tests.conftest import cluster_in

HOW = """
3.9.2     broker      kafka-topics.sh --list                         -> --bootstrap-server BROKERS --list
3.9.2     zookeeper   kafka-topics.sh --list                         -> --bootstrap-server BROKERS --list
3.9.2     broker      kafka-topics.sh                                ->
3.9.2     broker      kafka-topics.sh --bootstrap-server x:1 --list  -> --bootstrap-server x:1 --list
3.9.2     broker      kafka-topics.sh --bootstrap-server=x:1 --list  -> --bootstrap-server=x:1 --list
2.4.1     broker      kafka-topics.sh --zookeeper x:1 --list         -> --zookeeper x:1 --list
2.4.1     broker      kafka-topics.sh --list                         -> --bootstrap-server BROKERS --list
3.9.2     broker      kafka-console-producer.sh --topic a            -> --bootstrap-server BROKERS --topic a
2.4.1     broker      kafka-console-producer.sh --topic a            -> --broker-list BROKERS --topic a
2.4.1     broker      kafka-console-producer.sh --broker-list x:1    -> --broker-list x:1
3.9.2     broker      kafka-log-dirs.sh --broker-list 1              -> --bootstrap-server BROKERS --broker-list 1
3.9.2     broker      kafka-replica-verification.sh --time -1        -> --broker-list BROKERS --time -1
3.9.2     broker      kafka-cluster.sh cluster-id                    -> cluster-id --bootstrap-server BROKERS
3.9.2     broker      kafka-dump-log.sh --files a                    -> --files a
3.9.2     broker      connect-distributed.sh a                       -> a
3.9.2     broker      zookeeper-shell.sh ls /                        -> SERVERS ls /
3.9.2     zookeeper   zookeeper-shell.sh x:2181 ls /                 -> x:2181 ls /
isolated  broker      zookeeper-shell.sh ls /                        -> ls /
isolated  broker      kafka-metadata-quorum.sh describe --status     -> --bootstrap-server BROKERS describe --status
isolated  controller  kafka-metadata-quorum.sh describe --status     -> --bootstrap-controller CONTROLLER describe --status
isolated  controller  kafka-features.sh describe                     -> --bootstrap-controller CONTROLLER describe
isolated  controller  kafka-features.sh --bootstrap-server x:1       -> --bootstrap-server x:1
isolated  controller  kafka-topics.sh --list                         -> --bootstrap-server BROKERS --list
combined  broker      kafka-metadata-quorum.sh describe              -> --bootstrap-server BROKERS describe
isolated  controller  kafka-storage.sh info                          -> info --config CONFIG
isolated  broker      kafka-storage.sh format -t x                   -> format -t x --config CONFIG
isolated  broker      kafka-storage.sh info -c other                 -> info -c other
isolated  broker      kafka-storage.sh random-uuid                   -> random-uuid
"""


def cluster_of(kind: str, root: Path) -> Cluster:
    """Return a cluster of two hosts: of a version in ZooKeeper mode, or of KRaft mode with such controllers."""
    if kind in ("isolated", "combined"):
        return cluster_in(root, 2, kind)
    return replace(cluster_in(root, 2), version=Version.parse(kind), chroot="/kafka")


@pytest.mark.parametrize("case", HOW.strip().splitlines())
def test_tool_is_given_what_it_takes(case: str, tmp_path: Path) -> None:
    """A tool gets the addresses that it takes and that were not given, and else the words as they are."""
    command, _, expected = case.partition("->")
    kind, role, script, *words = command.split()
    cluster = cluster_of(kind, tmp_path)
    node = next(node for node in cluster.nodes if node.role == role)
    values = {
        "BROKERS": cluster.bootstrap,
        "SERVERS": cluster.zookeeper_connect,
        "CONFIG": str(node.config / "server.properties"),
        "CONTROLLER": str(node.endpoint),
    }
    assert list(filled(cluster, node, script, words)) == [values.get(word, word) for word in expected.split()]


SECURE = """\
kafka:
  version: {version}
  listeners:
    INTERNAL: {{port: 9091, use: [brokers, operator], protocol: SSL}}
    CLIENTS: {{port: 9092, use: clients, protocol: SASL_SSL}}
{other}: {{protocol: SSL}}
hosts:
  node1: {{address: 10.0.0.11, {roles}}}
"""
LOGGED_IN = """
broker      kafka-topics.sh --list                      -> --bootstrap-server BROKERS --command-config TOOL --list
broker      kafka-topics.sh --list --command-config x   -> --bootstrap-server BROKERS --list --command-config x
broker      kafka-console-producer.sh --topic a         -> --bootstrap-server BROKERS --producer.config TOOL --topic a
broker      kafka-console-consumer.sh --topic a         -> --bootstrap-server BROKERS --consumer.config TOOL --topic a
broker      kafka-leader-election.sh --all              -> --bootstrap-server BROKERS --admin.config TOOL --all
broker      kafka-cluster.sh cluster-id                 -> cluster-id --bootstrap-server BROKERS --config TOOL
controller  kafka-metadata-quorum.sh describe           -> --bootstrap-controller CONTROLLER --command-config TOOL describe
"""


@pytest.mark.parametrize("case", LOGGED_IN.strip().splitlines())
def test_tool_logs_in_with_the_nodes_certificate(case: str, tmp_path: Path) -> None:
    """In a cluster with TLS a tool is told where the properties of its login are, by the option that it has for them."""
    command, _, expected = case.partition("->")
    role, script, *words = command.split()
    file = tmp_path / "prod.yaml"
    file.write_text(
        SECURE.format(
            version="4.3.1", other="controller", roles="controller: {id: 101, port: 9095}, broker: 1"
        )
    )
    cluster = load(file)[0]
    node = next(node for node in cluster.nodes if node.role == role)
    values = {
        "BROKERS": cluster.bootstrap,
        "TOOL": str(node.config / "tool.properties"),
        "CONTROLLER": str(node.endpoint),
    }
    assert list(filled(cluster, node, script, words)) == [values.get(word, word) for word in expected.split()]


def test_zookeeper_shell_reads_the_brokers_properties(tmp_path: Path) -> None:
    """Where ZooKeeper has TLS its shell on a broker's host reads that broker's own properties (KIP-515)."""
    file = tmp_path / "prod.yaml"
    file.write_text(SECURE.format(version="3.9.2", other="zookeeper", roles="zookeeper: 1, broker: 1"))
    cluster = load(file)[0]
    broker = cluster.brokers[0]
    found = filled(cluster, broker, "zookeeper-shell.sh", ["ls", "/"])
    own = str(broker.config / "server.properties")
    assert found == (cluster.zookeeper_connect, "-zk-tls-config-file", own, "ls", "/")


def test_zookeeper_shell_is_given_the_chroot(tmp_path: Path) -> None:
    """What is typed there is below the cluster's own path."""
    cluster = cluster_of("3.9.2", tmp_path)
    given = filled(cluster, cluster.zookeepers[0], "zookeeper-shell.sh", ["ls", "/"])
    assert given[0].endswith("/kafka")


def test_table_has_no_tool_that_never_was() -> None:
    """Each name is one of bin/ in some version."""
    assert set(TAKES) - set(launchers.CLASSES) == set()
