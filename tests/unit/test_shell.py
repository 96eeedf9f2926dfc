"""The files of shell, and the scripts that are composed of them."""

import subprocess
from pathlib import Path

import pytest

from kafab.command import Cmd
from kafab.hosts import observation
from kafab.ops.deploy import distribution
from kafab.shell import library as shell

FILES = sorted(shell.FOLDER.glob("*.sh"))
NAMES = [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_says_what_it_is_and_who_composes_it(file: Path) -> None:
    """The head is two lines of prose, then what the linter has to know, each with its reason."""
    head = file.read_text(encoding="utf-8").partition("\n\n")[0].split("\n")
    assert head[1].startswith("# Composed by ")
    assert head[0].startswith("# ")
    assert [
        line for line in head[2:] if "# shellcheck disable=SC" not in line or line.count("  # ") != 1
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_head_stays_here(name: str) -> None:
    """A host gets the functions, and nothing of the head."""
    text = shell.library(name)
    assert (text.startswith("#!"), "shellcheck" in text, text == text.strip()) == (False, False, True)


def test_file_is_composed_once() -> None:
    """Whoever needs a file names it: in the script it stands once, before the calls."""
    text = shell.compose(("plain", "alive", "plain"), Cmd("plain", "/a b"), "echo $end")
    assert text == f"{shell.library('plain')}\n{shell.library('alive')}\nplain '/a b'\necho $end\n"


def test_assigned_value_is_quoted() -> None:
    """A value is one word of the shell, whatever it has in it."""
    done = subprocess.run(
        ["sh", "-euc", shell.compose((), 'printf %s "$value"', given={"value": "a 'b' $c\n"})],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a 'b' $c\n"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (observation.EXPOSED, "observe"),
        (distribution.STALE_PART, "release"),
        (distribution.NOT_PULLED, "release"),
    ],
)
def test_exit_codes_are_those_of_the_shell(code: int, name: str) -> None:
    """A code that a script ends with is the one that its reader knows."""
    assert f"exit {code}; }}" in shell.library(name)
