"""Secrets of properties: read for a plan, never for a look, written whole or refused, shown nowhere."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.config.catalogue.definitions import catalogue, releases
from kafab.config.masking import holds_secret
from kafab.config.properties import parse_properties
from kafab.config.render import configuration_digest, configuration_files
from kafab.config.resolving import references, resolved
from kafab.errors import UsageError
from kafab.inventory.texts import is_secret
from kafab.model import Cluster, Role, Supervisor, Version
from kafab.ops.check.status import status
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.observing import read_secrets
from kafab.plans.plan import Plan
from kafab.plans.state import Desired, desire
from kafab.plans.steps import WriteFile, document
from kafab.references import Reference
from kafab.shell.layout import DIGEST_KEY, MANIFEST, SERVER_PROPERTIES
from kafab.testing.fleet import FakeFleet
from kafab.testing.hosts import FakeHost, fresh_answer
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in

CANARY = "can4ry$ecret"
NAME, REFERENCE = "ssl.keystore.password", "${env:KEYSTORE}"


def _with(cluster: Cluster, properties: Mapping[str, str]) -> Cluster:
    """Return the cluster whose brokers have these properties."""
    brokers = {node: replace(node, properties=properties) for node in cluster.brokers}
    return replace(cluster, nodes=tuple(brokers.get(node, node) for node in cluster.nodes))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A host with a broker that has a secret."""
    return _with(cluster_in(tmp_path), {NAME: REFERENCE})


def _deployed(cluster: Cluster, value: str) -> Desired:
    """Return what a deploy has left on the hosts when the secret had this value."""
    return desire(
        cluster,
        cluster.nodes,
        FakeStore.for_cluster(cluster).only,
        {Reference.parse(REFERENCE): Secret(value)},
    )


class Hosts:
    """Hosts as a deploy left them, or fresh ones, beside secrets of today."""

    def __init__(self, cluster: Cluster, deployed: str | None, today: str) -> None:
        self.cluster, self.deployed = cluster, deployed
        self.secrets = FakeSecrets({REFERENCE: today})
        asked = desire(cluster, cluster.nodes, FakeStore.for_cluster(cluster).only)
        answer = fresh_answer()
        if deployed is not None:
            # Whatever is asked, the text of the file comes back: what the digest says is tested with real hosts.
            answer = FakeHost(_deployed(cluster, deployed)).answer("node1", asked)
        self.world = FakeWorld.of(
            FakeKafka(cluster), fleet=FakeFleet({"node1": lambda _: answer}), secrets=self.secrets
        )

    def plan(self) -> Plan:
        """Return the plan of a deploy."""
        return make_plan(self.cluster, None, self.world)[1]

    def state(self) -> str:
        """Return what status says of the broker's configuration."""
        lines = status(self.cluster, None, self.world)
        return next(line.configuration for line in lines if line.node in self.cluster.brokers)


def test_plan_has_the_value_and_shows_it_nowhere(cluster: Cluster) -> None:
    """The file that is written has the secret; text, document, digest and repr of the plan do not."""
    hosts = Hosts(cluster, None, CANARY)
    plan = hosts.plan()
    (step,) = [s for s in plan.steps if isinstance(s, WriteFile) and s.file.path.name == SERVER_PROPERTIES]
    assert parse_properties(step.file.text)[NAME] == CANARY
    shown = f"{plan!r} {plan.summary} {json.dumps(plan.document)} {step} {step.diff}"
    assert (CANARY in shown, f"{NAME}=***" in step.diff) == (False, True)


def test_digest_is_that_of_another_value(cluster: Cluster) -> None:
    """A plan's digest does not depend on the value (decision 10)."""
    first, second = (Hosts(cluster, None, value).plan() for value in ("a", "b"))
    assert first.digest == second.digest


def test_changed_value_is_a_change(cluster: Cluster) -> None:
    """Another value at the source changes the file and its manifest, and nothing tells either value."""
    plan = Hosts(cluster, "of0ld", CANARY).plan()
    changed = {step.file.path.name for step in plan.steps if isinstance(step, WriteFile)}
    shown = json.dumps(plan.document)
    assert (changed, CANARY in shown, "of0ld" in shown) == ({SERVER_PROPERTIES, MANIFEST}, False, False)


def test_same_value_is_no_change(cluster: Cluster) -> None:
    """A second deploy has nothing to do."""
    assert not Hosts(cluster, CANARY, CANARY).plan()


@pytest.mark.parametrize("today", [CANARY, "another"])
def test_look_reads_no_secret(cluster: Cluster, today: str) -> None:
    """Status needs neither a vault nor an answer of the operator: it takes the value that the host has."""
    hosts = Hosts(cluster, CANARY, today)
    assert (hosts.state(), hosts.secrets.read_so_far) == ("as deployed", [])


def test_look_compares_the_rest(cluster: Cluster) -> None:
    """Beside a secret that is not read another property shows as pending all the same."""
    hosts = Hosts(cluster, CANARY, CANARY)
    hosts.cluster = _with(cluster, {NAME: REFERENCE, "num.io.threads": "9"})
    assert hosts.state() == "deploy pending"


def test_each_reference_is_read_once(cluster: Cluster) -> None:
    """Two properties, or nodes, with one reference ask for it once a plan; lines are asked for where a value may have them."""
    same = _with(cluster, {NAME: REFERENCE, "ssl.key.password": REFERENCE, "ssl.keystore.key": "${env:PEM}"})
    secrets = FakeSecrets({REFERENCE: "x", "${env:PEM}": "-----BEGIN\n-----END"})
    found = read_secrets(same, same.nodes, FakeWorld.of(FakeKafka(same), secrets=secrets))
    text = resolved(same.brokers[0].properties, found)
    assert (sorted(found, key=str), text["ssl.keystore.key"]) == (
        [Reference.parse("${env:KEYSTORE}"), Reference.parse("${env:PEM}")],
        "-----BEGIN\n-----END",
    )


def test_all_that_cannot_be_read_is_told_at_once(cluster: Cluster) -> None:
    """Two secrets that are missing are one error, of which each line names one; a reference that two properties have is one line."""
    missing = {NAME: "${env:A}", "ssl.key.password": "${env:B}", "ssl.truststore.password": "${env:A}"}
    with pytest.raises(UsageError, match="2 secrets cannot be read") as error:
        read_secrets(cluster, _with(cluster, missing).nodes, FakeWorld.of(FakeKafka(cluster)))
    assert error.value.message.splitlines()[1:] == ["  ${env:A} is not set", "  ${env:B} is not set"]


@pytest.mark.parametrize(
    ("supervisor", "modes"),
    [(Supervisor.PROCESS, {"600"}), (Supervisor.SYSTEMD, {"640"})],
)
def test_file_with_a_secret_is_closed(supervisor: Supervisor, modes: set[str], cluster: Cluster) -> None:
    """It and the manifest with its digest are root's and the service's under systemd, else the login user's alone."""
    user = "kafka" if supervisor is Supervisor.SYSTEMD else None
    hosts = {host: replace(host, supervisor=supervisor, user=user) for host in cluster.hosts}
    nodes = tuple(replace(node, host=hosts[node.host]) for node in cluster.nodes)
    wanted = _deployed(replace(cluster, hosts=tuple(hosts.values()), nodes=nodes), CANARY)
    broker = next(each for each in wanted.nodes if each.node.role is Role.BROKER)
    secret = [file for file in broker.files if file.secret]
    assert {file.path.name for file in secret} == {SERVER_PROPERTIES, MANIFEST}
    assert ({file.mode for file in secret}, {file.owner for file in secret}) == (
        modes,
        {"root:kafka"} if user else {None},
    )


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (" x", "blank"),
        ("x\t", "blank"),
        ("${vault:a:b}", "provider vault"),
        ("a${vault:b}c", "provider vault"),
    ],
)
def test_value_that_kafka_reads_otherwise_is_refused(value: str, complaint: str) -> None:
    """Kafka trims values and replaces references of its providers: such a secret is refused, without being told."""
    properties = {NAME: REFERENCE, "config.providers": "vault"}
    with pytest.raises(UsageError, match=complaint) as error:
        resolved(properties, {Reference.parse(REFERENCE): Secret(value)})
    assert value not in error.value.message.replace("${env:KEYSTORE}", "")


def test_reference_of_a_provider_is_kafkas() -> None:
    """What config.providers names Kafka reads itself: kafab leaves it, and reads the others."""
    properties = {"config.providers": "env", NAME: REFERENCE, "ssl.key.password": "${file:key.txt}"}
    assert [str(one.reference) for one in references(properties)] == ["${file:key.txt}"]


@pytest.mark.parametrize("line", releases())
def test_kafkas_passwords_are_masked_and_take_references(line: tuple[int, int]) -> None:
    """What Kafka calls a password is refused in plain text, and masked in a file; certificates are public."""
    known = catalogue(Version(*line, 0)).known.values()
    passwords = [each.name for each in known if each.type == "password" and "certificate" not in each.name]
    assert passwords
    assert [name for name in passwords if not (is_secret(name) and holds_secret(f"{name}=x"))] == []


def _started(cluster: Cluster, value: str) -> tuple[str, str]:
    """Return the digest that a process records of its configuration, and the one that anybody could compute who knows the files."""
    broker = next(each for each in _deployed(cluster, value).nodes if each.node.role is Role.BROKER)
    assert broker.key
    return broker.configuration(broker.key.sha256), configuration_digest(configuration_files(broker.files))


def test_recorded_digest_is_keyed(cluster: Cluster) -> None:
    """Whoever reads a process's record, and guesses the password, cannot see that the guess is right."""
    (first, plain), (again, same) = _started(cluster, CANARY), _started(cluster, CANARY)
    assert (plain == same, first == again, first == plain) == (True, False, False)


def test_key_of_the_host_tells_what_a_process_was_started_with(cluster: Cluster) -> None:
    """From any machine the key on the host gives the digest: nothing is pending after a start, and something after a change."""
    other = next(node for node in _deployed(cluster, "another").nodes if node.node.role is Role.BROKER)
    same = Hosts(cluster, CANARY, CANARY).state()
    deployed = _deployed(cluster, CANARY)
    key = next(node.key.sha256 for node in deployed.nodes if node.key)
    asked = desire(cluster, cluster.nodes, deployed.artifact)
    host = FakeHost(deployed, started={other.node.name: other.configuration(key)})
    answer = host.answer("node1", asked)
    world = FakeWorld.of(FakeKafka(cluster), fleet=FakeFleet({"node1": lambda _: answer}))
    states = [line.configuration for line in status(cluster, None, world) if line.node == other.node]
    assert (same, states) == ("as deployed", ["restart pending"])


def test_key_is_written_once_and_shown_never(cluster: Cluster) -> None:
    """A first deploy makes it, for root alone; a later one leaves it, and no plan has it or a digest of it."""
    (step,) = [
        s
        for s in Hosts(cluster, None, CANARY).plan().steps
        if isinstance(s, WriteFile) and s.file.path.name == DIGEST_KEY
    ]
    value = step.file.text.strip().rpartition("=")[2]
    assert len(value) == 64
    assert (step.file.mode, value in step.diff, document(step)["sha256"]) == ("600", False, None)
    again = Hosts(cluster, "of0ld", CANARY).plan().steps
    assert [s for s in again if isinstance(s, WriteFile) and s.file.path.name == DIGEST_KEY] == []


def test_node_without_a_secret_has_no_key(tmp_path: Path) -> None:
    """What holds no secret is recorded as before."""
    wanted = desire(cluster_in(tmp_path), cluster_in(tmp_path).nodes, None)
    assert [node.key for node in wanted.nodes] == [None, None]
