"""Why a process ended, read from its last lines: the exception's own line, or the error's; pure.

The lines are those of a log4j layout (``[time] ERROR message (logger)``, in the journal without the time), of Java itself
and of the launch script. Kafka logs a fatal error with its exception below it, and then goes on to log its shutdown.
"""

import re
from collections.abc import Sequence

LEVEL = re.compile(r"(?:\[[^\]]*\] )?(TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
"""Begins each message of a log; what has none belongs to the message above it, or is Java's own."""
_FATAL = re.compile(r"fatal|exiting|halting|shut ?down", re.IGNORECASE)
_EXCEPTION = re.compile(
    r"(?:Exception in thread \"[^\"]*\" )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Failure)\b.*"
)
_OTHER = re.compile(
    r"(?:Error:|Unrecognized |Invalid |no Java|no run record|/\S+ has held |.*: Permission denied)"
)
_BY_TIME = ("NodeExists",)
"""A broker that was killed is refused until ZooKeeper has ended its old session: systemd's next starts mend it."""


def cause(lines: Sequence[str]) -> str:
    """Return the line that says why the process ended; "" where none does."""
    errors = [
        at for at, line in enumerate(lines) if (level := LEVEL.match(line)) and level[1] in ("ERROR", "FATAL")
    ]
    fatal = [at for at in errors if _FATAL.search(lines[at])]
    for at in fatal[:1] or errors[-1:]:
        return _exception_below(lines, at) or lines[at].strip()
    thrown = [line for line in lines if _EXCEPTION.match(line)]
    others = [line for line in lines if _OTHER.match(line)]
    return next(iter(thrown or others), "").strip()


def mended_by_time(why: str) -> bool:
    """Return whether the same start, a moment later, is known to go well."""
    return any(name in why for name in _BY_TIME)


def _exception_below(lines: Sequence[str], at: int) -> str:
    """Return the exception that was logged with the line at ``at``."""
    for line in lines[at + 1 :]:
        if LEVEL.match(line):
            break
        if _EXCEPTION.match(line):
            return line.strip()
    return ""
