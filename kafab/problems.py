"""What is wrong with a file that a person wrote: each problem with its place, all of them at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

Degree: TypeAlias = Literal["error", "warning"]


class Place(NamedTuple):
    """A line and column, both from 1, and the path of keys that leads there (``hosts.node1.broker.port``)."""

    line: int
    column: int
    key: str = ""


START = Place(1, 1)


@dataclass(frozen=True)
class Problem:
    """One thing that was found and what was expected instead; ``str()`` is ``file:line:column: key.path: text``."""

    file: Path
    line: int
    column: int
    key: str
    text: str
    severity: Degree = "error"

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.text}"


class Problems:
    """The problems of one file, collected while it is read, in the order of the file, none twice."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[Problem, None] = {}

    def error(self, place: Place, text: str) -> None:
        """Keep what makes the file unusable."""
        self._found[Problem(self._file, *place, text)] = None

    def warning(self, place: Place, text: str) -> None:
        """Keep what works and is probably not meant."""
        self._found[Problem(self._file, *place, text, "warning")] = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The errors, by line and column."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, by line and column."""
        return self._of("warning")

    def _of(self, severity: Degree) -> tuple[Problem, ...]:
        chosen = [problem for problem in self._found if problem.severity == severity]
        return tuple(sorted(chosen, key=lambda problem: (problem.line, problem.column)))
