"""Values of properties as Kafka tells them. Pure."""

import re
from decimal import Decimal, InvalidOperation


def same(one: str, other: str) -> bool:
    """Tell whether Kafka reads the same from both.

    Brokers show what they have parsed: 0100 as 100, TRUE as true, "compact, delete" without the blank.
    """
    return _parsed(one) == _parsed(other)


def _parsed(value: str) -> tuple[Decimal | str, ...]:
    return tuple(_number_or_word(part.strip()) for part in value.split(","))


def _number_or_word(text: str) -> Decimal | str:
    try:
        number = Decimal(re.sub(r"(?<=[0-9.])[dDfF]$", "", text))  # Java reads 0.5f and 5d as numbers, too
    except InvalidOperation:
        return text.lower()
    return number if number.is_finite() else text.lower()
