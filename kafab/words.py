"""Counts and lists of names as text for people: one spelling of each for the whole project."""

import difflib
from collections.abc import Iterable

SHOWN = 5
"""How many names of a list are shown, where a list may be long."""


def plural(count: int, noun: str, many: str = "") -> str:
    """Return ``1 broker`` or ``3 brokers``; ``many`` is the word for several where an s does not make it."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def few(names: Iterable[str], shown: int = SHOWN) -> str:
    """Return the first names and how many more there are: ``a, b, c, d, e and 3 more``."""
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return ", ".join(every[:shown]) + more


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one was probably meant to be."""
    names = {word.lower(): word for word in known}
    found = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return names[found[0]] if found else None


def size(count: int) -> str:
    """Return bytes in the decimal units that network and disk sizes are sold in: ``56.0 MB``."""
    if count < 1000:
        return f"{count} B"
    value, unit = float(count), "B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007  # the unit that the loop ends with is the result
        value /= 1000
        if value < 999.95:
            break
    return f"{value:.1f} {unit}"


def shown(text: str) -> str:
    """Return a name that strangers chose with every letter escaped that would steer a terminal or break a line."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
