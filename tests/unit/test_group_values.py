"""What a group has of its partitions, what a reset does to them, and how its target is read."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kafab.cluster.metadata import Metadata, Partition
from kafab.errors import UsageError
from kafab.groups import snapshot, targets
from kafab.groups.coordinating import TOPIC, coordinator, java_hash
from kafab.groups.resetting import Move, moves
from kafab.groups.snapshot import Snapshot
from kafab.groups.targets import Earliest, Latest, Offset, Saved, Shift, Target, Time, chosen, target
from kafab.groups.values import Commit, Ends, Place
from kafab.unknown import Unknown
from kafab.words import shown

AT = ("orders", 0)
FIFTY = Commit(50)
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("earliest", Earliest()),
        ("latest", Latest()),
        ("1200", Offset(1200)),
        ("-50", Shift(-50)),
        ("+50", Shift(50)),
        ("2026-11-26T12:00:00Z", Time(NOON)),
        ("2026-11-26T13:00:00+01:00", Time(NOON)),
        ("2026-11-26T12:00:00", Time(NOON)),
        ("snapshot:a.json", Saved(Path("a.json"))),
    ],
)
def test_target(text: str, found: Target) -> None:
    """Each form of --to is read as what it is; a time without a zone is UTC."""
    assert target(text) == found


@pytest.mark.parametrize(
    "text", ["", "first", "-", "1.5", "snapshot:", "9223372036854775808", "1969-01-01T00:00:00Z", "٣"]
)
def test_no_target(text: str) -> None:
    """What is none of the forms is an error."""
    with pytest.raises(UsageError):
        target(text)


def test_chosen_partitions() -> None:
    """A topic's name stands for all its partitions, numbers behind it for these."""
    assert chosen(["a:0,2", "b"], {"a": [0, 1, 2], "b": [0]}) == {("a", 0), ("a", 2), ("b", 0)}


@pytest.mark.parametrize("word", ["c", "a:3", "a:", "a:x", "a:-1"])
def test_no_partitions(word: str) -> None:
    """A topic or a partition that is not there is an error, and so is what is no number."""
    with pytest.raises(UsageError):
        chosen([word], {"a": [0, 1, 2]})


def move(to: Target, *, before: Commit = FIFTY, timed: int | None = None) -> Move:
    """Return the move of one partition with the offsets 10 to 100."""
    known = {AT: before}
    found = moves(
        known, frozenset([AT]), {AT: Ends(10, 90, 100)}, to, timed={AT: timed}, saved={AT: Commit(70, 3, "m")}
    )
    assert not isinstance(found, Unknown)
    return found[0]


@pytest.mark.parametrize(
    ("to", "after", "again", "skipped", "note"),
    [
        (Earliest(), 10, 40, 0, ""),
        (Latest(), 100, 0, 50, ""),
        (Offset(60), 60, 0, 10, ""),
        (Offset(3), 10, 40, 0, "3 is no longer there: the first record"),
        (Offset(101), 100, 0, 50, "101 is beyond the end: the end"),
        (Shift(-5), 45, 5, 0, ""),
        (Shift(-500), 10, 40, 0, "-450 is no longer there: the first record"),
        (Time(NOON), 100, 0, 50, "no record is that late: the end"),
    ],
)
def test_move(to: Target, after: int, again: int, skipped: int, note: str) -> None:
    """A move says what is read again and what is skipped; an offset that the log does not have is clamped with a word."""
    found = move(to)
    assert (found.after.offset, found.again, found.skipped, found.note) == (after, again, skipped, note)


def test_move_to_a_time() -> None:
    """The first record at or after the time is where the group goes."""
    assert move(Time(NOON), timed=20).after == Commit(20)


def test_move_to_what_was_saved() -> None:
    """A snapshot brings back the offset with its leader epoch and metadata."""
    assert move(Saved(Path("x"))).after == Commit(70, 3, "m")


def test_shift_of_nothing() -> None:
    """A shift needs a committed offset to start from, and is not made from another one."""
    found = moves({}, frozenset([AT]), {AT: Ends(0, 9, 9)}, Shift(1))
    assert found == Unknown("the group has no committed offset of orders-0 to shift")


def test_retention_counts_once() -> None:
    """Records that retention has taken are neither read again nor skipped by a move."""
    found = move(Latest(), before=Commit(4))
    assert (found.again, found.skipped) == (0, 90)


@pytest.mark.parametrize(
    ("committed", "lag", "gone", "beyond", "following"),
    [(50, 50, 0, 0, 50), (4, 90, 6, 0, 10), (100, 0, 0, 0, None), (120, 0, 0, 20, None)],
)
def test_place(committed: int, lag: int, gone: int, beyond: int, following: int | None) -> None:
    """The lag is of what is still there; what retention took, and an offset beyond the end, are figures of their own."""
    place = Place(AT, Commit(committed), Ends(10, 90, 100), None)
    assert (place.lag, place.gone, place.beyond, place.next) == (lag, gone, beyond, following)


def test_unknown_ends_have_no_lag() -> None:
    """A partition whose leader says nothing has no lag, not a lag of 0."""
    assert Place(AT, Commit(5), Unknown("it has no leader"), None).lag is None


def test_snapshot_comes_back(tmp_path: Path) -> None:
    """What is written is what is read, whatever the letters of the group."""
    made = Snapshot("prod", "abc", "pay/ments é\n", NOON + timedelta(milliseconds=7), {AT: Commit(5, 2, "x")})
    file = tmp_path / made.file
    file.write_text(made.text, encoding="utf-8")
    assert (snapshot.read(file), made.file) == (made, "pay%2Fments%20%C3%A9%0A-20261126T120000007.json")


def test_long_names_have_files_of_their_own() -> None:
    """Two groups with long names that begin alike have two files, with names that a file system takes."""
    names = {Snapshot("c", "i", "g" * 240 + end, NOON, {}).file for end in "ab"}
    assert len(names) == 2
    assert max(map(len, names)) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"schema": "other"}',
        json.dumps(
            {
                "schema": snapshot.SCHEMA,
                "cluster": "c",
                "cluster_id": "i",
                "group": "g",
                "taken": NOON.isoformat(),
                "offsets": [{"topic": "a", "partition": 0, "offset": -1}],
            }
        ),
    ],
)
def test_no_snapshot(tmp_path: Path, text: str) -> None:
    """A file that is no snapshot is an error that names it."""
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"x\.json"):
        snapshot.read(file)


def test_no_text(tmp_path: Path) -> None:
    """A file that is no UTF-8, and one that is not there, are errors."""
    (tmp_path / "x.json").write_bytes(b"\xff")
    for name in ("x.json", "none.json"):
        with pytest.raises(UsageError, match=name):
            snapshot.read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("", 0),
        ("abc", 96354),
        ("hello world", 1794106052),
        ("polygenelubricants", -(1 << 31)),
        ("😀", 1772899),
    ],
)
def test_hash_is_javas(text: str, hashed: int) -> None:
    """The hash is that of Java's strings, the lowest number and letters of two units included."""
    assert java_hash(text) == hashed


def test_coordinator_of_a_new_group() -> None:
    """It is the leader of the group's partition; a partition without a leader, and no offsets' topic, have none."""
    parts = tuple(Partition(TOPIC, n, leader, (1,), (1,)) for n, leader in ((0, 7), (1, None)))
    metadata = Metadata(None, None, {}, parts)
    assert [coordinator(metadata, name) for name in ("polygenelubricants", "a")] == [7, None]
    assert coordinator(Metadata(None, None, {}, ()), "a") is None


def test_strangers_names_steer_no_terminal() -> None:
    """Letters that would are escaped, all others stay."""
    assert shown("é x\x1b[2J\n") == "é x\\x1b[2J\\n"


def test_forms_are_told() -> None:
    """The error of a missing --to has the forms as its hint."""
    with pytest.raises(UsageError) as refused:
        target("")
    assert refused.value.hint == targets.FORMS
