"""What preflight says of the ports that are open on every interface, and what it tries of several listeners."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from kafab.checks.preflight import local, network
from kafab.checks.preflight.listening import judge_binds, judge_listening
from kafab.command import Result, Script
from kafab.findings import Report, Severity
from kafab.listeners import Listener, Use
from kafab.model import Cluster, Node, Supervisor
from kafab.screens.console import Console
from kafab.screens.preflight import show_preflight
from kafab.unknown import Unknown
from tests.preflight_hosts import NODE, healthy, in_kraft, three

INTERNAL = frozenset({Use.BROKERS})


def _each(cluster: Cluster, change: Callable[[Node], Node]) -> Cluster:
    return replace(cluster, nodes=tuple(map(change, cluster.nodes)))


def _bound(node: Node) -> Node:
    own = tuple(replace(listener, bind=listener.advertised) for listener in node.listeners)
    return replace(node, listeners=own, jmx_port=9988, jmx_bind="127.0.0.1")


def _named(node: Node) -> Node:
    host = node.host.address
    own = (
        Listener("INTERNAL", 9092, host, host, uses=INTERNAL),
        Listener("EXTERNAL", 9094, f"{node.host.name}.example.org"),
    )
    return replace(node, listeners=own) if node.broker_listeners else node


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (three(), "6 of 6 nodes listen on every interface: client 2181 on 3, client 9092 on 3"),
        (in_kraft(), "3 of 3 nodes listen on every interface: client 9092 on 3, controller 9093 on 3"),
        (_each(three(), _named), "6 of 6 nodes listen on every interface: client 2181 on 3, EXTERNAL 9094 on 3"),
        (_each(three(), _bound), "every port listens on one address"),
        (_each(three(), lambda node: replace(_bound(node), jmx_bind=None)), "6 of 6 nodes listen on every interface: jmx (without a password) 9988 on 6"),
        (_each(three(), lambda node: replace(_bound(node), properties={"quorumListenOnAllIPs": "true"})), "3 of 6 nodes listen on every interface: quorum 2888 on 3, election 3888 on 3"),
        (three("127.0.0.{}"), "every port listens on one address"),
    ],
)  # fmt: skip
def test_open_ports_are_told(cluster: Cluster, said: str) -> None:
    """Each port that is open on every interface is told with how many nodes open it, and none other."""
    found = judge_listening(cluster)
    assert (found.severity, found.detail) == (Severity.OK, said)


def test_open_port_is_a_note() -> None:
    """A finding that is no fault and has something to choose is shown with it, on the screen, too."""
    cluster = three()
    report = Report(cluster.name, (judge_listening(cluster),))
    out = io.StringIO()
    show_preflight(Console(out=out), cluster, report)
    assert "note  prod  listening: 6 of 6 nodes listen on every interface" in out.getvalue()


@pytest.mark.parametrize(
    ("bind", "severity"),
    [
        ("10.0.0.1", Severity.OK),
        ("10.0.0.9", Severity.CRIT),
        ("2001:db8::1", Severity.OK),
        ("kafka1", Severity.OK),
        ("kafka9", Severity.CRIT),
        ("nowhere", Severity.CRIT),
    ],
)
def test_address_to_bind_is_the_hosts(bind: str, severity: Severity) -> None:
    """A port can listen only on an address that an interface has, or on a name that leads to one there."""
    node = replace(NODE, listeners=(Listener("PLAINTEXT", 9092, "10.0.0.1", bind),))
    names = {"kafka1": ("10.0.0.1",), "kafka9": ("10.0.0.9",), "nowhere": ()}
    look = replace(healthy(), addresses=frozenset({"127.0.0.1", "10.0.0.1", "2001:db8::1"}), names=names)
    assert [found.severity for found in judge_binds(node.host, [node], look)] == [severity]


def test_addresses_that_cannot_be_read() -> None:
    """Without the host's addresses nobody knows whether it has this one."""
    node = replace(NODE, listeners=(Listener("PLAINTEXT", 9092, "10.0.0.1", "10.0.0.1"),))
    look = replace(healthy(), addresses=Unknown("ip (of iproute2) is not there"))
    (found,) = judge_binds(node.host, [node], look)
    assert (found.severity, found.detail) == (
        Severity.UNKNOWN,
        "the host's addresses cannot be read: ip (of iproute2) is not there",
    )


def test_addresses_of_this_machine(shell: Callable[[Script], Result]) -> None:
    """The script reads the addresses of a real machine's interfaces where one is to be listened on."""
    node = replace(NODE, listeners=(Listener("PLAINTEXT", 9092, "10.0.0.1", "10.0.0.1"),))
    host = replace(node.host, supervisor=Supervisor.PROCESS)
    look = local.parse(host, [node], shell(local.probe(host, [node], [])))
    assert isinstance(look, local.Look)
    assert not isinstance(look.addresses, Unknown)
    assert "127.0.0.1" in look.addresses


def test_brokers_are_tried_at_their_own_listener() -> None:
    """A broker must reach the listener of the brokers; whether clients' addresses lead back into the cluster says nothing."""
    cluster = _each(three(), _named)
    wanted = {target.endpoint.port for target in network.targets(cluster, cluster.hosts[0])}
    assert wanted == {2181, 9092, 2888, 3888}


def test_names_of_clients_need_not_resolve_on_hosts() -> None:
    """An external name may be known on the clients' networks only."""
    cluster = _each(three(), _named)
    assert network.names(cluster, cluster.hosts[0]) == ()
