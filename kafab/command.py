"""Commands for a remote POSIX shell, which quote and mask by type, and what comes back of them.

A ``Cmd`` is a tuple of words. Text is quoted, ``Raw`` is not, a ``Secret`` is quoted for the shell and masked
for people, so no caller ever joins strings into a command.
"""

import hashlib
import shlex
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath
from typing import TypeAlias

from kafab.unknown import Unknown


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
    """One shell command: ``Cmd("mkdir", "-p", "--", path)``. ``stdin`` is text of whole lines that it reads."""

    words: tuple[Word, ...]
    stdin: str | None = field(repr=False)

    def __init__(self, *words: Word, stdin: str | None = None) -> None:
        if stdin and not stdin.endswith("\n"):
            raise ValueError(f"the last line of what {words[0]} is to read has no end")
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "stdin", stdin)

    @property
    def sh(self) -> str:
        """The text for the shell, with secrets in clear."""
        command = " ".join(_quoted(word) for word in self.words)
        if self.stdin is None:
            return command
        # The delimiter is the digest of the content, which the content cannot contain.
        end = f"KAFAB_{hashlib.sha256(self.stdin.encode()).hexdigest()}"
        return f"{command} <<'{end}'\n{self.stdin}{end}"

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
    """POSIX sh for one host, run whole or not at all, the time it may take, and as data what it does.

    ``text`` is what travels. `shell.frame` makes it of the calls; they tell a reader, or a fake, what the host is asked.
    """

    text: str = field(repr=False)
    timeout: timedelta
    calls: tuple[Cmd, ...] = ()
    """What is called there, in order; without the frame that tells of the end or of each outcome."""
    changes: bool = False
    """It changes what runs, and goes on when its connection is cut: Ctrl-C waits for its end, and another one does not."""

    def called(self, function: str) -> tuple[Cmd, ...]:
        """Return the calls of a function, in order; none where the script does something else."""
        return tuple(call for call in self.calls if call.words[0] == function)


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


class Ends:
    """The beginning and the end of error text, however much of it comes."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._left_out = 0

    def add(self, piece: bytes) -> None:
        """Take what comes next."""
        self._kept += piece
        if (over := len(self._kept) - ERRORS_LIMIT) > 0:
            del self._kept[_HALF : _HALF + over]
            self._left_out += over

    @property
    def text(self) -> str:
        """What is kept, with a line on what was left out between its two halves."""
        if not self._left_out:
            return self._kept.decode("utf-8", errors="replace")
        begin, end = (
            half.decode("utf-8", errors="replace") for half in (self._kept[:_HALF], self._kept[_HALF:])
        )
        return f"{begin}\n… {self._left_out} bytes are left out here …\n{end}"


Outcome: TypeAlias = Result | Unknown

ANSWER_LIMIT = 8 * 1024 * 1024
"""Bytes of output that a Result holds: far above any answer that is asked for, far below what hurts this machine."""
ERRORS_LIMIT = 64 * 1024
"""Bytes of error text that a Result holds, from its two ends."""
_HALF = ERRORS_LIMIT // 2
TOO_LONG = Unknown(
    f"it printed more than {ANSWER_LIMIT >> 20} MiB, which is no answer; the script may still be running there"
)


def bounded(code: int, out: bytes, err: bytes) -> Outcome:
    """Return what a script printed as the outcome that every Fleet makes of it."""
    if len(out) > ANSWER_LIMIT:
        return TOO_LONG
    ends = Ends()
    ends.add(err)
    return Result(code, out, ends.text)
