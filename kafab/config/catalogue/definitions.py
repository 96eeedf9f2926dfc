"""Kafka's definitions of its broker properties, one catalogue a minor line, read from properties.json when asked for.

The file holds each property's variants with the minor lines they are true for; what patch releases changed is ignored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeAlias

from kafab.model import Version

READ_ONLY = "read-only"
"""The update mode of what only a restart makes effective."""

Line: TypeAlias = tuple[int, int]
"""A minor line of Kafka, (3, 9)."""


@dataclass(frozen=True)
class Definition:
    """One property as a ConfigDef of Kafka has it (org.apache.kafka.common.config.ConfigDef.ConfigKey)."""

    name: str
    type: str
    """boolean, class, double, int, list, long, password, short or string."""
    default: str | None = None
    required: bool = False
    """Kafka has no default for it; a default of None means null."""
    low: float | None = None
    high: float | None = None
    other: float | None = None
    """A number that is allowed outside the range."""
    one_of: tuple[str, ...] = ()
    any_case: bool = False
    each_of: tuple[str, ...] = ()
    non_empty: bool = False
    checked_by: str = ""
    """The Kafka class that checks it by code which the catalogue cannot hold."""
    importance: str = "low"
    internal: bool = False
    dynamic: str = READ_ONLY
    """Whether it can be changed without a restart: read-only, per-broker or cluster-wide."""


@dataclass(frozen=True)
class Catalogue:
    """The broker properties of one minor line."""

    line: Line
    exact: bool
    """False where the version asked for belongs to no known line, and the nearest older one stands in for it."""
    known: Mapping[str, Definition]

    @cached_property
    def by_lower_case(self) -> Mapping[str, str]:
        """The names as Kafka spells them, by their lower-case spelling."""
        return {name.lower(): name for name in self.known}

    @cached_property
    def changeable(self) -> tuple[str, ...]:
        """The names of the properties that can be changed without a restart."""
        return tuple(name for name, found in self.known.items() if found.dynamic != READ_ONLY)


def catalogue(version: Version) -> Catalogue:
    """Return the catalogue of a version's minor line; for an unknown line that of the nearest older one.

    A version older than all gets the oldest.
    """
    wanted = (version.major, version.minor)
    older = [line for line in releases() if line <= wanted]
    return _catalogue(max(older, default=min(releases())), wanted in older)


@cache
def releases() -> Mapping[Line, Version]:
    """Return the minor lines that are known, oldest first, each with the release it was read from."""
    return {_line(line): Version.parse(version) for line, version in _data()["releases"].items()}


@cache
def spans(name: str) -> tuple[Line, Line] | None:
    """Return the first and the last minor line that has a property; None if none ever had it."""
    variants = _data()["broker"].get(name)
    return (_line(variants[0]["since"]), _line(variants[-1]["until"])) if variants else None


def topic_properties() -> Mapping[str, str | None]:
    """Return the properties of topics, each with the broker's property that is their default, if there is one."""
    found: dict[str, str | None] = _data()["topic"]
    return found


@cache
def client_properties() -> frozenset[str]:
    """Return the properties that only producers, consumers and admin clients have."""
    return frozenset(_data()["client"])


@cache
def _catalogue(line: Line, exact: bool) -> Catalogue:
    known = {
        name: _definition(name, variant)
        for name, variants in _data()["broker"].items()
        for variant in variants
        if _line(variant["since"]) <= line <= _line(variant["until"])
    }
    return Catalogue(line, exact, known)


def _definition(name: str, facts: Mapping[str, Any]) -> Definition:
    return Definition(
        name=name,
        type=facts["type"],
        default=facts.get("default"),
        required="default" not in facts,
        low=facts.get("min"),
        high=facts.get("max"),
        other=facts.get("or"),
        one_of=tuple(facts.get("one_of", ())),
        any_case=facts.get("any_case", False),
        each_of=tuple(facts.get("each_of", ())),
        non_empty=facts.get("non_empty", False),
        checked_by=facts.get("checked_by", ""),
        importance=facts["importance"],
        internal=facts.get("internal", False),
        dynamic=facts["dynamic"],
    )


def _line(text: str) -> Line:
    major, minor = text.split(".")
    return int(major), int(minor)


@cache
def _data() -> dict[str, Any]:
    text = Path(__file__).with_name("properties.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
