"""`fab drill.run` and `drill.list`: what is refused, what is taken away, and what the table, the document and the exit code say."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from kafab.adapters.kafka.drills.workers import WorkerProcesses
from kafab.cluster.metadata import TopicSpec
from kafab.cluster.own_topics import Purpose, own_name
from kafab.drills import orders
from kafab.drills.orders import Commits, Ending, Marks, Order, Role, Shares
from kafab.drills.rows import NONE, SOME, Cell
from kafab.errors import Failed, Unsafe, UsageError
from kafab.findings import Finding, Report, Severity
from kafab.groups.values import SHARE, Group
from kafab.ops.drills import running
from kafab.ops.drills.field import Field, NotMeasured
from kafab.ops.drills.trials import Cannot, Drill, Measured, Trial
from kafab.records.settings import Client, Isolation, Reset
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.workers import FakeWorker, FakeWorkers
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tasks import drill
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in

GUARANTEE = Cell("all well", "nothing is lost", {"lost": NONE})
CONTROL = Cell("control", "loses", {"lost": SOME}, control=True)
ORDER = Order("me", Role.READ, Client.CONFLUENT, "127.0.0.1:1", "kafab-drill-x")


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers, all well."""
    return FakeKafka(cluster_in(tmp_path, hosts=3))


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What `verify` finds; the lock is had without a host."""
    found = [Finding("process", "node1/broker", Severity.OK, "runs")]
    monkeypatch.setattr(running, "operating", lambda *_any: contextlib.nullcontext())
    monkeypatch.setattr(running, "verify", lambda *_any, probe: Report("small", tuple(found)))
    return found


@pytest.fixture
def fab(kafka: FakeKafka, findings: list[Finding], monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    world = FakeWorld.of(kafka)
    return on_fakes(monkeypatch, kafka.cluster, world, tree_of(drill))


def drilled(lost: int, *cells: Cell) -> Drill:
    """Return a drill whose cells all lose so many."""

    def measure(_field: Field) -> Measured:
        return Measured({"lost": lost}, "acks=1")

    return Drill("small", "A drill of a test", lambda _client: [Trial(cell, measure) for cell in cells])


def fails(_field: Field) -> Measured:
    """Measure nothing."""
    raise NotMeasured("nobody answered")


@pytest.mark.parametrize(
    ("lost", "code", "told"),
    [(0, 1, "NOT SHOWN: lost 0, allowed 1 or more"), (2, 1, "BROKEN: lost 2, allowed 0")],
)
def test_drill_fails_where_a_guarantee_broke_or_a_control_showed_nothing(
    lost: int,
    code: int,
    told: str,
    *,
    fab: Fab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One of the two cells fails either way, and the verdict names it."""
    monkeypatch.setattr(running, "DRILLS", (drilled(lost, GUARANTEE, CONTROL),))
    assert (fab("drill.run", "small", "--client", "confluent"), told in capsys.readouterr().out) == (
        code,
        True,
    )


def test_document_has_all_that_the_table_has(
    fab: Fab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The rows of both clients, with seed, settings, bounds and counts; the JUnit file has a case a row."""
    monkeypatch.setattr(running, "DRILLS", (drilled(0, GUARANTEE),))
    file = tmp_path / "drill.xml"
    assert fab("drill.run", "all", "--seed", "7", "--json", "--junit", str(file)) == 0
    document = json.loads(capsys.readouterr().out)
    (table,) = document["drills"]
    assert (document["verdict"], table["seed"], [row["client"] for row in table["rows"]]) == (
        "OK",
        7,
        ["kafka-python", "confluent"],
    )
    assert table["rows"][0]["allowed"] == {"lost": {"least": 0, "most": 0}}
    assert file.read_text().count("<testcase") == 2


def test_cell_that_was_not_measured_is_unknown(
    fab: Fab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell that did not come to its end proves nothing: exit code 5, and the table says why."""
    monkeypatch.setattr(running, "DRILLS", (Drill("small", "", lambda _client: [Trial(GUARANTEE, fails)]),))
    assert (fab("drill.run", "small"), "nobody answered" in capsys.readouterr().out) == (5, True)


def test_what_a_client_cannot_do_is_a_row(
    fab: Fab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell without a way to measure it says why, and fails nothing."""
    cannot = Trial(GUARANTEE, None, setting="it has no such call")
    monkeypatch.setattr(running, "DRILLS", (Drill("small", "", lambda _client: [cannot]),))
    assert (fab("drill.run", "small"), "it has no such call" in capsys.readouterr().out) == (0, True)


def test_what_a_cluster_cannot_do_is_a_row(
    fab: Fab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell that finds the cluster unable to do it says why, and fails nothing."""

    def measure(_field: Field) -> Measured:
        raise Cannot("brokers of 2.4.1 do not")

    monkeypatch.setattr(running, "DRILLS", (Drill("small", "", lambda _client: [Trial(GUARANTEE, measure)]),))
    assert (fab("drill.run", "small"), "brokers of 2.4.1 do not" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        ("none",),
        ("offset",),
        ("all", "--client", "java"),
        ("all", "--seed", "-1"),
        ("all", "--records", "99"),
        ("all", "--records", "many"),
    ],
)
def test_wrong_words_are_usage_errors(words: tuple[str, ...], fab: Fab) -> None:
    """Unknown drills and clients, and numbers that are none, are told before anything is made."""
    assert fab("drill.run", *words) == UsageError.exit_code


def test_list_has_every_drill(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """The list has each drill's name."""
    assert fab("drill.list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["drills"]
    assert [one["drill"] for one in listed] == [one.name for one in running.DRILLS]


def run(kafka: FakeKafka, *drills: Drill, workers: FakeWorkers | None = None) -> FakeWorld:
    """Run drills with one client."""
    world = FakeWorld.of(kafka, workers=workers or FakeWorkers())
    running.run(kafka.cluster, world, drills, [Client.CONFLUENT], seed=1)
    return world


def test_unhealthy_cluster_is_refused_with_its_findings(kafka: FakeKafka, findings: list[Finding]) -> None:
    """What verify finds wrong is in the refusal, and nothing is made."""
    findings.append(Finding("isr", "orders-0", Severity.CRIT, "2 of 3 in sync"))
    with pytest.raises(Unsafe, match="orders-0: 2 of 3 in sync"):
        run(kafka, drilled(0, GUARANTEE))
    assert kafka.partitions == []


def test_faults_on_brokers_are_refused_elsewhere(kafka: FakeKafka, findings: list[Finding]) -> None:
    """A drill that kills brokers is for labs."""
    cluster = replace(kafka.cluster, lab=False)
    hard = Drill("hard", "", lambda _client: [], together=lambda _run, _clients: [])
    with pytest.raises(Unsafe, match="hard puts faults on brokers, and small is no lab"):
        running.run(cluster, FakeWorld.of(kafka), [hard], [Client.CONFLUENT], seed=1)


def test_topic_of_a_killed_drill_is_removed_by_the_next(kafka: FakeKafka, findings: list[Finding]) -> None:
    """With the lock held nobody else drills, so what is there was left behind, however young it is."""
    name = own_name(Purpose.DRILL, datetime.now(timezone.utc), "dead") + "-commits-1"
    FakeWorld.of(kafka).topics.create_topic(TopicSpec(name, 1, 1))
    FakeWorld.of(kafka).topics.create_topic(TopicSpec("orders", 1, 1))
    run(kafka, drilled(0, GUARANTEE))
    assert {one.topic for one in kafka.partitions} == {"orders"}


def test_share_group_of_a_killed_drill_goes_with_its_properties(
    kafka: FakeKafka, findings: list[Finding]
) -> None:
    """Kafka keeps a group's properties when it deletes the group, so they are taken away."""
    world = FakeWorld.of(kafka)
    name = own_name(Purpose.DRILL, datetime.now(timezone.utc), "dead") + "-queue-1"
    groups = FakeGroups(
        {name: Group(name, SHARE, "Empty", 1, "", (), Unknown("none"))},
        configs={name: {"share.auto.offset.reset": "earliest"}},
    )
    world = replace(world, groups=groups)
    running.run(kafka.cluster, world, [drilled(0, GUARANTEE)], [Client.CONFLUENT], seed=1)
    assert (groups.groups, groups.configs) == ({}, {name: {}})


@pytest.mark.parametrize(
    "error", [NotMeasured("late"), Failed("no"), KeyboardInterrupt(), ValueError("mistake")]
)
def test_topics_and_workers_are_taken_away_whatever_happens(
    error: BaseException, kafka: FakeKafka, findings: list[Finding]
) -> None:
    """A cell that fails, a mistake in a drill and Ctrl-C leave no topic and no process."""
    workers = FakeWorkers(lambda _order: FakeWorker(ended=None))

    def measure(field: Field) -> Measured:
        field.start(ORDER)
        raise error

    with contextlib.suppress(KeyboardInterrupt, ValueError):
        run(kafka, Drill("small", "", lambda _client: [Trial(GUARANTEE, measure)] * 3), workers=workers)
    assert (kafka.partitions, [worker.closed for _, worker in workers.started if not worker.closed]) == (
        [],
        [],
    )


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        Order("w", Role.WRITE, Client.KAFKA_PYTHON, "a:1,b:2", "t", 3, 10, 20),
        Order("r", Role.READ, Client.CONFLUENT, "a:1", "t", group="g é", member="m", commits=Commits.CLOSE),
        Order("r", Role.READ, Client.CONFLUENT, "a:1", "t", reset=Reset.LATEST, dies_after=3, orderly=True),
        Order(
            "r",
            Role.COPY,
            Client.CONFLUENT,
            "a:1",
            "t",
            isolation=Isolation.READ_COMMITTED,
            marks=Marks.AFTER,
        ),
        Order("t", Role.TRANSACT, Client.CONFLUENT, "a:1", "t", endings=(Ending.COMMIT, Ending.LEAVE)),
        Order("r", Role.READ, Client.CONFLUENT, "a:1", "t", isolation=Isolation.READ_UNCOMMITTED),
        Order("s", Role.SHARE, Client.CONFLUENT, "a:1", "t", shares=Shares.KEEP),
    ],
)
def test_order_is_read_as_it_was_written(order: Order) -> None:
    """A line has all of an order."""
    assert orders.read(orders.line(order)) == order


@pytest.mark.parametrize(
    "raw", [None, b"", b"orders/1", b"kafab-drill-x/", b"kafab-drill-x/01", b"\xff\xfe/3"]
)
def test_other_records_are_none_of_the_drills(raw: bytes | None) -> None:
    """A record of somebody else has no number."""
    assert orders.number_in(raw, "kafab-drill-x") == -1


@pytest.mark.parametrize("words", [b"", b"no order\n"])
def test_worker_whose_owner_is_gone_ends(words: bytes) -> None:
    """A worker's process ends with its stdin, also where it never got an order."""
    module = "kafab.adapters.kafka.drills.worker"
    done = subprocess.run(
        [sys.executable, "-m", module], input=words, capture_output=True, check=False, timeout=60
    )
    assert done.stdout == b""


def test_worker_hears_the_word_that_came_with_its_order() -> None:
    """A member that is let go before it has begun ends, too: its order and the word come in one piece then."""
    module = "kafab.adapters.kafka.drills.worker"
    worker = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert worker.stdin
        worker.stdin.write(orders.line(replace(ORDER, group="g")).encode() + b"\nfinish\n")
        worker.stdin.flush()
        assert worker.wait(timeout=60) == 0
    finally:
        worker.kill()
        worker.communicate()


def test_worker_that_cannot_begin_is_heard_of() -> None:
    """A worker whose broker is not there tells nothing, can be killed, and is gone then."""
    worker = WorkerProcesses().start(ORDER)
    try:
        worker.kill()
        deadline = time.monotonic() + 60
        while worker.ended is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert worker.ended == -signal.SIGKILL
    finally:
        worker.close()
