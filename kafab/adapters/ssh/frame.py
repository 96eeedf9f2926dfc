"""The frame of everything that is sent to a host and read of it: marks which a POSIX sh there computes.

The login shell only starts a `sh`. That one says on both streams that it is there, starts the script, and says the script's
exit code at its end. Nothing outside of these marks is counted as output, whatever a start-up file, a session recorder
or a forced command prints; and a login that starts no `sh` is known by the marks that do not come. Each script has marks
of its own number, which stands apart from the rest of the mark in the command line: neither an echo of that line nor what
a host has said before looks like a mark.
"""

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

KEPT = 64 * 1024
"""Bytes that are kept of what came before a mark: the last of them."""
_SAY = 'printf "kafab\\036%s {0}err\\036\\n" "$kafab" >&2; printf "kafab\\036%s {0}out\\036\\n" "$kafab"'
# One line without ! and without a quote of its kind: csh takes neither in single quotes. A terminal would echo, cut long
# lines off and read bytes as keys, so nothing is begun on one.
_DOOR = (
    "kafab=$1; shift; "
    'if [ -t 0 ] || [ -t 1 ]; then printf "kafab\\036%s terminal\\036\\n" "$kafab"; exit 1; fi; '
    f"{_SAY.format('')}; "
    '"$@"; set -- $?; printf "kafab\\036%s end %s\\036\\n" "$kafab" "$1"; exit "$1"'
)
AS_ROOT = f"kafab=$1; shift; {_SAY.format('root ')}"
"""What the `sh` behind sudo says before a script; it is given the frame's number as an argument."""
READ = 'IFS= read -r kafab; eval "$(printf %b "$kafab")"'
"""Reads a script from one line of stdin (`on_one_line`) and leaves what follows to it: `read` takes no byte too many."""


def line(words: Sequence[str], number: str, path: str) -> str:
    """Return the command line for a login shell of any kind: it starts a bare `sh`, and that one these words."""
    begun = [_DOOR, "kafab", number, *words]
    return f'exec env -i PATH={path} LC_ALL=C HOME="$HOME" sh -c {" ".join(map(shlex.quote, begun))}'


_ESCAPED = {
    byte: bytes([byte]) if 32 <= byte < 127 and byte != ord("\\") else f"\\0{byte:03o}".encode()
    for byte in range(256)
}


def on_one_line(text: str) -> bytes:
    """Return a script as `READ` takes it: without its end nothing of it runs."""
    return b"".join(_ESCAPED[byte] for byte in text.encode()) + b"\n"


def on_stdin(text: str) -> bytes:
    """Return a script for a `sh` to read: any true prefix of the brace group is a syntax error, so nothing of it runs."""
    return f"{{ {text}\n}} </dev/null\nexit\n".encode()


class Gate:
    """One stream: what stands before its marks is held back, what stands behind the end is left out."""

    def __init__(self, marks: Sequence[bytes], end: bytes = b"") -> None:
        self.before: list[bytes] = []
        """What has come before each mark that was met."""
        self.code: int | None = None
        """The exit code that stands at the end."""
        self.held = bytearray()
        """What has come and is not counted as output: no mark has come behind it yet, or it may be a part of the end."""
        self._marks = list(marks)
        self._end = end
        self._code = re.compile(re.escape(end) + rb"(\d{1,3})\x1e\r?\n")

    @property
    def open(self) -> bool:
        """Say whether all marks have come."""
        return not self._marks

    def passed(self, piece: bytes) -> bytes:
        """Return what is output of this piece and of what was held back."""
        self.held += piece
        while self._marks:
            said, mark, rest = self.held.partition(self._marks[0])
            if not mark:
                del self.held[:-KEPT]
                return b""
            self.before.append(bytes(said))
            self.held = rest
            del self._marks[0]
        return self._until_end()

    def rest(self) -> bytes:
        """Return what was held back when no more comes: it was not a part of the end."""
        if not self.open or self.code is not None:
            return b""
        left = bytes(self.held)
        self.held.clear()
        return left

    def _until_end(self) -> bytes:
        if self.code is not None:
            self.held.clear()
            return b""
        if self._end and (found := self._code.search(self.held)):
            self.code = int(found.group(1))
            out = bytes(self.held[: found.start()])
            self.held.clear()
            return out
        keep = self._maybe_end()
        out = bytes(self.held[: len(self.held) - keep])
        del self.held[: len(self.held) - keep]
        return out

    def _maybe_end(self) -> int:
        """Return how many of the last bytes may be the beginning of the end."""
        if not self._end:
            return 0
        longest = len(self._end) + len(b"255\x1e\r\n")
        at = self.held.find(self._end, max(0, len(self.held) - longest))
        if at >= 0:
            return len(self.held) - at
        sizes = range(min(len(self._end), len(self.held)), 0, -1)
        return next((size for size in sizes if self.held.endswith(self._end[:size])), 0)


@dataclass
class Frame:
    """The marks of one script, and what has been seen of them. ``sudo``: root's `sh` has marks of its own."""

    sudo: bool = False
    number: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        kinds = ("", "root ") if self.sudo else ("",)
        self.out = Gate([self._mark(f"{kind}out\x1e\n") for kind in kinds], self._mark("end "))
        self.err = Gate([self._mark(f"{kind}err\x1e\n") for kind in kinds])

    def _mark(self, text: str) -> bytes:
        return f"kafab\x1e{self.number} {text}".encode()

    @property
    def shell(self) -> bool:
        """Say whether the login has started a `sh`."""
        return bool(self.out.before and self.err.before)

    @property
    def begun(self) -> bool:
        """Say whether the script has begun."""
        return self.out.open and self.err.open

    @property
    def terminal(self) -> bool:
        """Say whether the `sh` found itself on a terminal, and ended."""
        return not self.out.before and self._mark("terminal\x1e") in self.out.held

    @property
    def mixed(self) -> bool:
        """Say whether errors come as output: their mark, which is said first, came before the mark of the output."""
        return bool(self.out.before) and self._mark("err\x1e\n") in self.out.before[0]

    @property
    def greeting(self) -> str:
        """What the login said before the `sh`."""
        return _text(b"".join(gate.before[0] for gate in (self.out, self.err) if gate.before))

    @property
    def said(self) -> str:
        """What has come in place of the marks: of sudo where a `sh` was there, else of the login."""
        if self.shell:
            return _text(bytes(self.err.held))
        return _text(b"".join(b"".join(gate.before) + gate.held for gate in (self.out, self.err)))


class NotBegun(Exception):
    """The user is logged in, and no script has begun: ``code`` is how the login ended, None where it has not."""

    def __init__(self, frame: Frame, code: int | None, seconds: float) -> None:
        super().__init__()
        self.frame = frame
        self.code = code
        self.seconds = seconds


def _text(said: bytes) -> str:
    return said.decode("utf-8", errors="replace")
