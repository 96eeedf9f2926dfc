"""Readers of options that several tasks have; what cannot be is a UsageError with what was expected."""

import re
from datetime import timedelta
from enum import Enum
from typing import TypeVar

from kafab.errors import UsageError
from kafab.inventory import texts
from kafab.model import Version

_E = TypeVar("_E", bound=Enum)


def choice(flag: str, kind: type[_E], text: str | None) -> _E | None:
    """Return the word of an option that has a few; None where it was left out."""
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError as error:
        words = " or ".join(str(word.value) for word in kind)
        raise UsageError(f"found --{flag} {text}; expected {words}") from error


_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def span(flag: str, text: str | None, default: timedelta) -> timedelta:
    """Return the duration of an option, ``90s``, ``5m`` or ``1h``; the default where it was left out."""
    if text is None:
        return default
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|m|min|h)", text.strip())
    if not found or not float(found[1]):
        raise UsageError(f"found --{flag} {text}; expected a duration, such as 90s, 5m or 1h")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def count(flag: str, text: str | None, least: int, default: int) -> int:
    """Return the number of an option; the default where it was left out."""
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < least:
        raise UsageError(f"found --{flag} {text}; expected a number from {least} on")
    return int(text)


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of an option that takes several, comma-separated."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def kafka_version(text: str | None, flag: str = "version") -> Version | None:
    """Return the Kafka version of an option; None where it was left out."""
    if text is None:
        return None
    try:
        return texts.version(text)
    except ValueError as error:
        raise UsageError(f"found --{flag} {text}; {error}") from error
