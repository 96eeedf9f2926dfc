"""`fab canary`: what its flags, its table, its document and its exit codes say, and why figures may be missing."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kafab.canary.figures import Counts
from kafab.cluster.own_topics import Purpose, is_left_behind, own_name
from kafab.errors import Failed, UsageError
from kafab.events import Event, Note, Waiting
from kafab.findings import Severity
from kafab.ops.canary import alone, beside
from kafab.ops.check.probe import judge_leftovers
from kafab.testing.canaries import WELL, FakeCanaries
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from tasks import canary
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers, all well."""
    return FakeKafka(cluster_in(tmp_path, hosts=3))


@pytest.fixture
def canaries() -> FakeCanaries:
    """What the commands of a test start."""
    return FakeCanaries()


@pytest.fixture
def fab(kafka: FakeKafka, canaries: FakeCanaries, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    world = FakeWorld.of(kafka, canaries=canaries)
    return on_fakes(monkeypatch, kafka.cluster, world, tree_of(canary.canary))


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90s", 90), ("5m", 300), ("24h", 86_400)])
def test_spans_are_read(text: str, seconds: int) -> None:
    """A number with its unit, from a second to a day."""
    assert canary.span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "60", "1d", "-5s", "1.5m", "25h", "5 m", "٣s", "999999s", "5s\n"])
def test_other_spans_are_refused(text: str) -> None:
    """What is no span is named, with one that would be."""
    with pytest.raises(UsageError, match="expected 1s to 24h"):
        canary.span(text)


@pytest.mark.parametrize(
    ("counts", "counted", "code"),
    [
        (WELL, True, 0),
        (replace(WELL, lost=2), True, 1),
        (replace(WELL, lost=2), False, 1),
        (WELL, False, 5),
    ],
)
def test_exit_code_follows_the_figures(
    fab: Fab, canaries: FakeCanaries, counts: Counts, counted: bool, code: int
) -> None:
    """0 where nothing is lost, 1 where something is, 5 where nobody could tell; and the process is ended."""
    canaries.counts, canaries.counted = {2: counts}, counted
    assert (fab("canary", "--for", "2s"), canaries.closed) == (code, canaries.flown)


def test_wrong_span_is_a_usage_error_before_anything_is_made(fab: Fab, canaries: FakeCanaries) -> None:
    """Exit code 2, and no canary."""
    assert (fab("canary", "--for", "soon"), canaries.flown) == (2, [])


def test_document_has_the_verdict_and_what_it_is_of(
    fab: Fab, canaries: FakeCanaries, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json: the schema, the verdict with its reasons, and the figures by broker."""
    canaries.counts = {2: replace(WELL, lost=2)}
    fab("canary", "--for", "2s", "--json")
    found = json.loads(capsys.readouterr().out)
    lost = {row["broker"]: row["lost"] for row in found["partitions"]}
    assert (found["schema"], found["verdict"], found["exit_code"]) == ("kafab.canary/1", "CRIT", 1)
    assert (found["reasons"], lost) == (
        ["2 acknowledged records lost (partition of broker 2)"],
        {1: 0, 2: 2, 3: 0},
    )


def test_table_has_a_row_a_broker_and_what_is_not_proven(
    fab: Fab, kafka: FakeKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broker that was away at the beginning has no row, and is named below."""
    kafka.stop_broker(3)
    assert fab("canary", "--for", "2s") == 0
    shown = capsys.readouterr().out
    rows = [line.split("  ")[0] for line in shown.splitlines()]
    assert rows[1:4] == ["node1/broker", "node2/broker", "in total"]
    assert "node3/broker took no part" in shown


def test_what_is_not_counted_is_unknown_in_the_table(
    fab: Fab, canaries: FakeCanaries, capsys: pytest.CaptureFixture[str]
) -> None:
    """No figure of a loss stands there that nobody has found out."""
    canaries.counted = False
    fab("canary", "--for", "2s")
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[2:5] == ["unknown"] * 3


@pytest.mark.parametrize(
    ("ended", "ago", "told"),
    [
        ("its process ended with -9", timedelta(), "its process ended with -9"),
        (None, timedelta(seconds=20), "its process has told nothing for 20 s"),
    ],
)
def test_why_the_records_are_not_counted_is_told(
    kafka: FakeKafka, canaries: FakeCanaries, ended: str | None, ago: timedelta, told: str
) -> None:
    """A canary whose process dies or falls silent says so, beside the figures that nobody could finish."""
    events: list[Event] = []
    world = FakeWorld.of(kafka, canaries=canaries, emit=events.append)
    with beside(kafka.cluster, world) as bird:
        canaries.ended, canaries.ago, canaries.counted = ended, ago, False
        found = bird.finish()
    notes = [event.text for event in events if isinstance(event, Note)]
    assert not found.counted
    assert f"canary: the records are not counted: {told}" in notes


def test_errors_of_records_that_were_given_up_are_told_before_the_beginning(
    kafka: FakeKafka, canaries: FakeCanaries
) -> None:
    """Where the brokers refuse for good (no right to write) the message has their error."""
    canaries.counts = {3: Counts(sent=1, refused={"TOPIC_AUTHORIZATION_FAILED": 1})}
    with (
        pytest.raises(Failed, match="refused so far: TOPIC_AUTHORIZATION_FAILED 1"),
        beside(kafka.cluster, FakeWorld.of(kafka, canaries=canaries)),
    ):
        pytest.fail("the block began")


def test_topic_is_removed_after_a_failure_in_the_block(kafka: FakeKafka, canaries: FakeCanaries) -> None:
    """What goes wrong beside the canary is told, and the topic is gone."""
    with (
        pytest.raises(Failed, match="the roll failed"),
        beside(kafka.cluster, FakeWorld.of(kafka, canaries=canaries)),
    ):
        raise Failed("the roll failed")
    assert (kafka.partitions, canaries.closed) == ([], canaries.flown)


def test_topic_of_a_killed_canary_is_found_by_its_age(kafka: FakeKafka) -> None:
    """A topic that is at work is nobody's leftover; one older than an hour is, and the hint deletes it."""
    name = own_name(Purpose.CANARY, NOW, "ab12")
    young, old = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    assert (is_left_behind(name, young), is_left_behind(name, old)) == (False, True)
    kafka.add(name, [(1, 2, 3)])
    found = judge_leftovers(kafka.cluster, FakeWorld.of(kafka).brokers.metadata(), old)
    assert (found.severity, f"topics.delete {name}" in (found.hint or "")) == (Severity.WARN, True)


def test_a_canary_that_dies_ends_the_command_at_once(kafka: FakeKafka, canaries: FakeCanaries) -> None:
    """Nobody waits an hour beside a process that is gone."""
    world = FakeWorld.of(kafka, canaries=canaries)
    begun = world.clock.now()

    def die(event: Event) -> None:
        if isinstance(event, Waiting) and "acknowledged" in event.what:
            canaries.ended, canaries.counted = "its process ended with -9", False

    world.emit = die
    found, _ = alone(kafka.cluster, world, timedelta(hours=1))
    assert (found.counted, world.clock.now() - begun < 60) == (False, True)
