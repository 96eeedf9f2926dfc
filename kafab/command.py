"""Commands for a remote POSIX shell, which quote and mask by type, and what comes back of them.

A ``Cmd`` is a tuple of words. Text is quoted, ``Raw`` is not, a ``Secret`` is quoted for the shell and masked
for people, so no caller ever joins strings into a command.
"""

import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from typing import TypeAlias


@dataclass(frozen=True)
class Secret:
    """A value that reaches a host but never a screen, a log or an exception."""

    value: str

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True)
class Raw:
    """Shell syntax that must not be quoted, written by kafab itself and never built from an inventory."""

    text: str


Word: TypeAlias = str | int | PurePath | Secret | Raw


@dataclass(frozen=True, init=False)
class Cmd:
    """One shell command: ``Cmd("mkdir", "-p", "--", path)``."""

    words: tuple[Word, ...]

    def __init__(self, *words: Word) -> None:
        object.__setattr__(self, "words", words)

    @property
    def sh(self) -> str:
        """The text for the shell, with secrets in clear."""
        return " ".join(_quoted(word) for word in self.words)

    def __str__(self) -> str:
        return " ".join("***" if isinstance(word, Secret) else _quoted(word) for word in self.words)


def _quoted(word: Word) -> str:
    if isinstance(word, Raw):
        return word.text
    if isinstance(word, Secret):
        return shlex.quote(word.value)
    return shlex.quote(str(word))


@dataclass(frozen=True)
class Script:
    """POSIX sh for one host, run whole or not at all, and the time it may take."""

    text: str
    timeout: timedelta


@dataclass(frozen=True)
class Result:
    """What a script printed and returned. ``code`` is the remote exit code, 0 to 255."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are shown as replacement characters."""
        return self.out.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Unknown:
    """A state that could not be read, and why. Unknown is never healthy, never stopped, never empty."""

    reason: str

    def __bool__(self) -> bool:
        # `if outcome:` must not read an unknown as an answer of either kind.
        raise TypeError("Unknown is neither true nor false: test with isinstance")


Outcome: TypeAlias = Result | Unknown
