"""The documents and the commands say the same."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser

from tasks import namespace as tasks
from tasks import summary

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# Invoke takes the help texts out of the tasks whose arguments it makes: these here are nobody else's.
namespace = deepcopy(tasks)
COMMANDS = sorted(namespace.task_names)
BLOCK = re.compile(r"^```(?:console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:|#)([^)#]+)")
EXAMPLE = re.compile(r"\binventory/examples/[\w.-]+")


def _shown() -> Iterator[tuple[str, str]]:
    """Yield (page, command line) for every line of the pages' shell blocks that a reader would type."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            prompted = block.startswith("$ ")
            for line in block.splitlines():
                if line.startswith("$ ") or not prompted:
                    yield page.name, line.removeprefix("$ ").strip()


TYPED = sorted(set(_shown()))


@cache
def _parser() -> Parser:
    return Parser(contexts=deepcopy(namespace).to_contexts())


def _unknown(line: str) -> str | None:
    """Return why a command line could not run in this checkout, None if it could."""
    words = shlex.split(line, comments=True)
    program = Path(words[0]) if words else Path()
    if program.name in ("fab", "kafab"):
        # A reader replaces NAME, so any value is right; the parser knows commands and options.
        try:
            _parser().parse_argv(words[1:])
        except ParseError as error:
            return str(error)
    elif program.parts[:1] == ("scripts",) and not (ROOT / program).is_file():
        return f"{program} does not exist"
    return None


def test_command_reference_is_current() -> None:
    """docs/commands.md is what scripts/docs would write: every command and option, as the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run scripts/docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_command_says_what_it_does(name: str) -> None:
    """A command's first line is a sentence that fits the list."""
    first = summary(namespace[name])
    assert first.endswith(".")
    assert len(first) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_command_explains_its_options(name: str) -> None:
    """Every option of a command has a help text."""
    assert [option.name for option in deepcopy(namespace[name]).get_arguments() if not option.help] == []


def test_options_of_the_reference_can_be_typed() -> None:
    """Every option in the tables of docs/commands.md is one that the command's parser knows."""
    contexts = {context.name: context for context in deepcopy(namespace).to_contexts()}
    unknown, name = list[str](), ""
    for line in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            name = line[3:]
        elif option := re.match(r"\| `(--[\w-]+)", line):
            flags = (*contexts[name].flags, *contexts[name].inverse_flags)
            unknown += [] if option[1] in flags else [f"{name} {option[1]}"]
    assert unknown == []


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_command_in_a_document_exists(page: str, line: str) -> None:
    """What a page tells a reader to type is a command with these options, or a script of this checkout."""
    assert _unknown(line) is None


@pytest.mark.parametrize("line", ["fab no.such", "fab commands --no-such-option", "scripts/nowhere"])
def test_missing_command_is_noticed(line: str) -> None:
    """The check of the pages can turn red."""
    assert _unknown(line) is not None


def test_readme_shows_the_two_commands() -> None:
    """A newcomer finds how to start and how to test on the first screen."""
    assert {"scripts/quickstart", "scripts/test"} <= {
        line.partition("#")[0].strip() for page, line in TYPED if page == "README.md"
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_examples_of_a_page_exist(page: Path) -> None:
    """Every relative link and every example inventory that a page names is a file of this checkout."""
    text = page.read_text(encoding="utf-8")
    named = [page.parent / link for link in LINK.findall(text)] + [
        ROOT / name for name in EXAMPLE.findall(text)
    ]
    assert [str(path) for path in named if not path.exists()] == []
