"""Flags that a Java of some version refuses, so that the process ends before it has begun."""

import re
from collections.abc import Iterator, Sequence

_REFUSED_FROM = (
    # JEP 271: the old logging of the collector.
    (
        re.compile(
            r"-XX:[+-]?(PrintGC(Date|Time)Stamps|UseGCLogFileRotation|NumberOfGCLogFiles|GCLogFileSize)\b.*"
        ),
        9,
    ),
    (re.compile(r"-XX:[+-]UseParNewGC"), 11),
    (re.compile(r"-XX:[+-]AggressiveOpts"), 13),
    # JEP 363 took the collector away in 14, which still ignores its flags with a warning.
    (re.compile(r"-XX:[+-]?(UseConcMarkSweepGC|CMS\w+)\b.*"), 15),
    (re.compile(r"-XX:[+-]UseParallelOldGC"), 16),
    (re.compile(r"-XX:(Max)?PermSize=.*"), 17),
)
_XLOG = re.compile(r"-Xlog(:.*)?")
_FIRST_WITH_XLOG = 9  # JEP 158
_IGNORE = "-XX:+IgnoreUnrecognizedVMOptions"


def refused(flags: Sequence[str], major: int) -> Iterator[tuple[str, str]]:
    """Yield each flag that Java of this version refuses, and the Java it is for. All of the first kind were tried on 17."""
    for flag in flags:
        if _XLOG.fullmatch(flag) and major < _FIRST_WITH_XLOG:
            yield flag, f"Java {_FIRST_WITH_XLOG} or newer"
        gone = next((since for known, since in _REFUSED_FROM if known.fullmatch(flag)), None)
        if gone is not None and major >= gone and _IGNORE not in flags:
            yield flag, f"Java older than {gone}"
