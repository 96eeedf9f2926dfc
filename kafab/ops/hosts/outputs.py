"""What hosts print, as it comes: lines with their host before them, or the beginning of each stream, kept for a document.

Neither holds more of a host than a bound, however much it prints and however long its lines are.
"""

import codecs
import io
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from kafab.events import Emit, Note

LINE_LIMIT = 64 * 1024
"""Characters of a line; a longer one is shown in pieces."""
KEPT_LIMIT = 1024 * 1024
"""Bytes that are kept of each stream of a host."""
KEPT_OF_ALL = 16 * 1024 * 1024
"""Bytes that are kept of each stream of all hosts together."""

Show: TypeAlias = Callable[[str, bool], None]
"""``show(text, errors)`` shows whole lines: output, or with ``errors`` what was complained of."""


class Listener(Protocol):
    """Who hears what hosts print."""

    def hear(self, host: str, out: bytes, err: bytes) -> None:
        """Take the next piece of both streams of a host."""

    def ended(self, host: str) -> None:
        """Nothing more comes from this host."""


class Lines:
    """Makes lines of pieces of bytes, each line with a mark before it."""

    def __init__(self, mark: str) -> None:
        # The three ways to end a line are one, also where a piece ends between a carriage return and its newline.
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )
        self._mark = mark
        self._rest = ""
        self.broken = False
        """Whether a line was too long to be shown as a line."""

    def add(self, piece: bytes, *, last: bool = False) -> str:
        """Return the lines that have become whole; with ``last`` also what has no end of its own."""
        text = self._rest + self._decoder.decode(piece, final=last)
        whole, newline, self._rest = text.rpartition("\n")
        lines = whole + newline
        while len(self._rest) > LINE_LIMIT:
            lines += self._rest[:LINE_LIMIT] + "\n"
            self._rest = self._rest[LINE_LIMIT:]
            self.broken = True
        if last and self._rest:
            lines += self._rest + "\n"
            self._rest = ""
        return self._mark + lines[:-1].replace("\n", f"\n{self._mark}") + "\n" if lines else ""


class Shown:
    """Shows what hosts print, line by line; lines of several hosts stand between each other, each of them whole."""

    def __init__(self, show: Show, emit: Emit) -> None:
        self._show = show
        self._emit = emit
        self._lines: dict[str, tuple[Lines, Lines]] = {}

    def hear(self, host: str, out: bytes, err: bytes) -> None:
        """Show the lines that have become whole."""
        self._take(host, out, err)

    def ended(self, host: str) -> None:
        """Show what a host's last line was without an end, and say where a line was shown in pieces."""
        self._take(host, b"", b"", last=True)
        if any(lines.broken for lines in self._lines.pop(host)):
            self._emit(
                Note(host, f"a line of more than {LINE_LIMIT} characters is shown in pieces of that length")
            )

    def _take(self, host: str, out: bytes, err: bytes, *, last: bool = False) -> None:
        output, errors = self._lines.setdefault(host, (Lines(f"{host}: "), Lines(f"{host}  ")))
        for lines, piece, of_errors in ((output, out, False), (errors, err, True)):
            if text := lines.add(piece, last=last):
                self._show(text, of_errors)


class Beginning:
    """The first bytes of a stream, and how many came behind them."""

    def __init__(self, limit: int) -> None:
        self.cut = 0
        self._limit = limit
        self._kept = bytearray()

    def add(self, piece: bytes) -> None:
        """Take what comes next."""
        taken = piece[: self._limit - len(self._kept)]
        self._kept += taken
        self.cut += len(piece) - len(taken)

    @property
    def text(self) -> str:
        """What is kept; bytes that are not UTF-8 are replacement characters."""
        return self._kept.decode("utf-8", errors="replace")


class Kept:
    """Keeps the beginning of what each host prints."""

    def __init__(self, hosts: Sequence[str]) -> None:
        limit = min(KEPT_LIMIT, KEPT_OF_ALL // max(1, len(hosts)))
        self.streams = {host: (Beginning(limit), Beginning(limit)) for host in hosts}
        """Host -> its output and its errors."""

    def hear(self, host: str, out: bytes, err: bytes) -> None:
        """Keep what there is room for."""
        for stream, piece in zip(self.streams[host], (out, err), strict=True):
            stream.add(piece)

    def ended(self, host: str) -> None:
        """Keep it as it is."""
