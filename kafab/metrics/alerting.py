"""What an alert is: its expression, the words for the person whom it wakes, and the series that prove it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

STEP = 15
"""Seconds between two scrapes, here and in the configuration that kafab writes."""


class Severity(str, Enum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    """Now: clients notice, or one more loss would cost data or service."""
    WARNING = "warning"
    """Today."""


@dataclass(frozen=True)
class Case:
    """Series of Prometheus' notation (``name{labels}`` -> ``0x4 1x20``), and when to look."""

    series: Mapping[str, str]
    at: int
    """Seconds after the first value."""
    step: int = STEP
    """Seconds between two values."""


@dataclass(frozen=True)
class Alert:
    """One alert, with what a person needs who is woken by it."""

    name: str
    severity: Severity
    expr: str
    wait: int
    """Seconds for which it must be so (``for``)."""
    summary: str
    """One line; ``{{ $labels.… }}`` are Prometheus' own."""
    command: str
    """The command of kafab that shows more."""
    means: str
    look: str
    do: str
    dont: str
    fires: Case
    silent: Case
    """What it looks like in a rolling restart, or in a cluster that is well."""
