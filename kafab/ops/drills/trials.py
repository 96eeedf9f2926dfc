"""What a drill is: its trials, each a cell that is measured with one client on a field of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kafab.drills.orders import Role
from kafab.drills.rows import Cell, Row
from kafab.ops.drills.field import Field, Run
from kafab.records.settings import Client


class Cannot(Exception):
    """The cluster or the client cannot do what a cell is about; the text says why."""


@dataclass(frozen=True)
class Measured:
    """What came of a trial; ``also`` has figures that nothing is claimed of."""

    counts: Mapping[str, int]
    setting: str
    also: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A cell, and how it is measured; None: the client cannot do it, and ``setting`` says why."""

    cell: Cell
    measure: Callable[[Field], Measured] | None
    partitions: int = 1
    setting: str = ""
    needs: Role | None = None
    """A role of its workers that needs what is not on every machine."""


@dataclass(frozen=True)
class Drill:
    """A drill. ``shows`` is its line in the list."""

    name: str
    shows: str
    trials: Callable[[Client], Sequence[Trial]]
    together: Callable[[Run, Sequence[Client]], Sequence[Row]] | None = None
    """Measures the cells of all clients under the same faults on brokers, which only labs have; then ``trials`` are none."""

    @property
    def lab_only(self) -> bool:
        """True where faults are put on brokers."""
        return self.together is not None
