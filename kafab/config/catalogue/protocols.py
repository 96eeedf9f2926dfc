"""Versions of the protocol among brokers, by MetadataVersion (ApiVersion before 3.3): which there ever were, and their records.

``3.9``, ``3.9-IV0``, ``0.11.0``: a line of Kafka, of which one or more steps were released while it was made.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from kafab.config.catalogue.definitions import Line

Protocol: TypeAlias = tuple[int, ...]
"""Two numbers, and three where the first is 0."""

# The last step of each line that has some; a release with a later one is newer than this table.
_LAST_STEP: Final[Mapping[Protocol, int | None]] = {
    **dict.fromkeys(((0, 8, 0), (0, 8, 1), (0, 8, 2), (0, 9, 0))),
    (0, 10, 0): 1,
    (0, 10, 1): 2,
    (0, 10, 2): 0,
    (0, 11, 0): 2,
    (1, 0): 0,
    (1, 1): 0,
    (2, 0): 1,
    (2, 1): 2,
    (2, 2): 1,
    (2, 3): 1,
    (2, 4): 1,
    (2, 5): 0,
    (2, 6): 0,
    (2, 7): 2,
    (2, 8): 1,
    (3, 0): 1,
    (3, 1): 0,
    (3, 2): 0,
    (3, 3): 3,
    (3, 4): 0,
    (3, 5): 2,
    (3, 6): 2,
    (3, 7): 4,
    (3, 8): 0,
    (3, 9): 0,
}
FIRST_WITH_NEWEST_FORMAT: Final[Protocol] = (3, 0)
"""From this protocol on records have the newest format, whatever log.message.format.version says (KIP-724)."""


def parsed(text: str) -> Protocol | None:
    """Return a protocol that there was, without its step; None for anything else."""
    found = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\.\d+)*(?:-IV(\d+))?", text.strip(), re.ASCII)
    if not found:
        return None
    numbers = (int(found[1]), int(found[2]), *((int(found[3]),) if found[3] else ()))
    protocol = numbers if numbers[0] == 0 else numbers[:2]
    if protocol not in _LAST_STEP:
        return None
    last = _LAST_STEP[protocol]
    return protocol if found[4] is None or (last is not None and int(found[4]) <= last) else None


def complaint(text: str, line: Line) -> str | None:
    """Say why a release of a minor line does not speak a protocol: there was none of that name, or it is newer."""
    protocol = parsed(text)
    if protocol is None or protocol > line:
        return f"found {text[:40]!r}; expected a version up to {line[0]}.{line[1]}"
    return None


def records(protocol: Protocol) -> int:
    """Return the version of the records that a protocol carries (RecordVersion): 0, 1 from 0.10, 2 from 0.11 on."""
    return 2 if protocol >= (0, 11, 0) else 1 if protocol >= (0, 10, 0) else 0
