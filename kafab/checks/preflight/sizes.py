"""Bytes: as a heap spells them, and as people read them."""

KB, MB, GB = 10**3, 10**6, 10**9
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def heap_bytes(text: str) -> int:
    """Return the bytes of a heap size as Java's -Xmx takes it, ``512m``."""
    return int(text[:-1]) * _UNITS[text[-1].lower()]


def size(count: int) -> str:
    """Return bytes in decimal units, as disks are sold: ``56.0 MB``."""
    for unit, text in ((GB * 1000, "TB"), (GB, "GB"), (MB, "MB"), (KB, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {text}"
    return f"{count} B"
