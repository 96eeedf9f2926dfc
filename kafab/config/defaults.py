"""What kafab decides where the inventory says nothing, and the properties it always decides itself."""

import re
from collections.abc import Mapping

from kafab.errors import UsageError
from kafab.model import Mode, Role, Version

OLDEST = Version(2, 4, 1)
FIRST_WITHOUT_ZOOKEEPER = Version(4, 0, 0)
NEWEST_MAJOR = 4
FIRST_SHARE_GROUPS = Version(4, 0, 0)
"""The first with share groups and the topic of their state (KIP-932)."""
FIRST_KRAFT = Version(3, 9, 0)
"""The oldest version kafab runs in KRaft mode, and the first with a dynamic quorum (KIP-853)."""
NEW_CLUSTER: Mapping[Mode, Version] = {Mode.ZOOKEEPER: Version(3, 9, 2), Mode.KRAFT: Version(4, 3, 1)}
"""The version of a new cluster where nobody asks for another: tested, and no first release of its line; see docs/versions.md."""

SERVICE_USER = "kafka"

MIN_IN_SYNC: Mapping[str, str] = {
    "min.insync.replicas": "default.replication.factor",
    "transaction.state.log.min.isr": "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.min.isr": "share.coordinator.state.topic.replication.factor",
}
"""How many replicas of a topic must be in sync -> how many it has."""
_REPLICATION = (
    "default.replication.factor",
    "min.insync.replicas",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
)

# Kafka's own production flags, KAFKA_JVM_PERFORMANCE_OPTS of bin/kafka-run-class.sh.
PRODUCTION_JVM = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)


def new_version(mode: Mode, wanted: Version | None) -> Version:
    """Return the version of a new cluster. Raises UsageError for one that does not have this mode."""
    version = wanted or NEW_CLUSTER[mode]
    if mode is Mode.ZOOKEEPER and version >= FIRST_WITHOUT_ZOOKEEPER:
        raise UsageError(
            f"found Kafka {version} with --mode zookeeper, which it has no more",
            hint=f"leave --mode out, or choose a --version before {FIRST_WITHOUT_ZOOKEEPER}",
        )
    if mode is Mode.KRAFT and version < FIRST_KRAFT:
        raise UsageError(
            f"found Kafka {version} with --mode kraft; expected {FIRST_KRAFT} or newer",
            hint="`--mode zookeeper` is for older versions",
        )
    return version


FOUR_LETTER_WORDS = ("srvr", "ruok", "mntr")
"""What status and verify ask of a ZooKeeper server; each has to be in 4lw.commands.whitelist."""

_CONTROLLER_LISTENER = "kafab names the controllers' listener; use port: and bind: of controller:"

RESERVED_BROKER: Mapping[str, str] = {
    "broker.id": "give the id in hosts: as `broker: 1`",
    "broker.id.generation.enable": "every broker's id is in hosts:",
    "reserved.broker.max.id": "every broker's id is in hosts:",
    "node.id": "give the id in hosts: as `broker: 1` or `controller: 1`",
    "process.roles": "the roles of a process are in hosts:",
    "controller.quorum.voters": "the voters follow from the controllers in hosts:; use kraft.quorum for the kind of quorum",
    "controller.quorum.bootstrap.servers": "the servers follow from the controllers in hosts:",
    "controller.listener.names": _CONTROLLER_LISTENER,
    "metadata.log.dir": "the first folder of data: has the metadata log",
    "zookeeper.connect": "it follows from the zookeeper nodes and zookeeper.chroot",
    "listeners": "use port: and bind: of kafka:, or listeners: of kafka: for several",
    "advertised.listeners": "use advertised: and port: of the broker, or listeners: of the host or the broker",
    "host.name": "use bind: of kafka:, of the host or of the broker",
    "port": "use port: of kafka: or of the broker",
    "advertised.host.name": "use advertised: of the broker",
    "advertised.port": "use port: of the broker",
    "listener.security.protocol.map": "use protocol: of each of kafka.listeners and of controller:",
    "inter.broker.listener.name": "mark one of kafka.listeners with `use: brokers`",
    "security.inter.broker.protocol": "mark one of kafka.listeners with `use: brokers`, and give it a protocol:",
    "control.plane.listener.name": "kafab has no listener for the controller's traffic alone",
    "log.dir": "use data: of the broker or paths.data",
    "log.dirs": "use data: of the broker or paths.data",
    "broker.rack": "use rack: of the host",
}
"""Properties of server.properties that kafab sets itself, each with what to write instead."""

RESERVED_ZOOKEEPER: Mapping[str, str] = {
    "clientPort": "use port: of zookeeper: or of the node",
    "clientPortAddress": "use bind: of zookeeper:, of the host or of the node",
    "secureClientPort": "use protocol: SSL and port: of zookeeper:",
    "secureClientPortAddress": "use bind: of zookeeper:, of the host or of the node",
    "dataDir": "use data: of the node or paths.data",
    "dynamicConfigFile": "the servers follow from hosts:",
    # With it ZooKeeper rewrites zoo.cfg on the host, and every later deploy would take that for an edit by hand.
    "reconfigEnabled": "the servers follow from hosts:",
}
"""Properties of zoo.cfg that kafab sets itself, each with what to write instead; also every server.N."""

_ZOOKEEPER_SERVERS = re.compile(r"(server|group|weight)\.\d+")


def reserved(role: Role, name: str) -> str | None:
    """Return what to write instead of a property that kafab sets itself, or None if the property is the user's."""
    if role is not Role.ZOOKEEPER:
        return RESERVED_BROKER.get(name)
    if _ZOOKEEPER_SERVERS.fullmatch(name):
        return "the servers follow from hosts:"
    return RESERVED_ZOOKEEPER.get(name)


def replication(version: Version, brokers: int) -> dict[str, int]:
    """Return kafab's replication of new and internal topics: three replicas, or as many as there are brokers.

    Two of three must be in sync; below three brokers a second one must not be required. Kafka's own defaults are the
    same for internal topics, and none can be made where there are fewer brokers.
    """
    replicas, in_sync = min(3, brokers), 2 if brokers >= 3 else 1
    return {
        name: in_sync if name in MIN_IN_SYNC else replicas
        for name in _REPLICATION
        if version >= FIRST_SHARE_GROUPS or not name.startswith("share.")
    }
