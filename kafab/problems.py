"""What is wrong with a file that a person wrote: each problem with its place, all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from kafab.cautions import Caution, of_hosts

Degree: TypeAlias = Literal["error", "warning"]


class Place(NamedTuple):
    """A line and column, both from 1, and the path of keys that leads there (``hosts.node1.broker.port``)."""

    line: int
    column: int
    key: str = ""


START = Place(1, 1)


@dataclass(frozen=True)
class Problem:
    """One thing that was found and what was expected instead; ``str()`` is ``file:line:column: key.path: text``.

    A warning that can be accepted has its code behind the text.
    """

    file: Path
    line: int
    column: int
    key: str
    text: str
    severity: Degree = "error"
    caution: Caution | None = None

    @property
    def shown(self) -> str:
        """The text, with the code of a warning that can be accepted."""
        return f"{self.text} [{self.caution}]" if self.caution else self.text

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.shown}"


class Problems:
    """The problems of one file, collected while it is read, in the order of the file, none twice."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[Problem, None] = {}

    def error(self, place: Place, text: str) -> None:
        """Keep what makes the file unusable."""
        self._found[Problem(self._file, *place, text)] = None

    def warning(self, place: Place, text: str, caution: Caution | None = None) -> None:
        """Keep what works and is probably not meant; without a code nothing can silence it."""
        self._found[Problem(self._file, *place, text, "warning", caution)] = None

    def accept(self, cautions: Iterable[tuple[Caution, Place]]) -> None:
        """Take out the warnings of these codes; a code that silences none becomes a warning at its place.

        Where there are errors, a warning may be missing because of them: then nothing is said of the code.
        """
        for caution, place in cautions:
            silenced = [problem for problem in self._found if problem.caution is caution]
            for problem in silenced:
                del self._found[problem]
            if not silenced and not of_hosts(caution) and not self.errors:
                self.warning(place, f"found {caution}, of which there is no warning; expected it left out")

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
