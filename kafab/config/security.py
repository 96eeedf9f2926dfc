"""What makes a cluster secure, as properties of its nodes: TLS with stores in PEM or PKCS12, SASL, the authorizer.

Nodes show certificates to one another, so no password has to be there before the first of them starts. Where the inventory asks
for it, brokers log in to each other by PLAIN over TLS: the password is in their files, so it is there as well.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from kafab.config import jaas
from kafab.listeners import Listener, Protocol, Use
from kafab.model import BrokerLogin, Cluster, Node, Role, Security, Version

PEM, PKCS12 = ("keystore.pem", "truststore.pem"), ("keystore.p12", "truststore.p12")
"""A node's key with its certificate and the CAs above it; the CAs that it trusts. Both lie beside its main file."""
STORES = (*PEM, *PKCS12)
PKCS12_PASSWORD = "changeit"  # noqa: S105  # Java's own
"""It protects nothing, and need not: it would stand in a file beside the store, and the mode of both is what protects the key."""
TOOL_PROPERTIES = "tool.properties"
"""How Kafka's own tools connect on a node: with the node's certificate, as the account that may read it."""
FIRST_PEM = Version(3, 0, 0)
"""The first that reads a key in PEM without a password; 2.7 and 2.8 refuse one (KIP-651, DefaultSslEngineFactory)."""
FIRST_SECURE_ZOOKEEPER = Version(2, 5, 0)
"""The first whose brokers have properties for TLS to ZooKeeper (KIP-515)."""
MECHANISM = "SCRAM-SHA-512"
PLAIN = "PLAIN"
"""The mechanism of the brokers among themselves, where they have one."""
MECHANISM_AMONG_BROKERS = "sasl.mechanism.inter.broker.protocol"
ACCEPTED = "user_"
"""How the names of PLAIN's options begin that have the password of a user who may log in (PlainServerCallbackHandler)."""
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_ACL_AUTHORIZER = "kafka.security.authorizer.AclAuthorizer"
_STANDARD_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


def needs_certificate(cluster: Cluster, node: Node) -> bool:
    """Tell whether a node shows a certificate: where it listens, or to the nodes that it connects to."""
    if node.role is Role.ZOOKEEPER:
        return cluster.zookeeper_protocol.tls
    used = (cluster.controller_protocol, cluster.zookeeper_protocol)
    return any(protocol.tls for protocol in (*(one.protocol for one in node.listeners), *used))


def reads_pem(version: Version) -> bool:
    """Tell whether this Kafka reads stores in PEM; an older one has them in PKCS12."""
    return version >= FIRST_PEM


def store_names(version: Version) -> tuple[str, str]:
    """Return how a node's key store and trust store are called."""
    return PEM if reads_pem(version) else PKCS12


def stores(cluster: Cluster, node: Node) -> tuple[PurePosixPath, PurePosixPath]:
    """Return where a node has its key store and its trust store."""
    key, trusted = store_names(cluster.version)
    return node.config / key, node.config / trusted


def node_subjects(cluster: Cluster) -> tuple[str, ...]:
    """Return the subjects of the nodes' certificates, as Java writes them (RFC 2253)."""
    given = cluster.security.nodes if cluster.security else ()
    return given or (f"CN=kafka-node,O={cluster.name}",)


def operator_subject(cluster: Cluster) -> str:
    """Return the subject of kafab's own certificate."""
    given = cluster.security.operator if cluster.security else ""
    return given or f"CN=kafab-operator,O={cluster.name}"


def super_users(cluster: Cluster, security: Security) -> tuple[str, ...]:
    """Return who may do anything: the nodes, kafab, as whom they log in, and whom the inventory names."""
    own = (f"User:{subject}" for subject in (*node_subjects(cluster), operator_subject(cluster)))
    users = (security.operator_user, security.between_brokers and security.between_brokers.user)
    logged_in = [f"User:{user}" for user in users if user]
    return tuple(dict.fromkeys((*own, *logged_in, *security.super_users)))


def of_broker(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return what a broker or a controller has of security in its server.properties; nothing in a plaintext cluster."""
    return {
        **(_tls(cluster, node) if needs_certificate(cluster, node) else {}),
        **_client_auth(node),
        **_sasl(cluster, node),
        **_authorizer(cluster),
        **(_to_zookeeper(cluster, node) if cluster.zookeeper_protocol.tls else {}),
    }


def of_zookeeper(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return what a ZooKeeper server has of TLS in its zoo.cfg: for clients, and among the servers."""
    if not cluster.zookeeper_protocol.tls:
        return {}
    of_clients = {
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
        # kafab deletes /controller to force an election, whoever made that znode.
        "X509AuthenticationProvider.superUser": operator_subject(cluster),
        "ssl.clientAuth": "need",
    }
    among = {"sslQuorum": "true"} if node.quorum_port is not None else {}
    files = _stores(cluster, node, "ssl.keyStore", "ssl.trustStore")
    if among:
        files |= _stores(cluster, node, "ssl.quorum.keyStore", "ssl.quorum.trustStore")
    return {**of_clients, **among, **files}


def _tls(cluster: Cluster, node: Node) -> dict[str, str]:
    found = _stores(cluster, node, "ssl.keystore", "ssl.truststore")
    own_key = {} if reads_pem(cluster.version) else {"ssl.key.password": PKCS12_PASSWORD}
    return found | own_key


def _stores(cluster: Cluster, node: Node, *names: str) -> dict[str, str]:
    """Return type, place and password of both stores, under the names that a property of each begins with."""
    pem = reads_pem(cluster.version)
    return {
        f"{name}.{what}": value
        for name, path in zip(names, stores(cluster, node), strict=True)
        for what, value in (
            ("type", "PEM" if pem else "PKCS12"),
            ("location", str(path)),
            *(() if pem else (("password", PKCS12_PASSWORD),)),
        )
    }


def of_tools(cluster: Cluster, node: Node) -> dict[str, str] | None:
    """Return what Kafka's own tools need on a node; None where they need nothing, or log in by SASL."""
    if node.role is Role.ZOOKEEPER or not needs_certificate(cluster, node):
        return None
    if cluster.operator_protocol is not Protocol.SSL:
        return None
    return {"security.protocol": str(Protocol.SSL), **_tls(cluster, node)}


def _client_auth(node: Node) -> dict[str, str]:
    """Ask for certificates where nobody logs in otherwise. A SASL_SSL listener asks for none, but for a prefixed one (KIP-684)."""
    return (
        {"ssl.client.auth": "required"}
        if any(listener.protocol is Protocol.SSL for listener in node.listeners)
        else {}
    )


def _sasl(cluster: Cluster, node: Node) -> dict[str, str]:
    with_users = [one for one in node.listeners if one.protocol.sasl and not among_brokers(cluster, one)]
    own = {jaas_property(one.name, MECHANISM): _SCRAM for one in with_users}
    found = {"sasl.enabled.mechanisms": MECHANISM, **own} if with_users else {}
    for listener in node.listeners:
        if given := among_brokers(cluster, listener):
            found |= {
                MECHANISM_AMONG_BROKERS: PLAIN,
                mechanisms_property(listener.name): PLAIN,
                jaas_property(listener.name, PLAIN): _plain(given),
            }
    return found


def _plain(given: BrokerLogin) -> str:
    """Return as whom a broker logs in, and whom it takes: the one name. The reference stands where the password will be."""
    accepted = f"{ACCEPTED}{given.user}"
    return jaas.login(_PLAIN, {"username": given.user, "password": given.password, accepted: given.password})


def among_brokers(cluster: Cluster, listener: Listener) -> BrokerLogin | None:
    """Return as whom brokers log in to each other at a listener, by PLAIN; None where they do not. Nobody else can log in there."""
    mine = Use.BROKERS in listener.uses and listener.protocol.sasl and cluster.security
    return mine.between_brokers if mine else None


def takes_names_from_the_resolver(version: Version) -> bool:
    """Tell whether this Kafka, at a listener with SASL_SSL, holds a certificate against the name that the resolver has for an address.

    KAFKA-8562: 2.7.2, 2.8.1 and 3.0.0 hold it against the address itself, as at SSL.
    """
    return version < Version(2, 7, 2) or version == Version(2, 8, 0)


def mechanisms_property(listener: str) -> str:
    """Return the property with the mechanisms of SASL that a listener takes."""
    return f"listener.name.{listener.lower()}.sasl.enabled.mechanisms"


def jaas_property(listener: str, mechanism: str) -> str:
    """Return the property with a listener's login module of a mechanism."""
    return f"listener.name.{listener.lower()}.{mechanism.lower()}.sasl.jaas.config"


def _authorizer(cluster: Cluster) -> dict[str, str]:
    security = cluster.security
    if security is None or not security.authorizer:
        return {}
    return {
        "authorizer.class.name": _STANDARD_AUTHORIZER if cluster.kraft else _ACL_AUTHORIZER,
        "allow.everyone.if.no.acl.found": "false",
        "super.users": ";".join(super_users(cluster, security)),
    }


def _to_zookeeper(cluster: Cluster, node: Node) -> dict[str, str]:
    return {
        "zookeeper.ssl.client.enable": "true",
        "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
        **_stores(cluster, node, "zookeeper.ssl.keystore", "zookeeper.ssl.truststore"),
        "zookeeper.set.acl": "true",
    }


def may_ask(cluster: Cluster, listener: Listener) -> bool:
    """Tell whether kafab has a login for a listener.

    Without a user of its own it has none where clients log in by SASL, and never one where brokers do among themselves.
    """
    if among_brokers(cluster, listener):
        return False
    return not listener.protocol.sasl or bool(cluster.security and cluster.security.operator_user)


def anonymous(cluster: Cluster) -> Iterator[tuple[Use, str]]:
    """Yield the listeners at which kafab or a node would be nobody, to whom an authorizer allows nothing."""
    for use in (Use.BROKERS, Use.OPERATOR):
        for node in cluster.brokers[:1]:
            found = node.peer_listener if use is Use.BROKERS else node.operator_listener
            if not found.protocol.names_its_users:
                yield use, found.name
    if cluster.controllers and not cluster.controller_protocol.names_its_users:
        yield Use.CONTROLLERS, "controller"
