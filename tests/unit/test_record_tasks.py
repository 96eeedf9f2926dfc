"""The command line of records: its flags reach the client, and its exit codes tell what came of the records."""

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from kafab.groups.values import CLASSIC, Commit, Ends, Group
from kafab.records.reading import Commits, Found
from kafab.records.settings import Acks, Client, Reset
from kafab.screens.records import shown
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.readers import FakeReaders
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
def readers() -> FakeReaders:
    """Return the clients that the commands of a test read with: three records, and the marker of a transaction."""
    return FakeReaders([Found(0, number, b"k", b"v%d" % number, 1_000) for number in range(3)])


@pytest.fixture
def known() -> FakeGroups:
    """Return the groups, and the ends of the topic: 0 to 4, of which 3 are committed."""
    at = ("orders", 0)
    group = Group("pay", CLASSIC, "Empty", 1, "", (), {at: Commit(2), ("other", 0): Commit(9)})
    return FakeGroups(
        {"pay": group}, {at: Ends(0, 3, 4)}, {(at, 1): datetime(2026, 1, 1, tzinfo=timezone.utc)}
    )


@pytest.fixture
def fab(
    writers: FakeWriters,
    readers: FakeReaders,
    known: FakeGroups,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    kafka = FakeKafka(replace(cluster_in(tmp_path, 3), name="prod", lab=False))
    kafka.add("orders", [(1, 2, 3)])
    world = FakeWorld.of(kafka, writers=writers, readers=readers, groups=known, offsets=known)
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


def test_reading_without_a_group_begins_and_ends_in_the_log(fab: Fab, readers: FakeReaders) -> None:
    """It has the log's first offset and, with the client's own isolation, the offset behind the last record that is read."""
    assert fab("records.read", "orders", "--client", "kafka-python") == 0
    assert fab("records.read", "orders", "--isolation", "read_committed") == 0
    (_, settings, order), (_, _, committed) = readers.asked
    assert (settings.group, order.starts, order.stops, order.commits) == (None, {0: 0}, {0: 4}, Commits.NONE)
    assert committed.stops == {0: 3}


@pytest.mark.parametrize(
    ("begin", "starts"), [("latest", 4), ("3", 3), ("2025-12-31", 1), ("2026-06-01T10:00:00Z", 4)]
)
def test_reading_begins_where_it_is_told(fab: Fab, readers: FakeReaders, begin: str, starts: int) -> None:
    """At the end, at an offset, at the first record that is not before a time."""
    assert fab("records.read", "orders", "--from", begin) == 0
    assert readers.asked[0][2].starts == {0: starts}


@pytest.mark.parametrize(
    ("words", "stops", "most"),
    [
        ((), {0: 3}, None),
        (("--until", "2"), {0: 3}, 2),
        (("--until", "2025-12-31"), {0: 1}, None),
        (("--follow",), None, None),
        (("--follow", "--until", "7"), None, 7),
    ],
)
def test_reading_ends_where_it_is_told(
    fab: Fab, readers: FakeReaders, words: tuple[str, ...], stops: dict[int, int] | None, most: int | None
) -> None:
    """At the end as it is now, behind so many records, before a time, or never."""
    assert fab("records.read", "orders", *words) == 0
    assert (readers.asked[0][2].stops, readers.asked[0][2].most) == (stops, most)


@pytest.mark.parametrize(
    ("words", "commits", "batch", "reset", "members"),
    [
        ((), Commits.BATCH, 500, Reset.EARLIEST, 1),
        (("--commit", "batch:20", "--from", "latest"), Commits.BATCH, 20, Reset.LATEST, 1),
        (("--commit", "each", "--members", "3"), Commits.EACH, 1, Reset.EARLIEST, 3),
        (("--commit", "auto", "--from", "committed"), Commits.AUTO, 500, Reset.EARLIEST, 1),
    ],
)
def test_members_are_as_they_are_asked_for(  # noqa: PLR0917  # a case has so many
    fab: Fab,
    readers: FakeReaders,
    words: tuple[str, ...],
    commits: Commits,
    batch: int,
    reset: Reset,
    members: int,
) -> None:
    """Their commits, polls and number are what was typed, and timed commits are the client's."""
    assert fab("records.read", "orders", "--group", "pay", *words) == 0
    ((_, settings, order),) = readers.asked
    assert (order.starts, order.commits, order.batch, order.members) == (None, commits, batch, members)
    assert (settings.group, settings.reset, settings.auto_commit is not None) == (
        "pay",
        reset,
        commits is Commits.AUTO,
    )


def test_reading_of_a_group_tells_what_is_committed(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the topic that was read, with the partitions that members had."""
    assert fab("records.read", "orders", "--group", "pay") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Topic   Partition  Offset  Key  Value",
        "orders          0       0  k    v0",
        "orders          0       1  k    v1",
        "orders          0       2  k    v2",
        "3 records read in 2.00 s (2 a second)",
        "after 0.5 s member 1 has partitions 0",
        "pay goes on at 0: 2",
        "client confluent, read_committed",
    ]


def test_lines_are_documents_with_json(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Each record is a document in a line, and the last line has the figures."""
    assert fab("records.read", "orders", "--lines", "--json") == 0
    *records, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["schema"], one["offset"], one["value"]) for one in records] == [
        ("kafab.record/1", number, f"v{number}") for number in range(3)
    ]
    assert (last["schema"], last["read"], last["committed"]) == ("kafab.records-read/1", 3, {})


def test_exit_codes_of_a_reading(fab: Fab, readers: FakeReaders, capsys: pytest.CaptureFixture[str]) -> None:
    """1 where the client gave up or a commit was refused, 130 after Ctrl-C; what was read is told all the same."""
    readers.refused = "REBALANCE_IN_PROGRESS"
    assert fab("records.read", "orders", "--group", "pay") == 1
    assert "commits that were refused: 3 REBALANCE_IN_PROGRESS" in capsys.readouterr().out
    readers.refused, readers.stops = "", 2
    assert fab("records.read", "orders") == 130
    assert "2 records read" in capsys.readouterr().out
    readers.stops, readers.trouble = None, "no record has come for 60 s"
    assert fab("records.read", "orders") == 1
    assert "the reading ended: no record has come for 60 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nosuch",), "there is no topic 'nosuch'"),
        (("orders", "--partition", "7"), "orders has 1 partition, 0 to 0, and no 7"),
        (("orders", "--from", "5"), "offset 5 is not in the log of orders: partition 0 has 0 to 4"),
        (("orders", "--from", "-5"), "found --from -5; expected earliest"),
        (("orders", "--from", "yesterday"), "--from 'yesterday': expected earliest"),
        (("orders", "--from", "committed"), "--from committed is of a group"),
        (("orders", "--until", "0"), "found --until 0; expected end"),
        (("orders", "--members", "2"), "--members is of a group's members"),
        (("orders", "--members", "0", "--group", "pay"), "found --members 0; expected a number from 1 on"),
        (("orders", "--commit", "each"), "--commit is of a group's members"),
        (("orders", "--group", "pay", "--commit", "batch:0"), "expected a number from 1 on"),
        (("orders", "--group", "pay", "--commit", "sometimes"), "found --commit sometimes; expected auto"),
        (("orders", "--group", "pay", "--partition", "0"), "--partition excludes --group"),
        (("orders", "--group", "pay", "--from", "3"), "a group goes on where it has committed"),
        (("orders", "--group", ""), "--group is empty"),
        (("orders", "--isolation", "serializable"), "found --isolation serializable"),
    ],
)
def test_readings_that_cannot_be(
    fab: Fab,
    readers: FakeReaders,
    words: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are refused with 2 before a client is made."""
    assert (fab("records.read", *words), readers.asked) == (2, [])
    assert told in capsys.readouterr().err


def test_ends_that_are_not_known_are_told(
    fab: Fab, known: FakeGroups, readers: FakeReaders, capsys: pytest.CaptureFixture[str]
) -> None:
    """A partition without a leader has no end that a reading could stop at."""
    known.logs.clear()
    assert (fab("records.read", "orders"), readers.asked) == (4, [])
    assert "the ends of orders are not known: orders-0: it has no leader" in capsys.readouterr().err
