"""Preflight's question whether sshd lets kafab itself through: whom it asks, and what an answer means."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from kafab.checks.preflight.passing import addresses, judge
from kafab.findings import Finding, Severity
from kafab.hosts.ways import Passage
from kafab.model import Cluster, Endpoint, Reach
from kafab.ops.check.preflight import blocking, preflight
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.passages import FakePassages
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.preflight_hosts import CLUSTER, in_kraft, three
from tests.unit.test_preflight_run import Hosts

AT = Endpoint("10.0.0.1", 9092)
CLOSED = Passage(ssh=False, direct="no route to host")
REFUSED = Passage(ssh=False, direct="connection refused", refused=True)


def reaching(reach: Reach, cluster: Cluster = CLUSTER) -> Cluster:
    """Return a cluster whose hosts are reached so."""
    hosts = {host.name: replace(host, ssh=replace(host.ssh, reach=reach)) for host in cluster.hosts}
    nodes = tuple(replace(node, host=hosts[node.host.name]) for node in cluster.nodes)
    return replace(cluster, hosts=tuple(hosts.values()), nodes=nodes)


def found(passage: Passage, cluster: Cluster = CLUSTER, listened: Collection[Endpoint] = ()) -> Finding:
    """Return the finding about the only host."""
    (finding,) = judge(cluster, addresses(cluster, cluster.nodes), {AT: passage}, listened)
    return finding


@pytest.mark.parametrize(
    ("cluster", "ports"),
    [(three(), {2181, 9092}), (in_kraft(isolated=True), {9092, 9093}), (in_kraft(), {9092, 9093})],
)
def test_what_kafab_asks_is_tried(cluster: Cluster, ports: set[int]) -> None:
    """Brokers, controllers and ZooKeeper servers, each where kafab asks them; nothing of hosts that are reached directly alone."""
    asked = addresses(cluster, cluster.nodes)
    assert asked.keys() == {Endpoint(host.address, port) for host in cluster.hosts for port in ports}
    direct = reaching(Reach.DIRECT, cluster)
    assert addresses(direct, direct.nodes) == {}


@pytest.mark.parametrize(
    ("passage", "listened", "severity"),
    [
        (Passage(ssh=True), (), Severity.OK),
        (Passage(ssh=Unknown("the SSH connection was lost")), (), Severity.UNKNOWN),
        (Passage(ssh=False), (), Severity.CRIT),
        (Passage(ssh=False, direct=""), (), Severity.OK),
        (CLOSED, (), Severity.CRIT),
        (REFUSED, (AT,), Severity.CRIT),
        (REFUSED, (), Severity.WARN),
    ],
)
def test_severity_is_what_was_seen(
    passage: Passage, listened: Collection[Endpoint], severity: Severity
) -> None:
    """A way that is there is enough; a refusal where nothing listens yet proves nothing."""
    assert found(passage, listened=listened).severity is severity


def test_a_closed_way_is_told_with_the_lines_to_change() -> None:
    """Both reasons and sshd's options are named, and what to write there."""
    crit = found(CLOSED)
    assert crit.detail.startswith(
        "10.0.0.1:9092 cannot be reached through SSH: sshd of node1 forbids it: AllowTcpForwarding, DisableForwarding and PermitOpen"
    )
    assert crit.detail.endswith("; directly: no route to host")
    assert "`AllowTcpForwarding local`" in str(crit.hint)
    assert str(crit.hint).endswith("Or open these ports to this machine")
    only_ssh = found(Passage(ssh=False), reaching(Reach.SSH))
    assert str(only_ssh.hint).endswith(", and take `reach: ssh` out of the inventory")


def test_advice_is_ok_in_a_lab() -> None:
    """A lab's node that does not run yet is no reason to warn."""
    assert found(REFUSED, replace(CLUSTER, lab=True)).severity is Severity.OK


@pytest.mark.parametrize("connections", [True, False])
def test_deploy_is_refused_where_kafab_would_not_come_to_its_nodes(connections: bool) -> None:
    """The check of hosts before a deploy, which leaves the network out, asks as well, and what it finds blocks."""
    cluster = reaching(Reach.SSH)
    passages = FakePassages({AT: Passage(ssh=False)})
    fleet = FakeFleet({"node1": Hosts(cluster).answer})
    world = FakeWorld.of(FakeKafka(cluster), fleet=fleet, store=FakeStore(), passages=passages)
    report = preflight(cluster, None, world, connections=connections).report
    assert "ssh.forwarding" in {finding.check for finding in blocking(report)}
    assert passages.asked == [AT]


def test_nobody_asks_a_host_that_let_nobody_in() -> None:
    """A host that was not reached is one line, and no more of it is guessed."""
    passages = FakePassages()
    fleet = FakeFleet({}, unreachable={"node1": "no answer from 10.0.0.1 port 22 within 10 s"})
    world = FakeWorld.of(FakeKafka(CLUSTER), fleet=fleet, store=FakeStore(), passages=passages)
    preflight(CLUSTER, None, world)
    assert passages.asked == []
