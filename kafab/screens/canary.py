"""A canary's figures as a table, and as a document."""

from collections.abc import Sequence
from dataclasses import replace

from kafab.canary.figures import CONFLUENT, Counts, Figures, document
from kafab.canary.verdict import Verdict, judge, kinds
from kafab.model import Cluster, Node
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.words import few, plural

COLUMNS = (
    "LED BY",
    "ACKED",
    "LOST",
    "DUPLICATES",
    "REORDERED",
    "LONGEST GAP",
    "ACK P50",
    "P99",
    "MAX",
    "GIVEN UP",
)


def show_canary(console: Console, cluster: Cluster, found: Figures, absent: Sequence[Node]) -> None:
    """Write the figures of a canary that ran alone."""
    verdict = judge(found, alone=True)
    console.data(canary_document(cluster, found, absent), text(console, cluster, found, absent, verdict))


def canary_document(cluster: Cluster, found: Figures, absent: Sequence[Node]) -> dict[str, object]:
    """Return the figures with their verdict as ``kafab.canary/1``."""
    verdict = judge(found, alone=True)
    return {
        **document(replace(found, course=None)),
        "schema": "kafab.canary/1",
        "cluster": cluster.name,
        "verdict": str(verdict.severity),
        "exit_code": verdict.exit_code,
        "reasons": list(verdict.reasons),
        "absent": [node.name for node in absent],
        "nodes": {str(node.id): node.name for node in cluster.brokers},
    }


def text(console: Console, cluster: Cluster, found: Figures, absent: Sequence[Node], verdict: Verdict) -> str:
    """Return the figures as a table: a row a broker and a total, the other figures below, the verdict, and what it leaves open."""
    names = {node.id: node.name for node in cluster.brokers}
    rows = [
        _row(names[leader], counts, counted=found.counted)
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
    ]
    rows.append(_row("in total", found.total, counted=found.counted))
    lines = [console.table(COLUMNS, rows)]
    if found.client != CONFLUENT:
        lines.append(
            f"written and read with {found.client}: librdkafka cannot go through SSH; all times have that way in them"
        )
    if found.total.retried:
        lines.append(f"refused by brokers and sent again: {kinds(found.total.retried)} (batches)")
    if found.takeover is not None:
        lines.append(f"group take-over: a commit took {layout.duration(found.takeover)} at most")
    every = found.every.total_seconds() * 1000
    severity = layout.severity_text(verdict.severity, console.paint)
    told = "; ".join(verdict.reasons) or (
        f"every acknowledged record is in the log once and in order, {plural(found.total.acked, 'record')}"
        f" in {layout.duration(found.lasted)}"
    )
    lines.append(f"{cluster.name}: {severity} ({told})")
    lines.append(
        f"not proven: other topics, clients with other settings than acks=all and idempotence, and gaps"
        f" below {every:.0f} ms, the time between two records of a partition"
        + (f"; {few(node.name for node in absent)} took no part" if absent else "")
    )
    return "\n".join(lines)


def _row(name: str, counts: Counts, *, counted: bool) -> tuple[object, ...]:
    lost: object = counts.lost
    if counts.unread or not counted:
        lost = f"{counts.lost} + unknown" if counts.lost else "unknown"
    return (
        name,
        counts.acked,
        lost,
        counts.duplicates if counted else "unknown",
        counts.reordered if counted else "unknown",
        layout.latency(counts.longest_gap),
        layout.latency(counts.p50),
        layout.latency(counts.p99),
        layout.latency(counts.slowest),
        sum(counts.refused.values()),
    )
