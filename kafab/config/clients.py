"""What an application needs to connect: the properties of a client, for Java's clients and for librdkafka's. Pure."""

from dataclasses import dataclass
from enum import Enum

from kafab.command import Secret
from kafab.config.jaas import login
from kafab.config.properties import format_properties
from kafab.config.security import MECHANISM, among_brokers
from kafab.errors import UsageError
from kafab.listeners import Listener, Protocol, Use
from kafab.model import Cluster
from kafab.words import few

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PASSWORD = "PASSWORD"  # noqa: S105  # what stands for one
USER, CERTIFICATE = "USER", "/PATH/OF/client.pem"


class Kind(str, Enum):
    """Whose names the properties have."""

    JAVA = "java"
    LIBRDKAFKA = "librdkafka"


@dataclass(frozen=True)
class Trusted:
    """The cluster's CA: its text, and the file on this machine."""

    text: str
    file: str


def listener_for(cluster: Cluster, name: str | None) -> Listener:
    """Return the brokers' listener of that name, without one the first that is for clients. Raises UsageError."""
    every = cluster.brokers[0].broker_listeners
    # Nobody else has a login where brokers log in to each other.
    listeners = [one for one in every if not among_brokers(cluster, one)]
    if name is None:
        return next((one for one in listeners if Use.CLIENTS in one.uses), listeners[0])
    found = next((one for one in listeners if one.name == name), None)
    if found is None:
        known = few(one.name for one in listeners)
        raise UsageError(f"found --listener {name}; expected one of {known}")
    return found


def bootstrap(cluster: Cluster, listener: Listener) -> str:
    """Return where the brokers advertise that listener."""
    named = (one for node in cluster.brokers for one in node.broker_listeners if one.name == listener.name)
    return ",".join(str(one.endpoint) for one in named)


def properties(
    cluster: Cluster,
    listener: Listener,
    kind: Kind,
    trusted: Trusted | None,
    *,
    user: str | None = None,
    password: Secret | None = None,
) -> dict[str, str]:
    """Return the properties of a client of this listener; words in capitals stand for what was not given.

    ``trusted`` is needed for a listener with TLS.
    """
    protocol = listener.protocol
    found = {"bootstrap.servers": bootstrap(cluster, listener)}
    if protocol is not Protocol.PLAINTEXT:
        found["security.protocol"] = str(protocol)
    name, secret = user or USER, password.value if password else PASSWORD
    if kind is Kind.LIBRDKAFKA:
        if protocol.sasl:
            found |= {"sasl.mechanism": MECHANISM, "sasl.username": name, "sasl.password": secret}
        if protocol.tls and trusted:
            found["ssl.ca.location"] = trusted.file
        if protocol is Protocol.SSL:
            found |= {"ssl.certificate.location": CERTIFICATE, "ssl.key.location": CERTIFICATE}
        return found
    if protocol.sasl:
        jaas = login(_SCRAM, {"username": name, "password": secret})
        found |= {"sasl.mechanism": MECHANISM, "sasl.jaas.config": jaas}
    if protocol.tls and trusted:
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": trusted.text}
    if protocol is Protocol.SSL:
        found |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": CERTIFICATE}
    return found


def text(found: dict[str, str], kind: Kind) -> str:
    """Return the file: Java's as java.util.Properties reads it, librdkafka's a line each."""
    if kind is Kind.JAVA:
        return format_properties(found)
    return "".join(f"{name}={value}\n" for name, value in found.items())
