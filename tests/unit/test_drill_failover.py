"""The drill of failover against a cluster in memory: what it shows with its faults, and what without."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.drills.history import Event, Kind
from kafab.drills.orders import Order, Role
from kafab.drills.rows import Row, Verdict
from kafab.errors import Failed
from kafab.model import Node
from kafab.ops.drills import failover, faults, running
from kafab.ops.drills.failover import WORKS
from kafab.records.settings import Client
from kafab.testing.kafka import FakeKafka
from kafab.testing.workers import FakeWorker, FakeWorkers
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

LATER = 1e6
"""Beyond all that a clock of a test comes to."""


def client(order: Order) -> FakeWorker:
    """Return a producer, a consumer or a reader of the log, each with records before all that happens and after it."""
    kinds = {Role.WRITE: (Kind.SEND, Kind.ACK), Role.READ: (Kind.EFFECT,), Role.LOG: (Kind.READ,)}
    events = [
        Event(number + (LATER if number > WORKS else -LATER), order.who, kind, 0, number, number)
        for number in range(3 * WORKS)
        for kind in kinds[order.role]
    ]
    return FakeWorker(events, 0 if order.role is Role.LOG else None)


def rows(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch, *, orderly: bool = False, refused: str = ""
) -> dict[str, Row]:
    """Run the drill with one client; a node that is killed is gone at once. By the name of the cell."""

    def kill(node: Node, _world: FakeWorld) -> None:
        if refused:
            raise Failed(refused)
        if node.role.value == "broker":
            kafka.stop_broker(node.id)
        else:
            kafka.voters.stop(node.id)

    def start_again(*_any: object) -> list[Node]:
        gone = [node for node in kafka.cluster.brokers if node.id not in kafka.registrations]
        for node in gone:
            kafka.start_broker(node.id, node.endpoint)
        return gone

    monkeypatch.setattr(faults, "kill", kill)
    monkeypatch.setattr(faults, "start_again", start_again)
    monkeypatch.setattr(faults, "mend", start_again)
    monkeypatch.setattr(faults, "whole", lambda *_any: None)
    monkeypatch.setattr(running, "operating", lambda *_any: contextlib.nullcontext())
    monkeypatch.setattr(running, "_refuse_unhealthy", lambda *_any: None)
    world = FakeWorld.of(kafka, workers=FakeWorkers(client))
    (table,) = running.run(
        kafka.cluster, world, [failover.FAILOVER], [Client.CONFLUENT], seed=1, orderly=orderly
    )
    assert kafka.partitions == []
    return {row.cell.name: row for row in table.rows}


@pytest.fixture(params=["", "isolated", "combined"])
def kafka(request: pytest.FixtureRequest, tmp_path: Path) -> FakeKafka:
    """Three brokers of a lab, in each mode."""
    return FakeKafka(replace(cluster_in(tmp_path, 3, request.param), lab=True))


def test_takeover_is_shown(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another replica in sync leads, the partition without one has no leader, a later epoch begins, and the clients lose nothing."""
    found = rows(kafka, monkeypatch)
    assert {name: row.verdict for name, row in found.items()} == {
        name: Verdict.HELD if name == failover.RETURN.name else Verdict.SHOWN for name in found
    }


def test_nothing_is_shown_where_nothing_was_done(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the faults withheld no leader and no controller moves: each of these rows turns red."""
    found = rows(kafka, monkeypatch, orderly=True)
    red = [row.verdict for name, row in found.items() if row.client is None and name != failover.RETURN.name]
    assert red == [Verdict.NOT_SHOWN] * 3


def test_part_that_fails_is_not_measured(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the controller is not told, its row says why, and what was measured before stays."""
    monkeypatch.setattr(failover, "_office", lambda *_any: Unknown("nobody answers"))
    found = rows(kafka, monkeypatch)
    office = failover.QUORUM if kafka.cluster.kraft else failover.ZNODE
    assert (found[office.name].why, found[failover.LEADER.name].verdict) == ("nobody answers", Verdict.SHOWN)


def test_leader_that_was_not_killed_leaves_nothing_to_tell(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that was never gone is not back in no time, and clients that met no fault have not failed to show it."""
    found = rows(kafka, monkeypatch, refused="node3/broker was not killed")
    assert {row.verdict for name, row in found.items() if name != failover.ZNODE.name} == {
        Verdict.NOT_MEASURED
    }


def test_broker_that_does_not_tell_its_session_is_an_error(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the time after which it is missed nothing could be late."""
    kafka.frozen.add(3)
    with pytest.raises(Failed, match="does not tell its"):
        failover.session(kafka.cluster, kafka.cluster.brokers[2], FakeWorld.of(kafka))
