"""YAML as a tree that knows where everything stands and has interpreted nothing.

PyYAML keeps the last of two equal keys, reads ``3.10`` as 3.1, ``0100`` as 64, ``1:30`` as 90 and ``on`` as true, and
forgets the lines. So kafab takes only its parser's events and composes them itself: a scalar stays the text that
was written, and what it would mean to YAML 1.1 is asked only where a kind of value wants to know (``meaning``).
Hostile input ends early: at most 5 MB, 16 levels and 100 000 values with every alias expanded.
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

import yaml
from yaml import events
from yaml.resolver import Resolver

from kafab.problems import START, Place, Problems

MAX_BYTES = 5_000_000
MAX_DEPTH = 16
MAX_VALUES = 100_000

Meaning: TypeAlias = Literal["null", "boolean", "integer", "number", "date", "text"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text as it was written; ``plain`` is False where it stands in quotes or is a block."""

    text: str
    plain: bool
    line: int
    column: int
    values: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; ``values`` counts everything in it, aliases expanded."""

    items: tuple["Tree", ...]
    line: int
    column: int
    values: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping in the order of the file; of equal keys only the first (the others were reported)."""

    entries: tuple[tuple[Scalar, "Tree"], ...]
    line: int
    column: int
    values: int


Tree: TypeAlias = Scalar | Listing | Table


class Unreadable(Exception):
    """The file gives no tree at all; the reason is among the problems."""


def read(path: Path, problems: Problems) -> Tree:
    """Return the only document of a file. Raises Unreadable when there is none, with the reason in ``problems``."""
    text = _text(path, problems)
    parsed = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        return _Composer(problems).compose(parsed)
    except yaml.MarkedYAMLError as error:
        _explain(error, text, problems)
        raise Unreadable from error


def meaning(scalar: Scalar) -> Meaning:
    """Return what YAML 1.1 (as PyYAML implements it) makes of a scalar; anything in quotes is text."""
    if not scalar.plain:
        return "text"
    tag = _RESOLVER.resolve(yaml.ScalarNode, scalar.text, (True, False))  # type: ignore[no-untyped-call]
    return _MEANINGS.get(tag.rpartition(":")[2], "text")


def describe(tree: Tree) -> str:
    """Say what was found, for the half of a message that follows "found"."""
    if isinstance(tree, Listing):
        return "a list"
    if isinstance(tree, Table):
        return "a mapping"
    if not tree.plain:
        return f"the text {shortened(tree.text)} in quotes"
    return _described(tree, meaning(tree))


def shortened(text: str) -> str:
    """Quote text for a message: control characters escaped, at most 40 characters of it."""
    return repr(text) if len(text) <= _SHOWN else repr(text[:_SHOWN]) + "…"


def _described(tree: Scalar, means: Meaning) -> str:
    if means == "null":
        return "nothing"
    if means == "text":
        return f"the text {shortened(tree.text)}"
    shown = tree.text if len(tree.text) <= _SHOWN else tree.text[:_SHOWN] + "…"
    if means not in ("integer", "boolean"):
        return f"the {means} {shown}"
    read_as = _read_as(shown)
    return read_as if read_as.endswith(shown) else f"{shown}, which YAML reads as {read_as}"


def joined(path: str, name: str) -> str:
    """Return a path of keys one longer, without a line break or a terminal's control codes in it."""
    shown = name if name.isprintable() else shortened(name)
    return f"{path}.{shown}" if path else shown


_SHOWN = 40
_RESOLVER = Resolver()
_MEANINGS: dict[str, Meaning] = {
    "null": "null",
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "timestamp": "date",
}
# What YAML allows in a file (yaml.reader.Reader.NON_PRINTABLE), turned round.
_FORBIDDEN = re.compile(
    "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _read_as(text: str) -> str:
    try:
        value = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return "a number"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the number {value}"


def _text(path: Path, problems: Problems) -> str:
    data = _bytes(path, problems)
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        problems.error(START, "found a byte order mark; expected UTF-8 without one")
        raise Unreadable
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        problems.error(_place(before), f"found the byte 0x{data[error.start]:02x}; expected UTF-8 text")
        raise Unreadable from error
    if found := _FORBIDDEN.search(text):
        character = "NUL" if found[0] == "\0" else f"the control character U+{ord(found[0]):04X}"
        problems.error(_place(text[: found.start()]), f"found {character}; expected text only")
        raise Unreadable
    return text


def _bytes(path: Path, problems: Problems) -> bytes:
    try:
        # Asked before opening: opening a FIFO would wait for its writer for ever.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            found = "a directory" if stat.S_ISDIR(mode) else "neither file nor directory"
            problems.error(START, f"found {found}; expected a YAML file")
            raise Unreadable
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        problems.error(START, f"cannot be read: {error.strerror or error}")
        raise Unreadable from error
    if len(data) > MAX_BYTES:
        problems.error(START, f"found more than {MAX_BYTES:,} bytes; expected an inventory of at most 5 MB")
        raise Unreadable
    return data


def _place(before: str) -> Place:
    lines = before.split("\n")
    return Place(len(lines), len(lines[-1]) + 1)


def _explain(error: yaml.MarkedYAMLError, text: str, problems: Problems) -> None:
    """Report a syntax error; tabs in the indentation are its usual cause and are all named."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    tabs = [
        Place(number, len(found[0]))
        for number, content in enumerate(text.split("\n")[:line], 1)
        if (found := re.match(r" *\t", content))
    ]
    for place in tabs:
        problems.error(place, "found a tab; expected spaces, YAML indents with nothing else")
    if tabs:
        return
    told = error.problem or "no valid YAML"
    start = error.context_mark
    if start is None:
        problems.error(Place(line, column), f"no YAML: {told}")
    elif mark is not None and not text[mark.index :].strip():
        # What was never closed is noticed at the end of the file; the place to mend is where it opened.
        problems.error(
            Place(start.line + 1, start.column + 1), f"no YAML: never closed, {error.context}: {told}"
        )
    else:
        began = f"line {start.line + 1}, column {start.column + 1}"
        problems.error(Place(line, column), f"no YAML: {told}, {error.context} that began at {began}")


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    event: events.CollectionStartEvent
    key: str
    children: list[Tree] = field(default_factory=list)
    values: int = 1


class _Composer:
    """Turns parser events into a tree without recursion, so that depth is a number and not a crash."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._anchors: dict[str, Tree] = {}
        self._open: list[_Open] = []
        self._root: Tree | None = None

    def compose(self, parsed: Iterator[Any]) -> Tree:
        documents = 0
        for event in parsed:
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "found a second document; expected one cluster a file")
            elif isinstance(event, events.AliasEvent):
                self._add(self._aliased(event))
            elif isinstance(event, events.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, events.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, events.CollectionEndEvent):
                self._end()
        if self._root is None:
            self._problems.error(START, "the file is empty; expected at least kafka: and hosts:")
            raise Unreadable
        return self._root

    def _scalar(self, event: events.ScalarEvent) -> None:
        self._refuse_tag(event)
        line, column = _at(event)
        tree = Scalar(event.value, event.style in (None, ""), line, column)
        if event.anchor is not None:
            self._anchors[event.anchor] = tree
        self._add(tree)

    def _begin(self, event: events.CollectionStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._open) >= MAX_DEPTH:
            self._stop(event, f"found more than {MAX_DEPTH} levels of nesting; expected at most 6")
        self._open.append(_Open(event, self._path()))

    def _end(self) -> None:
        ended = self._open.pop()
        line, column = _at(ended.event)
        tree: Tree
        if isinstance(ended.event, events.SequenceStartEvent):
            tree = Listing(tuple(ended.children), line, column, ended.values)
        else:
            tree = Table(self._entries(ended), line, column, ended.values)
        if ended.event.anchor is not None:
            self._anchors[ended.event.anchor] = tree
        self._add(tree)

    def _entries(self, ended: _Open) -> tuple[tuple[Scalar, Tree], ...]:
        kept: dict[str, tuple[Scalar, Tree]] = {}
        for key, value in zip(ended.children[::2], ended.children[1::2], strict=True):
            place = Place(key.line, key.column, ended.key)
            if not isinstance(key, Scalar):
                self._problems.error(place, f"found {describe(key)} as a key; expected text")
            elif key.text in kept:
                first = kept[key.text][0]
                path = joined(ended.key, key.text)
                self._problems.error(
                    Place(key.line, key.column, path),
                    f"found the key a second time; the first is at line {first.line}, expected one",
                )
            else:
                kept[key.text] = (key, value)
        return tuple(kept.values())

    def _aliased(self, event: events.AliasEvent) -> Tree:
        name = str(event.anchor)
        if any(outer.event.anchor == name for outer in self._open):
            self._stop(event, f"found *{name} inside &{name}; expected no value to contain itself")
        if name not in self._anchors:
            self._stop(event, f"found *{name}; expected an &{name} before it")
        return self._anchors[name]

    def _add(self, tree: Tree) -> None:
        if not self._open:
            self._root = tree
            return
        # A count over all open levels, so that a bomb is noticed before it is complete.
        self._open[-1].children.append(tree)
        self._open[-1].values += tree.values
        if sum(level.values for level in self._open) > MAX_VALUES:
            place = Place(tree.line, tree.column, self._path())
            self._problems.error(place, f"found more than {MAX_VALUES:,} values, aliases expanded")
            raise Unreadable

    def _refuse_tag(self, event: events.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            line, column = _at(event)
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._problems.error(
                Place(line, column, self._path()), f"found the tag {shown}; expected a value without a tag"
            )

    def _path(self) -> str:
        """Return the path of keys to the value that comes next."""
        if not self._open:
            return ""
        level = self._open[-1]
        if isinstance(level.event, events.SequenceStartEvent):
            return f"{level.key}[{len(level.children)}]"
        key = level.children[-1] if len(level.children) % 2 else None
        if not isinstance(key, Scalar):
            return level.key
        return joined(level.key, key.text)

    def _stop(self, event: events.Event, text: str) -> NoReturn:
        line, column = _at(event)
        self._problems.error(Place(line, column, self._path()), text)
        raise Unreadable


def _at(event: events.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
