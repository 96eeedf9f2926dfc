"""The history of a cluster's changes: what hosts keep of it, real shells included, and how it is put together again."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, Unreachable
from kafab.events import Note
from kafab.hosts import history
from kafab.hosts.history import TEXT_LIMIT, Entry, merged, read
from kafab.model import Cluster, Host, Paths
from kafab.ops.history import past, program, remembered
from kafab.ops.lock import operating
from kafab.screens.console import Console
from kafab.screens.history import UNENDED, show_history
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

AT = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
BEGUN = Entry("r1", "small", "ann", "desk", "restart --limit node1", AT)
ENDED = replace(BEGUN, took=timedelta(seconds=2), exit_code=0, figures={"started": 2})
TEXT = st.text(max_size=600)


def answer(*lines: str) -> Result:
    """Return what a host prints that remembers these lines."""
    return Result(0, "".join(f"{line}\n" for line in (*lines, "end")).encode(), "")


def ran(script: Script) -> subprocess.CompletedProcess[str]:
    """Run a script here."""
    return subprocess.run(
        ["sh", "-euc", script.text], capture_output=True, text=True, check=False, timeout=20
    )


def host_in(run: Path) -> Host:
    """Return a host whose run folder is this one."""
    return Host("node1", "127.0.0.1", paths=replace(Paths(), run=PurePosixPath(run)))


@given(TEXT, TEXT, TEXT, st.integers(0, 255))
def test_line_says_what_the_entry_says(user: str, command: str, result: str, code: int) -> None:
    """Whatever words stand in it, an entry is one line of ASCII, and read back as it was, but for blanks and length."""
    entry = replace(ENDED, user=user, command=command, result=result, exit_code=code)
    found = read("node1", answer(entry.line))
    assert not isinstance(found, Unknown)

    def cut(text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"

    told = replace(entry, user=cut(user), command=cut(command), result=cut(result), hosts=("node1",))
    assert (found, entry.line.isascii(), len(entry.line.splitlines())) == (([told], 0), True, 1)


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"run": 1}', BEGUN.line[:-4], '{"began": "x"}'])
def test_lines_that_are_none_are_counted(line: str) -> None:
    """What a full disk or a stranger left in the file hides no entry, and is counted."""
    assert read("node1", answer(line, BEGUN.line)) == ([replace(BEGUN, hosts=("node1",))], 1)


def test_answer_that_was_cut_off_is_unknown() -> None:
    """An answer without its end may lack anything."""
    assert isinstance(read("node1", Result(0, f"{BEGUN.line}\n".encode(), "")), Unknown)


def test_run_is_one_entry_of_all_its_hosts() -> None:
    """The line with the end counts, whoever has it, and every host is named; the runs are in the order of their begin."""
    before = replace(BEGUN, run="r0", began=AT - timedelta(hours=1), hosts=("node2",))
    entries = [
        replace(ENDED, hosts=("node3",)),
        replace(BEGUN, hosts=("node1",)),
        replace(ENDED, hosts=("node1",)),
        before,
    ]
    assert merged(entries) == (before, replace(ENDED, hosts=("node1", "node3")))


def test_host_keeps_what_it_is_told(tmp_path: Path) -> None:
    """Two entries are read back as they were written, from a file that is its owner's alone."""
    host, later = host_in(tmp_path), replace(ENDED, run="r2")
    written = [ran(history.remember(host, entry)) for entry in (ENDED, later)]
    said = ran(history.past(host))
    entries = read("node1", Result(said.returncode, said.stdout.encode(), said.stderr))
    mode = (tmp_path / "history").stat().st_mode & 0o777
    assert ([done.returncode for done in written], entries, oct(mode)) == (
        [0, 0],
        ([replace(entry, hosts=("node1",)) for entry in (ENDED, later)], 0),
        "0o600",
    )


def test_history_is_bounded(tmp_path: Path) -> None:
    """A full file takes the place of the older one, so two files are all there ever is, and the newest line is in them."""
    (tmp_path / "history").write_text("x" * 262144)
    (tmp_path / "history.1").write_text("y" * 262144)
    ran(history.remember(host_in(tmp_path), ENDED))
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes == {"history": len(ENDED.line) + 1, "history.1": 262144}


def test_host_that_was_never_deployed_gets_no_folder(tmp_path: Path) -> None:
    """A history is no reason to make a folder, and no history is an empty one."""
    host = host_in(tmp_path / "none")
    assert (ran(history.remember(host, ENDED)).returncode, ran(history.past(host)).stdout) == (0, "end\n")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["history", "history.1"])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_neither_written_nor_read(name: str, kind: str, tmp_path: Path) -> None:
    """A link or a folder in the place of the history is told, and not followed."""
    outside, run = tmp_path / "outside", tmp_path / "run"
    run.mkdir()
    outside.write_text("secret\n")
    (run / name).symlink_to(outside) if kind == "link" else (run / name).mkdir()
    host = host_in(run)
    written, said = ran(history.remember(host, ENDED)), ran(history.past(host))
    told = f"{run / name} is a link or no file"
    assert (written.returncode, told in written.stdout, said.returncode, told in said.stderr) == (
        1, True, 1, True,
    )  # fmt: skip
    assert (outside.read_text(), said.stdout) == ("secret\n", "")


@pytest.fixture
def three(tmp_path: Path) -> Cluster:
    """A cluster of three hosts."""
    return cluster_in(tmp_path, 3)


class Fleet(FakeFleet):
    """Hosts that give the lock and take every line, or answer as they are told to."""

    def __init__(self, cluster: Cluster, **answers: Outcome) -> None:
        super().__init__({host.name: self._answers(answers.get(host.name)) for host in cluster.hosts})

    @staticmethod
    def _answers(given: Outcome | None) -> Callable[[Script], Outcome]:
        def answered(script: Script) -> Outcome:
            if given is not None:
                return given
            return Result(0, b"locked\n" if script.called("lock") else b"", "")

        return answered


def world_of(cluster: Cluster, fleet: FakeFleet) -> tuple[FakeWorld, list[str]]:
    """Return a world of these hosts, and where the texts of its notes will be."""
    notes: list[str] = []

    def emit(event: object) -> None:
        if isinstance(event, Note):
            notes.append(f"{event.subject}: {event.text}")

    return FakeWorld.of(FakeKafka(cluster), fleet=fleet, emit=emit), notes


def test_lines_ride_on_the_lock(three: Cluster) -> None:
    """The hosts of the lock are told with its taking and its release, without a script of their own; the others by one each."""
    fleet = Fleet(three)
    world, _ = world_of(three, fleet)
    with operating(three, world, "restart") as held:
        held.run.about(three.nodes, started=["node1/broker"])
        world.clock.sleep(3)
    scripts = [(host, call.words[0]) for host, script in fleet.ran for call in script.calls]
    told = json.loads(fleet.told[0][1])
    assert scripts == [("node1", "lock"), ("node2", "lock"), ("node3", "remember")]
    assert ([host for host, _ in fleet.told], told["seconds"], told["exit_code"], told["figures"]) == (
        ["node1", "node2"],
        3.0,
        0,
        {"started": 1},
    )


def test_command_without_the_lock_has_two_lines_on_each_host(three: Cluster) -> None:
    """The hosts that keep the metadata are told of the beginning and the end; the words are those that may be kept."""
    fleet = Fleet(three)
    world, notes = world_of(three, fleet)
    with remembered(three, world, "exec", words="exec mysql") as run:
        run.figures["moved"] = 2
        world.clock.sleep(3)
    lines = [(host, json.loads(str(call.words[3]))) for host, script in fleet.ran for call in script.calls]
    said = [(host, line["command"], line.get("seconds"), line.get("figures")) for host, line in lines]
    begun = [(host, "exec mysql", None, None) for host in ("node1", "node2", "node3")]
    assert said == [*begun, *((host, what, 3.0, {"moved": 2}) for host, what, _, _ in begun)]
    assert ({line["run"] for _, line in lines}, notes) == ({"run1"}, [])


def test_silent_host_is_asked_once_and_told(three: Cluster) -> None:
    """A host that gives no answer to the first line is not waited for again; the command itself ends well."""
    fleet = Fleet(three, node2=Unknown("lost"))
    world, notes = world_of(three, fleet)
    with remembered(three, world, "topics.create"):
        pass
    assert notes == ["small: the history of node2 lacks this command: lost"]
    assert [host for host, _ in fleet.ran].count("node2") == 1


def test_hosts_that_the_error_names_are_not_told_twice(three: Cluster) -> None:
    """Where the command ends as it cannot reach hosts, nothing is added to that."""
    lost = Unknown("lost")
    world, notes = world_of(three, Fleet(three, node1=lost, node2=lost, node3=lost))
    with pytest.raises(Unreachable), remembered(three, world, "exec"):
        raise Unreachable({"node1": "lost"})
    assert notes == []


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("mysql -p$(cat /root/x) prod", "mysql"),
        ("PASSWORD=hunter2 /opt/x/run.sh --now", "/opt/x/run.sh"),
        ("  df -h", "df"),
        ("uptime", "uptime"),
        ("'my tool' hunter2", ""),
        ("PASSWORD='a hunter2' run", ""),
        ("PASSWORD='a hunter2 b' run", ""),
        ("A=$(echo hunter2) b", ""),
        ("echo;hunter2", ""),
    ],
)
def test_nothing_of_a_shell_command_but_its_program_is_kept(command: str, kept: str) -> None:
    """Any other word may be a secret."""
    assert program(command) == kept


def test_error_is_how_a_run_ended(three: Cluster) -> None:
    """The first line of an error and its exit code are kept, and the error goes on as it was."""
    fleet = Fleet(three)
    world, _ = world_of(three, fleet)
    with pytest.raises(Failed), operating(three, world, "start"):
        raise Failed("node1/broker: not started\n  its last lines")
    told = json.loads(fleet.told[0][1])
    assert (told["exit_code"], told["result"]) == (1, "node1/broker: not started")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Result(1, b"sh: printf: No space left on device\n", ""), "sh: printf: No space left on device"),
        (Unknown("lost"), "lost"),
    ],
)
def test_history_that_cannot_be_written_fails_nothing(three: Cluster, outcome: Outcome, why: str) -> None:
    """Every host on which the line is missing is told, with why; the command ends as it would."""
    unfit = "/run/history is a link or no file"
    fleet = Fleet(three, node1=Result(0, f"locked {unfit}\n".encode(), ""), node3=outcome)
    world, notes = world_of(three, fleet)
    with operating(three, world, "start") as held:
        held.run.about(three.nodes)
    lacks = "its history lacks this command"
    assert notes == [f"node1: {lacks}: {unfit}", f"node3: {lacks}: {why}"]


def test_silent_hosts_are_left_out_and_named(three: Cluster) -> None:
    """One host that answers is enough; entries of another cluster, whose nodes are on the same host, are not shown."""
    other = replace(ENDED, run="r9", cluster="other")
    fleet = Fleet(three, node1=answer(ENDED.line, other.line), node2=Unknown("lost"), node3=answer())
    world, notes = world_of(three, fleet)
    assert past(three, None, world) == (replace(ENDED, hosts=("node1",)),)
    assert notes == ["node2: its history is left out: lost"]


def test_no_host_that_answers_is_no_empty_history(three: Cluster) -> None:
    """Unknown is not empty."""
    lost = Unknown("lost")
    world, _ = world_of(three, Fleet(three, node1=lost, node2=lost, node3=lost))
    with pytest.raises(Unreachable):
        past(three, None, world)


def test_screen_has_a_row_a_run(three: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with its end has its figures, one without says so, and what is not shown is counted."""
    killed = replace(BEGUN, run="r2", began=AT + timedelta(hours=1), hosts=("node1",))
    entries = [replace(ENDED, run="r0"), replace(ENDED, hosts=("node1", "node2", "node3")), killed]
    show_history(Console(), three, entries, 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:1] for line in lines[1:3]] == [["2026-01-01"]] * 2
    assert ("node1 to node3  started 2" in lines[1], UNENDED in lines[2], lines[3]) == (
        True,
        True,
        "1 earlier command: --last 3 shows all",
    )
