"""Which way to Kafka and ZooKeeper is tried, and what is told where none works."""

from pathlib import Path

import pytest

from kafab.hosts.ways import (
    HEAD_START,
    IN_VAIN,
    LOGIN_HEAD_START,
    Trial,
    Way,
    Ways,
    carrier,
    carriers,
    nowhere,
)
from kafab.listeners import Endpoint
from kafab.model import Reach
from tests.conftest import cluster_in

ONE, TWO = Endpoint("10.0.0.11", 9092), Endpoint("10.0.0.12", 9092)
DIRECT, SSH = Way.DIRECT, Way.SSH


def _trial(ways: Ways, at: Endpoint = ONE, now: float = 100.0, *, is_open: bool = True) -> Trial:
    return ways.trial(at, Reach.AUTO, now, is_open=is_open)


@pytest.mark.parametrize(("reach", "way"), [(Reach.DIRECT, DIRECT), (Reach.SSH, SSH)])
def test_a_way_that_is_asked_for_is_the_only_one(reach: Reach, way: Way) -> None:
    """Neither what was learned nor what is forbidden leads to another one."""
    ways = Ways()
    ways.took(ONE, DIRECT if way is SSH else SSH)
    ways.forbids(ONE)
    assert ways.trial(ONE, reach, 100.0, is_open=True) == Trial((way,))


@pytest.mark.parametrize(("is_open", "start"), [(True, HEAD_START), (False, LOGIN_HEAD_START)])
def test_where_nothing_is_known_the_direct_way_has_a_head_start(is_open: bool, start: float) -> None:
    """The other one costs a channel, or a login."""
    assert _trial(Ways(), is_open=is_open) == Trial((DIRECT, SSH), start)


@pytest.mark.parametrize("way", Way)
def test_what_worked_is_kept_by_address_and_is_the_first_guess_for_others(way: Way) -> None:
    """A firewall decides by port: another address is tried both ways."""
    ways = Ways()
    ways.took(ONE, way)
    assert _trial(ways) == Trial((way,))
    other = Trial((SSH, DIRECT)) if way is SSH else Trial((DIRECT, SSH), HEAD_START)
    assert _trial(ways, TWO) == other


def test_a_node_that_is_down_in_a_cluster_within_reach_costs_few_channels() -> None:
    """A gate looks ten times a second: after a channel in vain it is the direct way alone for two seconds."""
    ways = Ways()
    ways.took(TWO, DIRECT)
    ways.failed(ONE, DIRECT, 100.0, refused=True)
    ways.failed(ONE, SSH, 100.0, refused=True)
    assert _trial(ways, now=100.0 + IN_VAIN / 2) == Trial((DIRECT,))
    assert _trial(ways, now=100.0 + IN_VAIN) == Trial((DIRECT, SSH), HEAD_START)


def test_where_nothing_was_reached_yet_each_look_tries_both_ways() -> None:
    """The first node of a cluster that is started behind a bastion is seen at once."""
    ways = Ways()
    ways.failed(ONE, DIRECT, 100.0, refused=True)
    ways.failed(ONE, SSH, 100.0, refused=True)
    assert _trial(ways, now=100.1).ways == (DIRECT, SSH)


def test_a_refusal_leaves_what_was_learned_and_silence_does_not() -> None:
    """A broker that is restarted refuses; a way that has gone silent is sought anew."""
    ways = Ways()
    ways.took(ONE, DIRECT)
    ways.failed(ONE, DIRECT, 100.0, refused=True)
    assert _trial(ways) == Trial((DIRECT,))
    ways.failed(ONE, DIRECT, 100.0, refused=False)
    assert _trial(ways).ways == (DIRECT, SSH)


def test_a_host_that_forwards_nothing_has_its_own_port_alone() -> None:
    """No other host is asked for it."""
    ways = Ways()
    ways.took(TWO, SSH)
    ways.forbids(ONE)
    assert _trial(ways) == Trial((DIRECT,))
    assert _trial(ways, TWO) == Trial((SSH,))


def test_the_operator_is_told_once() -> None:
    """The first address through SSH is news, and no other."""
    ways = Ways()
    assert [ways.took(ONE, DIRECT), ways.took(TWO, SSH), ways.took(ONE, SSH)] == [False, True, False]


def test_an_address_is_asked_for_on_the_host_of_its_node(tmp_path: Path) -> None:
    """Brokers and ZooKeeper servers; an address that no node has (any more) by its name, else on the first host."""
    cluster = cluster_in(tmp_path, hosts=3)
    for node in cluster.nodes:
        assert carriers(cluster)[node.endpoint] == carrier(cluster, node.endpoint) == node.host.name
    controllers = cluster_in(tmp_path, hosts=3, controllers="combined")
    assert {carrier(controllers, node.controller_endpoint) for node in controllers.controllers} == {
        "node1",
        "node2",
        "node3",
    }
    assert carrier(cluster, Endpoint("nobody.example.org", 1)) == "node1"


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ({DIRECT: "connection refused"}, "connection refused"),
        ({DIRECT: "did not answer", SSH: "did not answer"}, "did not answer"),
        (
            {DIRECT: "did not answer", SSH: "connection refused"},
            "directly: did not answer; through SSH: connection refused",
        ),
        ({SSH: "connection refused"}, "through SSH: connection refused"),
    ],
)
def test_each_way_says_why_it_leads_nowhere(reasons: dict[Way, str], told: str) -> None:
    """One reason for both is told once."""
    assert nowhere(reasons) == told
