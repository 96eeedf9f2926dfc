"""Containers under systemd whose network an operator reaches through a bastion only: no route leads there from where `fab` runs."""

from collections.abc import Iterator

import pytest

from tests.beyond import InsideFab, confined, lead_through
from tests.docker_hosts import DockerLab
from tests.fab import Fab

pytestmark = [pytest.mark.e2e]

ACCESS = """users:
  ann: {password: "${file:ann.password}"}
quotas:
  - {user: ann, producer_byte_rate: 1048576}
topics:
  refunds: {partitions: 2, replication_factor: 1}
"""
TOLD = "cannot be reached directly (network is unreachable)"


@pytest.fixture(scope="module")
def fab(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fab]:
    """The `fab` of an operator in a network of its own; its cluster of one host was deployed and started from there."""
    home = tmp_path_factory.mktemp("home")
    with confined(tmp_path_factory.mktemp("network"), 1) as network:
        lab = DockerLab(Fab(home))
        try:
            lab.fab.must("lab.up", "--kind", "docker", "--hosts", "1", "--version", "4.3.1")
            lead_through(network, lab)
            operator = InsideFab(home, network.name)
            assert TOLD in operator.must("deploy", "start").err
            yield operator
        finally:
            lab.fab("lab.down")


def test_preflight_and_verify_are_all_green(fab: Fab) -> None:
    """Hosts, nodes and the replication are seen as from nearby."""
    assert fab.must("preflight", "--json").document["exit_code"] == 0
    report = fab.must("verify", "--json").document
    assert {finding["severity"] for finding in report["findings"]} == {"OK"}


def test_topics_records_and_groups(fab: Fab) -> None:
    """A topic is made, written, read by a group and deleted."""
    fab.must("topics.create", "orders", "--partitions", "2")
    assert fab.must("records.write", "orders", "--count", "100", "--json").document["acked"] == 100
    read = fab.must("records.read", "orders", "--group", "readers", "--json").document
    assert (read["read"], read["client"]) == (100, "kafka-python")
    fab.must("groups.describe", "readers")
    fab.must("groups.delete", "readers", "--yes")
    fab.must("topics.delete", "orders", "--yes")


def test_access(fab: Fab) -> None:
    """A user, a quota and a topic of a file are applied and exported; nobody has ACLs where there is no authorizer."""
    inventory = fab.home / "labs" / "lab" / "cluster.yaml"
    inventory.write_text(inventory.read_text() + "access: access.yaml\n")
    inventory.with_name("access.yaml").write_text(ACCESS)
    inventory.with_name("ann.password").touch(0o600)
    inventory.with_name("ann.password").write_text("a password\n")
    assert len(fab.must("access.apply", "--json").document["steps"]) == 3
    assert fab.must("access.drift", "--json").document["differs"] is False
    assert "refunds" in fab.must("access.export").out


def test_restart_of_all(fab: Fab) -> None:
    """All nodes stop, start, and are seen to serve."""
    fab.must("restart", "--at-once", "--yes")
    assert {node["state"] for node in fab.must("status", "--json").document["nodes"]} == {"running"}
