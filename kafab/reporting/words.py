"""Numbers of a report as text for people."""

from collections.abc import Mapping


def seconds(value: float | None) -> str:
    """Return a duration: ``3.4 s``, ``12 min 5 s``, ``2 h 3 min``, ``5 d 2 h``; a dash where there is none."""
    if value is None:
        return "-"
    if value < 60:  # a minute
        return f"{value:.1f} s"
    whole = round(value)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def milliseconds(value: float | None) -> str:
    """Return a latency: ``3.4 ms``, ``1.20 s``; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"  # a second


def number(value: float | None) -> str:
    """Return a count with its thousands apart; ``unknown`` where there is none."""
    return "unknown" if value is None else f"{value:,}".replace(",", "\u202f")


def pairs(values: Mapping[str, object]) -> str:
    """Return counts by name as a list of words."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
