"""Gates: what a wait says, and that silent servers are waited for side by side."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.cluster.metadata import Member
from kafab.command import Outcome, Result, Script
from kafab.events import Event, Note, Waiting
from kafab.model import Cluster, Endpoint
from kafab.ops.run import gates
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.testing.zookeeper import FakeZooKeeper
from kafab.unknown import Unknown
from tests.conftest import cluster_in

PATIENCE = 20
"""Seconds for three threads to meet; asked one after the other they never do."""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Three hosts with a ZooKeeper server and a broker each."""
    return cluster_in(tmp_path, 3)


class MeetingServers(FakeZooKeeper):
    """ZooKeeper servers that answer together."""

    def __init__(self, kafka: FakeKafka) -> None:
        super().__init__(kafka)
        self._meeting = threading.Barrier(3)

    def member(self, at: Endpoint) -> Member | Unknown:
        """Answer once all are asked."""
        self._meeting.wait(PATIENCE)
        return super().member(at)


def world(cluster: Cluster, events: list[Event], answers: Sequence[str] = ()) -> FakeWorld:
    """Return a world in which everything runs and hosts answer a check of their broker with ``answers``, the last for ever."""
    kafka, left = FakeKafka(cluster), list(answers)

    def answer(_script: Script) -> Outcome:
        said = left.pop(0) if len(left) > 1 else left[0]
        return Result(0, f"{said}\n".encode(), "")

    return FakeWorld.of(
        kafka,
        fleet=FakeFleet({host.name: answer for host in cluster.hosts}),
        zookeeper=MeetingServers(kafka),
        emit=events.append,
    )


def test_servers_are_asked_side_by_side(cluster: Cluster) -> None:
    """The quorum's gate asks all servers at once, so silent ones cost one timeout and not one each."""
    events: list[Event] = []
    gates.quorum(cluster, cluster.zookeepers, world(cluster, events))
    assert events == [Note("small", "ZooKeeper has a quorum and one leader (3 servers)")]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("stopping 123", "its process still runs"),
        (
            "stopping 123 frozen",
            "pid 123 is frozen and cannot end: `kill -CONT 123` on node1 lets it go on",
        ),
        ("", "node1 does not answer"),
    ],
)
def test_slow_stop_says_what_holds_it_up(answer: str, told: str, cluster: Cluster) -> None:
    """A process that runs, one that is frozen and a host without an answer are three different things to wait for."""
    events: list[Event] = []
    broker = cluster.brokers[0]
    said = [f"{broker.name} {answer}" if answer else "", f"{broker.name} stopped"]
    gates.gone([broker], world(cluster, events, said), lambda _name: None)
    waits = [event.what for event in events if isinstance(event, Waiting)]
    assert waits == [f"clean shutdown: {told}"]


def test_process_that_its_host_starts_in_the_place_of_a_stopped_one_is_not_waited_for(
    cluster: Cluster,
) -> None:
    """A host that reboots in the midst of a stop starts the node again: what was asked to end has ended."""
    events: list[Event] = []
    broker = cluster.brokers[0]
    said = [f"{broker.name} stopping 123 7", f"{broker.name} running 45 9"]
    gone: list[str] = []
    gates.gone([broker], world(cluster, events, said), gone.append, {broker.name: "123 7"})
    assert gone == [broker.name]


@pytest.mark.parametrize(
    ("lab", "passed", "looks"), [(False, 0.0, 4), (False, 0.5, 4), (True, 0.0, 2), (True, 0.25, 2)]
)
def test_seconds_of_service_are_no_more_than_promised(
    lab: bool, passed: float, looks: int, cluster: Cluster
) -> None:
    """What has been done since the nodes were seen to serve is a part of them; they are looked at once a second, and at the end."""
    broker = cluster.brokers[0]
    there = world(cluster, [], [f"{broker.name} running 45 9"])
    there.clock.sleep(passed)
    gates.steady(replace(cluster, lab=lab), [broker], {broker.name: "45 9"}, 0.0, there)
    promised = gates.STEADY_IN_A_LAB if lab else gates.STEADY
    assert there.clock.now() == pytest.approx(promised.total_seconds())
    assert isinstance(there.fleet, FakeFleet)
    assert len(there.fleet.ran) == looks
