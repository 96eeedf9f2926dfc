"""What a reading is asked for, and the command line of records.read over consumers in memory."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from invoke.collection import Collection
from invoke.program import Program

from kafab.errors import UsageError
from kafab.groups.targets import Latest, Offset
from kafab.groups.values import CLASSIC, SHARE, Commit, Ends, Group
from kafab.records.reading import (
    Commits,
    Committed,
    Committing,
    Count,
    Found,
    Reading,
    Turn,
    committing,
    start,
    until,
)
from kafab.records.settings import Client, Isolation, Reset
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.readers import FakeReaders
from kafab.testing.world import FakeWorld
from tasks import records
from tasks.chain import CHAIN
from tests.conftest import cluster_in

Fab = Callable[..., int]
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def readers() -> FakeReaders:
    """Return consumers over a log of ten records, the last two of them in an open transaction."""
    return FakeReaders([Found(0, number, b"k", b"v%d" % number) for number in range(10)])


@pytest.fixture
def groups() -> FakeGroups:
    """Return a group that has committed, one that has not, and a share group."""
    made = {
        name: Group(name, kind, "Empty", 1, "", (), {("orders", 0): Commit(4)} if name == "billing" else {})
        for name, kind in (("billing", CLASSIC), ("new", CLASSIC), ("shared", SHARE))
    }
    times = {(("orders", 0), 6): NOW}
    return FakeGroups(made, {("orders", 0): Ends(0, 8, 10)}, times)


@pytest.fixture
def fab(readers: FakeReaders, groups: FakeGroups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    kafka = FakeKafka(replace(cluster_in(tmp_path, 3), name="prod", lab=False))
    kafka.add("orders", [(1, 2, 3)])
    world = FakeWorld.of(kafka, readers=readers, groups=groups, offsets=groups)
    session = SimpleNamespace(cluster=kafka.cluster, operator=world.operator, **vars(world))
    monkeypatch.setattr(CHAIN, "session", lambda: session)
    tree = Collection()
    tree.add_collection(Collection.from_module(records), name="records")

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            _run(tree, words)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def _run(tree: Collection, words: tuple[str, ...]) -> None:
    Program(namespace=tree).run(["fab", *words])
    raise SystemExit(0)  # Invoke returns where a command line worked


def test_places_are_read_as_typed() -> None:
    """A number is an offset or a count, a word is a word."""
    assert (start("12"), start("latest"), start("committed")) == (Offset(12), Latest(), Committed())
    assert until("12", NOW) == Count(12)
    assert (committing("batch:7", "g"), committing(None, "g").how) == (
        Committing(Commits.BATCH, 7),
        Commits.AUTO,
    )


@pytest.mark.parametrize("text", ["-1", "soon", "", "9" * 19, "1960-01-01"])
def test_starts_that_cannot_be_are_refused(text: str) -> None:
    """What is no place is told with the flag."""
    with pytest.raises(UsageError, match="--from"):
        start(text)


def test_few_records_are_shown(fab: Fab, readers: FakeReaders, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has the columns of records.write, and confluent ends at the last stable offset."""
    assert fab("records.read", "orders") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Topic", "Partition", "Offset", "Key", "Value"]
    assert lines[8].split() == ["orders", "0", "7", "k", "v7"]
    assert lines[-1] == "client confluent, read_committed, no group, nothing committed"
    ((_, settings, order),) = readers.asked
    assert (settings.group, settings.auto_commit, order.starts, order.stops) == (None, None, {0: 0}, {0: 8})


def test_flags_reach_the_client(fab: Fab, readers: FakeReaders) -> None:
    """Members, commits and where a new group begins are what was typed; kafka-python reads to the high watermark."""
    words = ("--group", "new", "--members", "2", "--commit", "batch:3", "--from", "latest", "--until", "5")
    assert fab("records.read", "orders", *words, "--client", "kafka-python") == 0
    ((client, settings, order),) = readers.asked
    assert (client, settings.group, settings.reset, settings.auto_commit) == (
        Client.KAFKA_PYTHON,
        "new",
        Reset.LATEST,
        None,
    )
    assert (order.members, order.committing, order.most, order.stops) == (
        2,
        Committing(Commits.BATCH, 3),
        5,
        {0: 10},
    )


def test_group_that_is_to_go_on_falls_back_to_nothing(fab: Fab, readers: FakeReaders) -> None:
    """--from committed lets the client begin nowhere else."""
    assert fab("records.read", "orders", "--group", "billing", "--from", "committed") == 0
    assert readers.asked[0][1].reset is Reset.NONE


def test_times_are_offsets(fab: Fab, readers: FakeReaders) -> None:
    """A time begins at, and ends before, the first record that is as late."""
    stamp = NOW.isoformat()
    assert fab("records.read", "orders", "--from", stamp, "--isolation", "read_uncommitted") == 0
    assert fab("records.read", "orders", "--until", stamp) == 0
    assert (readers.asked[0][2].starts, readers.asked[1][2].stops) == ({0: 6}, {0: 6})
    assert readers.asked[0][1].isolation is Isolation.READ_UNCOMMITTED


def test_records_stream_as_lines(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """With --follow --json each record is a document of a line, and the figures are the last one."""
    assert fab("records.read", "orders", "--follow", "--until", "3", "--json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["schema"] for each in documents] == ["kafab.record/1"] * 3 + ["kafab.records-read/1"]
    assert (documents[1]["value"], documents[-1]["read"]) == ("v1", 3)


def test_control_characters_do_not_stream(
    fab: Fab, readers: FakeReaders, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would steer a terminal is escaped, also where records are shown at once."""
    readers.records = [Found(0, 0, b"\x1b[2J", b"a\nb\xff")]
    assert fab("records.read", "orders", "--follow", "--until", "1") == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(r"\x1b[2J  a\nb\xff")


def test_group_tells_members_rebalances_and_commits(
    fab: Fab, readers: FakeReaders, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document has what each member was given and read, when, and what is committed with its lag."""
    readers.turns = (Turn(NOW, 0.5, 1, "assigned", (0,)), Turn(NOW, 0.6, 2, "assigned", ()))
    assert fab("records.read", "orders", "--group", "billing", "--members", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["members"] == [
        {"member": 1, "assigned": [0], "read": {"0": 8}},
        {"member": 2, "assigned": [], "read": {}},
    ]
    assert (found["rebalances"][0]["seconds"], found["committed"]) == (0.5, {"0": {"offset": 4, "lag": 6}})


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Reading(0, 0, {}, (), 0, interrupted=True), 130),
        (Reading(0, 0, {}, (), 0, trouble="Broker: Unknown topic"), 1),
        (Reading(0, 0, {}, (), 0, silent="nothing came for 60 s"), 5),
    ],
)
def test_end_decides_the_exit_code(fab: Fab, readers: FakeReaders, ended: Reading, code: int) -> None:
    """Ctrl-C, an error of the client's, and a silence before the end."""
    readers.ended = ended
    assert fab("records.read", "orders") == code


@pytest.mark.parametrize(
    "words",
    [
        ("oders",),
        ("or ders",),
        ("orders", "--partition", "1"),
        ("orders", "--partition", "-1"),
        ("orders", "--partition", ""),
        ("orders", "--from", "11"),
        ("orders", "--from", "committed"),
        ("orders", "--from", "2100-01-01"),
        ("orders", "--until", "0"),
        ("orders", "--until", "2100-01-01"),
        ("orders", "--until", "-5"),
        ("orders", "--members", "2"),
        ("orders", "--commit", "each"),
        ("orders", "--follow", "--until", "end"),
        ("orders", "--group", ""),
        ("orders", "--group", "a\x1b"),
        ("orders", "--group", "x" * 32768),
        ("orders", "--group", "shared"),
        ("orders", "--group", "new", "--from", "committed"),
        ("orders", "--group", "new", "--from", "3"),
        ("orders", "--group", "new", "--partition", "0"),
        ("orders", "--group", "new", "--members", "0"),
        ("orders", "--group", "new", "--members", "65"),
        ("orders", "--group", "new", "--commit", "batch"),
        ("orders", "--group", "new", "--commit", "batch:0"),
        ("orders", "--group", "new", "--commit", "each:2"),
        ("orders", "--isolation", "dirty"),
        ("orders", "--client", "java"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    fab: Fab, readers: FakeReaders, words: tuple[str, ...]
) -> None:
    """Exit code 2, and no client was made."""
    assert (fab("records.read", *words), readers.asked) == (2, [])
