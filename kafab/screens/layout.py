"""Text for people, as pure functions: tables, reports, diffs, sizes. `console` decides where it goes and whether it has colour."""

import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import TypeAlias

from kafab.errors import KafabError, Unreachable
from kafab.events import Waiting
from kafab.findings import Report, Severity
from kafab.screens.rows import Row, named, rows
from kafab.unknown import Unknown

Paint: TypeAlias = Callable[[str, str], str]
"""``paint(text, style)`` returns the text, in colour where the screen has colour; see ``STYLES``."""

STYLES: Mapping[str, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}
_SEVERITY_STYLES = {
    Severity.OK: "green",
    Severity.WARN: "yellow",
    Severity.UNKNOWN: "magenta",
    Severity.CRIT: "red",
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Besides the two blocks of controls: line separators, and what turns the order of what stands behind it (Unicode's
# UAX 9, the bidirectional marks, embeddings, overrides and isolates). One of these makes a line read as another.
_OTHERS = r"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(rf"[\x1b{_OTHERS}]+")
_COLOUR_OR_CONTROL = re.compile(rf"({_COLOUR.pattern})|\x1b|[{_OTHERS}]+")
_SHOWN = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in range(0x2070)
    if _CONTROL.match(chr(code))
}
_INDENT = "  "
_GAP = "  "
_WITHIN_A_NAME = re.compile(r"(?<!,) (?!\(|and )")
_NAMES_WIDE, _NAMES_NARROW = 50, 15  # the most and the least columns of names where there are many
_DETAIL_WIDE = 40  # columns that details have before names take them
_NARROWEST = 20  # a last column below this many characters is harder to read than a line the terminal wraps


def plain(text: str, _style: str) -> str:
    """Leave the text as it is: the ``Paint`` of a screen without colour."""
    return text


def colour(text: str, style: str) -> str:
    """Wrap the text in the terminal's codes for a style: the ``Paint`` of a screen with colour."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if text else text


def safe(text: str, *, keep_colour: bool = False) -> str:
    r"""Show control characters as ``\x1b`` or ``\u202e`` instead of sending them: no host steers a terminal.

    Newlines and tabs stay, and with ``keep_colour`` the codes that only choose a colour.
    """

    def shown(found: re.Match[str]) -> str:
        return found.group() if found.lastindex else found.group().translate(_SHOWN)

    return (_COLOUR_OR_CONTROL if keep_colour else _CONTROL).sub(shown, text)


def one_line(text: str) -> str:
    """Return the text, made safe, as one line."""
    return safe(text).replace("\n", " ")


def waiting(event: Waiting) -> str:
    """Return a wait as one line: for what, how long already, until when."""
    if event.limit is None:
        return f"{event.subject}  {event.what} ({duration(event.elapsed)})"
    return (
        f"{event.subject}  waiting: {event.what} ({duration(event.elapsed)}, at most {duration(event.limit)})"
    )


def width(text: str) -> int:
    """Return how many terminal columns the text takes; colour codes take none, wide characters two."""
    visible = _COLOUR.sub("", text)
    if visible.isascii():
        return len(visible)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in visible
    )


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, columns_wide: int | None = None
) -> str:
    """Return an aligned table with a heading; whole numbers stand to the right, None is ``-``, a list is lines of a cell.

    Nothing is ever cut off. With ``columns_wide`` (a terminal) the last column wraps inside itself where that helps.
    """
    values = [list(row) for row in rows]
    cells = [[[name] for name in columns], *([_cell(value) for value in row] for row in values)]
    widths = [max(width(line) for row in cells for line in row[i]) for i in range(len(columns))]
    right = [bool(values) and all(type(row[i]) is int for row in values) for i in range(len(columns))]
    before_last = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    room = None if columns_wide is None else columns_wide - before_last
    return "\n".join(line for row in cells for line in _lines(row, widths, right, room))


def report(
    found: Report, paint: Paint = plain, *, columns_wide: int | None = None, each: bool = False
) -> str:
    """Return a report as a table, the worst last, what follows from a node's loss, the hints, and one line of counts.

    What many nodes say alike is one row (see `kafab.screens.rows`); ``each`` gives every finding its own.
    """
    own = rows((item for item in found.findings if not item.caused_by), each=each, among=found.findings)
    parts = [_table_of_rows(own, paint, columns_wide)] if own else []
    for causes in dict.fromkeys(item.caused_by for item in found.findings if item.caused_by):
        follow = rows(
            (item for item in found.findings if item.caused_by == causes), each=each, among=found.findings
        )
        below = _table_of_rows(follow, paint, columns_wide and columns_wide - len(_INDENT), head=False)
        parts += [_root(found, causes), textwrap.indent(below, _INDENT)]
    parts += [f"hint: {hint}" for hint in dict.fromkeys(row.hint for row in own) if hint]
    return "\n".join([*parts, _summary(found, paint)])


def _root(found: Report, causes: Sequence[str]) -> str:
    """Return the line above what follows from the loss of these nodes: who is gone, and since what was said of it."""
    said = {item.subject: item.detail for item in found.findings if item.check == "process"}
    gone = {name: said.get(name, "is gone") for name in causes}
    alike: dict[str, list[str]] = {}
    for name, detail in gone.items():
        alike.setdefault(detail, []).append(name)
    told = "; ".join(
        f"{named(names)} {'is' if len(names) == 1 else 'are'} gone ({why})" for why, names in alike.items()
    )
    return f"root: {told}, and from that follows:"


def _table_of_rows(
    folded: Sequence[Row], paint: Paint, columns_wide: int | None, *, head: bool = True
) -> str:
    checks = max((len(row.check) for row in folded), default=0)
    wide = _NAMES_WIDE
    if columns_wide is not None:
        taken = len("SEVERITY") + checks + 3 * len(_GAP) + _DETAIL_WIDE
        wide = max(_NAMES_NARROW, min(wide, columns_wide - taken))
    lines = [
        (severity_text(row.severity, paint), row.check, in_column(row.subject, wide), row.detail)
        for row in folded
    ]
    text = table(("SEVERITY", "CHECK", "SUBJECT", "DETAIL"), lines, columns_wide=columns_wide)
    return text if head else text.partition("\n")[2]


def in_column(names: str, wide: int) -> list[str]:
    """Return names (see `rows.named`) as lines of a cell: none is cut off, and a range stays whole where it has room."""
    kept = _WITHIN_A_NAME.sub("\N{NO-BREAK SPACE}", names)
    for text in (kept, names):
        lines = textwrap.wrap(text, wide, break_long_words=False, break_on_hyphens=False)
        if all(width(line) <= wide for line in lines):
            break
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] or [""]


def severity_text(severity: Severity, paint: Paint) -> str:
    """Return a severity in its colour."""
    return paint(str(severity), _SEVERITY_STYLES[severity])


def counts(found: Report) -> str:
    """Return how many findings there are of each severity, the worst first: ``2 CRIT, 1 OK``."""
    counted = ", ".join(f"{count} {severity}" for severity, count in _counts(found).items() if count)
    return counted or "nothing was checked"


def report_document(found: Report) -> dict[str, object]:
    """Return a report as a JSON document, ``kafab.report/1``."""
    return {
        "schema": "kafab.report/1",
        "cluster": found.cluster,
        "verdict": str(found.verdict),
        "exit_code": found.exit_code,
        "counts": {str(severity): count for severity, count in _counts(found).items()},
        "findings": [
            {
                "check": item.check,
                "subject": item.subject,
                "severity": str(item.severity),
                "detail": item.detail,
                "evidence": dict(item.evidence),
                "hint": item.hint,
                "caused_by": list(item.caused_by),
            }
            for item in found.findings
        ],
    }


def error_document(error: KafabError) -> dict[str, object]:
    """Return an error as a JSON document, ``kafab.error/1``.

    ``hosts`` are the reasons of those that did not answer, ``stopped`` the nodes that the command has left stopped.
    """
    return {
        "schema": "kafab.error/1",
        "error": type(error).__name__,
        "exit_code": error.exit_code,
        "message": error.message,
        "hint": error.hint,
        "hosts": error.reasons if isinstance(error, Unreachable) else {},
        "stopped": list(error.stopped),
    }


def diff(text: str, paint: Paint = plain) -> str:
    """Return a unified diff with its removed lines red, its added lines green and its positions cyan."""
    return "\n".join(_diff_line(line, paint) for line in text.split("\n"))


def duration(span: timedelta) -> str:
    """Return a duration as people say it: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    seconds = span.total_seconds()
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return _two(whole // 60, "min", whole % 60, "s")
    return _two(whole // 3600, "h", whole % 3600 // 60, "min")


def latency(span: timedelta | None) -> str:
    """Return a duration with its milliseconds where it has no whole second: ``2.31 ms``; "-" for none."""
    if span is None:
        return "-"
    return duration(span) if span >= timedelta(seconds=1) else f"{span.total_seconds() * 1000:.3g} ms"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first} {first_unit} {second} {second_unit}" if second else f"{first} {first_unit}"


def _cell(value: object) -> list[str]:
    if value is None:
        return ["-"]
    if isinstance(value, Unknown):
        return [f"unknown ({value.reason})"]
    lines = value if isinstance(value, list) else [value]
    return [str(line).replace("\n", " ") for line in lines]


def _lines(
    cells: Sequence[list[str]], widths: Sequence[int], right: Sequence[bool], room: int | None
) -> Iterator[str]:
    """Yield the lines of a row: one, unless a cell has several or the last one wraps."""
    *head, last = cells
    text = " ".join(last)
    # Words with colour codes in them are left to the terminal: wrapping would count and split the codes.
    if room is not None and _NARROWEST <= room < width(text) and "\x1b" not in text:
        last = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    for line in zip_longest(*head, last, fillvalue=""):
        padded = (
            _padded(part, wide, to_the_right=to_the_right)
            for part, wide, to_the_right in zip(line, widths, right, strict=True)
        )
        yield _GAP.join(padded).rstrip()


def _padded(cell: str, wide: int, *, to_the_right: bool) -> str:
    space = " " * (wide - width(cell))
    return space + cell if to_the_right else cell + space


def _counts(found: Report) -> dict[Severity, int]:
    counted = Counter(finding.severity for finding in found.findings)
    return {severity: counted[severity] for severity in sorted(Severity, reverse=True)}


def _summary(found: Report, paint: Paint) -> str:
    return f"{found.cluster}: {severity_text(found.verdict, paint)} ({counts(found)})"


def _diff_line(line: str, paint: Paint) -> str:
    if line.startswith(("---", "+++")):
        return paint(line, "bold")
    styles = {"-": "red", "+": "green", "@": "cyan"}
    return paint(line, styles[line[0]]) if line[:1] in styles else line
