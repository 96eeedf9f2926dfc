"""The operator's lock, taken by real shells."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kafab.command import Cmd
from kafab.ops.lock import _LOCK

WAIT = 10


@contextmanager
def contender(run: Path, owner: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a shell that tries to take the lock; yields it and its first line. Its stdin is closed at the end."""
    text = f"{_LOCK}\n{Cmd('lock', run, owner).sh}\n"
    with subprocess.Popen(
        ["sh", "-euc", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        yield shell, shell.stdout.readline().strip()


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
    text = f"{_LOCK}\n{Cmd('lock', tmp_path, 'one of many').sh}\n"
    shells = [
        subprocess.Popen(["sh", "-euc", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    answers = [shell.stdout.readline().split()[0] for shell in shells if shell.stdout]
    for shell in shells:
        shell.communicate(timeout=WAIT)
    assert sorted(answers) == ["held"] * 7 + ["locked"]
