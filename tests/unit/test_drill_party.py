"""Cells that meet the same faults together: who plays which part, what a writer's history comes to, and what is not measured."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.cluster.metadata import Partition
from kafab.drills.checker import longest_gap
from kafab.drills.history import Event, Kind, Log, Stood
from kafab.drills.orders import Order, Role
from kafab.drills.rows import NONE, Cell, Row, Table, Verdict
from kafab.errors import Failed
from kafab.ops.drills import acks, failover, faults, running
from kafab.ops.drills.acks import PHASES
from kafab.ops.drills.failover import led
from kafab.ops.drills.party import BEFORE, Party, Phase, judged, roles
from kafab.ops.drills.trials import Drill
from kafab.records.settings import Acks, Client
from kafab.screens.drills import text
from kafab.testing.kafka import FakeKafka
from kafab.testing.workers import FakeWorker, FakeWorkers
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in


@pytest.fixture
def kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """Three brokers of a lab, all well; faults are put on none of them."""
    monkeypatch.setattr(faults, "mend", lambda *_any: None)
    monkeypatch.setattr(faults, "whole", lambda *_any: None)
    monkeypatch.setattr(running, "operating", lambda *_any: contextlib.nullcontext())
    monkeypatch.setattr(running, "_refuse_unhealthy", lambda *_any: None)
    return FakeKafka(replace(cluster_in(tmp_path, hosts=3), lab=True))


def sent(number: int, at: float = 0.0) -> Event:
    """Return the sending of a record."""
    return Event(at, "writer", Kind.SEND, 0, number=number)


def acked(number: int, offset: int, at: float = 1.0) -> Event:
    """Return the acknowledgement of a record."""
    return Event(at, "writer", Kind.ACK, 0, offset, number)


HISTORY = [*map(sent, range(4)), acked(0, 0), acked(1, 1, at=4.5), Event(2, "writer", Kind.FAIL, 0, number=2)]
LOG: Log = {0: (Stood(0, 0), Stood(1, 1))}


def test_outcomes_of_a_writer_are_counted() -> None:
    """A refused record and one of unknown outcome are classes of their own; the longest gap is between acknowledgements."""
    counts, also = judged(HISTORY, LOG)
    told = {name: counts[name] for name in ("lost-write", "missing", "refused", "unknown", "not acked")}
    assert (told, also["longest gap s"]) == (
        {"lost-write": 0, "missing": 2, "refused": 1, "unknown": 1, "not acked": 2},
        3.5,
    )


def test_refused_record_that_stands_in_the_log_is_found() -> None:
    """A client that says that a record is in no log, and it is in one, has told a lie, which is no unknown outcome."""
    counts, _ = judged(HISTORY, {0: (*LOG[0], Stood(2, 2))})
    assert (counts["aborted-read"], counts["refused"], counts["unknown"]) == (1, 1, 1)


def test_acknowledged_record_at_the_end_is_lost_too() -> None:
    """The log was read to its end after all was in sync: what was acknowledged behind it is not unseen but lost."""
    counts, _ = judged(HISTORY, {0: LOG[0][:1]})
    assert counts["lost-write"] == 1


@pytest.mark.parametrize(
    ("since", "until", "gap"), [(0, 9, 4.0), (2, 9, 4.0), (6.5, 9, 2.0), (0, 0.5, 1.0), (10, 20, None)]
)
def test_gap_is_of_a_span(since: float, until: float, gap: float | None) -> None:
    """A gap that begins before the span or ends after it counts whole, and one outside of it not at all."""
    assert longest_gap([0.0, 1.0, 2.0, 6.0, 7.0, 9.0], since, until) == gap


@pytest.mark.parametrize("controller", [1, 2, 3])
def test_controller_stands_by(controller: int, kafka: FakeKafka) -> None:
    """The broker that leads and the one that follows are not the controller, and no broker plays two parts."""
    kafka.controller = controller
    found = roles(kafka.cluster, FakeWorld.of(kafka))
    assert (found.bystander.id, sorted(found.all)) == (controller, [1, 2, 3])


BEFORE_IT = Partition("t", 0, 3, (3, 2, 1), (3, 2))


@pytest.mark.parametrize(
    ("leader", "counts"),
    [
        (3, {"moved": 0, "outside the ISR": 0}),
        (2, {"moved": 1, "outside the ISR": 0}),
        (1, {"moved": 1, "outside the ISR": 1}),
        (None, {"moved": 0, "outside the ISR": 0}),
    ],
)
def test_new_leader_is_judged_by_the_old_isr(leader: int | None, counts: dict[str, int]) -> None:
    """A leader that was not in sync is an unclean one, and none is no new one."""
    assert led(BEFORE_IT, replace(BEFORE_IT, leader=leader)) == counts


def test_every_phase_has_a_control_and_a_guarantee() -> None:
    """Without its anomaly shown, a phase's zeros would prove nothing; and names are told apart by what stands before the colon."""
    for phase in PHASES:
        assert {entry.cell.control for entry in phase.entries} == {True, False}
    names = [entry.cell.name for phase in PHASES for entry in phase.entries]
    assert len(set(names)) == len(names)


def test_topic_names_of_phases_are_legal() -> None:
    """A phase's name is a part of its topics' names."""
    assert all(phase.name.isalpha() for phase in PHASES)


def answering(order: Order) -> FakeWorker:
    """Return a writer whose first records are acknowledged, and a reader of a log that has none."""
    if order.role is not Role.WRITE:
        return FakeWorker()
    numbers = range(order.first, order.first + 2 * BEFORE)
    return FakeWorker(
        [event for number in numbers for event in (sent(number, 1.0), acked(number, number))], None
    )


def run(kafka: FakeKafka, phase: Phase, does: FakeWorkers) -> tuple[FakeWorld, Sequence[Row]]:
    """Run one phase with one client."""
    world = FakeWorld.of(kafka, workers=does)
    (table,) = running.run(kafka.cluster, world, [acks.drill([phase])], [Client.CONFLUENT], seed=1)
    return world, table.rows


@pytest.mark.parametrize(
    "error", [Failed("node3 was not killed"), KeyboardInterrupt(), ValueError("mistake")]
)
def test_faults_are_taken_back_before_topics_go(
    error: BaseException, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens: a topic's removal needs all its brokers, and no topic and no process is left."""
    order: list[str] = []
    workers = FakeWorkers(answering)
    monkeypatch.setattr(faults, "mend", lambda *_any: order.append(f"mended with {len(kafka.partitions)}"))

    def fault(_party: Party) -> None:
        order.clear()
        raise error

    phase = replace(PHASES[0], fault=fault)
    with contextlib.suppress(KeyboardInterrupt, ValueError):
        run(kafka, phase, workers)
    assert (order[0], kafka.partitions) == (f"mended with {len(phase.entries)}", [])
    assert all(worker.closed for _, worker in workers.started)


def test_phase_that_fails_is_rows_without_a_measure(kafka: FakeKafka) -> None:
    """A fault that could not be put gives each cell of its phase the reason, and no zero."""

    def fault(_party: Party) -> None:
        raise Failed("node3 was not killed")

    _, rows = run(kafka, replace(PHASES[0], fault=fault), FakeWorkers(answering))
    assert {(row.verdict, row.why) for row in rows} == {(Verdict.NOT_MEASURED, "node3 was not killed")}


def test_writer_that_does_not_go_on_is_one_row(kafka: FakeKafka) -> None:
    """The others are measured all the same."""

    def does(order: Order) -> FakeWorker:
        if order.role is Role.WRITE and order.acks is Acks.LEADER:
            return FakeWorker()
        return answering(order)

    _, rows = run(kafka, replace(PHASES[0], fault=lambda _party: None), FakeWorkers(does))
    assert [row.cell.name for row in rows if row.why] == ["killed: acks=1"]


@pytest.mark.parametrize("drill", [acks.ACKS, failover.FAILOVER])
def test_fewer_than_three_brokers_are_refused(drill: Drill, tmp_path: Path, kafka: FakeKafka) -> None:
    """Nothing can take over where nothing is left."""
    small = FakeKafka(replace(cluster_in(tmp_path, hosts=1), lab=True))
    with pytest.raises(Failed, match="needs three brokers"):
        running.run(small.cluster, FakeWorld.of(small), [drill], [Client.CONFLUENT], seed=1)


def test_settings_have_what_decides() -> None:
    """Retries, a request's and a record's patience are told, and a default of the client's is not."""
    order = Order("w", Role.WRITE, Client.CONFLUENT, "a:1", "t", retries=0, request=1.5, delivery=5.0)
    assert order.setting == (
        "acks=all, idempotence off, retries off, request timeout 1.5 s, delivery timeout 5 s"
    )


def met(name: str, client: Client | None, *told: str) -> Row:
    """Return a row of a cell that met these faults."""
    return Row(Cell(name, "", {"lost": NONE}), client, "", {"lost": 0}, faults=told)


def test_faults_are_told_once_for_all_cells_of_a_phase() -> None:
    """What many cells met together stands once, behind the names of their phases; a row without a client is kafab's."""
    rows = (
        met("killed: acks=0", Client.CONFLUENT, "node1 killed"),
        met("killed: acks=1", Client.CONFLUENT, "node1 killed"),
        met("deposed: acks=1", Client.CONFLUENT, "node2 frozen"),
        met("cut off: acks=1", Client.CONFLUENT, "node2 frozen"),
        met("leader killed", None, "node3 killed"),
    )
    told = text("lab", [Table("acks", "", 1, 0, rows)]).partition("faults\n")[2].splitlines()[:3]
    assert told == [
        "  killed: node1 killed",
        "  deposed, cut off: node2 frozen",
        "  kafab, leader killed: node3 killed",
    ]
