"""What a report leaves open: what was not looked at, not proven, or could not be read."""

from collections.abc import Iterator, Sequence

from kafab.canary.figures import Figures
from kafab.drills.rows import Table
from kafab.findings import Severity
from kafab.ops.reporting.draft import Draft
from kafab.ops.rolling.roll import Rolled
from kafab.unknown import Unknown
from kafab.words import few


def open_questions(draft: Draft) -> Iterator[str]:
    """Yield a sentence for each thing that a report does not prove."""
    yield from _of_the_cluster(draft)
    if draft.rolled.course is not None:
        yield from _of_a_roll(draft.rolled)
    elif draft.rolled.canary is not None:
        yield from _of_a_canary(draft.rolled, draft.rolled.canary)
    if cells := _unmeasured(draft.tables):
        yield f"cells that were not measured: {few(cells)}"
    if isinstance(draft.history, Unknown):
        yield "what was done with the cluster before"
    yield "your own clients, their settings, and the data in your topics"


def _of_the_cluster(draft: Draft) -> Iterator[str]:
    if draft.checked is None:
        yield "the cluster as a whole: the command ended before it was looked at"
    elif unknown := [f for f in draft.checked.report.findings if f.severity is Severity.UNKNOWN]:
        yield f"what could not be read: {few(f'{f.check} of {f.subject}' for f in unknown)}"
    if not draft.probed:
        yield "whether records can be written, replicated and read: `fab verify` tries it"
    if not draft.elected:
        yield "whether another controller takes over: `fab verify --election` tries it"
    if not draft.compared:
        yield "the releases on the hosts, file by file: `fab verify --deep` compares them"


def _of_a_roll(rolled: Rolled) -> Iterator[str]:
    if rolled.canary is None:
        yield "what clients met during the roll: there was no canary"
    else:
        yield from _of_a_canary(rolled, rolled.canary)
    if rolled.course and rolled.course.strips.unseen:
        yield "the ISR in the moments between two looks at it, where its strip is pale"


def _of_a_canary(rolled: Rolled, canary: Figures) -> Iterator[str]:
    every = canary.every.total_seconds() * 1000
    yield (
        "of what clients met: other topics, clients with other settings than acks=all and idempotence,"
        f" and gaps below {every:.0f} ms"
    )
    if rolled.absent:
        yield f"what clients met at {few(node.name for node in rolled.absent)}, absent when the canary began"
    if canary.course is None:
        yield "how the canary's acknowledgements came in time: its process was not heard out"


def _unmeasured(tables: Sequence[Table]) -> list[str]:
    return [f"{row.cell.name} ({row.by})" for table in tables for row in table.rows if row.why or row.cannot]
