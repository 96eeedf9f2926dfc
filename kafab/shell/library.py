"""The shell that runs on hosts: files of POSIX sh functions in ``sh/``, and how scripts are composed of them.

A file begins with comments that say what it is and who composes it, and what the linter has to know. They end at the
first empty line, and stay here: a host gets what comes after it.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from kafab.command import Cmd, Word

FOLDER = Path(__file__).parent / "sh"


@cache
def library(name: str) -> str:
    """Return the functions of ``sh/<name>.sh``, without the head of the file and the line break at its end."""
    _head, _, functions = (FOLDER / f"{name}.sh").read_text(encoding="utf-8").partition("\n\n")
    return functions.rstrip("\n")


def compose(libraries: Iterable[str], *calls: Cmd | str, given: Mapping[str, Word] | None = None) -> str:
    """Return a script: variables, the functions of these files, each file once, then the calls, each in a line of its own.

    A call that is a ``Cmd`` is quoted, text is shell as it is. ``given``: the functions' variable -> its value.
    """
    variables = [f"{name}={Cmd(value).sh}" for name, value in (given or {}).items()]
    functions = [library(name) for name in dict.fromkeys(libraries)]
    return "\n".join(
        [*variables, *functions, *(call.sh if isinstance(call, Cmd) else call for call in calls), ""]
    )
