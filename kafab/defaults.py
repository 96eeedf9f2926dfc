"""What kafab decides where the inventory says nothing, and the properties it always decides itself."""

import re
from collections.abc import Mapping

from kafab.model import Role, Version

OLDEST = Version(2, 4, 1)
FIRST_WITHOUT_ZOOKEEPER = Version(4, 0, 0)

SERVICE_USER = "kafka"

# Kafka's own production flags, KAFKA_JVM_PERFORMANCE_OPTS of bin/kafka-run-class.sh.
PRODUCTION_JVM = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)

FOUR_LETTER_WORDS = ("srvr", "ruok", "mntr")
"""What status and verify ask of a ZooKeeper server; each has to be in 4lw.commands.whitelist."""

_LATER_SECURITY = "listeners with TLS or SASL come with a later version"

RESERVED_BROKER: Mapping[str, str] = {
    "broker.id": "give the id in hosts: as `broker: 1`",
    "broker.id.generation.enable": "every broker's id is in hosts:",
    "reserved.broker.max.id": "every broker's id is in hosts:",
    "node.id": "give the id in hosts: as `broker: 1`",
    "process.roles": "KRaft mode comes with a later version",
    "controller.quorum.voters": "KRaft mode comes with a later version",
    "controller.quorum.bootstrap.servers": "KRaft mode comes with a later version",
    "controller.listener.names": "KRaft mode comes with a later version",
    "zookeeper.connect": "it follows from the zookeeper nodes and zookeeper.chroot",
    "listeners": "use port: for the port and address: for the host",
    "advertised.listeners": "use advertised: and port: of the broker",
    "host.name": "use address: of the host",
    "port": "use port: of kafka: or of the broker",
    "advertised.host.name": "use advertised: of the broker",
    "advertised.port": "use port: of the broker",
    "listener.security.protocol.map": _LATER_SECURITY,
    "inter.broker.listener.name": _LATER_SECURITY,
    "security.inter.broker.protocol": _LATER_SECURITY,
    "control.plane.listener.name": _LATER_SECURITY,
    "log.dir": "use data: of the broker or paths.data",
    "log.dirs": "use data: of the broker or paths.data",
    "broker.rack": "use rack: of the host",
}
"""Properties of server.properties that kafab sets itself, each with what to write instead."""

RESERVED_ZOOKEEPER: Mapping[str, str] = {
    "clientPort": "use port: of zookeeper: or of the node",
    "clientPortAddress": "it follows from address: of the host",
    "secureClientPort": _LATER_SECURITY,
    "dataDir": "use data: of the node or paths.data",
    "dynamicConfigFile": "the servers follow from hosts:",
    # With it ZooKeeper rewrites zoo.cfg on the host, and every later deploy would take that for an edit by hand.
    "reconfigEnabled": "the servers follow from hosts:",
}
"""Properties of zoo.cfg that kafab sets itself, each with what to write instead; also every server.N."""

_ZOOKEEPER_SERVERS = re.compile(r"(server|group|weight)\.\d+")


def reserved(role: Role, name: str) -> str | None:
    """Return what to write instead of a property that kafab sets itself, or None if the property is the user's."""
    if role is Role.BROKER:
        return RESERVED_BROKER.get(name)
    if _ZOOKEEPER_SERVERS.fullmatch(name):
        return "the servers follow from hosts:"
    return RESERVED_ZOOKEEPER.get(name)


def replication_factor(brokers: int) -> int:
    """Return kafab's replication factor for new and internal topics: 3, or as many as there are brokers."""
    return min(3, brokers)


def min_insync_replicas(brokers: int) -> int:
    """Return kafab's min.insync.replicas: 2 of 3 replicas; below three brokers a second one must not be required."""
    return 2 if brokers >= 3 else 1
