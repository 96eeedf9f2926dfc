"""Which folders are root's alone, as a real shell sees it; whoever runs these tests stands for root."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.command import Cmd, Result, Script
from kafab.shell.library import compose
from kafab.shell.ownership import as_account
from tests.conftest import cannot_run

Shell = Callable[..., Result]


def rooted(shell: Shell, *paths: Path) -> tuple[int, str]:
    """Return what the shell function returns and says of these paths."""
    result = shell(Script(compose(("rooted",), Cmd("rooted", *paths)), timedelta(seconds=10)))
    assert result.err == ""
    return result.code, result.text.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of our own, in a folder of our own."""
    made = tmp_path / "above" / "run"
    made.mkdir(parents=True)
    for path in (made, made.parent):
        path.chmod(0o755)
    return made


def other(path: Path) -> None:
    """Give a path to another account."""
    try:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    except PermissionError:
        cannot_run("it takes root to give a folder away")


def test_folder_of_ones_own_is(folder: Path, shell: Shell) -> None:
    """Nobody else can write there, nor in any folder above it; that of a sticky /tmp is nobody else's to move."""
    assert rooted(shell, folder, folder.parent) == (0, "")


@pytest.mark.parametrize("there", ["run", "above"])
def test_folder_that_all_can_write_in_is_not(there: str, folder: Path, shell: Shell) -> None:
    """Be it the folder itself or one above it: something else can be put in its place."""
    open_to_all = {"run": folder, "above": folder.parent}[there]
    open_to_all.chmod(0o757)
    assert rooted(shell, folder) == (1, f"everybody can write in {open_to_all}")


def test_sticky_folder_is_not_one_itself(folder: Path, shell: Shell) -> None:
    """In a folder like /tmp everybody can put a link, though nobody can move what is there."""
    folder.chmod(0o1777)
    assert rooted(shell, folder) == (1, f"everybody can write in {folder}")
    inner = folder / "inner"
    inner.mkdir(mode=0o755)
    assert rooted(shell, inner) == (0, "")


@pytest.mark.parametrize("there", ["run", "above"])
def test_folder_of_another_account_is_not(there: str, folder: Path, shell: Shell) -> None:
    """The account's name is told, with the very folder that is not root's."""
    given = {"run": folder, "above": folder.parent}[there]
    other(given)
    assert rooted(shell, folder) == (1, f"{given} belongs to nobody")


def test_folder_that_its_group_can_write_in_is_not(folder: Path, shell: Shell) -> None:
    """Only root's own group is as good as root."""
    other(folder)
    os.chown(folder, os.getuid(), 65534)
    folder.chmod(0o775)
    assert rooted(shell, folder) == (1, f"its group can write in {folder}")


def test_what_a_link_leads_to_counts(folder: Path, tmp_path: Path, shell: Shell) -> None:
    """A link of root's is followed; the folder behind it, and those above that, have to be root's, too."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert rooted(shell, link) == (0, "")
    other(folder.parent)
    assert rooted(shell, link) == (1, f"{folder.parent} belongs to nobody")


def test_what_is_not_there_is_judged_by_what_is_above(folder: Path, shell: Shell) -> None:
    """A folder that is still to be made is root's where nobody else can make it."""
    assert rooted(shell, folder / "a" / "b") == (0, "")
    folder.chmod(0o777)
    assert rooted(shell, folder / "a" / "b") == (1, f"everybody can write in {folder}")


@pytest.mark.parametrize(("mode", "code"), [(0o755, 0), (0o700, 1), (0o750, 1)])
def test_half_made_folder_is_not_ready(mode: int, code: int, folder: Path, shell: Shell) -> None:
    """The mode comes last: a folder without it was left by an interruption."""
    folder.chmod(mode)
    assert shell(Script(compose(("ready",), Cmd("ready", folder)), timedelta(seconds=10))).code == code


def test_accounts_shell_has_neither_our_rights_nor_our_input(shell: Shell) -> None:
    """What follows in root's own script is on its stdin, and none of the account's business."""
    if shell(Script("id -u\n", timedelta(seconds=10))).text != "0\n":
        cannot_run("it takes root to become another account")
    calls = ("PATH=$PATH:/usr/sbin", as_account("nobody", "id -un; cat"), "echo 'of root'")
    script = compose(("as_account",), *calls)
    assert shell(Script(script, timedelta(seconds=10))).text == "nobody\nof root\n"


def test_login_users_script_is_run_as_it_is() -> None:
    """Where nodes have no account of their own nothing stands between."""
    assert as_account(None, "id") == "id"


@pytest.mark.parametrize("name", ["run/file", "link", "run"])
def test_way_that_another_account_owns_is_its(name: str, folder: Path, tmp_path: Path, shell: Shell) -> None:
    """Root works on a file there as that account: below its folder, in it, and behind its link in a folder like /tmp."""
    folder.parent.chmod(0o1777)
    link = folder.parent / "link"
    link.symlink_to(tmp_path)
    for path in (folder, link):
        other(path)
    script = compose(("rooted", "whose"), Cmd("whose", folder.parent / name))
    assert shell(Script(script, timedelta(seconds=10))).text == "nobody\n"


def test_way_that_is_roots_is_nobody_elses(folder: Path, shell: Shell) -> None:
    """A file in a folder of root's own, or in one like /tmp, is root's to write, whatever its name has in it."""
    folder.parent.chmod(0o1777)
    calls = [Cmd("whose", path) for path in (folder / "a b", folder.parent / "[c]*")]
    script = compose(("rooted", "whose"), *calls)
    assert shell(Script(script, timedelta(seconds=10))).text == ""
