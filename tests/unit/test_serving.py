"""Certificates as a deploy and kafab's own clients use them: judged first, in real files."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.errors import Failed
from kafab.findings import Severity
from kafab.inventory import load
from kafab.model import Cluster, Security, Version
from kafab.ops.secure.issue import issue
from kafab.ops.secure.serving import ShelfCertificates
from kafab.ops.secure.shelf import Shelf
from kafab.pki import files
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown

INVENTORY = """\
kafka: {version: 4.3.1, listeners: {INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}}}
controller: {protocol: SSL}
lab: true
hosts:
  node1: {address: 10.0.0.11, controller: 1, broker: 1}
  node2: {address: 10.0.0.12, controller: 2, broker: 2}
  node3: {address: 10.0.0.13, controller: 3, broker: 3}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster of three nodes with TLS."""
    file = tmp_path / "prod.yaml"
    file.write_text(INVENTORY)
    return load(file)[0]


@pytest.fixture
def shelf(cluster: Cluster, tmp_path: Path) -> Shelf:
    """Its certificates, all good."""
    made = Shelf(tmp_path / "pki")
    issue(cluster, None, FakeWorld.of(FakeKafka(cluster)), made)
    return made


def test_each_node_gets_its_own_key_and_the_ca(cluster: Cluster, shelf: Shelf) -> None:
    """A key store has the node's key, its certificate, and nothing of another node's."""
    stores = ShelfCertificates(cluster, shelf).stores(cluster.nodes, cluster.version)
    kept = shelf.folder / "nodes" / "node1" / "broker"
    key, certificate = ((kept / name).read_text() for name in ("node.key", "node.crt"))
    assert stores[cluster.nodes[0]].key == Secret(key + certificate)
    assert {one.trusted for one in stores.values()} == {shelf.authority_file.read_text()}


@pytest.mark.parametrize(("version", "encoded"), [("2.4.1", True), ("3.9.2", False), ("4.3.1", False)])
def test_stores_are_what_that_kafka_reads(
    version: str, encoded: bool, cluster: Cluster, shelf: Shelf
) -> None:
    """An upgrade across Kafka 3.0 asks for stores of another kind than the running version has: PKCS12 before, PEM from then on."""
    stores = ShelfCertificates(cluster, shelf).stores(cluster.nodes, Version.parse(version))
    key = stores[cluster.nodes[0]].key.value
    assert ("BEGIN PRIVATE KEY" in key, key.startswith("MII")) == (not encoded, encoded)


def test_missing_certificate_is_told_with_the_command(cluster: Cluster, tmp_path: Path) -> None:
    """Before the first secure.issue a deploy says what to type."""
    with pytest.raises(Failed, match="has listeners with TLS") as caught:
        ShelfCertificates(cluster, Shelf(tmp_path / "empty")).stores(cluster.nodes, cluster.version)
    assert "fab secure.issue" in (caught.value.hint or "")


def test_every_defect_is_told_at_once(cluster: Cluster, shelf: Shelf) -> None:
    """Two nodes whose certificates were swapped are two lines, and nothing is changed."""
    first, second = (shelf.folder / "nodes" / name / "broker" for name in ("node1", "node2"))
    for name in ("node.crt", "node.key"):
        one, two = (first / name).read_bytes(), (second / name).read_bytes()
        (first / name).write_bytes(two)
        (second / name).write_bytes(one)
    with pytest.raises(Failed, match="nothing was changed") as caught:
        ShelfCertificates(cluster, shelf).stores(cluster.nodes, cluster.version)
    assert [name in caught.value.message for name in ("node1/broker:", "node2/broker:", "node3/broker:")] == [
        True,
        True,
        False,
    ]


def test_subject_that_is_no_super_user_is_refused(cluster: Cluster, shelf: Shelf) -> None:
    """A certificate whose subject super.users does not have would lock its node out."""
    other = replace(cluster, security=Security(nodes=("CN=kafka1,O=Ex",)))
    said = "its subject is CN=kafka-node,O=prod; expected CN=kafka1,O=Ex, or security.nodes in the inventory"
    with pytest.raises(Failed, match=re.escape(said)):
        ShelfCertificates(other, shelf).stores(other.nodes, other.version)


def test_kafab_has_an_identity(cluster: Cluster, shelf: Shelf) -> None:
    """The files are those of the operator, and whom they trust."""
    found = ShelfCertificates(cluster, shelf).identity()
    certificates = files.certificates_in(found.certificate.read_bytes())
    assert not isinstance(certificates, Unknown)
    assert certificates[0].subject.rfc4514_string() == "CN=kafab-operator,O=prod"
    assert found.trusted == shelf.authority_file


def test_host_whose_clock_is_behind_is_told(cluster: Cluster, shelf: Shelf) -> None:
    """A certificate that was made a moment ago is not good yet where the clock is a day behind."""
    behind = datetime.now(timezone.utc) - timedelta(days=1)
    found = ShelfCertificates(cluster, shelf).findings(cluster.nodes, {"node2": behind})
    bad = [(one.check, one.subject) for one in found if one.severity > Severity.OK]
    assert bad == [("certificate.clock", "node2/broker")]
