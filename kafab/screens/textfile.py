"""What a run of `observe.textfile` has found: a line for the log of a timer, or the figures themselves."""

from collections import defaultdict
from pathlib import Path

from kafab.metrics.textfile import Written, document
from kafab.screens.console import Console
from kafab.words import few, plural, shown


def show(console: Console, run: Written, file: Path | None) -> None:
    """Write the figures where no file has them, else how many there are; and what is unknown, a line for each reason."""
    unknown = f", {len(run.found.gaps)} unknown" if run.found.gaps else ""
    line = f"{file}: {plural(len(run.samples), 'figure')} of {run.cluster.name}{unknown}"
    console.data(
        document(run, None if file is None else str(file)), line if file else run.text().rstrip("\n")
    )
    subjects: dict[tuple[str, str], list[str]] = defaultdict(list)
    for gap in run.found.gaps:
        subjects[str(gap.part), gap.reason].append(shown(gap.subject))
    for (part, reason), names in subjects.items():
        console.warn(f"{part} unknown: {few(names)}: {shown(reason)}")
