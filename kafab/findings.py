"""What a check found: a Finding has evidence, a Report has an exit code. Preflight, status and verify all yield these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """Worst last, so that max() is the verdict. UNKNOWN is worse than WARN: what cannot be read is not healthy."""

    OK = 0
    WARN = 1
    UNKNOWN = 2
    CRIT = 3

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Finding:
    """One check of one subject. ``evidence`` holds the numbers behind ``detail``, JSON-ready."""

    check: str
    subject: str
    severity: Severity
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    hint: str | None = None
    caused_by: tuple[str, ...] = ()
    """The subjects of the findings that explain all of it."""


@dataclass(frozen=True)
class Report:
    """Findings in the order they were made; a WARN leaves the exit code at 0."""

    cluster: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Severity:
        """The worst severity; a report without findings has proven nothing and is UNKNOWN."""
        return max((finding.severity for finding in self.findings), default=Severity.UNKNOWN)

    @property
    def exit_code(self) -> int:
        """0 healthy (warnings allowed), 1 broken, 5 could not be told."""
        return {Severity.OK: 0, Severity.WARN: 0, Severity.UNKNOWN: 5, Severity.CRIT: 1}[self.verdict]
