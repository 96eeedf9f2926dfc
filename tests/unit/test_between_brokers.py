"""Brokers that log in to each other by PLAIN over TLS: their files, the password on its way, and what tells nothing of it."""

import json
from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.config.properties import broker_properties
from kafab.config.render import node_files
from kafab.config.resolving import references, resolved
from kafab.errors import UsageError
from kafab.hosts.facts import FileFact, NodeFacts
from kafab.inventory import load
from kafab.model import Cluster
from kafab.ops.observing import read_secrets
from kafab.plans.state import as_found, desire
from kafab.plans.steps import WriteFile, document, essence
from kafab.references import Reference
from kafab.shell.layout import SERVER_PROPERTIES
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.world import FakeWorld

PASSWORD = 'p"4\\ss=#w0rd$ {x}'
REFERENCE = Reference.parse("${env:BROKER}")
SHARED = """\
  listeners:
    INTERNAL: {port: 9091, use: brokers, protocol: SASL_SSL}
    OPERATOR: {port: 9094, use: operator, protocol: SSL}
    CLIENTS: {port: 9092, use: clients, protocol: SASL_SSL}
security: {between_brokers: {mechanism: PLAIN, user: bro-ker, password: "${env:BROKER}"}}
"""
KRAFT = f"kafka:\n  version: 4.3.1\n{SHARED}controller: {{protocol: SSL}}\n"
ZOOKEEPER = f"kafka:\n  version: 3.9.2\n{SHARED}zookeeper: {{protocol: SSL}}\n"
OLD = f"kafka:\n  version: 2.4.1\n{SHARED}"
COMBINED, ISOLATED, ENSEMBLE = (
    "controller: 1, broker: 1",
    "controller: 101, broker: 1",
    "zookeeper: 1, broker: 1",
)


def _cluster(folder: Path, head: str, roles: str) -> Cluster:
    file = folder / "prod.yaml"
    hosts = "".join(
        f"  node{n}: {{address: node{n}.example.org, {roles.replace('1', str(n))}}}\n" for n in (1, 2, 3)
    )
    file.write_text(head + "hosts:\n" + hosts, encoding="utf-8")
    return load(file)[0]


@pytest.fixture
def plain(tmp_path: Path) -> Cluster:
    """Three combined nodes whose brokers log in to each other by PLAIN."""
    return _cluster(tmp_path, KRAFT, COMBINED)


@pytest.mark.parametrize(
    ("head", "roles"),
    [(KRAFT, COMBINED), (KRAFT, ISOLATED), (ZOOKEEPER, ENSEMBLE), (OLD, ENSEMBLE)],
)
def test_brokers_log_in_by_plain_at_their_own_listener(tmp_path: Path, head: str, roles: str) -> None:
    """In every mode that listener takes PLAIN alone, the clients' one SCRAM alone, and the brokers are super users."""
    cluster = _cluster(tmp_path, head, roles)
    found = broker_properties(cluster, cluster.brokers[0])
    assert [
        found[name]
        for name in (
            "inter.broker.listener.name",
            "sasl.mechanism.inter.broker.protocol",
            "listener.name.internal.sasl.enabled.mechanisms",
            "sasl.enabled.mechanisms",
        )
    ] == ["INTERNAL", "PLAIN", "PLAIN", "SCRAM-SHA-512"]
    assert "User:bro-ker" in found["super.users"].split(";")


def test_isolated_controller_has_no_login_of_the_brokers(tmp_path: Path) -> None:
    """Controllers show certificates; the password is in the files of brokers alone, and their user is a super user all the same."""
    cluster = _cluster(tmp_path, KRAFT, ISOLATED)
    found = broker_properties(cluster, next(node for node in cluster.controllers if not node.combined))
    assert [name for name in found if "sasl" in name] == []
    assert "User:bro-ker" in found["super.users"].split(";")


def test_login_has_the_brokers_user_and_no_other(plain: Cluster) -> None:
    """The JAAS text has as whom a broker logs in, and that user as the only one whom it takes, both exactly."""
    (name,) = (name for name in broker_properties(plain, plain.brokers[0]) if "plain" in name)
    found = resolved(broker_properties(plain, plain.brokers[0]), {REFERENCE: Secret(PASSWORD)})[name]
    assert found == (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        r'username="bro-ker" password="p\"4\\ss=#w0rd$ {x}" "user_bro-ker"="p\"4\\ss=#w0rd$ {x}";'
    )


@pytest.mark.parametrize("password", ["a${env:SECRET}b", "}SECRET${env:"])
def test_password_that_kafka_would_replace_is_refused(plain: Cluster, password: str) -> None:
    """A provider of Kafka's own would replace a part of the login, also from one password in it to the next: the reference is named."""
    properties = broker_properties(plain, plain.brokers[0]) | {"config.providers": "env"}
    with pytest.raises(
        UsageError, match=r"\$\{env:BROKER\}, a password in listener.name.internal.plain"
    ) as told:
        resolved(properties, {REFERENCE: Secret(password)})
    assert "SECRET" not in str(told.value)


def test_provider_of_the_same_name_is_no_matter(plain: Cluster) -> None:
    """The reference of `between_brokers` is kafab's whatever providers Kafka has: it is never Kafka that reads it."""
    properties = broker_properties(plain, plain.brokers[0]) | {"config.providers": "env"}
    found = resolved(properties, {REFERENCE: Secret("x")})
    assert [name for name, value in found.items() if "${env" in value] == []


def test_password_of_brokers_is_read_in_one_line(plain: Cluster) -> None:
    """A JAAS text of an inventory's own may have several lines, a password among its words has one; it is read for brokers alone."""
    asked = [one for node in plain.nodes for one in references(broker_properties(plain, node))]
    assert {(str(one.reference), one.lines) for one in asked} == {("${env:BROKER}", False)}
    secrets = FakeSecrets({"${env:BROKER}": PASSWORD})
    found = read_secrets(plain, plain.nodes, FakeWorld.of(FakeKafka(plain), secrets=secrets))
    assert {reference: secret.value for reference, secret in found.items()} == {REFERENCE: PASSWORD}


def test_look_takes_the_brokers_password_of_the_host(plain: Cluster) -> None:
    """A command that only looks reads no password: it takes the one in the login that the host has."""
    given = desire(plain, plain.nodes, None, {REFERENCE: Secret(PASSWORD)})
    facts = {
        wanted.node: NodeFacts(
            files={file.path.name: FileFact(file.sha256, file.mode, file.text) for file in wanted.files}
        )
        for wanted in given.nodes
    }
    found = as_found(desire(plain, plain.nodes, None), facts)
    assert [wanted.secrets for wanted in found.nodes] == [{REFERENCE: Secret(PASSWORD)}] * 3
    assert [each.configuration("k") for each in found.nodes] == [
        each.configuration("k") for each in given.nodes
    ]


def test_plan_tells_nothing_of_the_brokers_password(plain: Cluster) -> None:
    """Diff, document and digest of a plan are the same whatever the password is; the file is closed to others."""

    def change(password: str) -> WriteFile:
        node = plain.brokers[0]
        files = node_files(plain, node, {REFERENCE: Secret(password)})
        (file,) = (file for file in files if file.path.name == SERVER_PROPERTIES)
        return WriteFile("node1", node.name, file, "")

    told = json.dumps(document(change("can4ry")))
    assert ("can4ry" in told, "plain.sasl.jaas.config=***" in told) == (False, True)
    assert essence(change("can4ry")) == essence(change("other"))
    assert change("can4ry").file.mode == "640"
