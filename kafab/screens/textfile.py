"""What a run of `observe.textfile` has found: a line for the log of a timer, or the figures themselves."""

from collections import defaultdict
from pathlib import Path

from kafab.metrics.textfile import Written, document
from kafab.screens.console import Console
from kafab.words import few, plural, shown

_REASON = 200
"""Letters of a reason in a line: a timer's log gets it every minute, and the document has it whole."""


def show(console: Console, run: Written, file: Path | None) -> None:
    """Write the figures where no file has them, else how many there are; and what is unknown, a line for each reason."""
    unknown = f", {len(run.found.gaps)} unknown" if run.found.gaps else ""
    line = f"{file}: {plural(len(run.samples), 'figure')} of {run.cluster.name}{unknown}"
    console.data(
        document(run, None if file is None else str(file)), line if file else run.text().rstrip("\n")
    )
    subjects: dict[str, dict[str, None]] = defaultdict(dict)
    parts: dict[str, dict[str, None]] = defaultdict(dict)
    for gap in run.found.gaps:
        subjects[gap.reason][gap.subject] = None
        parts[gap.reason][str(gap.part)] = None
    for reason, names in subjects.items():
        what = f"{', '.join(parts[reason])} of {few(map(shown, names))}"
        told = shown(reason if len(reason) <= _REASON else f"{reason[:_REASON]}…")
        console.warn(f"unknown: {what}: {told}")
