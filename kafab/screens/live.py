"""The rows at the bottom of a terminal, drawn by rich: who is waited for, what is on its way.

Importing this module imports rich, so the console does so when the first row is due on a terminal. Rows are drawn
when an event comes in and never by a thread: there is none to end, and a spinner that stands still says that
nothing was reported.
"""

import time
from collections.abc import Callable
from typing import IO, cast

import rich.live
from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

from kafab.events import Transfer, Waiting
from kafab.screens.layout import one_line, waiting

_REDRAW = 0.1  # seconds; more often than ten times a second is not seen
_MOST = 12  # rows; nobody reads more, and each costs half a millisecond with every line above it
_STALE = 3.0  # seconds after which a wait that is no longer reported has ended


class Live:
    """Rows by what they are about, from the making of this object until ``close``. Calls must not overlap.

    ``write`` sends text to the terminal and never raises; ``encoding`` is that of the terminal.
    """

    def __init__(self, write: Callable[[str], None], encoding: str) -> None:
        file = cast("IO[str]", _File(write, encoding))  # rich needs no more of a file than this
        console = Console(file=file, force_terminal=True, force_interactive=True)
        self._waits = Progress(
            SpinnerColumn(
                "dots" if console.encoding.startswith("utf") else "line", table_column=Column(no_wrap=True)
            ),
            _Rest(),
            console=console,
        )
        self._transfers = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            DownloadColumn(table_column=Column(no_wrap=True)),
            TransferSpeedColumn(table_column=Column(no_wrap=True)),
            _Rest(),
            console=console,
        )
        self._waiting: dict[str, TaskID] = {}
        self._moving: dict[tuple[str, str], TaskID] = {}
        self._drawn_at = 0.0
        self._live = rich.live.Live(
            self,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        console.show_cursor()  # rich hides it, and a killed process could not bring it back

    def show(self, event: Waiting | Transfer) -> None:
        """Add or renew a row. A subject has one wait, the newest, and as many transfers as it has files."""
        now = time.monotonic()
        if isinstance(event, Waiting):
            if event.subject not in self._waiting:
                self._waiting[event.subject] = self._waits.add_task("", total=None)
            row = self._waiting[event.subject]
            self._waits.update(row, rest=one_line(waiting(event)), subject=event.subject, seen=now)
        else:
            key = (event.subject, event.name)
            if key not in self._moving:
                # What a resumed transfer begins with is not counted into its speed.
                self._moving[key] = self._transfers.add_task(
                    one_line(event.subject),
                    total=event.total,
                    completed=event.done,
                    rest=one_line(event.name),
                )
            self._transfers.update(self._moving[key], completed=event.done, total=event.total)
        if now - self._drawn_at >= _REDRAW:
            self._drop_stale(now)
            self._live.refresh()
            self._drawn_at = now

    def finish(self, transfer: Transfer) -> None:
        """Take the row of a transfer away; it leaves the screen with the next line."""
        if (row := self._moving.pop((transfer.subject, transfer.name), None)) is not None:
            self._transfers.remove_task(row)

    def arrived(self, subject: str) -> None:
        """Take away what the subject was waited for, since something happened to it; also with the next line."""
        if (row := self._waiting.pop(subject, None)) is not None:
            self._waits.remove_task(row)

    def line(self, text: str) -> None:
        """Write lines above the rows; they may have colour codes."""
        self._drop_stale(time.monotonic())
        self._live.console.out(text, highlight=False)

    def close(self) -> None:
        """Take the rows off the screen for good."""
        self._live.stop()

    def __rich__(self) -> Group:
        """Return what rich draws: the rows that the terminal has room for, and how many there are besides."""
        waits, transfers = self._waits.tasks, self._transfers.tasks
        rows = len(waits) + len(transfers)
        room = max(1, min(_MOST, self._live.console.height - 2))
        if rows > room:
            room -= 1  # for the line that counts the others
        waits, transfers = waits[:room], transfers[: max(0, room - len(waits))]
        parts: list[RenderableType] = []
        if waits:
            parts.append(self._waits.make_tasks_table(waits))
        if transfers:
            parts.append(self._transfers.make_tasks_table(transfers))
        if rows > room:
            parts.append(f"and {rows - room} more")
        return Group(*parts)

    def _drop_stale(self, now: float) -> None:
        for task in self._waits.tasks:
            if now - task.fields["seen"] > _STALE:
                self.arrived(task.fields["subject"])


class _Rest(ProgressColumn):
    """The last column; where it is narrow it gives way to the others, and is cut and not wrapped."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["rest"], no_wrap=True, overflow="ellipsis")


class _File:
    """What rich asks of a file."""

    def __init__(self, write: Callable[[str], None], encoding: str) -> None:
        self._write = write
        self.encoding = encoding

    def write(self, text: str) -> int:
        self._write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what was written is on its way."""
