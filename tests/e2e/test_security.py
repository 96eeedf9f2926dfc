"""Secure clusters of real Kafka: TLS among the nodes, logins for clients, an authorizer; and what is refused."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.fab import Fab
from tests.labs import LocalLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PASSWORD = 'p"4\\ss=#w0rd'  # what must survive JAAS, a properties file and a shell
WALLS = {"plaintext", "certificate", "unknown-ca", "server-name", "login", "password", "acl"}
ON_COMBINED = pytest.mark.xdist_group("secure combined")
ON_ENSEMBLE = pytest.mark.xdist_group("secure zookeeper")


class Secure(LocalLab):
    """A secure lab that runs."""

    @property
    def pki(self) -> Path:
        """Where its certificates lie on this machine."""
        return self.inventory.parent / "pki"

    def findings(self, *words: str) -> dict[str, set[str]]:
        """Run verify; return each check with the severities that it had."""
        found: dict[str, set[str]] = {}
        for one in self.fab("verify", "--json", *words).document["findings"]:
            found.setdefault(one["check"], set()).add(one["severity"])
        return found

    def tool(self, *words: str, node: str = "node1/broker") -> str:
        """Run one of Kafka's own tools on a node, and return what it printed."""
        return self.fab.must("tool", node, "--", *words).out


def _up(home: Path, *words: str) -> Secure:
    lab = Secure(Fab(home))
    lab.fab.must("lab.up", "--secure", *words, "deploy", "start")
    return lab


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Three combined nodes of 4.3.1, a topic, and the user ann, who may use that topic."""
    home = tmp_path_factory.mktemp("home")
    try:
        lab = _up(home, "--version", "4.3.1")
        lab.fab.must("topics.create", "orders", "--partitions", "3")
        lab.tool(*_user("ann", PASSWORD))
        allow = ("--add", "--allow-principal", "User:ann", "--operation", "All")
        lab.tool("kafka-acls.sh", *allow, "--topic", "orders", "--group", "readers")
        yield lab
    finally:
        Fab(home).down()


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Three brokers and three ZooKeeper servers of 3.9.2."""
    home = tmp_path_factory.mktemp("home")
    try:
        yield _up(home, "--version", "3.9.2")
    finally:
        Fab(home).down()


def _user(name: str, password: str) -> tuple[str, ...]:
    # Kafka's tool splits at commas and takes everything between the brackets.
    config = f"SCRAM-SHA-512=[password={password}]"
    return (
        "kafka-configs.sh",
        "--alter",
        "--entity-type",
        "users",
        "--entity-name",
        name,
        "--add-config",
        config,
    )


@ON_COMBINED
def test_walls_stand(combined: Secure) -> None:
    """Verify of a secure cluster is all OK, and every kind of stranger was tried and refused."""
    found = combined.findings()
    assert {check.partition(".")[2] for check in found if check.startswith("walls.")} == WALLS
    assert {severity for severities in found.values() for severity in severities} == {"OK"}


@ON_COMBINED
def test_figures_have_the_ends_of_certificates(combined: Secure) -> None:
    """A run that logs in by TLS and a password reads every part, and of each node until when its certificate is good."""
    told = combined.fab.must("observe.textfile", "--json").document
    name = "kafab_certificate_expiry_timestamp_seconds"
    ends = {one["labels"]["node"]: one["value"] for one in told["figures"] if one["name"] == name}
    year = timedelta(days=365).total_seconds()
    assert (told["unknown"], sorted(ends)) == ([], [node.name for node in combined.cluster.nodes])
    assert all(time.time() + year < end < time.time() + 2 * year for end in ends.values())


@ON_ENSEMBLE
def test_walls_of_zookeeper_stand(ensemble: Secure) -> None:
    """In ZooKeeper mode the servers are tried, too; and a forced election works on znodes that the brokers own."""
    found = ensemble.findings("--election")
    assert {check.partition(".")[2] for check in found if check.startswith("walls.")} == WALLS
    assert {severity for severities in found.values() for severity in severities} == {"OK"}


@ON_ENSEMBLE
def test_znodes_belong_to_the_brokers(ensemble: Secure) -> None:
    """zookeeper.set.acl is in force: who shows another certificate than a broker's may read, and not write."""
    acl = ensemble.tool("zookeeper-shell.sh", "getAcl", "/controller_epoch")
    lines = [line.strip() for line in acl.splitlines() if line.strip().startswith(("'", ":"))]
    assert "'x509,'CN=kafka-node%2CO=lab" in lines
    assert lines[lines.index("'world,'anyone") + 1] == ": r"


@ON_ENSEMBLE
def test_servers_talk_encrypted(ensemble: Secure) -> None:
    """The port of the quorum's election refuses whoever shows no certificate."""
    node = ensemble.cluster.zookeepers[0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ensemble.pki / "ca.crt")
    with (
        socket.create_connection((node.endpoint.host, node.election_port or 0), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),
        context.wrap_socket(plain, server_hostname=node.endpoint.host) as secure,
    ):
        # With TLS 1.3 the server refuses after the handshake.
        assert secure.recv(1)


@ON_COMBINED
def test_both_clients_write_and_read_as_the_operator(combined: Secure) -> None:
    """Kafab's own records go through TLS with librdkafka and with kafka-python, alone and as a member of a group."""
    for client in ("confluent", "kafka-python"):
        combined.fab.must("records.write", "orders", "--count", "50", "--client", client)
        read = combined.fab.must("records.read", "orders", "--group", client, "--client", client, "--json")
        assert read.document["read"] >= 50
    assert {"confluent", "kafka-python"} <= set(combined.fab.must("groups.list", "--lag").out.split())


@ON_COMBINED
def test_canary_and_drill_log_in(combined: Secure) -> None:
    """Processes of kafab's own have the login from their parent: the canary loses nothing, and a drill measures."""
    canary = combined.fab.must("canary", "--for", "3s", "--json").document
    assert canary["total"]["lost"] == 0
    combined.fab.must("drill.run", "offsets", "--seed", "1", "--json")


@ON_COMBINED
def test_printed_properties_are_enough_for_kafkas_own_tools(combined: Secure, tmp_path: Path) -> None:
    """A console producer and consumer work with what `client.properties` printed; without it they are refused."""
    bin_ = next((combined.inventory.parent / "hosts/node1/root/opt").glob("kafka_*/bin"))
    file = tmp_path / "client.properties"
    os.environ["ANN"] = PASSWORD
    try:
        combined.fab.must(
            "client.properties", "--user", "ann", "--password", "${env:ANN}", "--out", str(file)
        )
    finally:
        del os.environ["ANN"]
    assert file.stat().st_mode & 0o777 == 0o600
    at = file.read_text().split("bootstrap.servers=")[1].splitlines()[0]
    base = ["--bootstrap-server", at, "--topic", "orders"]
    login = ["--command-config", str(file)]
    produce = [str(bin_ / "kafka-console-producer.sh"), *base]
    subprocess.run([*produce, *login], input="by ann\n", text=True, timeout=120, check=True)
    consume = [str(bin_ / "kafka-console-consumer.sh"), *base, *login, "--group", "readers"]
    consume += ["--from-beginning", "--timeout-ms", "15000"]
    read = subprocess.run(consume, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    assert "by ann" in read.stdout.splitlines()
    limits = ["--producer-property", "max.block.ms=5000"]
    if (
        "--command-property"
        in subprocess.run([*produce[:1]], capture_output=True, text=True, check=False).stderr
    ):
        limits = ["--command-property", "max.block.ms=5000"]
    refused = subprocess.run(
        [*produce, *limits], input="by nobody\n", text=True, timeout=120, check=False, capture_output=True
    )
    assert "TimeoutException" in refused.stdout + refused.stderr


@ON_COMBINED
def test_librdkafka_connects_with_the_printed_properties(combined: Secure) -> None:
    """The same for librdkafka: it reads what ann may read, and nothing of a topic that she may not."""
    from confluent_kafka.admin import AdminClient

    told = combined.fab.must("client.properties", "--user", "ann", "--kind", "librdkafka").out
    config = dict(line.split("=", 1) for line in told.splitlines())
    admin = AdminClient({**config, "sasl.password": PASSWORD})
    combined.fab.must("topics.create", "hidden", "--partitions", "1")
    topics = admin.list_topics(timeout=20).topics
    assert ("orders" in topics, "hidden" in topics) == (True, False)


@ON_COMBINED
def test_openssl_reaches_the_brokers_with_a_certificate_alone(combined: Secure) -> None:
    """`openssl s_client` finishes its handshake with kafab's certificate, trusts the CA, and is refused without one."""
    at = str(combined.cluster.brokers[0].endpoint)
    own = combined.pki / "operator"
    with_one = [*("-cert", str(own / "node.crt")), *("-key", str(own / "node.key"))]
    base = [
        "openssl",
        "s_client",
        "-connect",
        at,
        "-CAfile",
        str(combined.pki / "ca.crt"),
        "-verify_return_error",
    ]
    answers = {}
    for name, more in (("with", with_one), ("without", [])):
        # The input stays open for a moment: a server refuses a missing certificate after the handshake.
        done = subprocess.run(
            ["sh", "-c", '(sleep 2) | "$@"', "sh", *base, *more],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        answers[name] = done.stdout + done.stderr
    assert "Verify return code: 0 (ok)" in answers["with"]
    assert ("alert" in answers["with"], "alert" in answers["without"]) == (False, True)


@ON_COMBINED
def test_new_certificates_roll(combined: Secure) -> None:
    """`secure.issue --renew` and a deploy leave a restart pending; restarted nodes show the new ones, and all verifies."""
    combined.fab.must("secure.issue", "--renew", "--limit", "node2")
    combined.fab.must("deploy")
    shown = combined.fab.must("status", "--json").document["nodes"]
    pending = [node["node"] for node in shown if node["configuration"] == "restart pending"]
    assert pending == ["node2/broker"]
    combined.fab.must("restart", "--pending", "--no-canary")
    assert combined.fab.must("verify", "--read-only").code == 0


@ON_COMBINED
def test_stranger_with_the_tool_is_told_so(combined: Secure) -> None:
    """A certificate of another CA in the operator's place is judged here, before any broker is asked."""
    own = combined.pki / "operator" / "node.crt"
    kept = own.read_bytes()
    try:
        own.write_bytes((combined.pki / "nodes/node1/broker/node.crt").read_bytes())
        done = combined.fab("status")
    finally:
        own.write_bytes(kept)
    assert (done.code, "kafab cannot log in to lab" in done.err) == (1, True)


@ON_COMBINED
@pytest.mark.parametrize(
    ("password", "shown", "said"),
    [(PASSWORD, "orders", ""), ("wrong", "", "closed the connection at the login")],
)
def test_kafab_logs_in_as_a_user(combined: Secure, password: str, shown: str, said: str) -> None:
    """Where the operator's listener is SASL_SSL kafab is a user, sees what that user may see, and is told of a wrong password."""
    document = yaml.safe_load(combined.inventory.read_text())
    listeners = document["kafka"]["listeners"]
    listeners["INTERNAL"]["use"], listeners["CLIENTS"]["use"] = ["brokers"], ["clients", "operator"]
    document["security"] |= {"operator_user": "ann", "operator_password": "${env:ANN}"}
    os.environ["ANN"] = password
    try:
        with combined.rewritten(yaml.safe_dump(document, sort_keys=False)):
            done = combined.fab("topics.list")
    finally:
        del os.environ["ANN"]
    assert (shown in done.out, said in done.err) == (True, True)
    assert password not in done.out + done.err


@ON_COMBINED
def test_change_of_protocol_under_a_running_cluster_is_refused(combined: Secure) -> None:
    """A deploy that would let restarted brokers talk in another protocol than the others is refused, with the way."""
    document = yaml.safe_load(combined.inventory.read_text())
    document["kafka"]["listeners"]["INTERNAL"]["protocol"] = "PLAINTEXT"
    document["security"]["authorizer"] = False
    with combined.rewritten(yaml.safe_dump(document, sort_keys=False)):
        done = combined.fab("plan")
    assert done.code == 3
    assert (
        "INTERNAL, the listener of the brokers among themselves, would change from SSL to PLAINTEXT"
        in done.err
    )


@pytest.mark.parametrize(
    ("words", "hole"),
    [
        pytest.param(("--mode", "kraft", "--version", "3.9.2"), True, id="3.9.2-kraft"),
        pytest.param(("--version", "4.3.1", "--controllers", "isolated"), False, id="4.3.1-isolated"),
        pytest.param(("--version", "2.4.1"), False, id="2.4.1"),
    ],
)
def test_other_modes_are_secure_too(words: tuple[str, ...], hole: bool, tmp_path: Path) -> None:
    """A lab of one host comes up secure; a listener that needs no certificate any more is found, and named."""
    lab = Secure(Fab(tmp_path))
    try:
        lab.fab.must("lab.up", "--secure", "--hosts", "1", *words)
        if hole:
            document = yaml.safe_load(lab.inventory.read_text())
            document["kafka"]["properties"]["listener.name.internal.ssl.client.auth"] = "requested"
            lab.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        lab.fab.must("deploy", "start")
        found = lab.findings()
    finally:
        lab.fab.down()
    bad = {check: severities for check, severities in found.items() if severities != {"OK"}}
    assert bad == ({"walls.certificate": {"CRIT"}} if hole else {})
