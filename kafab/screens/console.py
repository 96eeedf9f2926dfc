"""Events, reports and tables to the screen: the only place that prints.

stdout carries data, stderr carries progress. A reader that goes away, a missing terminal or a poor locale never stops
the work: what cannot be shown is left out, and the command goes on.
"""

import atexit
import codecs
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TextIO

from kafab.errors import Failed, KafabError, Unsafe, UsageError
from kafab.events import Event, Note, Transfer, Waiting
from kafab.findings import Report
from kafab.screens import layout
from kafab.screens.waits import Waits
from kafab.words import size

if TYPE_CHECKING:
    from kafab.screens.live import Live

# A terminal is one for the whole process, however many consoles write to it: so are the rows at its bottom
# and the lock that keeps lines of several threads apart.
_LOCK = threading.RLock()
_LIVES: dict[TextIO | None, "Live"] = {}


class Console:
    """Where a command shows what it does. Every method may be called from any thread.

    ``out`` and ``err`` are sys.stdout and sys.stderr where they are not given; ``now`` gives monotonic seconds.
    """

    def __init__(
        self,
        json: bool = False,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.json = json
        self.documents = 0
        """How many JSON documents it has written."""
        self._given_out = out
        self._given_err = err
        self._now = now
        self._waits = Waits()
        self._started: dict[tuple[str, str], float] = {}

    @property
    def _out(self) -> TextIO | None:
        # Looked up at each use: a test or an embedding program may have replaced it since.
        return self._given_out or sys.stdout

    @property
    def _err(self) -> TextIO | None:
        return self._given_err or sys.stderr

    def emit(self, event: Event) -> None:
        """Show one event on stderr. A terminal shows waits and transfers in place; elsewhere they become rare lines."""
        with _LOCK:
            if isinstance(event, Note):
                self._note(event)
            elif isinstance(event, Waiting):
                self._waiting(event)
            else:
                self._transfer(event)

    def error(self, error: KafabError) -> None:
        """Show an error and, where it has one, the hint at what to type next; with JSON as a document on stdout, too."""
        finish_live()
        self._line(f"{self._paint_err('error:', 'red')} {error.message}")
        if error.hint:
            self._line(f"{self._paint_err('hint:', 'cyan')} {error.hint}")
        if self.json:
            with suppress(Failed):  # stdout takes nothing, which may be the very error
                self.data(layout.error_document(error), "")

    def warn(self, text: str) -> None:
        """Show a warning on stderr."""
        self._line(f"{self._paint_err('warning:', 'yellow')} {text}")

    def note(self, text: str) -> None:
        """Show a line on stderr."""
        finish_live()
        self._line(text)

    def data(self, document: Mapping[str, object], text: str) -> None:
        """Write the result to stdout: one JSON document (which has a ``schema`` field), or the text.

        Raises Failed when stdout cannot take it (a full disk); a reader that went away is no fault.
        """
        finish_live()
        self.documents += self.json
        shown = json.dumps(document, indent=2, default=str) if self.json else text
        self._write_out(shown if not shown or shown.endswith("\n") else shown + "\n")

    def stream(self, chunks: Iterable[bytes]) -> None:
        """Write text to stdout as it comes, until it ends or nobody reads any more."""
        take = self.piecewise()
        for chunk in chunks:
            if not take(chunk):
                return

    def piecewise(self) -> Callable[[bytes], bool]:
        """Return what writes the next piece of a text to stdout, and says whether anybody reads on.

        A character may be cut in two by the end of a piece.
        """
        finish_live()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        return lambda piece: self._write_out(decode(piece))

    def lines(self, text: str, errors: bool = False) -> None:
        """Write whole lines of hosts as they come: to stdout, or with ``errors`` to stderr."""
        if errors:
            self._line(text.removesuffix("\n"))
            return
        finish_live()
        self._write_out(text)

    def report(self, report: Report, *, schema: str = "kafab.report/1", each: bool = False) -> None:
        """Write a report to stdout: see `layout.report`; or one document of that schema, with every finding."""
        text = layout.report(report, self.paint, columns_wide=self._columns_wide, each=each)
        self.data({**layout.report_document(report), "schema": schema}, text)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
        """Return an aligned table for stdout. Nothing is cut off; on a terminal the last column may wrap."""
        return layout.table(columns, rows, columns_wide=self._columns_wide)

    def diff(self, text: str) -> str:
        """Return a unified diff for stdout, in colour on a terminal."""
        return layout.diff(layout.safe(text), self.paint)

    def paint(self, text: str, style: str) -> str:
        """Return the text for stdout, in a style of ``layout.STYLES`` where stdout has colour."""
        return layout.colour(text, style) if _lively(self._out) else text

    def confirm(self, question: str, *, yes: bool, lab: bool) -> None:
        """Ask before something that disturbs a running cluster. A lab never asks, and ``yes`` has answered already.

        Raises UsageError where nobody can be asked, Unsafe when the answer is anything but yes.
        """
        if yes or lab:
            return
        if not (_is_terminal(sys.stdin) and _is_terminal(self._err)):
            raise UsageError(f"{question} There is no terminal to ask on", hint="add --yes to go ahead")
        finish_live()
        _write_quietly(self._err, f"{question} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Unsafe("not confirmed, nothing was changed", hint="answer y, or add --yes")

    def _note(self, event: Note) -> None:
        if live := _LIVES.get(self._err):
            live.arrived(event.subject)
        self._line(f"{event.subject}  {_indented(event.text)}")

    def _waiting(self, event: Waiting) -> None:
        if live := self._live():
            live.show(event)
            return
        if self._waits.worth(event, self._now()):
            self._line(layout.waiting(event))

    def _transfer(self, event: Transfer) -> None:
        key, now = (event.subject, event.name), self._now()
        if event.total is not None and event.done >= event.total:
            took = timedelta(seconds=now - self._started.pop(key, now))
            if live := _LIVES.get(self._err):
                live.finish(event)
            self._line(f"{event.subject}  {event.name}: {size(event.done)} in {layout.duration(took)}")
            return
        if live := self._live():
            live.show(event)
        elif key not in self._started:
            total = f" of {size(event.total)}" if event.total is not None else ""
            self._line(f"{event.subject}  {event.name}: {size(event.done)}{total}")
        self._started.setdefault(key, now)

    def _live(self) -> "Live | None":
        """Return the rows of the terminal, made at their first use; None where there is no lively terminal."""
        stream = self._err
        if stream and stream not in _LIVES and _lively(stream):
            from kafab.screens.live import Live

            _LIVES[stream] = Live(partial(_write_quietly, stream), _encoding(stream))
        return _LIVES.get(stream)

    def _line(self, text: str) -> None:
        with _LOCK:
            text = layout.safe(text, keep_colour=_lively(self._err))
            if live := _LIVES.get(self._err):
                live.line(text)
            else:
                _write_quietly(self._err, text + "\n")

    @property
    def _columns_wide(self) -> int | None:
        stream = self._out
        if stream is None or not _is_terminal(stream):
            return None
        try:
            return os.get_terminal_size(stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80  # a terminal that does not know its size

    def _paint_err(self, text: str, style: str) -> str:
        return layout.colour(text, style) if _lively(self._err) else text

    def _write_out(self, text: str) -> bool:
        """Write and say whether anybody reads on."""
        stream = self._out
        if stream is None:
            return False
        if _is_terminal(stream):
            text = layout.safe(text, keep_colour=_lively(stream))
        with _LOCK:
            try:
                stream.write(_encodable(stream, text))
                stream.flush()
            except (BrokenPipeError, ValueError):
                # `| head` has seen enough, or the stream is closed: the work goes on.
                _silence(stream)
                return False
            except OSError as fault:
                _silence(stream)
                raise Failed(
                    f"standard output cannot be written: {fault.strerror}",
                    hint="see that its disk has room, then run the same command again",
                ) from fault
        return True


@atexit.register
def finish_live() -> None:
    """Let the rows that a terminal shows in place go, and leave it to what is written next."""
    with _LOCK:
        while _LIVES:
            _LIVES.popitem()[1].close()


def _indented(text: str) -> str:
    return text.rstrip("\n").replace("\n", "\n  ")


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _lively(stream: TextIO | None) -> bool:
    # https://no-color.org: present and not empty. A dumb terminal knows no codes at all.
    return (
        _is_terminal(stream)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("", "dumb")
    )


def _write_quietly(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(_encodable(stream, text))
        stream.flush()
    except (OSError, ValueError):
        # Progress that nobody can read must not stop the work; the exit code still tells.
        _silence(stream)


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _encodable(stream: TextIO, text: str) -> str:
    # LANG=C cannot write every character, and a lone surrogate (an undecodable file name) goes nowhere.
    encoding = _encoding(stream)
    return text.encode(encoding, errors="replace").decode(encoding)


def _silence(stream: TextIO) -> None:
    """Send the rest of a broken stream nowhere, so that the interpreter does not complain when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        # A stream without a file descriptor has nothing to flush at the end.
        return
