"""A page as JSON and back, and the JSON Schema of it: made from the classes, so that they cannot say different things."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kafab.reporting.page import SCHEMA, Page

T = TypeVar("T")
_PLAIN: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def document(page: Page) -> dict[str, Any]:
    """Return the page as a JSON object of the schema."""
    found: dict[str, Any] = asdict(page)
    return found


def read(found: Mapping[str, Any]) -> Page:
    """Read what `document` has made. Raises ValueError for another schema, KeyError or TypeError for what is damaged."""
    if found.get("schema") != SCHEMA:
        raise ValueError(f"found schema {found.get('schema')!r}; expected {SCHEMA}")
    page: Page = _read(Page, found)
    return page


def schema() -> dict[str, Any]:
    """Return the JSON Schema of all pages."""
    names: dict[str, Any] = {}
    top = _object(Page, names)
    top["properties"]["schema"] = {"const": SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **top,
        "$defs": dict(sorted(names.items())),
    }


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(
            **{name: _read(hint, value[name]) for name, hint in hints.items() if name in value},
        )
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in value)
    if _optional(kind):
        return None if value is None else _read(get_args(kind)[0], value)
    return value


def _optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def _object(kind: type, names: dict[str, Any]) -> dict[str, Any]:
    hints = _hints(kind)
    every: tuple[Field[Any], ...] = fields(kind)
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {one.name: _of(hints[one.name], names) for one in every},
        "required": [one.name for one in every if one.default is MISSING and one.default_factory is MISSING],
        "additionalProperties": False,
    }


def _of(kind: Any, names: dict[str, Any]) -> dict[str, Any]:
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _of(get_args(kind)[0], names)}
    if _optional(kind):
        return {"anyOf": [_of(get_args(kind)[0], names), {"type": "null"}]}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in names:
            names[kind.__name__] = {}  # a name is known before what it stands for
            names[kind.__name__] = _object(kind, names)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return {"type": "object"}
