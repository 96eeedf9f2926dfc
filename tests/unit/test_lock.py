"""The operator's lock, taken by real shells."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Cmd, Result
from kafab.errors import Locked, Unreachable
from kafab.events import Note
from kafab.model import Cluster
from kafab.ops.lock import _check, hold, operating
from kafab.shell.library import compose
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

WAIT = 10


@contextmanager
def contender(
    run: Path, owner: str, *, root: bool = False, last: str = ""
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a shell that tries to take the lock; yields it and its first line. Its stdin is closed at the end."""
    text = hold(PurePosixPath(run), owner, root=root, line=f"{owner} begins").text
    with subprocess.Popen(
        ["sh", "-euc", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        yield shell, shell.stdout.readline().strip()
        if last and shell.stdin:
            shell.stdin.write(last)


def began(pid: int) -> str:
    """Return a process's start time."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]


def test_second_operator_is_told_the_first(tmp_path: Path) -> None:
    """Whoever comes second gets the holder's own words (fault 20)."""
    with contender(tmp_path, "ann on desk, fab deploy"), contender(tmp_path, "bob") as (_, answer):
        assert answer.split(" ", 2)[::2] == ["held", "ann on desk, fab deploy"]


def test_lock_ends_with_its_owners_connection(tmp_path: Path) -> None:
    """When the owner's stdin closes, the next operator is locked in at once."""
    with contender(tmp_path, "ann"):
        pass
    with contender(tmp_path, "bob") as (_, answer):
        assert answer == "locked"


def test_next_operator_takes_over_from_a_killed_shell(tmp_path: Path) -> None:
    """A lock whose recorded process is gone is stale: the next operator has it."""
    with contender(tmp_path, "ann") as (shell, _):
        shell.kill()
        shell.wait(WAIT)
    with contender(tmp_path, "bob") as (_, answer):
        assert answer == "locked"


def test_loser_leaves_the_winners_lock(tmp_path: Path) -> None:
    """A refused operator takes nothing away: a third one is refused too."""
    with contender(tmp_path, "ann"):
        with contender(tmp_path, "bob") as (shell, _):
            shell.wait(WAIT)
        with contender(tmp_path, "cleo") as (_, answer):
            assert answer.split()[::2] == ["held", "ann"]


@pytest.mark.parametrize("before", [None, "1 somebody whose host was reset\n"])
def test_of_many_at_once_one_wins(tmp_path: Path, before: str | None) -> None:
    """Eight operators at the same moment, also over a file that was left behind: exactly one is locked in."""
    if before:
        (tmp_path / "lock").write_text(before)
    text = hold(PurePosixPath(tmp_path), "one of many", root=False, line="").text
    shells = [
        subprocess.Popen(["sh", "-euc", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    answers = [shell.stdout.readline().split()[0] for shell in shells if shell.stdout]
    for shell in shells:
        shell.communicate(timeout=WAIT)
    assert sorted(answers) == ["held"] * 7 + ["locked"]


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    """A file that all may read is one that all may lock: an older one is closed, and so is a new one."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "lock").touch(0o644)
    modes = []
    for run in (tmp_path / "old", tmp_path / "new"):
        with contender(run, "ann"):
            modes.append((run / "lock").stat().st_mode & 0o777)
    assert modes == [0o600, 0o600]


def test_holder_that_says_nothing_is_looked_up(tmp_path: Path) -> None:
    """A process that holds the lock and has not recorded itself is named by pid, user and command, whatever the file says."""
    (tmp_path / "lock").write_text(f"{os.getpid()} {began(os.getpid())} ann on desk\n")
    with (
        (tmp_path / "lock").open() as held,
        subprocess.Popen(["sleep", "60"], stdin=held) as stranger,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        held.close()
        try:
            with contender(tmp_path, "bob") as (_, answer):
                assert answer.split()[:2] + answer.split()[3:] == ["taken", str(stranger.pid), "sleep", "60"]
        finally:
            stranger.kill()


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    """A link, a fifo or a folder in its place is told, and neither followed nor waited for."""
    outside = tmp_path / "outside"
    run = tmp_path / "run"
    run.mkdir()
    if kind in ("link", "dangling"):
        if kind == "link":
            outside.touch()
        (run / "lock").symlink_to(outside)
    elif kind == "fifo":
        os.mkfifo(run / "lock")
    else:
        (run / "lock").mkdir()
    with contender(run, "ann") as (_, answer):
        assert (answer, outside.exists() and outside.read_text() != "") == (
            f"unfit {run}/lock is a link or no file",
            False,
        )


def test_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    """Root keeps the lock in a folder of its own: in another one somebody could exchange it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with contender(tmp_path / "run", "ann", root=True) as (_, answer):
        assert answer.startswith(f"unfit {tmp_path}/run holds the lock")


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        ("held 12 ann on desk", "small is being changed by ann on desk", "`kill 12` on node1 frees the lock"),
        ("taken 34,35 eve sleep 60", "by pid 34,35 of eve on node1, which does not say for whom: sleep 60", "`kill 34 35`"),
        ("taken", "held by a process that is not known", "sudo fuser -v"),
    ],
)  # fmt: skip
def test_taken_lock_is_told(answer: str, message: str, hint: str, small: Cluster) -> None:
    """The holder is named as far as it is known, with a hint that can be typed as it stands."""
    with pytest.raises(Locked) as told:
        _check(small, small.hosts[0], Result(0, f"{answer}\n".encode(), ""))
    assert (message in told.value.message, hint in (told.value.hint or "")) == (True, True), told.value


def still(run: Path, owner: str) -> str:
    """Return what a host says of the lock in this folder to whoever takes it for its own."""
    text = compose(("alive", "lock"), Cmd("still", str(run), owner))
    return subprocess.run(
        ["sh", "-euc", text], capture_output=True, text=True, check=True, timeout=WAIT
    ).stdout.strip()


def test_holder_is_told_that_it_holds(tmp_path: Path) -> None:
    """Only the owner that is at work now, and while it is: not another one, not a file left behind."""
    with contender(tmp_path, "ann on desk"):
        during = [still(tmp_path, "ann on desk"), still(tmp_path, "bob")]
    assert (during, still(tmp_path, "ann on desk")) == (["still", "lost"], "lost")


def test_lock_of_a_killed_holder_is_lost(tmp_path: Path) -> None:
    """What the file says is not believed once its process is gone."""
    with contender(tmp_path, "ann") as (shell, _):
        shell.kill()
        shell.wait(WAIT)
    (tmp_path / "lock").write_text("1 1 ann\n")
    assert still(tmp_path, "ann") == "lost"


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts with a ZooKeeper server each."""
    return Cosmos(cluster_in(tmp_path, 3))


def test_majority_of_the_metadata_hosts_is_held(cosmos: Cosmos) -> None:
    """Two of three, in the order of the inventory: any two operators meet at one of them."""
    with operating(cosmos.cluster, cosmos.world, "start"):
        assert cosmos.fleet.held == ["node1", "node2"]
    assert cosmos.fleet.held == []


def test_silent_host_is_replaced_by_the_next(cosmos: Cosmos) -> None:
    """One that does not answer is passed over while others make a majority."""
    cosmos.fleet.unreachable = {"node1": "no route"}
    with operating(cosmos.cluster, cosmos.world, "start"):
        assert cosmos.fleet.held == ["node2", "node3"]


def test_minority_is_not_enough_to_move_anything(cosmos: Cosmos) -> None:
    """Where two of three do not answer an operator on the other side could hold it, so nothing is done."""
    cosmos.fleet.unreachable = {"node1": "no route", "node2": "timed out"}
    with (
        pytest.raises(Unreachable, match="node1: no route"),
        operating(cosmos.cluster, cosmos.world, "start"),
    ):
        pytest.fail("the block was entered")
    assert cosmos.fleet.held == []


def test_deploy_goes_on_with_a_minority_and_says_so(cosmos: Cosmos) -> None:
    """Files can be placed on what is left of a cluster; that the lock is weak is told."""
    cosmos.fleet.unreachable = {"node1": "no route", "node2": "timed out"}
    with operating(cosmos.cluster, cosmos.world, "deploy", strict=False):
        assert cosmos.fleet.held == ["node3"]
    assert [event.text for event in cosmos.events if isinstance(event, Note)] == [
        "the lock is held on node3 only: an operator who sees other hosts could hold it, too"
    ]


def test_lock_that_a_host_has_let_go_is_taken_elsewhere(cosmos: Cosmos) -> None:
    """A host that has rebooted holds nothing: the next one takes its place before the next move."""
    with operating(cosmos.cluster, cosmos.world, "restart") as held:
        cosmos.let_go, cosmos.fleet.unreachable = {"node1"}, {"node1": "it boots"}
        held.check()
        assert cosmos.fleet.held == ["node2", "node3"]


def test_lock_that_is_lost_stops_its_holder(cosmos: Cosmos) -> None:
    """Where a majority cannot be held again, another operator may hold it."""
    with operating(cosmos.cluster, cosmos.world, "restart") as held:
        cosmos.let_go = {"node1"}
        cosmos.fleet.unreachable = {"node3": "no route"}
        cosmos.lock = "held 12 bob on desk"
        with pytest.raises(Locked, match="is being changed by bob on desk"):
            held.check()


def test_lock_begins_and_ends_a_line_of_the_history(tmp_path: Path) -> None:
    """What is done under the lock is remembered with its taking and, whole lines only, with its release."""
    with contender(tmp_path, "ann", last="ann ends\n") as (shell, _), contender(tmp_path, "bob"):
        pass
    shell.wait(WAIT)
    with contender(tmp_path, "cleo", last="cut o") as (shell, _):
        pass
    shell.wait(WAIT)
    assert (tmp_path / "history").read_text().splitlines() == ["ann begins", "ann ends", "cleo begins"]


def test_history_that_cannot_be_written_keeps_nobody_out(tmp_path: Path) -> None:
    """The lock is given all the same, with the reason beside it."""
    (tmp_path / "history").mkdir()
    with contender(tmp_path, "ann") as (_, answer):
        assert answer == f"locked {tmp_path}/history is a link or no file"
