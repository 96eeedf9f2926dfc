"""Everything kafab warns of: what works and is regretted later. Each caution has a code, by which an inventory accepts it.

A warning is no error: Kafka takes the file. `accept:` in the inventory silences one by its code, with a reason.
"""

from enum import Enum
from typing import NamedTuple


class Caution(str, Enum):
    """The code of one kind of warning, as a person writes it under ``accept:``."""

    ACL_WITHOUT_SUPER_USERS = "acl-without-super-users"
    ADVERTISED_AT_LOOPBACK = "advertised-at-loopback"
    ADVERTISED_ELSEWHERE = "advertised-elsewhere"
    AUTOPURGE_OFF = "autopurge-off"
    BOUND_TO_LOOPBACK = "bound-to-loopback"
    CLEANER_OFF = "cleaner-off"
    CONTROLLED_SHUTDOWN_OFF = "controlled-shutdown-off"
    EVEN_VOTERS = "even-voters"
    FORCE_SYNC_OFF = "force-sync-off"
    HEAP_ABOVE_32G = "heap-above-32g"
    HEAP_ABOVE_HALF = "heap-above-half"
    HOST_WITHOUT_NODE = "host-without-node"
    JMX_WITHOUT_LOGIN = "jmx-without-login"
    LIMITS_APART = "limits-apart"
    NO_SPARE_REPLICA = "no-spare-replica"
    ONE_REPLICA = "one-replica"
    SASL_WITHOUT_LOGIN = "sasl-without-login"
    TLS_WITHOUT_KEY = "tls-without-key"
    UNCLEAN_ELECTION = "unclean-election"
    UNKNOWN_PROPERTY = "unknown-property"
    UNKNOWN_VERSION = "unknown-version"
    UNKNOWN_ZOOKEEPER_PROPERTY = "unknown-zookeeper-property"
    WITHOUT_EFFECT = "without-effect"

    def __str__(self) -> str:
        return self.value


class Regret(NamedTuple):
    """What a caution says, and where that is written down."""

    meaning: str
    source: str


REGRETS: dict[Caution, Regret] = {
    Caution.ACL_WITHOUT_SUPER_USERS: Regret(
        "an authorizer without super.users: brokers themselves are allowed nothing",
        "Kafka's documentation, Authorization and ACLs",
    ),
    Caution.ADVERTISED_AT_LOOPBACK: Regret(
        "several machines, and clients of one are told a loopback address: they look for it on their own",
        "Kafka's documentation of advertised.listeners",
    ),
    Caution.ADVERTISED_ELSEWHERE: Regret(
        "a listener advertises a port that another listener has, or one that nobody has at the address it binds",
        "Kafka's documentation of listeners and advertised.listeners",
    ),
    Caution.AUTOPURGE_OFF: Regret(
        "ZooKeeper keeps every snapshot and log: its disk fills up",
        "ZooKeeper Administrator's Guide, Ongoing Data Directory Cleanup",
    ),
    Caution.BOUND_TO_LOOPBACK: Regret(
        "a port listens on loopback and is advertised elsewhere",
        "Kafka's documentation of listeners and advertised.listeners",
    ),
    Caution.CLEANER_OFF: Regret(
        "nothing is compacted: __consumer_offsets grows for ever, and its load takes longer after each restart",
        "Kafka's documentation of log.cleaner.enable",
    ),
    Caution.CONTROLLED_SHUTDOWN_OFF: Regret(
        "a stop leaves partitions without a leader until its session ends",
        "Kafka's documentation, Graceful shutdown",
    ),
    Caution.EVEN_VOTERS: Regret(
        "an even number of voters survives no more losses than one voter less",
        "ZooKeeper Administrator's Guide, Clustered Setup; Kafka's documentation, KRaft, Controllers",
    ),
    Caution.FORCE_SYNC_OFF: Regret(
        "ZooKeeper acknowledges what is not on disk: a loss of power loses it",
        "ZooKeeper Administrator's Guide, Unsafe Options, forceSync",
    ),
    Caution.HEAP_ABOVE_32G: Regret(
        "from 32 GB on Java's references take 8 bytes instead of 4: less fits than into 31 GB",
        "Java HotSpot Virtual Machine Performance Enhancements, Compressed Oops",
    ),
    Caution.HEAP_ABOVE_HALF: Regret(
        "heaps above half of a machine's memory: little is left for the page cache (told by preflight)",
        "Kafka's documentation, Hardware and OS",
    ),
    Caution.HOST_WITHOUT_NODE: Regret("a host has no node", "kafab"),
    Caution.JMX_WITHOUT_LOGIN: Regret(
        "JMX asks for no login, and reaches further than the machine itself: it can run code",
        "Java Monitoring and Management Guide, Disabling Security; Kafka's documentation, Monitoring",
    ),
    Caution.LIMITS_APART: Regret(
        "two limits do not go together, such as message.max.bytes above replica.fetch.max.bytes",
        "Kafka's documentation of both properties; KafkaConfig.validateValues where Kafka only logs it",
    ),
    Caution.NO_SPARE_REPLICA: Regret(
        "as many replicas must be in sync as there are: no write with acks=all while a broker restarts",
        "Kafka's documentation of min.insync.replicas",
    ),
    Caution.ONE_REPLICA: Regret(
        "a topic of one replica on several brokers: it is gone with its broker, and offline while that restarts",
        "Kafka's documentation of offsets.topic.replication.factor; its quick start has one broker",
    ),
    Caution.SASL_WITHOUT_LOGIN: Regret(
        "a SASL listener whose login is not in the file: without one the broker ends at its start",
        "Kafka's documentation, JAAS configuration for Kafka brokers",
    ),
    Caution.TLS_WITHOUT_KEY: Regret(
        "a TLS listener without a key of its own: nobody can connect",
        "Kafka's documentation, Configuring Kafka Brokers",
    ),
    Caution.UNCLEAN_ELECTION: Regret(
        "a replica that is behind may become leader: acknowledged records are lost",
        "Kafka's documentation, Unclean leader election",
    ),
    Caution.UNKNOWN_PROPERTY: Regret(
        "a property that no Kafka knows, and a plug-in may read", "Kafka's own ConfigDef"
    ),
    Caution.UNKNOWN_VERSION: Regret(
        "a version whose properties kafab does not know", "Kafka's own ConfigDef"
    ),
    Caution.UNKNOWN_ZOOKEEPER_PROPERTY: Regret(
        "ZooKeeper takes a key that it does not know for a Java system property, and goes on with its default",
        "ZooKeeper Administrator's Guide, Configuration Parameters; QuorumPeerConfig.parseProperties",
    ),
    Caution.WITHOUT_EFFECT: Regret(
        "a key or property that changes nothing here", "Kafka's documentation of that property"
    ),
}


def of_hosts(caution: Caution) -> bool:
    """Tell whether only the hosts can show it, so that the inventory alone never warns of it."""
    return caution is Caution.HEAP_ABOVE_HALF
