"""Kinds of mappings an inventory holds: with known keys, with names of the user's, with properties of Kafka's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kafab.config.defaults import reserved
from kafab.inventory.kinds import MAX_TEXT, Json, Kind, Text
from kafab.inventory.texts import PlainSecret, is_secret, secret_reference
from kafab.inventory.yamltree import Scalar, Table, Tree, describe, joined, meaning, shortened
from kafab.model import Role
from kafab.problems import Place, Problems
from kafab.references import holds_reference
from kafab.words import nearest


@dataclass(frozen=True)
class Section:
    """The values of a mapping, defaults filled in, and where each of them was given."""

    values: Mapping[str, Any]
    places: Mapping[str, Place]
    place: Place
    names: Mapping[str, Place] = field(default_factory=dict)
    """Where the names themselves stand, of properties only."""

    def get(self, name: str) -> Any:
        """Return a value, its default, or None."""
        return self.values.get(name)

    def at(self, name: str) -> Place:
        """Return where a value stands; the mapping itself where it was left out."""
        return self.places.get(name, self.place)

    def given(self, name: str) -> bool:
        """Tell whether the file has the key, with a good value or not."""
        return name in self.places


@dataclass(frozen=True)
class Key:
    """One key of a mapping: its name, its kind, what it means. The loader, the JSON Schema and the reference read it."""

    name: str
    kind: Kind[Any]
    doc: str
    default: Any = None
    inherits: str = ""
    """Where the value comes from when the key is left out, for people: ``kafka.port``."""
    required: bool = False

    @property
    def shown_default(self) -> str:
        """The default for people; empty where there is none to tell."""
        if self.inherits:
            return self.inherits
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, tuple):
            return "[" + ", ".join(map(str, self.default)) + "]"
        return "" if self.default is None else str(self.default) or '""'


@dataclass(frozen=True)
class Keys:
    """A mapping with known keys. ``refused`` are names with a text of their own instead of "unknown key"."""

    name: str
    keys: tuple[Key, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    label: str = "mapping"

    def read(self, tree: Tree, key: str, problems: Problems) -> Section | None:
        """Return the section, good values only; unknown and missing keys are reported."""
        place = Place(tree.line, tree.column, key)
        if not isinstance(tree, Table):
            some = ", ".join(known.name for known in self.keys[:4])
            problems.error(place, f"found {describe(tree)}; expected a mapping with keys like {some}")
            return None
        by_name = {known.name: known for known in self.keys}
        values = {known.name: known.default for known in self.keys if known.default is not None}
        places: dict[str, Place] = {}
        for name, value in tree.entries:
            path = joined(key, name.text)
            known_key = by_name.get(name.text)
            if known_key is None:
                places[name.text] = Place(name.line, name.column, path)
                problems.error(Place(name.line, name.column, path), self._unknown(name.text))
                continue
            places[name.text] = Place(value.line, value.column, path)
            read = known_key.kind.read(value, path, problems)
            if read is not None:
                values[name.text] = read
        for known in self.keys:
            if known.required and known.name not in places:
                path = joined(key, known.name)
                problems.error(place._replace(key=path), f"missing; expected {known.doc}")
        return Section(values, places, place)

    def left_out(self) -> Section:
        """Return the section of a file that does not have it."""
        values = {known.name: known.default for known in self.keys if known.default is not None}
        return Section(values, {}, Place(1, 1, self.name))

    def _unknown(self, name: str) -> str:
        if name in self.refused:
            return self.refused[name]
        names = [known.name for known in self.keys]
        near = nearest(name, names)
        expected = f"did you mean {near}?" if near else f"expected one of {', '.join(names)}"
        return f"unknown key {shortened(name)}; {expected}"

    def schema(self) -> Json:
        """Return an object type that is closed."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                known.name: known.kind.schema() | {"description": _sentence(known)} for known in self.keys
            },
        } | (
            {"required": needed} if (needed := [known.name for known in self.keys if known.required]) else {}
        )


@dataclass(frozen=True)
class Short:
    """A mapping, or only the value of its one required key: ``broker: 1`` for ``broker: {id: 1}``."""

    full: Keys
    key: Key

    @property
    def label(self) -> str:
        """Both spellings."""
        return f"{self.key.kind.label}, or a mapping with it as {self.key.name}"

    def read(self, tree: Tree, key: str, problems: Problems) -> Section | None:
        """Return the section in either spelling; None where the required value is missing or wrong."""
        if not isinstance(tree, Scalar):
            section = self.full.read(tree, key, problems)
            return section if section is not None and section.get(self.key.name) is not None else None
        value = self.key.kind.read(tree, key, problems)
        if value is None:
            return None
        place = Place(tree.line, tree.column, key)
        return Section({**self.full.left_out().values, self.key.name: value}, {self.key.name: place}, place)

    def schema(self) -> Json:
        """Return the choice between both spellings."""
        return {"anyOf": [self.key.kind.schema(), self.full.schema()]}


@dataclass(frozen=True)
class Named:
    """A mapping from names that the user chooses to values of one kind."""

    name: Text[str]
    kind: Kind[Any]
    label: str = "mapping of names"

    def read(self, tree: Tree, key: str, problems: Problems) -> Section | None:
        """Return the good values by name, in the order of the file."""
        place = Place(tree.line, tree.column, key)
        if not isinstance(tree, Table) or not tree.entries:
            found = "an empty mapping" if isinstance(tree, Table) else describe(tree)
            problems.error(place, f"found {found}; expected a mapping from names to values")
            return None
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for name, value in tree.entries:
            path = joined(key, name.text)
            try:
                self.name.parse(name.text)
            except ValueError as error:
                found = f"found the name {shortened(name.text)}; {error}"
                problems.error(Place(name.line, name.column, path), found)
            places[name.text] = Place(value.line, value.column, path)
            inner = self.kind.read(value, path, problems)
            if inner is not None:
                values[name.text] = inner
        return Section(values, places, place)

    def schema(self) -> Json:
        """Return an open object type whose names have a pattern."""
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": self.name.schema(),
            "additionalProperties": self.kind.schema(),
        }


@dataclass(frozen=True)
class Properties:
    """Kafka's or ZooKeeper's own properties, verbatim: names with their dots, values as text."""

    role: Role
    label: str = "mapping of properties"

    def read(self, tree: Tree, key: str, problems: Problems) -> Section | None:
        """Return the good properties, values as they are written into the file on the host."""
        if not isinstance(tree, Table):
            place = Place(tree.line, tree.column, key)
            problems.error(place, f"found {describe(tree)}; expected a mapping of property names to values")
            return None
        values: dict[str, str] = {}
        places: dict[str, Place] = {}
        names: dict[str, Place] = {}
        for name, value in tree.entries:
            path = joined(key, name.text)
            at_name, at_value = Place(name.line, name.column, path), Place(value.line, value.column, path)
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", name.text, re.ASCII):
                problems.error(
                    at_name, "found other characters than a property's name has: letters, digits and ._-"
                )
            elif instead := reserved(self.role, name.text):
                problems.error(at_name, f"kafab sets {name.text} itself: {instead}")
            else:
                try:
                    values[name.text] = self._value(name.text, value)
                    places[name.text] = at_value
                    names[name.text] = at_name
                except PlainSecret as error:
                    problems.error(at_value, str(error))
                except ValueError as error:
                    problems.error(at_value, f"found {describe(value)}; {error}")
        return Section(values, places, Place(tree.line, tree.column, key), names)

    def _value(self, name: str, value: Tree) -> str:
        """Return a value. Raises ValueError with what was expected, PlainSecret where what was found is not to be repeated."""
        if is_secret(name):
            return _secret(value, of_kafka=self.role is not Role.ZOOKEEPER)
        text = _property(value)
        if self.role is Role.ZOOKEEPER and holds_reference(text):
            raise ValueError(f"expected no reference: the name of {name} does not say that it is a secret")
        return text

    def schema(self) -> Json:
        """Return an open object type of texts, numbers, truth values and lists of them."""
        one: Json = {"type": ["string", "number", "boolean"]}
        return {
            "type": "object",
            "additionalProperties": {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]},
        }


def _sentence(key: Key) -> str:
    return f"{key.doc} (default: {key.shown_default})" if key.shown_default else key.doc


def _secret(value: Tree, *, of_kafka: bool) -> str:
    """Return the reference that stands for a secret. Raises PlainSecret: messages end up in logs and tickets.

    With ``of_kafka`` a reference to one of Kafka's config providers is taken, too; whether there is such a provider is seen
    when all properties are known.
    """
    text = value.text if isinstance(value, Scalar) else ""
    try:
        return secret_reference(text)
    except PlainSecret:
        if of_kafka and re.fullmatch(r"\$\{[A-Za-z0-9_-]+:[^{}:]*(:[^{}:]*)?\}", text):
            return text
        raise


def _property(tree: Tree) -> str:
    """Return a property's value as Kafka reads it. Raises ValueError saying what was expected."""
    if isinstance(tree, Table):
        raise ValueError(  # noqa: TRY004  # the inventory's type, not Python's
            "expected one value: a property's name is written whole, with its dots"
        )
    if isinstance(tree, Scalar):
        return _property_text(tree)
    texts = [_property_text(item) if isinstance(item, Scalar) else "," for item in tree.items]
    if not texts or any("," in text for text in texts):
        raise ValueError(
            'expected a list of single values, which is joined with commas (or "" for an empty one)'
        )
    return ",".join(texts)


def _property_text(scalar: Scalar) -> str:
    text, means = scalar.text, meaning(scalar)
    if means == "boolean" and text.lower() in ("true", "false"):
        return text.lower()
    if means == "integer" and not re.fullmatch(r"-?(0|[1-9]\d*)", text, re.ASCII):
        raise ValueError(f'expected plain decimal digits, or "{text}" in quotes if that is meant')
    if means == "number" and not re.fullmatch(r"-?(0|[1-9]\d*)\.\d+", text, re.ASCII):
        raise ValueError(f'expected a plain decimal number, or "{text}" in quotes if that is meant')
    if means == "boolean":
        raise ValueError(f'expected true or false, or "{text}" in quotes if the word is meant')
    if means == "date":
        raise ValueError(f'expected text: write "{text}" in quotes')
    if means == "null":
        raise ValueError('expected a value; write "" for an empty one')
    if any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in text):
        raise ValueError("expected one line without control characters")
    if len(text) > MAX_TEXT:
        raise ValueError(f"expected at most {MAX_TEXT:,} characters")
    return text
