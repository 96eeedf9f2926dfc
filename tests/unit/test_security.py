"""From protocols and `security:` to the files of nodes: TLS, SASL, the authorizer, ZooKeeper."""

import base64
import hashlib
import itertools
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Secret
from kafab.config import security
from kafab.config.properties import broker_properties, zookeeper_properties
from kafab.config.render import RenderedFile, Stores, configuration_files, node_files
from kafab.config.security import PEM
from kafab.hosts.facts import FileFact, NodeFacts
from kafab.inventory import load
from kafab.model import Cluster
from kafab.ops.deploy.compiler import compile_steps
from kafab.ops.observing import read_stores
from kafab.ops.secure.shelf import Shelf
from kafab.plans.state import as_found, desire
from kafab.plans.steps import WriteFile, document, essence
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld

KEYSTORE, TRUSTSTORE = PEM
LISTENERS = """\
  listeners:
    INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}
    CLIENTS: {port: 9092, use: clients, protocol: SASL_SSL}
"""
KRAFT = f"kafka:\n  version: 4.3.1\n{LISTENERS}controller: {{protocol: SSL}}\nsecurity: {{}}\n"
ZOOKEEPER = f"kafka:\n  version: 3.9.2\n{LISTENERS}zookeeper: {{protocol: SSL}}\nsecurity: {{}}\n"
OLD = f"kafka:\n  version: 2.4.1\n{LISTENERS}security: {{}}\n"
COMBINED, ISOLATED, ENSEMBLE = (
    "controller: 1, broker: 1",
    "controller: 101, broker: 1",
    "zookeeper: 1, broker: 1",
)


def _cluster(folder: Path, head: str, roles: str) -> Cluster:
    file = folder / "prod.yaml"
    hosts = "".join(f"  node{n}: {{address: 10.0.0.1{n}, {roles.replace('1', str(n))}}}\n" for n in (1, 2, 3))
    file.write_text(head + "hosts:\n" + hosts, encoding="utf-8")
    return load(file)[0]


@pytest.fixture
def combined(tmp_path: Path) -> Cluster:
    """A secure KRaft cluster of three combined nodes."""
    return _cluster(tmp_path, KRAFT, COMBINED)


def test_protocols_reach_the_map(combined: Cluster) -> None:
    """Each listener has its protocol in listener.security.protocol.map, the controllers' one, too."""
    found = broker_properties(combined, combined.brokers[0])["listener.security.protocol.map"]
    assert found == "INTERNAL:SSL,CLIENTS:SASL_SSL,CONTROLLER:SSL"


def test_super_users_are_the_nodes_kafab_and_the_named(tmp_path: Path) -> None:
    """super.users has the subjects of the nodes' and of kafab's certificates, and whom the inventory names."""
    cluster = _cluster(tmp_path, KRAFT.replace("{}", "{super_users: ['User:ann']}"), COMBINED)
    found = broker_properties(cluster, cluster.brokers[0])
    assert found["super.users"] == "User:CN=kafka-node,O=prod;User:CN=kafab-operator,O=prod;User:ann"


def test_subjects_of_a_company_are_the_inventorys(tmp_path: Path) -> None:
    """Where a company's CA chose the subjects, they and no others are super users."""
    given = "{nodes: ['CN=k1,O=Ex', 'CN=k2,O=Ex'], operator: 'CN=ops,O=Ex'}"
    cluster = _cluster(tmp_path, KRAFT.replace("{}", given), COMBINED)
    found = broker_properties(cluster, cluster.brokers[0])["super.users"]
    assert found == "User:CN=k1,O=Ex;User:CN=k2,O=Ex;User:CN=ops,O=Ex"


@pytest.mark.parametrize(
    ("head", "roles", "name"),
    [
        (KRAFT, COMBINED, "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        (ZOOKEEPER, ENSEMBLE, "kafka.security.authorizer.AclAuthorizer"),
    ],
)
def test_authorizer_is_that_of_the_mode(tmp_path: Path, head: str, roles: str, name: str) -> None:
    """Each mode has an authorizer of its own, and nobody may do what no ACL allows."""
    cluster = _cluster(tmp_path, head, roles)
    found = broker_properties(cluster, cluster.brokers[0])
    assert (found["authorizer.class.name"], found["allow.everyone.if.no.acl.found"]) == (name, "false")


def test_isolated_controller_has_stores_and_the_authorizer(tmp_path: Path) -> None:
    """An isolated controller authorizes what brokers forward to it, and shows a certificate."""
    cluster = _cluster(tmp_path, KRAFT, ISOLATED)
    found = broker_properties(cluster, next(node for node in cluster.controllers if not node.combined))
    names = {"authorizer.class.name", "ssl.keystore.location", "ssl.client.auth"}
    assert (names <= found.keys(), "sasl.enabled.mechanisms" in found) == (True, False)


def test_plaintext_cluster_has_nothing_of_it(small: Cluster) -> None:
    """A cluster without protocols and `security:` has the files that it had."""
    words = ("ssl.", "sasl.", "authorizer", "super.users")
    found = broker_properties(small, small.brokers[0])
    assert not [name for name in found if name.startswith(words)]


def test_zookeeper_listens_with_tls_alone(tmp_path: Path) -> None:
    """With SSL a server has no client port in the clear, asks for certificates, and its quorum is encrypted."""
    cluster = _cluster(tmp_path, ZOOKEEPER, ENSEMBLE)
    found = zookeeper_properties(cluster, cluster.zookeepers[0])
    assert "clientPort" not in found
    assert (found["secureClientPort"], found["ssl.clientAuth"], found["sslQuorum"]) == (
        "2181",
        "need",
        "true",
    )


def test_brokers_own_their_znodes(tmp_path: Path) -> None:
    """Brokers that show ZooKeeper a certificate set ACLs on what they make there."""
    cluster = _cluster(tmp_path, ZOOKEEPER, ENSEMBLE)
    found = broker_properties(cluster, cluster.brokers[0])
    assert (found["zookeeper.ssl.client.enable"], found["zookeeper.set.acl"]) == ("true", "true")


def test_zookeeper_in_the_clear_beside_secure_brokers(tmp_path: Path) -> None:
    """Where ZooKeeper is in the clear, its servers need no certificates."""
    cluster = _cluster(tmp_path, OLD, ENSEMBLE)
    needs = [security.needs_certificate(cluster, node) for node in cluster.nodes]
    assert needs == [node.role.value == "broker" for node in cluster.nodes]


def test_stores_are_files_of_the_node(combined: Cluster) -> None:
    """Key store and trust store lie beside server.properties; the key is for the process alone."""
    node = combined.brokers[0]
    files = {
        file.path.name: file for file in node_files(combined, node, None, Stores(Secret("key\n"), "ca\n"))
    }
    assert (files[KEYSTORE].text, files[KEYSTORE].mode, files[KEYSTORE].secret) == ("key\n", "640", True)
    assert (files[TRUSTSTORE].text, files[TRUSTSTORE].secret) == ("ca\n", False)


def test_another_certificate_is_another_configuration(combined: Cluster) -> None:
    """A node that was started with another certificate is not as deployed."""
    node = combined.brokers[0]
    one, other = (
        configuration_files(node_files(combined, node, None, Stores(Secret(text), "ca\n")))
        for text in ("a", "b")
    )
    assert {name for name in one if one[name] != other[name]} == {KEYSTORE}


def test_older_kafka_has_stores_in_pkcs12(tmp_path: Path) -> None:
    """Kafka before 3.0 reads no key in PEM without a password: its stores are binary, sent encoded, and count by what they hold."""
    cluster = _cluster(tmp_path, f"kafka:\n  version: 2.4.1\n{LISTENERS}security: {{}}\n", ENSEMBLE)
    node = cluster.brokers[0]
    stores = Stores(
        Secret(base64.b64encode(b"\x00key").decode() + "\n"), base64.b64encode(b"\xffca").decode()
    )
    files = {file.path.name: file for file in node_files(cluster, node, None, stores)}
    found = broker_properties(cluster, node)
    assert (found["ssl.keystore.type"], found["ssl.keystore.location"]) == (
        "PKCS12",
        str(node.config / "keystore.p12"),
    )
    assert files["keystore.p12"].sha256 == hashlib.sha256(b"\x00key").hexdigest()
    assert (files["keystore.p12"].encoded, files["keystore.p12"].whole_secret) == (True, True)


def test_encoded_file_arrives_decoded(tmp_path: Path) -> None:
    """On its host a file that is sent in base64 is what it encodes."""
    target = tmp_path / "keystore.p12"
    text = base64.encodebytes(bytes(range(256))).decode()
    file = RenderedFile(PurePosixPath(target), text, "600", encoded=True)
    script = compile_steps([WriteFile("node1", "node1/broker", file, None)])
    subprocess.run(["sh"], input=script.text, text=True, check=True, stdout=subprocess.DEVNULL, timeout=30)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (bytes(range(256)), 0o600)


def test_store_in_pkcs12_is_made_once(tmp_path: Path) -> None:
    """PKCS12 is another file each time it is made: it is kept, and made anew with its certificate alone."""
    shelf, made = Shelf(tmp_path / "pki"), itertools.count()

    def make() -> bytes:
        return f"store {next(made)}".encode()

    found = [shelf.encoded("node.p12", source, make) for source in ("one", "one", "other")]
    assert [base64.b64decode(text) for text in found] == [b"store 0", b"store 0", b"store 1"]


def _write(cluster: Cluster, text: str, before: str | None) -> WriteFile:
    node = cluster.brokers[0]
    (file,) = (
        file
        for file in node_files(cluster, node, None, Stores(Secret(text), "ca\n"))
        if file.path.name == KEYSTORE
    )
    return WriteFile("node1", node.name, file, before)


def test_plan_shows_nothing_of_a_key(combined: Cluster) -> None:
    """Neither the diff nor the document of a plan has a private key, its digest, or what was there before."""
    told = json.dumps(document(_write(combined, "the-new-key", "the-old-key")))
    assert ("the-new-key" in told, "the-old-key" in told) == (False, False)
    assert document(_write(combined, "the-new-key", None))["sha256"] is None


def test_digest_of_a_plan_tells_nothing_of_a_key(combined: Cluster) -> None:
    """A plan's digest says that the key store changes, and is the same whatever the key is."""
    keys = [essence(_write(combined, text, "")) for text in ("one", "two")]
    assert keys[0] == keys[1] != essence(_write(combined, "one", "one"))


def test_look_takes_the_stores_of_the_host(combined: Cluster) -> None:
    """A command that only looks reads no key: it takes the key store that the host has."""
    world = FakeWorld.of(FakeKafka(combined))
    given = desire(combined, combined.nodes, None, {}, read_stores(combined, combined.nodes, world))
    without = desire(combined, combined.nodes, None)
    facts = {wanted.node: _facts(wanted.files) for wanted in given.nodes}
    found = as_found(without, facts)
    assert [each.configuration("k") for each in found.nodes] == [
        each.configuration("k") for each in given.nodes
    ]


def _facts(files: Iterable[RenderedFile]) -> NodeFacts:
    """Return what a host says of these files: a private key never comes back."""
    return NodeFacts(files={file.path.name: FileFact(file.sha256, file.mode) for file in files})


def test_stores_are_asked_of_those_that_need_them(tmp_path: Path) -> None:
    """A cluster in the clear asks for no certificate."""
    cluster = _cluster(tmp_path, "kafka: {version: 4.3.1}\n", COMBINED)
    assert read_stores(cluster, cluster.nodes, FakeWorld.of(FakeKafka(cluster))) == {}
