"""The command line of records: its flags reach the client, and its exit codes tell what came of the records."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.records.settings import Acks, Client
from kafab.screens.records import shown
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.testing.writers import FakeWriters
from tasks import records
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in


@pytest.fixture
def writers() -> FakeWriters:
    """Return the clients that the commands of a test write with."""
    return FakeWriters()


@pytest.fixture
def fab(writers: FakeWriters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    kafka = FakeKafka(replace(cluster_in(tmp_path, 3), name="prod", lab=False))
    kafka.add("orders", [(1, 2, 3)])
    world = FakeWorld.of(kafka, writers=writers)
    return on_fakes(monkeypatch, kafka.cluster, world, tree_of(records))


def test_flags_reach_the_client(fab: Fab, writers: FakeWriters) -> None:
    """Settings, order and records are what was typed."""
    words = (
        "--count",
        "3",
        "--keys",
        "2",
        "--value",
        "v",
        "--partition",
        "1",
        "--acks",
        "1",
        "--retries",
        "0",
    )
    assert fab("records.write", "orders", *words, "--client", "kafka-python", "--sync", "--rate", "50") == 0
    ((client, settings, order),) = writers.asked
    assert (client, settings.acks, settings.retries) == (Client.KAFKA_PYTHON, Acks.LEADER, 0)
    assert (order.topic, order.count, order.together, order.rate) == ("orders", 3, 1, 50)
    assert [tuple(record) for record in writers.records] == [
        (b"key-0", b"v", 1),
        (b"key-1", b"v", 1),
        (b"key-0", b"v", 1),
    ]


def test_few_records_are_shown_with_their_places(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has the columns of every guide."""
    assert fab("records.write", "orders", "--value", "hello", "--key", "k") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Topic", "Partition", "Offset", "Key", "Value"]
    assert lines[1].split() == ["orders", "0", "0", "k", "hello"]
    assert lines[-1] == "client confluent, acks=all, not idempotent"


def test_many_records_are_counted(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred records are figures, and no table."""
    assert fab("records.write", "orders", "--count", "100") == 0
    shown_ = capsys.readouterr().out
    assert shown_.startswith("100 records acknowledged in 1.00 s (100 a second), ack p50 1 ms")


def test_file_is_read_line_by_line(fab: Fab, writers: FakeWriters, tmp_path: Path) -> None:
    """Without --count all of them are written."""
    (tmp_path / "lines").write_bytes(b"a\nb\n")
    assert fab("records.write", "orders", "--from-file", str(tmp_path / "lines")) == 0
    assert [record.value for record in writers.records] == [b"a", b"b"]


@pytest.mark.parametrize(
    "case", [("MSG_SIZE_TOO_LARGE", "failed", 1), ("MSG_TIMED_OUT", "unknown_outcome", 5)]
)
def test_what_was_not_acknowledged_decides_the_exit_code(
    fab: Fab, writers: FakeWriters, capsys: pytest.CaptureFixture[str], case: tuple[str, str, int]
) -> None:
    """1 for what is in no log, 5 for what may be in one; the count of what was acknowledged stands beside it."""
    error, field, code = case
    writers.refused[1] = error
    assert fab("records.write", "orders", "--count", "3", "--json") == code
    found = json.loads(capsys.readouterr().out)
    assert (found["acked"], found[field]) == (2, {error: 1})


def test_interrupted_writing_tells_what_was_acknowledged(
    fab: Fab, writers: FakeWriters, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 130, with the figures so far."""
    writers.stops = 4
    assert fab("records.write", "orders", "--count", "100", "--json") == 130
    found = json.loads(capsys.readouterr().out)
    assert (found["acked"], found["interrupted"]) == (4, True)


def test_acks_0_is_no_acknowledgement(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody was asked, and that is said."""
    assert fab("records.write", "orders", "--acks", "0") == 0
    assert "10 records sent with acks=0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("orders", "--count", "0"),
        ("orders", "--count", "many"),
        ("orders", "--acks", "2"),
        ("orders", "--client", "java"),
        ("orders", "--sync", "--batch", "3"),
        ("orders", "--idempotent", "yes"),
        ("orders", "--idempotent", "on", "--acks", "1"),
        ("orders", "--transaction", "5", "--retries", "0"),
        ("orders", "--compression", "zip"),
        ("orders", "--from-file", "/nowhere/file"),
        ("orders", "--from-file", "-", "--value", "v"),
        ("or ders",),
        ("oders",),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    fab: Fab, writers: FakeWriters, words: tuple[str, ...]
) -> None:
    """Exit code 2, and no client was made."""
    assert (fab("records.write", *words), writers.asked) == (2, [])


@pytest.mark.parametrize(
    ("raw", "text"),
    [(None, "-"), (b"", ""), ("é".encode(), "é"), (b"\xff\\", r"\xff\\"), (b"a\nb\x1b[0m", r"a\nb\x1b[0m")],
)
def test_bytes_are_shown_as_text(raw: bytes | None, text: str) -> None:
    """What is no UTF-8 is escaped, and so is what would steer a terminal."""
    assert shown(raw) == text
