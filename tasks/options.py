"""Readers of options that several tasks have; what cannot be is a UsageError with what was expected."""

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


def kafka_version(text: str | None) -> Version | None:
    """Return the Kafka version of ``--version``; None where it was left out."""
    if text is None:
        return None
    try:
        return texts.version(text)
    except ValueError as error:
        raise UsageError(f"found --version {text}; {error}") from error
