"""Bytes as a heap spells them."""

KB, MB, GB = 10**3, 10**6, 10**9
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def heap_bytes(text: str) -> int:
    """Return the bytes of a heap size as Java's -Xmx takes it, ``512m``."""
    return int(text[:-1]) * _UNITS[text[-1].lower()]
