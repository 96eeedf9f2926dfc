"""Which of Kafka's command line tools is told where its cluster is, and by which option: a table, and a pure function of it.

The options are those of the tools' own classes (KIP-499 gave all of them one name, KIP-919 brought the controllers' one).
A tool that is not in the table gets nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafab.config.render import MAIN_FILE
from kafab.config.security import TOOL_PROPERTIES, of_tools
from kafab.model import Cluster, Node, Role, Version

BROKERS = "--bootstrap-server"
CONTROLLERS = "--bootstrap-controller"
OLD_BROKERS = "--broker-list"
ZOOKEEPER = "--zookeeper"
CONFIG, PRODUCER, CONSUMER = "--command-config", "--producer.config", "--consumer.config"
TLS_OF_SHELL = "-zk-tls-config-file"
"""zookeeper-shell's, since 2.5 (KIP-515). It reads the broker's own properties."""
FIRST_BOOTSTRAP = Version(3, 0, 0)
"""From here on no tool needs its older option; before, each that has it takes it."""
SHELL = "zookeeper-shell"
STORAGE = "kafka-storage"


@dataclass(frozen=True)
class Takes:
    """How a tool is told where the brokers are."""

    option: str = BROKERS
    older: str = ""
    """The option of versions before ``FIRST_BOOTSTRAP``, where it is another."""
    config: str = CONFIG
    """The option of a file with the login's properties; empty where it has none."""
    controllers: bool = False
    """It can ask controllers, and on an isolated one it does."""
    subcommand: bool = False
    """The option belongs to the subcommand, and stands behind it."""

    def given(self, words: Sequence[str]) -> bool:
        """Tell whether the words name an address already."""
        options = {BROKERS, CONTROLLERS, ZOOKEEPER, self.option, self.older}
        return any(word.partition("=")[0] in options for word in words)


TAKES: Mapping[str, Takes] = {
    "kafka-acls": Takes(),
    "kafka-broker-api-versions": Takes(),
    "kafka-client-metrics": Takes(),
    "kafka-cluster": Takes(config="--config", subcommand=True),
    "kafka-configs": Takes(),
    "kafka-console-consumer": Takes(config=CONSUMER),
    "kafka-console-producer": Takes(older=OLD_BROKERS, config=PRODUCER),
    "kafka-console-share-consumer": Takes(config="--consumer-config"),
    "kafka-consumer-groups": Takes(),
    "kafka-consumer-perf-test": Takes(older=OLD_BROKERS, config=CONSUMER),
    "kafka-delegation-tokens": Takes(),
    "kafka-delete-records": Takes(),
    "kafka-features": Takes(controllers=True),
    "kafka-get-offsets": Takes(older=OLD_BROKERS),
    "kafka-groups": Takes(),
    "kafka-leader-election": Takes(config="--admin.config"),
    "kafka-log-dirs": Takes(),
    "kafka-metadata-quorum": Takes(controllers=True),
    "kafka-reassign-partitions": Takes(),
    "kafka-replica-verification": Takes(OLD_BROKERS, config=""),
    "kafka-share-groups": Takes(),
    "kafka-streams-groups": Takes(),
    "kafka-topics": Takes(),
    "kafka-transactions": Takes(),
    "kafka-verifiable-consumer": Takes(older=OLD_BROKERS, config=CONSUMER),
    "kafka-verifiable-producer": Takes(older=OLD_BROKERS, config=PRODUCER),
}
"""Script without its ``.sh`` -> how it is told where the brokers are."""
CONFIGURED = ("format", "info")
"""Subcommands of kafka-storage that read the node's configuration."""


def filled(cluster: Cluster, node: Node, script: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return the words for a tool on a node, with the addresses that it takes where none was given.

    Without any word a tool explains itself, and none is added.
    """
    tool, given = script.removesuffix(".sh"), tuple(words)
    if not given:
        return given
    if tool == SHELL:
        return _shell(cluster, node, given)
    if tool == STORAGE:
        return _configured(node, given)
    takes = TAKES.get(tool)
    if takes is None or takes.given(given):
        return given
    if takes.controllers and node.role is Role.CONTROLLER:
        added: tuple[str, ...] = (CONTROLLERS, str(node.controller_endpoint))
    else:
        option = takes.older if takes.older and cluster.version < FIRST_BOOTSTRAP else takes.option
        added = (option, cluster.bootstrap)
    if takes.config and of_tools(cluster, node) and not _has(given, takes.config):
        added = (*added, takes.config, str(node.config / TOOL_PROPERTIES))
    return (*given, *added) if takes.subcommand else (*added, *given)


def _shell(cluster: Cluster, node: Node, given: tuple[str, ...]) -> tuple[str, ...]:
    if ":" in given[0] or not cluster.zookeepers:
        return given
    encrypted = cluster.zookeeper_protocol.tls and node.role is Role.BROKER and not _has(given, TLS_OF_SHELL)
    tls = (TLS_OF_SHELL, str(node.config / MAIN_FILE[node.role])) if encrypted else ()
    return (cluster.zookeeper_connect, *tls, *given)


def _has(words: Sequence[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in words)


def _configured(node: Node, words: tuple[str, ...]) -> tuple[str, ...]:
    has = any(word.partition("=")[0] in ("-c", "--config") for word in words)
    if has or words[0] not in CONFIGURED or node.role is Role.ZOOKEEPER:
        return words
    return (*words, "--config", str(node.config / MAIN_FILE[node.role]))
