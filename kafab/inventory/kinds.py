"""Kinds of single values and lists an inventory holds. Each reads its part of the tree and describes itself.

``read`` returns None where there was no such value and the problem has been reported; no kind has None as a value.
``schema`` is the same rule as JSON Schema (draft 2020-12), ``label`` as words for messages and the reference.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from kafab.inventory.texts import PlainSecret
from kafab.inventory.yamltree import Listing, Scalar, Tree, describe, meaning
from kafab.problems import Place, Problems

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Json: TypeAlias = dict[str, Any]

MAX_TEXT = 64 * 1024
_DECIMAL = r"-?(0|[1-9]\d{0,17})"


class Kind(Protocol[T_co]):
    """One kind of value."""

    @property
    def label(self) -> str:
        """What people call it, for messages and the reference."""

    def read(self, tree: Tree, key: str, problems: Problems) -> T_co | None:
        """Return the value that stands at ``key``, or None after reporting why there is none."""

    def schema(self) -> Json:
        """Return the kind as JSON Schema."""


@dataclass(frozen=True)
class Text(Generic[T]):
    """Text that ``parse`` turns into a value, or refuses with a ValueError that says what was expected."""

    label: str
    parse: Callable[[str], T]
    pattern: str | None = None

    def read(self, tree: Tree, key: str, problems: Problems) -> T | None:
        """Return the parsed text. A plain scalar that YAML takes for something else is none."""
        place = Place(tree.line, tree.column, key)
        means = meaning(tree) if isinstance(tree, Scalar) else None
        if not isinstance(tree, Scalar) or means == "null":
            problems.error(place, f"found {describe(tree)}; expected {self.label}")
        elif len(tree.text) > MAX_TEXT:
            problems.error(place, f"found {len(tree.text):,} characters; expected at most {MAX_TEXT:,}")
        else:
            try:
                value = self.parse(tree.text)
            except PlainSecret as error:
                problems.error(place, str(error))
            except ValueError as error:
                problems.error(place, f"found {describe(tree)}; {error}")
            else:
                if means == "text":
                    return value
                quoted = f'write "{tree.text}" in quotes if that is meant'
                problems.error(place, f"found {describe(tree)}; expected {self.label} as text: {quoted}")
        return None

    def schema(self) -> Json:
        """Return a string type, with the pattern where there is one."""
        return {"type": "string"} | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


@dataclass(frozen=True)
class Address:
    """A host name or an address. ``[2001:db8::1]`` without quotes is a list to YAML and still what was meant."""

    label: str
    parse: Callable[[str], str]

    def read(self, tree: Tree, key: str, problems: Problems) -> str | None:
        """Return the name or the address, IPv6 without its brackets."""
        if isinstance(tree, Listing) and len(tree.items) == 1 and isinstance(tree.items[0], Scalar):
            tree = Scalar(f"[{tree.items[0].text}]", plain=False, line=tree.line, column=tree.column)
        return Text(self.label, self.parse).read(tree, key, problems)

    def schema(self) -> Json:
        """Return text, or a list of one text."""
        one = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}
        return {"anyOf": [{"type": "string"}, one]}


@dataclass(frozen=True)
class Integer:
    """A whole number in plain decimal digits, from ``low`` to ``high``."""

    label: str
    low: int
    high: int

    def read(self, tree: Tree, key: str, problems: Problems) -> int | None:
        """Return the number; ``0100``, ``1_000``, ``0x10``, ``1:30``, ``+1`` and ``"1"`` are none."""
        place = Place(tree.line, tree.column, key)
        expected = f"expected {self.label} from {self.low} to {self.high} in plain decimal digits"
        if not isinstance(tree, Scalar) or not re.fullmatch(_DECIMAL, tree.text, re.ASCII):
            problems.error(place, f"found {describe(tree)}; {expected}")
            return None
        if not tree.plain:
            problems.error(place, f"found {describe(tree)}; {expected}, without quotes")
            return None
        value = int(tree.text)
        if not self.low <= value <= self.high:
            problems.error(place, f"found {value}; {expected}")
            return None
        return value

    def schema(self) -> Json:
        """Return an integer type with its limits."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``, spelled so."""

    label: str = "true or false"

    def read(self, tree: Tree, key: str, problems: Problems) -> bool | None:
        """Return the truth value; YAML 1.1's other words for it are none."""
        if isinstance(tree, Scalar) and tree.plain and tree.text in ("true", "false"):
            return tree.text == "true"
        problems.error(Place(tree.line, tree.column, key), f"found {describe(tree)}; expected true or false")
        return None

    def schema(self) -> Json:
        """Return the boolean type."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One of a few words; ``refused`` are words that will be right one day, each with what to say until then."""

    words: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The words."""
        return " or ".join(self.words)

    def read(self, tree: Tree, key: str, problems: Problems) -> str | None:
        """Return the word. It is compared as written: ``2.13`` is a word here, whatever YAML thinks."""
        place = Place(tree.line, tree.column, key)
        if isinstance(tree, Scalar) and tree.text in self.words:
            return tree.text
        if isinstance(tree, Scalar) and tree.text in self.refused:
            problems.error(place, f"found {tree.text}; {self.refused[tree.text]}")
        else:
            problems.error(place, f"found {describe(tree)}; expected {self.label}")
        return None

    def schema(self) -> Json:
        """Return the words as an enumeration; those that look like numbers also as numbers."""
        numbers = [float(word) for word in self.words if re.fullmatch(r"\d+\.\d+", word)]
        return {"enum": [*self.words, *numbers]}


@dataclass(frozen=True)
class ListOf(Generic[T]):
    """A list of one kind; with ``or_one`` a single value may stand without the list."""

    kind: Kind[T]
    or_one: bool = False

    @property
    def label(self) -> str:
        """The kind, and that there may be several."""
        return f"{self.kind.label}, or a list of them" if self.or_one else f"list: {self.kind.label}"

    def read(self, tree: Tree, key: str, problems: Problems) -> tuple[T, ...] | None:
        """Return the values; None if one of them is none."""
        if isinstance(tree, Listing):
            read = [self.kind.read(item, f"{key}[{at}]", problems) for at, item in enumerate(tree.items)]
        elif self.or_one:
            read = [self.kind.read(tree, key, problems)]
        else:
            place = Place(tree.line, tree.column, key)
            problems.error(place, f"found {describe(tree)}; expected a list, like [a, b]")
            return None
        if not read and self.or_one:
            problems.error(
                Place(tree.line, tree.column, key), f"found an empty list; expected {self.kind.label}"
            )
            return None
        good = tuple(value for value in read if value is not None)
        return good if len(good) == len(read) else None

    def schema(self) -> Json:
        """Return an array type, or the choice between one and several."""
        several: Json = {"type": "array", "items": self.kind.schema()}
        return {"anyOf": [self.kind.schema(), several | {"minItems": 1}]} if self.or_one else several
