"""The groups' command line on fakes: what is refused, what is saved, what is proved, and the exit codes."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kafab.groups.values import CLASSIC, SHARE, Commit, Ends, Group, Member
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tasks import groups
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in

AT, OTHER = ("orders", 0), ("orders", 1)
ANN = Member("ann-1", "ann", "10.0.0.7", None, (AT,))


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers, no lab's, with the topic orders of two partitions."""
    made = FakeKafka(replace(cluster_in(tmp_path, 3), name="prod", lab=False))
    made.add("orders", [(1, 2, 3), (2, 3, 1)])
    return made


@pytest.fixture
def known() -> FakeGroups:
    """The group pay without members, busy with a member, and a share group."""
    offsets = {AT: Commit(50, 3, "note"), OTHER: Commit(0)}
    return FakeGroups(
        {
            "pay": Group("pay", CLASSIC, "Empty", 1, "", (), offsets),
            "busy": Group("busy", CLASSIC, "Stable", 2, "range", (ANN,), offsets),
            "queue": Group("queue", SHARE, "Empty", 1, "", (), Unknown("share groups commit no offsets")),
        },
        {AT: Ends(10, 90, 100), OTHER: Ends(5, 8, 8)},
        {(AT, 50): datetime.now(timezone.utc) - timedelta(minutes=5)},
    )


@pytest.fixture
def fab(kafka: FakeKafka, known: FakeGroups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    monkeypatch.setenv("KAFAB_HOME", str(tmp_path / "home"))
    world = FakeWorld.of(kafka, groups=known, offsets=known)
    return on_fakes(monkeypatch, kafka.cluster, world, tree_of(groups))


def saved(home: Path) -> list[Path]:
    """Return the snapshots of the cluster."""
    return sorted((home / "home" / "groups" / "prod").glob("*"))


def offsets(known: FakeGroups, name: str = "pay") -> dict[tuple[str, int], int]:
    """Return a group's committed offsets."""
    committed = known.groups[name].committed
    assert not isinstance(committed, Unknown)
    return {at: one.offset for at, one in committed.items()}


def test_list(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups of each type are in the list, as what they are."""
    assert fab("groups.list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["busy", "classic", "Stable", "2"],
        ["pay", "classic", "Empty", "1"],
        ["queue", "share", "Empty", "1"],
    ]


def test_silent_coordinator(fab: Fab, known: FakeGroups, capsys: pytest.CaptureFixture[str]) -> None:
    """A coordinator that does not answer is told, and the exit code says that the list may lack groups."""
    known.silent["broker 2"] = "did not answer within 5 s"
    assert fab("groups.list") == 5
    assert "groups may be missing: broker 2: did not answer within 5 s" in capsys.readouterr().err


def test_nobody_answers(fab: Fab, known: FakeGroups, kafka: FakeKafka) -> None:
    """Where no coordinator answers there is no list, not an empty one."""
    known.silent |= {f"broker {node.id}": "connection refused" for node in kafka.cluster.brokers}
    assert fab("groups.list") == 4


def test_group_of_a_silent_coordinator(fab: Fab, known: FakeGroups) -> None:
    """A group that a silent coordinator may have is unknown; without silence it is not there."""
    assert fab("groups.describe", "none") == 2
    known.silent["broker 2"] = "did not answer within 5 s"
    assert fab("groups.describe", "busy") == 4


def test_describe(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """A partition has its offsets, its lag in records and in seconds, and what retention has taken."""
    assert fab("groups.describe", "pay", "--json") == 5  # one record's time is unknown
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    first, second = group["partitions"]
    assert (first["committed"], first["stable"], first["end"], first["lag"]) == (50, 90, 100, 50)
    assert 300 <= first["behind_seconds"] < 330
    assert (second["lag"], second["out_of_retention"], second["behind_seconds"]) == (3, 5, None)


def test_describe_names_members(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Members are told with client id and host, and each partition with the member that has it."""
    fab("groups.describe", "busy")
    out = capsys.readouterr().out
    assert "State: Stable" in out
    assert "ann on 10.0.0.7" in out


def test_leaderless_partition(fab: Fab, known: FakeGroups, capsys: pytest.CaptureFixture[str]) -> None:
    """A partition without a leader has no lag, the group's lag is unknown, and so says the exit code."""
    del known.logs[OTHER]
    assert fab("groups.list", "--lag", "--json") == 5
    found = {each["group"]: each for each in json.loads(capsys.readouterr().out)["groups"]}
    assert found["pay"]["lag"] is None


def test_reset(fab: Fab, known: FakeGroups, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reset commits, and has saved the offsets before it, whose file it prints."""
    assert fab("groups.reset", "pay", "--to", "earliest", "--yes") == 0
    (file,) = saved(tmp_path)
    assert offsets(known) == {AT: 10, OTHER: 5}
    assert str(file) in capsys.readouterr().out


def test_restore_brings_back(fab: Fab, known: FakeGroups, tmp_path: Path) -> None:
    """A restore sets offset, leader epoch and metadata as they were, as far as the records are still there."""
    fab("groups.reset", "pay", "--to", "latest", "--topics", "orders:0", "--yes")
    assert offsets(known) == {AT: 100, OTHER: 0}
    assert fab("groups.restore", str(saved(tmp_path)[0]), "--yes") == 0
    committed = known.groups["pay"].committed
    assert not isinstance(committed, Unknown)
    assert committed == {AT: Commit(50, 3, "note"), OTHER: Commit(5)}


def test_reset_shows_its_plan(fab: Fab, known: FakeGroups, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal and --yes the plan is shown and nothing is done."""
    assert fab("groups.reset", "pay", "--to=-20", "--topics", "orders:0") == 2
    assert "1 partition to set, 20 records read again, 0 skipped" in capsys.readouterr().out
    assert offsets(known) == {AT: 50, OTHER: 0}


def test_json_is_one_document(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the plan is on stderr, and stdout has the one document."""
    assert fab("groups.reset", "pay", "--to", "60", "--topics", "orders:0", "--yes", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["partitions"][0]["skipped"] == 10
    assert "SKIPPED" in captured.err


def test_time_beyond_the_end_is_said(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """No record as late as the time means the end, and the plan says so."""
    assert fab("groups.reset", "pay", "--to", "2100-01-01", "--topics", "orders:0", "--yes") == 0
    assert "no record is that late: the end" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("groups.reset", "busy", "--to", "earliest"), ("groups.delete", "busy")])
def test_members_refuse(
    fab: Fab, words: tuple[str, ...], known: FakeGroups, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A group with members is refused with their client ids and hosts; nothing is saved or changed."""
    assert fab(*words, "--yes") == 3
    assert "group busy is stable, with 1 member: ann on 10.0.0.7" in capsys.readouterr().err
    assert (offsets(known, "busy"), saved(tmp_path)) == ({AT: 50, OTHER: 0}, [])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("groups.reset", "pay"), 2),
        (("groups.reset", "none", "--to", "earliest"), 2),
        (("groups.reset", "pay", "--to", "earliest", "--topics", "orders:7"), 2),
        (("groups.reset", "queue", "--to", "earliest"), 3),
        (("groups.delete", "queue"), 3),
        (("groups.restore", "none.json"), 2),
    ],
)
def test_refusals(fab: Fab, words: tuple[str, ...], code: int) -> None:
    """What cannot be is refused with its exit code."""
    assert fab(*words, "--yes") == code


def test_lost_answer(fab: Fab, known: FakeGroups) -> None:
    """A commit whose answer is lost has an unknown outcome."""
    known.lost = True
    assert fab("groups.reset", "pay", "--to", "earliest", "--yes") == 5


def test_commit_that_did_nothing(fab: Fab, known: FakeGroups, capsys: pytest.CaptureFixture[str]) -> None:
    """A commit that is answered and not made is found by reading back."""
    known.deaf = True
    assert fab("groups.reset", "pay", "--to", "earliest", "--topics", "orders:0", "--yes") == 5
    assert "orders-0 is at 50, not 10" in capsys.readouterr().err


def test_nothing_to_do(fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A group that is there already is a success without a snapshot."""
    assert fab("groups.reset", "pay", "--to", "50", "--topics", "orders:0", "--json") == 0
    assert (json.loads(capsys.readouterr().out)["action"], saved(tmp_path)) == ("unchanged", [])


def test_unsaved_is_undone(fab: Fab, known: FakeGroups, tmp_path: Path) -> None:
    """Where the snapshot cannot be written nothing is changed."""
    (tmp_path / "home").write_text("in the way")
    assert fab("groups.reset", "pay", "--to", "earliest", "--yes") == 1
    assert offsets(known) == {AT: 50, OTHER: 0}


def test_deleted_group_comes_back(fab: Fab, known: FakeGroups, kafka: FakeKafka, tmp_path: Path) -> None:
    """A deletion saves the offsets, from which a restore makes the group anew."""
    kafka.add("__consumer_offsets", [(1, 2, 3)])
    assert fab("groups.delete", "pay", "--yes") == 0
    assert "pay" not in known.groups
    known.groups["pay"] = Group("pay", CLASSIC, "Dead", 1, "", (), {})
    assert fab("groups.restore", str(saved(tmp_path)[0]), "--yes") == 0
    assert offsets(known) == {AT: 50, OTHER: 5}


def test_snapshot_of_another_cluster(fab: Fab, known: FakeGroups, kafka: FakeKafka, tmp_path: Path) -> None:
    """Offsets of one cluster are not set in another."""
    fab("groups.reset", "pay", "--to", "earliest", "--yes")
    kafka.cluster_id = "another"
    assert fab("groups.restore", str(saved(tmp_path)[0]), "--yes") == 3
    assert offsets(known) == {AT: 10, OTHER: 5}
