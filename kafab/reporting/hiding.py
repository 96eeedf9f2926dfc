"""What a report may not show: values of keys that hold secrets, and letters that would steer a reader's eye or break a file."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from kafab.config.masking import holds_secret, without_secrets
from kafab.words import shown

HIDDEN = "***"
_PAIR = re.compile(r"[^\s,;'\"(){}=]+=(?:\"[^\"]*\"|'[^']*'|[^\s,;)}]+)")
T = TypeVar("T")


def hidden(value: T) -> T:
    """Return the same value, texts and JSON inside of it included, without what keys that hold secrets are set to.

    Letters that do not print are escaped, but for line breaks.
    """
    found: Any = _hidden(value)
    kept: T = found
    return kept


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        text = _PAIR.sub(lambda pair: without_secrets(pair[0]), value) if "=" in value else value
        return text if text.isprintable() else "\n".join(map(shown, text.splitlines()))
    if isinstance(value, Mapping):
        return {_hidden(str(key)): _under(str(key), each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_hidden(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: getattr(value, one.name) for one in fields(value)}
        changed = {name: new for name, old in found.items() if (new := _hidden(old)) is not old}
        return replace(value, **changed) if changed else value
    return value


def _under(key: str, value: object) -> object:
    """Return what stands under a key of a JSON object."""
    secret = isinstance(value, str) and value and holds_secret(f"{key}={value}")
    return HIDDEN if secret else _hidden(value)
