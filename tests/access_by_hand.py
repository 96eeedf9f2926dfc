"""Real clusters with an authorizer and a listener with SASL, by hand: what the inventory's users, ACLs and quotas are held against.

kafab is the anonymous super user of the listener without SASL; applications log in at the other one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pytest

from kafab.access.values import Acl, Pattern, Permission
from kafab.adapters.kafka.access import KafkaAccess
from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.scram_logins import ScramLogins
from kafab.adapters.kafka.zookeeper import KazooEnsemble
from kafab.config.properties import broker_properties, format_properties
from kafab.errors import Failed
from kafab.listeners import Endpoint, Protocol
from kafab.login import Login
from kafab.model import Cluster, Node, Role, Version
from kafab.ports import Access, Logins
from kafab.testing.access import FakeAccess
from tests.kafka_by_hand import KafkaByHand, unpacked, until
from tests.kraft_by_hand import KraftByHand
from tests.ports import free_ports

_JAAS = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
VERSIONS = ("4.3.1", "3.9.2", "2.4.1")
AUTHORIZERS = {
    False: "kafka.security.authorizer.AclAuthorizer",
    True: "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
}


@dataclass(frozen=True)
class Guarded:
    """A cluster whose brokers ask for a name and a password at a second listener, and the ways to its access."""

    cluster: Cluster
    access: Access
    logins: Logins
    sasl: tuple[Endpoint, ...] = ()
    """The listeners with SASL; none of a fake."""


def _secured(
    properties: dict[str, str], node: Node, port: int, *, kraft: bool, authorizer: bool
) -> dict[str, str]:
    protocols = "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
    listeners = properties["listeners"]
    own = {
        **properties,
        "listeners": f"{listeners},SASL://127.0.0.1:{port}",
        "advertised.listeners": f"PLAINTEXT://{node.listeners[0].endpoint},SASL://127.0.0.1:{port}",
        "listener.security.protocol.map": protocols,
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl.scram-sha-256.sasl.jaas.config": _JAAS,
        "listener.name.sasl.scram-sha-512.sasl.jaas.config": _JAAS,
        "connection.failed.authentication.delay.ms": "0",
        "offsets.topic.num.partitions": "1",
    }
    if authorizer:
        own |= {"authorizer.class.name": AUTHORIZERS[kraft], "super.users": "User:ANONYMOUS"}
    return own


class GuardedKraft(KraftByHand):
    """Three combined processes."""

    def __init__(self, root: Path, libs: Path, version: Version, *, authorizer: bool = True) -> None:
        super().__init__(root, libs, version)
        self.authorizer = authorizer
        self.sasl = dict(zip((node.id for node in self.cluster.brokers), free_ports(3), strict=True))

    def _file(self, node: Node) -> Path:
        folder = self.root / node.name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "server.properties"
        made = dict(broker_properties(self.cluster, node))
        secured = _secured(made, node, self.sasl[node.id], kraft=True, authorizer=self.authorizer)
        file.write_text(format_properties(secured))
        return file


class GuardedZooKeeper(KafkaByHand):
    """A ZooKeeper server and a broker."""

    def __init__(self, root: Path, libs: Path, version: Version) -> None:
        super().__init__(root, libs, version)
        whole = self.cluster
        alone = [replace(node, quorum_port=None, election_port=None) for node in whole.on(whole.hosts[0])]
        self.cluster = replace(whole, hosts=whole.hosts[:1], nodes=tuple(alone))
        (self.sasl,) = free_ports(1)

    def _configured(self, node: Node, folder: Path) -> Path:
        file = super()._configured(node, folder)
        lines = [line for line in file.read_text().splitlines() if not line.startswith("server.")]
        if node.role is Role.BROKER:
            made = dict(line.split("=", 1) for line in lines)
            made |= {
                "default.replication.factor": "1",
                "min.insync.replicas": "1",
                "offsets.topic.replication.factor": "1",
            }
            secured = _secured(made, node, self.sasl, kraft=False, authorizer=True)
            secured["listener.security.protocol.map"] = "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT"
            lines = [f"{name}={value}" for name, value in secured.items()]
        file.write_text("\n".join(lines) + "\n")
        return file


Hand: TypeAlias = GuardedKraft | GuardedZooKeeper


@contextmanager
def guarded(version: Version, root: Path, *, authorizer: bool = True) -> Iterator[Hand]:
    """Run a cluster for the block, healthy when it begins; from 4.0 on in KRaft mode."""
    libs = unpacked(version, root)
    if version.major >= 4:
        with closing(GuardedKraft(root, libs, version, authorizer=authorizer)) as kraft:
            kraft.format(kraft.cluster.nodes)
            kraft.start(kraft.cluster.nodes)
            kraft.wait_until_healthy()
            kraft.quorum.close()
            yield kraft
        return
    with closing(GuardedZooKeeper(root, libs, version)) as zookeeper:
        zookeeper.start(zookeeper.cluster.nodes)
        with closing(ClientsAdmin([node.endpoint for node in zookeeper.cluster.brokers])) as admin:
            until(
                lambda: getattr(admin.metadata(), "controller", None) is not None, f"a controller in {root}"
            )
        yield zookeeper


@contextmanager
def asked(hand: Hand) -> Iterator[Guarded]:
    """Have clients of it for the block: no thread of theirs outlives it."""
    cluster = hand.cluster
    ports = hand.sasl.values() if isinstance(hand, GuardedKraft) else (hand.sasl,)
    at = tuple(Endpoint("127.0.0.1", port) for port in ports)
    endpoints = [node.endpoint for node in cluster.brokers]
    ensemble = KazooEnsemble([node.endpoint for node in cluster.zookeepers], cluster.chroot)
    with closing(ensemble), closing(KafkaAccess(endpoints, cluster.version, ensemble)) as access:
        yield Guarded(cluster, access, ScramLogins(dict.fromkeys(at, Login(Protocol.SASL_PLAINTEXT))), at)


def check_without_authorizer(cluster: Cluster, *, real: bool) -> None:
    """Hold brokers without an authorizer: there are no ACLs, which is not the same as none; to add one is refused, quotas are there."""
    acl = Acl("Topic", "t", Pattern.LITERAL, "User:a", "*", "Read", Permission.ALLOW)
    endpoints = [node.endpoint for node in cluster.brokers]
    with ExitStack() as stack:
        access: Access = FakeAccess(authorizer=False)
        if real:
            access = stack.enter_context(closing(KafkaAccess(endpoints, cluster.version)))
        assert access.acls() is None
        with pytest.raises(Failed, match="uthorizer"):
            access.add_acls([acl])
        assert access.quotas() == {}
        assert access.logins() == {}
