"""Preflight of a cluster: hosts compared, the network trial, the operation, and its screen."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.checks.preflight import across, network
from kafab.checks.preflight.across import Ahead, judge_clocks
from kafab.checks.preflight.local import Look
from kafab.checks.preflight.network import Answer, Trial
from kafab.command import Result
from kafab.findings import Severity
from kafab.hosts.facts import HostFacts, Identity, NodeFacts
from kafab.model import Cluster, Host
from kafab.unknown import Unknown
from tests.preflight_hosts import (
    CLUSTER,
    GB,
    healthy,
    in_kraft,
    three,
)


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ({"a": 0.3, "b": -0.4}, {}),
        ({"a": 0.0, "b": 5.0}, {"b": "WARN"}),
        ({"a": 0.0, "b": 0.0, "c": -3600.0}, {"c": "CRIT"}),
        ({"a": 0.0, "b": 20.0, "c": 0.1}, {"b": "WARN"}),
        ({"a": 90.0, "b": 90.1, "c": 90.2}, {"this machine": "WARN"}),
        ({"a": -90.0, "b": -90.1}, {"this machine": "WARN"}),
        ({"a": 90.0}, {"a": "WARN"}),
        ({"a": 0.0, "b": 90.0}, {"b": "CRIT"}),
        ({}, {}),
    ],
)
def test_clocks(skews: Mapping[str, float], expected: Mapping[str, str]) -> None:
    """One wrong clock is one finding; from three hosts on the majority is right, also against this machine."""
    assert told({name: Ahead(skew, skew) for name, skew in skews.items()}) == expected


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ({"a": Ahead(-40.0, 0.0)}, {}),
        ({"a": Ahead(-5.0, 0.2), "b": Ahead(-0.1, 0.1)}, {}),
        ({"a": Ahead(-5.0, 0.2), "b": Ahead(-0.1, 0.1), "c": Ahead(-9.0, 0.0)}, {}),
        ({"a": Ahead(85.0, 90.1), "b": Ahead(85.0, 90.1), "c": Ahead(90.0, 90.1)}, {"this machine": "WARN"}),
        ({"a": Ahead(-90.2, -85.0), "b": Ahead(-90.1, -90.0)}, {"this machine": "WARN"}),
        ({"a": Ahead(2.0, 9.0)}, {"a": "WARN"}),
        ({"a": Ahead(-9.0, -2.0), "b": Ahead(-0.1, 0.1), "c": Ahead(-0.1, 0.1)}, {"a": "WARN"}),
        ({"a": Ahead(40.0, 45.0), "b": Ahead(-5.0, 0.0)}, {"a": "CRIT"}),
    ],
)
def test_slow_answer_is_no_skew(skews: Mapping[str, Ahead], expected: Mapping[str, str]) -> None:
    """A clock that may have been right somewhere between question and answer is right; what lies outside is told."""
    assert told(skews) == expected


def told(skews: Mapping[str, Ahead]) -> dict[str, str]:
    """Return who is not OK, and how bad it is."""
    return {item.subject: str(item.severity) for item in judge_clocks(CLUSTER, skews) if item.severity}


def test_slow_answer_is_told_for_what_it_is() -> None:
    """OK says how far it can be trusted: an answer of 40 s shows no difference below that."""
    (finding,) = judge_clocks(CLUSTER, {"a": Ahead(-40.0, 0.0)})
    assert finding.detail == "within 1 s of this machine, as far as an answer that took 40.0 s tells"


@given(
    error=st.floats(-1000, 1000),
    trips=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=9),
)
def test_clocks_that_agree_are_ok(error: float, trips: list[tuple[float, float]]) -> None:
    """Law: however long each question and each answer took, no host is blamed, and we are only for a wrong clock."""
    skews = {str(at): Ahead(-error - back, -error + out) for at, (out, back) in enumerate(trips)}
    assert set(told(skews)) <= ({across.HERE} if abs(error) > across.SKEW_WARN else set())


def resolving(cluster: Cluster, wrong: Mapping[str, Mapping[str, tuple[str, ...]]]) -> dict[str, Look]:
    """Return looks of hosts on which every name resolves but those of ``wrong``: host -> name -> addresses."""
    return {
        host.name: replace(
            healthy(),
            names=dict.fromkeys(network.names(cluster, host), ("10.0.0.9",)) | dict(wrong.get(host.name, {})),
        )
        for host in cluster.hosts
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"node1": {"k3": ()}}, ["k3 (node3/zookeeper, node3/broker) does not resolve on node1"]),
        (
            {"node1": {"k3": ()}, "node2": {"k3": ()}},
            ["k3 (node3/zookeeper, node3/broker) does not resolve on node1, node2"],
        ),
        (
            {"node2": {"k2": ("127.0.1.1",)}},
            ["k2 (node2/zookeeper, node2/broker) is a loopback address on node2 (127.0.1.1)"],
        ),
        (
            {"node1": {"k2": ("127.0.0.1",)}},
            ["k2 (node2/zookeeper, node2/broker) is a loopback address on node1 (127.0.0.1)"],
        ),
    ],
)
def test_names(wrong: Mapping[str, Mapping[str, tuple[str, ...]]], said: list[str]) -> None:
    """A name that is missing somewhere, or leads back to the host itself, is one line, whoever misses it."""
    cluster = three("k{}")
    found = [item for item in across.judge_names(cluster, resolving(cluster, wrong)) if item.severity]
    assert [item.detail.partition("; ")[0] for item in found] == said


def test_missing_getent_is_unknown() -> None:
    """Where names cannot be looked up they are not taken for resolved."""
    cluster = three("k{}")
    looks = resolving(cluster, {}) | {"node2": replace(healthy(), names=Unknown("getent is not there"))}
    found = [(item.subject, item.severity) for item in across.judge_names(cluster, looks) if item.severity]
    assert found == [("node2", Severity.UNKNOWN)]


def test_data_of_another_cluster_is_the_odd_one_out() -> None:
    """Two brokers agree on cluster.id, the third's directory is foreign."""
    cluster = three()
    looks = {
        host.name: replace(
            healthy(),
            facts=HostFacts(
                {"broker": NodeFacts(identities={PurePosixPath("/d"): Identity(at, "x" if at < 3 else "y")})}
            ),
        )
        for at, host in enumerate(cluster.hosts, 1)
    }
    (finding,) = across.judge_cluster_ids(cluster, looks)
    assert (finding.subject, finding.severity) == ("node3/broker", Severity.CRIT)
    assert finding.detail == "/d belongs to cluster.id y; wanted: x, as on 2 other directories"


def test_hosts_of_one_address_share_their_memory() -> None:
    """Heaps are summed over a machine, not over a host of the inventory."""
    shared = three("10.0.0.1")
    looks = {host.name: replace(healthy(), memory={"MemTotal": 4 * GB}) for host in shared.hosts}
    found = list(across.judge_memory(shared, looks))
    assert [(item.subject, item.severity) for item in found] == [("node1 and 2 more", Severity.CRIT)]


@pytest.mark.parametrize(("total", "severity"), [(6, Severity.OK), (4, Severity.CRIT)])
def test_heap_above_half_can_be_accepted(total: int, severity: Severity) -> None:
    """`accept:` takes the advice away, with its reason in the finding; heaps that cannot fit stay an error."""
    accepting = replace(three("10.0.0.1"), accepted={"heap-above-half": "no topic here is read twice"})
    looks = {host.name: replace(healthy(), memory={"MemTotal": total * GB}) for host in accepting.hosts}
    (found,) = across.judge_memory(accepting, looks)
    assert (found.severity, "no topic here is read twice" in found.detail) == (severity, total == 6)


def test_connections_that_are_needed() -> None:
    """A broker reaches every node's client port, a server its peers' quorum and election ports, no more."""
    cluster = three()
    wanted = {(target.node.name, target.use) for target in network.targets(cluster, cluster.hosts[0])}
    clients = {(node.name, "client") for node in cluster.nodes}
    peers = {(f"node{at}/zookeeper", use) for at in (2, 3) for use in ("quorum", "election")}
    assert wanted == clients | peers


def test_connections_that_combined_nodes_need() -> None:
    """In KRaft a broker reaches every broker's advertised port and every controller's listener."""
    cluster = in_kraft()
    wanted = {(target.use, str(target.endpoint)) for target in network.targets(cluster, cluster.hosts[0])}
    assert wanted == {
        (use, f"10.0.0.{at}:{port}")
        for at in (1, 2, 3)
        for use, port in (("client", 9092), ("controller", 9093))
    }


def test_connections_that_isolated_controllers_need() -> None:
    """A controller on a host of its own reaches the other controllers, and no broker."""
    cluster = in_kraft(isolated=True)
    alone = tuple(node for node in cluster.nodes if node.name != "node1/broker")
    cluster = replace(cluster, nodes=alone)
    wanted = {(target.node.name, target.use) for target in network.targets(cluster, cluster.hosts[0])}
    assert wanted == {(f"node{at}/controller", "controller") for at in (1, 2, 3)}


def test_host_without_a_node_reaches_nothing() -> None:
    """A host of the inventory without a node of this cluster has nobody to reach."""
    cluster = in_kraft()
    cluster = replace(cluster, nodes=cluster.nodes[1:])
    assert network.targets(cluster, cluster.hosts[0]) == ()


def test_controller_behind_a_firewall_is_named_by_its_port() -> None:
    """A controller listener that a firewall closes is one line with that port, though the broker's is open."""
    found = tried(
        in_kraft(), lambda _source, target: Answer.SILENT if str(target.endpoint) == "10.0.0.2:9093" else None
    )
    ((subject, severity, detail),) = found
    assert (subject, severity) == ("node2", "CRIT")
    assert "10.0.0.2:9093 (node2/broker controller) from node1, node2, node3: no answer" in detail


@pytest.mark.parametrize(
    ("pinned", "expected"),
    [
        (None, {"node3/controller": "y; wanted: x, as on 5 other directories"}),
        ("x", {"node3/controller": "y; wanted: x, kraft.cluster_id of the inventory"}),
        ("y", dict.fromkeys(
            ["node1/controller", "node1/broker", "node2/controller", "node2/broker", "node3/broker"],
            "x; wanted: y, kraft.cluster_id of the inventory",
        )),
    ],
)  # fmt: skip
def test_cluster_ids_of_controllers_count(pinned: str | None, expected: dict[str, str]) -> None:
    """Controllers' directories are compared, too; a pinned id is right whatever most of them have."""
    cluster = replace(in_kraft(isolated=True), cluster_id=pinned)

    def facts(host: Host) -> HostFacts:
        return HostFacts(
            {
                node.instance: NodeFacts(
                    identities={
                        node.data[0]: Identity(
                            node.id, "y" if node.name == "node3/controller" else "x", kraft=True
                        )
                    }
                )
                for node in cluster.on(host)
            }
        )

    looks = {host.name: replace(healthy(), facts=facts(host)) for host in cluster.hosts}
    found = {item.subject: item.detail for item in across.judge_cluster_ids(cluster, looks)}
    assert {name: detail.partition("cluster.id ")[2] for name, detail in found.items()} == expected


def tried(
    cluster: Cluster, bad: Callable[[str, network.Target], Answer | None], **changes: Any
) -> list[tuple[str, str, str]]:
    """Return (subject, severity, detail) of what is not OK when these connections end differently from open."""
    answers = {
        host.name: {
            target.endpoint: bad(host.name, target) or Answer.OPEN
            for target in network.targets(cluster, host)
        }
        for host in cluster.hosts
    }
    trial = Trial(answers, frozenset(), frozenset({"node1", "node2", "node3"}), frozenset())
    found = network.judge(cluster, replace(trial, **changes))
    return [(item.subject, str(item.severity), item.detail) for item in found if item.severity]


def test_open_network_is_green() -> None:
    """Every connection opened: nothing to say."""
    assert tried(three(), lambda _source, _target: None) == []


def test_host_behind_a_firewall_is_one_line() -> None:
    """All peers miss one host: the line is about that host, with ports and who tried."""
    found = tried(
        three(), lambda source, target: Answer.SILENT if source != target.node.host.name == "node3" else None
    )
    ((subject, severity, detail),) = found
    assert (subject, severity) == ("node3", "CRIT")
    assert "10.0.0.3:9092 (node3/broker client) from node1, node2: no answer" in detail


def test_host_that_reaches_nobody_is_one_line() -> None:
    """One host misses all its peers: the line is about that host."""
    found = tried(
        three(),
        lambda source, target: Answer.NO_ROUTE if source == "node3" != target.node.host.name else None,
    )
    ((subject, severity, detail),) = found
    assert (subject, severity, "reaches no other host" in detail) == ("node3", "CRIT", True)


def test_refused_at_a_listener_is_a_firewall() -> None:
    """Where our listener is known to listen, "refused" is an answer of something in between."""
    found = tried(
        three(),
        lambda source, target: (
            Answer.REFUSED if source == "node1" and target.node.name == "node2/broker" else None
        ),
    )
    assert [(subject, severity) for subject, severity, _ in found] == [("node2", "CRIT")]


@pytest.mark.parametrize(("lab", "count"), [(False, 3), (True, 0)])
def test_refused_where_nobody_could_listen_is_not_proven(lab: bool, count: int) -> None:
    """Without a listener "refused" shows that packets come and go, and no more: a warning that says so."""
    found = tried(three(lab=lab), lambda _source, _target: Answer.REFUSED, listeners=frozenset())
    assert [severity for _, severity, detail in found if "nothing listens there yet" in detail] == [
        "WARN"
    ] * count


def test_follower_may_have_its_quorum_port_closed() -> None:
    """Only a ZooKeeper leader listens on its quorum port; a running node's client port must be open."""
    cluster = three()
    running = frozenset(node.name for node in cluster.nodes)
    followers = tried(
        cluster, lambda _source, target: Answer.REFUSED if target.use == "quorum" else None, running=running
    )
    deaf = tried(
        cluster, lambda source, target: Answer.REFUSED if source == "node1" and target.node.name == "node2/broker" else None,
        running=running,
    )  # fmt: skip
    assert (followers, [subject for subject, _, _ in deaf]) == ([], ["node2"])


def test_unreachable_host_is_not_told_twice() -> None:
    """That its peers cannot reach a host that is down says nothing new."""
    found = tried(
        three(),
        lambda _source, target: Answer.SILENT if target.node.host.name == "node3" else None,
        unreached=frozenset({"node3"}),
    )
    assert found == []


def test_host_without_a_tool_is_unknown() -> None:
    """Neither bash nor ssh there: what was not tried is not open."""
    cluster = three()
    missing = network.reached(Result(0, b"notool neither bash nor ssh is there\n", ""))
    found = network.judge(cluster, Trial({"node1": missing}, frozenset(), frozenset(), frozenset()))
    assert [(item.severity, item.detail) for item in found] == [
        (Severity.UNKNOWN, "neither bash nor ssh is there")
    ]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("0 ", Answer.OPEN),
        ("1 bash: connect: Connection refused bash: /dev/tcp/h/1: Connection refused", Answer.REFUSED),
        ("124 ", Answer.SILENT),
        ("1 ssh: connect to host h port 1: Connection timed out", Answer.SILENT),
        ("1 bash: connect: No route to host", Answer.NO_ROUTE),
        ("1 bash: connect: Network is unreachable", Answer.NO_ROUTE),
        ("1 bash: h: Name or service not known bash: /dev/tcp/h/1: Invalid argument", Answer.NO_NAME),
        ("1 ssh: Could not resolve hostname h: Temporary failure in name resolution", Answer.NO_NAME),
        ("1 something else", Answer.FAILED),
    ],
)
def test_recorded_answers_of_connections(said: str, answer: Answer) -> None:
    """What bash and ssh print of a connection, recorded."""
    found = network.reached(Result(0, f"tcp h 1 {said}\nend\n".encode(), ""))
    assert isinstance(found, dict)
    assert list(found.values()) == [answer]
