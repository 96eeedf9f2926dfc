"""Brokers with several listeners: what clients are shown on each, and where they are registered."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.checks.brokers import judge_registrations
from kafab.checks.listeners import judge_listeners
from kafab.cluster.metadata import Metadata
from kafab.cluster.seen import Registered, everything, other_listeners
from kafab.findings import Finding, Severity
from kafab.listeners import Listener, Protocol, Use
from kafab.model import BrokerLogin, Cluster, Endpoint, Node, Security
from kafab.ops.check.status import NodeStatus
from kafab.ops.see import see
from kafab.testing.admin import FakeAdmin
from kafab.testing.controllers import FakeControllers
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

OK, UNKNOWN, CRIT = Severity.OK, Severity.UNKNOWN, Severity.CRIT
INTERNAL, EXTERNAL = frozenset({Use.BROKERS}), frozenset({Use.CLIENTS})
CLOSED = Unknown("connection refused")


def _two(node: Node) -> Node:
    if not node.broker_listeners:
        return node
    own = (
        Listener("INTERNAL", 9092, f"10.0.0.{node.id}", uses=INTERNAL),
        Listener("EXTERNAL", 9094, f"kafka{node.id}", uses=EXTERNAL),
    )
    rest = tuple(listener for listener in node.listeners if listener not in node.broker_listeners)
    return replace(node, listeners=own + rest)


def _cluster(controllers: str = "") -> Cluster:
    cluster = cluster_in(Path("/srv"), hosts=3, controllers=controllers)
    return replace(cluster, nodes=tuple(map(_two, cluster.nodes)))


CLUSTER = _cluster()


def _shown(name: str, **moved: Endpoint | None) -> Metadata:
    """Return what a client is shown on a listener; ``moved`` are brokers, ``id2``, that are shown elsewhere or not at all."""
    known = {node.id: own.endpoint for node in CLUSTER.brokers for own in node.listeners if own.name == name}
    changed = {int(key[2:]): at for key, at in moved.items()}
    return Metadata("the-id", 1, {id_: at for id_, at in (known | changed).items() if at is not None})


def _judged(internal: Metadata | Unknown, external: Metadata | Unknown) -> Finding:
    """Return the finding about broker 1, whose listeners answer so; kafab's own is the external one."""
    answers = dict.fromkeys(other_listeners(CLUSTER), internal)
    views: Mapping[int, Metadata | Unknown] = dict.fromkeys((1, 2, 3), external)
    return judge_listeners(CLUSTER, answers, views)[0]


@pytest.mark.parametrize(
    ("internal", "external", "severity", "said"),
    [
        (_shown("INTERNAL"), _shown("EXTERNAL"), OK, "INTERNAL 10.0.0.1:9092, EXTERNAL kafka1:9094: each shows"),
        (_shown("EXTERNAL"), _shown("EXTERNAL"), CRIT, "INTERNAL 10.0.0.1:9092 shows id 1 at kafka1:9094"),
        (
            _shown("INTERNAL", id2=Endpoint("10.9.9.9", 1)),
            _shown("EXTERNAL"),
            CRIT,
            "INTERNAL 10.0.0.1:9092 shows id 2 at 10.9.9.9:1, the inventory says 10.0.0.2:9092",
        ),
        (_shown("INTERNAL", id3=None), _shown("EXTERNAL"), CRIT, "shows no id 3, the inventory says 10.0.0.3:9092"),
        (_shown("INTERNAL", id3=None), _shown("EXTERNAL", id3=None), OK, "each shows its own"),
        (CLOSED, _shown("EXTERNAL"), OK, "INTERNAL 10.0.0.1:9092 is for the brokers and does not answer here"),
        (_shown("INTERNAL"), CLOSED, UNKNOWN, "does not answer here on EXTERNAL kafka1:9094: connection refused"),
    ],
)  # fmt: skip
def test_each_listener_shows_its_own_addresses(
    internal: Metadata | Unknown, external: Metadata | Unknown, severity: Severity, said: str
) -> None:
    """Other addresses are CRIT, silence of a clients' listener UNKNOWN; the brokers' own may be closed to this machine."""
    found = _judged(internal, external)
    assert (found.severity, said in found.detail) == (severity, True), found.detail


def test_one_listener_is_not_judged() -> None:
    """Where brokers have one listener nothing is asked, and nothing told."""
    cluster = cluster_in(Path("/srv"), hosts=3)
    assert (other_listeners(cluster), judge_listeners(cluster, {}, {})) == ((), ())


def test_fake_brokers_answer_by_listener() -> None:
    """The fake that other tests use shows the addresses of the listener that was asked, kafab's own without one."""
    admin = FakeAdmin(FakeKafka(CLUSTER))
    views = {node.id: admin.metadata(node.endpoint) for node in CLUSTER.brokers}
    answers = {at: admin.metadata(at) for at in other_listeners(CLUSTER)}
    assert [found.severity for found in judge_listeners(CLUSTER, answers, views)] == [OK] * 3
    assert admin.metadata() == views[1]


@pytest.mark.parametrize(
    ("at", "severity"),
    [
        (("10.0.0.2:9092", "kafka2:9094"), OK),
        (("kafka2:9094", "10.0.0.2:9092"), OK),
        (("10.0.0.2:9092",), CRIT),
        (("10.0.0.2:9092", "kafka2:9095"), CRIT),
        (("10.0.0.2:9092", "kafka2:9094", "kafka2:9096"), CRIT),
    ],
)
def test_registration_has_every_listener(at: tuple[str, ...], severity: Severity) -> None:
    """ZooKeeper has a broker at all its listeners, in any order, and at no other ones."""
    told = tuple(Endpoint(host, int(port)) for host, _, port in (text.rpartition(":") for text in at))
    known = {id_: Registered(seen.endpoints) for id_, seen in FakeKafka(CLUSTER).registrations.items()}
    views = dict.fromkeys((1, 2, 3), _shown("EXTERNAL"))
    found = judge_registrations(CLUSTER, {**known, 2: Registered(told)}, views)
    assert [finding.severity for finding in found[:3]] == [OK, severity, OK]


def test_verify_looks_at_every_listener() -> None:
    """The look that verify judges by has an answer for each listener of each broker."""
    world = FakeWorld.of(FakeKafka(CLUSTER))
    seen = see(CLUSTER, world, everything(CLUSTER))
    assert [found.severity for found in judge_listeners(CLUSTER, seen.listeners, seen.views)] == [OK] * 3


def test_status_has_the_listeners() -> None:
    """The document of `status --json` tells where each node answers, by the listener's name."""
    node = CLUSTER.brokers[1]
    told = {"INTERNAL": "10.0.0.2:9092", "EXTERNAL": "kafka2:9094"}
    assert NodeStatus(node, "running").document["listeners"] == told


def test_kraft_brokers_tell_kafabs_listener() -> None:
    """KRaft's brokers tell the addresses of the listener that they were asked at, which is no other registration."""
    cluster = _cluster("combined")
    kafka = FakeKafka(cluster)
    brokers = FakeControllers(kafka).brokers()
    assert not isinstance(brokers, Unknown)
    known = {id_: Registered(seen.endpoints) for id_, seen in brokers.items()}
    views = dict.fromkeys((1, 2, 3), FakeAdmin(kafka).metadata())
    assert {finding.severity for finding in judge_registrations(cluster, known, views)} == {OK}


def test_listener_of_the_brokers_login_is_not_asked() -> None:
    """Where brokers log in to each other kafab has no login, though it may have one elsewhere: it does not ask there, and says so."""
    nodes = []
    for node in CLUSTER.nodes:
        own = [
            replace(one, protocol=Protocol.SASL_SSL) if one.name == "INTERNAL" else one
            for one in node.listeners
        ]
        nodes.append(replace(node, listeners=tuple(own)))
    login = BrokerLogin("broker", "${env:X}")
    security = Security(operator_user="ann", operator_password="${env:ANN}", between_brokers=login)
    cluster = replace(CLUSTER, nodes=tuple(nodes), security=security)
    assert other_listeners(cluster) == ()
    found = judge_listeners(cluster, {}, dict.fromkeys((1, 2, 3), _shown("EXTERNAL")))[0]
    assert (found.severity, found.evidence["unasked"]) == (OK, ["INTERNAL 10.0.0.1:9092"])
    assert found.detail.endswith("; INTERNAL 10.0.0.1:9092 is for brokers that log in: not asked")
