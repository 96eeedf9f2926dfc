"""What strangers must not be able to do: which attempts are made, and what is said of them."""

from pathlib import Path

import pytest

from kafab.checks.walls import doors, judge_walls
from kafab.cluster.walls import Attempt, Door, Knocked, LetIn, Refused
from kafab.findings import Finding, Severity
from kafab.inventory import load
from kafab.model import Cluster
from kafab.ops.check.verify import tried_walls
from kafab.testing.kafka import FakeKafka
from kafab.testing.walls import FakeWalls
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown

SECURE = """\
kafka:
  version: 4.3.1
  listeners:
    INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}
    CLIENTS: {port: 9092, use: clients, protocol: SASL_SSL}
    OPEN: {port: 9093}
security: {authorizer: false}
hosts:
  node1: {address: 10.0.0.11, controller: {id: 101, port: 9095}, broker: 1}
  node2: {address: 10.0.0.12, broker: 2}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster with a listener of each kind, and two brokers."""
    file = tmp_path / "prod.yaml"
    file.write_text(SECURE)
    return load(file)[0]


def _at(cluster: Cluster, listener: str) -> set[Attempt]:
    return {door.attempt for door in doors(cluster) if door.listener == listener}


def test_listener_with_certificates_is_tried_without_a_good_one(cluster: Cluster) -> None:
    """An SSL listener must refuse plaintext, no certificate, and one of another CA."""
    assert _at(cluster, "INTERNAL") == {
        Attempt.PLAINTEXT,
        Attempt.OTHER_NAME,
        Attempt.NO_CERTIFICATE,
        Attempt.UNKNOWN_CA,
    }


def test_listener_with_logins_is_tried_with_a_wrong_one(cluster: Cluster) -> None:
    """A SASL_SSL listener must refuse plaintext, no login and a wrong password; it asks for no certificate."""
    assert _at(cluster, "CLIENTS") == {
        Attempt.PLAINTEXT,
        Attempt.OTHER_NAME,
        Attempt.NO_LOGIN,
        Attempt.WRONG_PASSWORD,
    }


def test_listener_of_the_brokers_login_is_tried_as_brokers_come(tmp_path: Path) -> None:
    """Where brokers log in by PLAIN a wrong password is tried as their user, and no user is made for an ACL."""
    file = tmp_path / "prod.yaml"
    internal = "INTERNAL: {port: 9091, use: brokers, protocol: SASL_SSL}\n    OPERATOR: {port: 9094, use: operator, protocol: SSL}"
    login = 'security: {between_brokers: {mechanism: PLAIN, user: broker, password: "${env:X}"}}\ncontroller: {protocol: SSL}'
    text = SECURE.replace("INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}", internal)
    file.write_text(text.replace("security: {authorizer: false}", login))
    found = {door.attempt: door.broker_user for door in doors(load(file)[0]) if door.listener == "INTERNAL"}
    assert found == dict.fromkeys(
        (Attempt.PLAINTEXT, Attempt.OTHER_NAME, Attempt.NO_LOGIN, Attempt.WRONG_PASSWORD), "broker"
    )


def test_listener_in_the_clear_has_no_walls(cluster: Cluster) -> None:
    """Where everybody may come in there is nothing to try."""
    assert (_at(cluster, "OPEN"), _at(cluster, "controller")) == (set(), set())


def test_authorizer_is_tried_at_one_broker(tmp_path: Path) -> None:
    """With an authorizer a user without an ACL is tried, at one broker for all."""
    file = tmp_path / "prod.yaml"
    file.write_text(SECURE.replace("authorizer: false", "authorizer: true") + "controller: {protocol: SSL}\n")
    found = [door.node for door in doors(load(file)[0]) if door.attempt is Attempt.NO_ACL]
    assert found == ["node1/broker"]


def _judged(cluster: Cluster, answers: dict[Attempt, Knocked]) -> dict[str, Finding]:
    asked = [door for door in doors(cluster) if door.attempt in answers]
    found = judge_walls(cluster, asked, {door: answers[door.attempt] for door in asked})
    return {one.check: one for one in found}


def test_refusal_that_was_seen_is_ok(cluster: Cluster) -> None:
    """A wall that refused says how, and at how many listeners."""
    found = _judged(cluster, {Attempt.NO_LOGIN: Refused("the connection is closed")})["walls.login"]
    assert (found.severity, found.detail) == (
        Severity.OK,
        "a client that does not log in is refused at 2 listeners: the connection is closed",
    )


def test_stranger_who_is_let_in_is_critical(cluster: Cluster) -> None:
    """One listener that lets a stranger in is named."""
    found = _judged(cluster, {Attempt.PLAINTEXT: LetIn()})["walls.plaintext"]
    assert (found.severity, "node1/broker INTERNAL 10.0.0.11:9091" in found.detail) == (Severity.CRIT, True)


def test_silence_is_no_refusal(cluster: Cluster) -> None:
    """A node that does not answer has refused nobody."""
    found = _judged(cluster, {Attempt.PLAINTEXT: Unknown("connection refused")})["walls.plaintext"]
    assert (found.severity, "connection refused" in found.detail) == (Severity.UNKNOWN, True)


def test_verify_tries_every_door(cluster: Cluster) -> None:
    """Each kind of attempt is one finding of verify."""
    world = FakeWorld.of(FakeKafka(cluster), walls=FakeWalls({Attempt.WRONG_PASSWORD: LetIn()}))
    found = {one.check: one.severity for one in tried_walls(cluster, world)}
    assert found == {
        attempt.value: Severity.CRIT if attempt is Attempt.WRONG_PASSWORD else Severity.OK
        for attempt in Attempt
        if attempt is not Attempt.NO_ACL
    }


def test_door_is_named_as_people_name_it() -> None:
    """A door says the node, its listener and the address."""
    from kafab.model import Endpoint

    door = Door("node1/broker", "CLIENTS", Endpoint("10.0.0.11", 9092), Attempt.NO_LOGIN)
    assert str(door) == "node1/broker CLIENTS 10.0.0.11:9092"
