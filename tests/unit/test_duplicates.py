"""The drill of duplicates without a cluster: where it is refused, and what is not measured."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from kafab.drills.orders import Order, Role
from kafab.drills.rows import NONE, Cell, Row, Verdict
from kafab.errors import Failed
from kafab.findings import Finding, Report, Severity
from kafab.ops.drills import running
from kafab.ops.drills.duplicates import DUPLICATES
from kafab.ops.drills.trials import Drill, Measured, Trial
from kafab.records.settings import Client
from kafab.testing.kafka import FakeKafka
from kafab.testing.workers import FakeWorker, FakeWorkers
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in

GUARANTEE = Cell("all well", "nothing is lost", {"lost": NONE})
LACKS = ("redis-server is not installed", "apt install redis-server")


@pytest.fixture
def kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """Three brokers, all well; the lock is had without a host."""
    monkeypatch.setattr(running, "operating", lambda *_any: contextlib.nullcontext())
    well = Report("small", (Finding("process", "node1/broker", Severity.OK, "runs"),))
    monkeypatch.setattr(running, "verify", lambda *_any, probe: well)
    return FakeKafka(cluster_in(tmp_path, hosts=3))


def rows(kafka: FakeKafka, workers: FakeWorkers, *drills: Drill) -> Sequence[Row]:
    """Run drills with one client, and return all rows."""
    world = FakeWorld.of(kafka, workers=workers)
    tables = running.run(kafka.cluster, world, drills, [Client.CONFLUENT], seed=1)
    return [row for table in tables for row in table.rows]


def small(*needs: Role | None) -> Drill:
    """Return a drill whose cells need these roles."""
    trials = [Trial(GUARANTEE, lambda _field: Measured({"lost": 0}, ""), needs=each) for each in needs]
    return Drill("hard", "", lambda _client: trials)


def test_drill_alone_is_refused_for_what_is_not_installed(kafka: FakeKafka) -> None:
    """A drill that was asked for by its name is refused before anything is made, and the hint installs what is missing."""
    with pytest.raises(Failed, match="the drill of hard cannot be run: redis-server is not") as raised:
        rows(kafka, FakeWorkers(lacks=LACKS), small(Role.REDIS, None))
    assert (raised.value.hint, kafka.partitions) == ("apt install redis-server", [])


def test_drill_among_others_says_what_is_not_installed(kafka: FakeKafka) -> None:
    """The cells that need Redis say that they cannot; all others are measured."""
    found = rows(kafka, FakeWorkers(lacks=LACKS), small(Role.REDIS, None), small(None))
    assert [(row.verdict, row.setting) for row in found] == [
        (Verdict.CANNOT, "redis-server is not installed (apt install redis-server)"),
        (Verdict.HELD, ""),
        (Verdict.HELD, ""),
    ]


def only(name: str) -> Drill:
    """Return the drill with one of its cells."""
    trials = [each for each in DUPLICATES.trials(Client.CONFLUENT) if each.cell.name == name]
    return Drill("duplicates", "", lambda _client: trials)


def test_writer_whose_connection_was_not_cut_proves_nothing(kafka: FakeKafka) -> None:
    """Where no connection was cut, no duplicates are no proof of idempotence."""
    (row,) = rows(kafka, FakeWorkers(), only("connection cut, idempotent"))
    assert (row.verdict, "no connection was cut" in row.why) == (Verdict.NOT_MEASURED, True)


def test_redis_that_does_not_start_is_heard_of(kafka: FakeKafka) -> None:
    """The row has the words with which the server's worker has ended."""

    def does(order: Order) -> FakeWorker:
        return FakeWorker(ended=1, said="no memory") if order.role is Role.REDIS else FakeWorker()

    (row,) = rows(kafka, FakeWorkers(does), only("mark and effect in one, killed"))
    assert (row.verdict, "no memory" in row.why) == (Verdict.NOT_MEASURED, True)
