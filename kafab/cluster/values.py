"""Values of properties as Kafka tells them. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from kafab.cluster.metadata import ConfigEntry
from kafab.unknown import Unknown


def same(one: str, other: str) -> bool:
    """Tell whether Kafka reads the same from both.

    Brokers show what they have parsed: 0100 as 100, TRUE as true, "compact, delete" without the blank.
    """
    return _parsed(one) == _parsed(other)


def shows(
    found: Mapping[str, Mapping[str, ConfigEntry]] | Unknown, topic: str, values: Mapping[str, str | None]
) -> bool:
    """True where each property is the topic's own with that value, or (None) no longer the topic's own."""
    if isinstance(found, Unknown) or topic not in found:
        return False
    return all(_is_as_asked(found[topic].get(name), value) for name, value in values.items())


def _is_as_asked(entry: ConfigEntry | None, value: str | None) -> bool:
    if entry is None or entry.is_default:
        return value is None
    return value is not None and (entry.is_sensitive or same(entry.value or "", value))


def _parsed(value: str) -> tuple[Decimal | str, ...]:
    return tuple(_number_or_word(part.strip()) for part in value.split(","))


def _number_or_word(text: str) -> Decimal | str:
    try:
        number = Decimal(re.sub(r"(?<=[0-9.])[dDfF]$", "", text))  # Java reads 0.5f and 5d as numbers, too
    except InvalidOperation:
        return text.lower()
    return number if number.is_finite() else text.lower()
