"""The rows of a drill's table, and when a drill has failed: a guarantee broke, or a control did not show its anomaly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from kafab.drills.story import Story
from kafab.findings import Finding, Report, Severity
from kafab.records.settings import Client


@dataclass(frozen=True)
class Allowed:
    """So many are allowed: from ``least`` to ``most``; None: any number."""

    least: int = 0
    most: int | None = 0

    def holds(self, count: int) -> bool:
        """Whether a count is allowed."""
        return count >= self.least and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least} or more" if self.least else "any"
        return str(self.most) if self.least == self.most else f"{self.least} to {self.most}"


NONE = Allowed()
ANY = Allowed(0, None)
SOME = Allowed(1, None)
"""What a negative control has to show."""


class Verdict(str, Enum):
    """What a row has shown."""

    HELD = "held"
    BROKEN = "BROKEN"
    SHOWN = "shown"
    """A negative control has shown its anomaly: the drill would have seen a fault."""
    NOT_SHOWN = "NOT SHOWN"
    """A negative control has not: what the drill says of the other rows proves nothing."""
    NOT_MEASURED = "NOT MEASURED"
    """The cell did not come to its end; ``why`` says how."""
    CANNOT = "cannot"
    """The client cannot do it."""


@dataclass(frozen=True)
class Cell:
    """One setting of one drill: what is claimed of it, and what Kafka's rules allow, by the name of the count.

    A ``control`` needs its anomaly: at least one of its counts begins above 0.
    """

    name: str
    claimed: str
    allowed: Mapping[str, Allowed]
    control: bool = False

    def __post_init__(self) -> None:
        """Refuse a control that nothing could turn red."""
        if self.control and not any(bounds.least for bounds in self.allowed.values()):
            raise ValueError(f"{self.name}: a control must need at least one of something")


@dataclass(frozen=True)
class Row:
    """A cell as it was measured with one client; None: kafab has looked itself, and no client is in it.

    ``setting`` names the settings in force that decide the result.
    """

    cell: Cell
    client: Client | None
    setting: str
    measured: Mapping[str, int]
    also: Mapping[str, object] = field(default_factory=dict)
    """Figures that nothing is claimed of, as times in seconds; JSON-ready."""
    faults: tuple[str, ...] = ()
    """What was done to clients and brokers, each with its time since the cell's beginning."""
    why: str = ""
    cannot: bool = False
    story: Story | None = None
    """How it went in time; None where that was not kept."""

    @property
    def by(self) -> str:
        """With what it was measured: the client's name, or kafab."""
        return "kafab" if self.client is None else self.client.value

    @property
    def outside(self) -> dict[str, int]:
        """The counts that are not allowed; one that was not measured is not there."""
        return {
            name: self.measured[name]
            for name, bounds in self.cell.allowed.items()
            if name in self.measured and not bounds.holds(self.measured[name])
        }

    @property
    def verdict(self) -> Verdict:
        """What the row has shown."""
        if self.cannot:
            return Verdict.CANNOT
        if self.why or not self.cell.allowed.keys() <= self.measured.keys():
            return Verdict.NOT_MEASURED
        outside = self.outside
        above = [name for name, count in outside.items() if count > self.cell.allowed[name].least]
        if above or (outside and not self.cell.control):
            return Verdict.BROKEN
        if outside:
            return Verdict.NOT_SHOWN
        return Verdict.SHOWN if self.cell.control else Verdict.HELD


@dataclass(frozen=True)
class Table:
    """A drill that was run."""

    drill: str
    shows: str
    seed: int
    records: int
    """Of each cell; 0 where its writers go on as long as the drill needs."""
    rows: tuple[Row, ...]

    def report(self, cluster: str) -> Report:
        """Return the rows as findings: what failed is CRIT, what was not measured UNKNOWN."""
        return Report(cluster, tuple(_finding(self, row) for row in self.rows))


def worst(cluster: str, tables: Sequence[Table]) -> Report:
    """Return the findings of all tables."""
    return Report(cluster, tuple(finding for table in tables for finding in table.report(cluster).findings))


_SEVERITIES = {
    Verdict.HELD: Severity.OK,
    Verdict.SHOWN: Severity.OK,
    Verdict.CANNOT: Severity.OK,
    Verdict.BROKEN: Severity.CRIT,
    Verdict.NOT_SHOWN: Severity.CRIT,
    Verdict.NOT_MEASURED: Severity.UNKNOWN,
}


def _finding(table: Table, row: Row) -> Finding:
    detail = row.why or ", ".join(f"{count} {name}" for name, count in row.measured.items())
    wrong = ", ".join(
        f"{name} {count}, allowed {row.cell.allowed[name]}" for name, count in row.outside.items()
    )
    text = f"{row.verdict.value}: {wrong or detail}"
    evidence: dict[str, object] = {"setting": row.setting, "seed": table.seed, **row.measured, **row.also}
    subject = f"{row.by}, {row.cell.name}"
    return Finding(f"drill.{table.drill}", subject, _SEVERITIES[row.verdict], text, evidence)
