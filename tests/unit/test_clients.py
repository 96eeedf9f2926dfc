"""What an application is told to connect with."""

from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.config.clients import Kind, Trusted, bootstrap, listener_for, properties, text
from kafab.config.properties import parse_properties
from kafab.errors import UsageError
from kafab.inventory import load
from kafab.model import Cluster

CA = Trusted("-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n", "/home/ann/ca.crt")
SECURE = """\
kafka:
  version: 4.3.1
  listeners:
    INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}
    CLIENTS: {port: 9092, use: clients, protocol: SASL_SSL}
    OPEN: {port: 9093}
hosts:
  node1: {address: 10.0.0.11, controller: {id: 101, port: 9095}, broker: 1}
  node2: {address: 10.0.0.12, broker: 2}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster with a listener of each kind."""
    file = tmp_path / "prod.yaml"
    file.write_text(SECURE)
    return load(file)[0]


def test_first_listener_for_clients_is_taken(cluster: Cluster) -> None:
    """Without a name it is the one that is for clients, and its addresses are those that it advertises."""
    listener = listener_for(cluster, None)
    assert (listener.name, bootstrap(cluster, listener)) == ("CLIENTS", "10.0.0.11:9092,10.0.0.12:9092")


def test_unknown_listener_is_refused(cluster: Cluster) -> None:
    """The message has those that there are."""
    with pytest.raises(UsageError, match="expected one of INTERNAL, CLIENTS, OPEN"):
        listener_for(cluster, "CLIENT")


def test_listener_of_the_brokers_login_is_nobody_elses(tmp_path: Path) -> None:
    """Where brokers log in to each other by PLAIN no application has a user."""
    file = tmp_path / "prod.yaml"
    login = '{mechanism: PLAIN, user: broker, password: "${env:X}"}'
    internal = "INTERNAL: {port: 9091, use: brokers, protocol: SASL_SSL}"
    operator = "CLIENTS: {port: 9092, use: [clients, operator], protocol: SSL}"
    file.write_text(
        f"kafka:\n  version: 4.3.1\n  listeners:\n    {internal}\n    {operator}\ncontroller: {{protocol: SSL}}\n"
        f"security: {{between_brokers: {login}}}\nhosts:\n  node1: {{address: 10.0.0.11, controller: 1, broker: 1}}\n"
    )
    with pytest.raises(UsageError, match=r"expected one of CLIENTS$"):
        listener_for(load(file)[0], "INTERNAL")


def test_java_reads_back_what_was_meant(cluster: Cluster) -> None:
    """A CA of several lines and a password of any letters survive the file."""
    found = properties(
        cluster, listener_for(cluster, None), Kind.JAVA, CA, user="ann", password=Secret('a"b\\c=#')
    )
    read = parse_properties(text(found, Kind.JAVA))
    assert read == found
    assert read["ssl.truststore.certificates"] == CA.text
    assert read["sasl.jaas.config"].endswith('username="ann" password="a\\"b\\\\c=#";')


def test_librdkafka_has_its_own_names(cluster: Cluster) -> None:
    """The CA is a file there, name and password are properties."""
    found = properties(cluster, listener_for(cluster, None), Kind.LIBRDKAFKA, CA, user="ann")
    assert text(found, Kind.LIBRDKAFKA).splitlines() == [
        "bootstrap.servers=10.0.0.11:9092,10.0.0.12:9092",
        "security.protocol=SASL_SSL",
        "sasl.mechanism=SCRAM-SHA-512",
        "sasl.username=ann",
        "sasl.password=PASSWORD",
        "ssl.ca.location=/home/ann/ca.crt",
    ]


@pytest.mark.parametrize("kind", [*Kind])
def test_listener_with_certificates_asks_for_one(cluster: Cluster, kind: Kind) -> None:
    """At an SSL listener a client shows a certificate, of which the place is to be filled in."""
    found = properties(cluster, listener_for(cluster, "INTERNAL"), kind, CA)
    assert "/PATH/OF/client.pem" in found.values()


def test_listener_in_the_clear_needs_an_address_alone(cluster: Cluster) -> None:
    """Nothing else is said."""
    found = properties(cluster, listener_for(cluster, "OPEN"), Kind.JAVA, None)
    assert found == {"bootstrap.servers": "10.0.0.11:9093,10.0.0.12:9093"}
