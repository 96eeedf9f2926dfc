"""The tables of drills: what is claimed, what Kafka's rules allow, what was measured, by client and setting."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from kafab.drills.rows import Row, Table, Verdict, worst
from kafab.model import Cluster
from kafab.ops.drills.trials import Drill
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.screens.layout import Paint

COLUMNS = ("CELL", "CLIENT", "SETTING", "CLAIMED", "ALLOWED", "MEASURED", "")
_STYLES: Mapping[Verdict, str] = {
    Verdict.HELD: "green",
    Verdict.SHOWN: "green",
    Verdict.BROKEN: "red",
    Verdict.NOT_SHOWN: "red",
    Verdict.NOT_MEASURED: "magenta",
    Verdict.CANNOT: "dim",
}


def text(cluster: str, tables: Sequence[Table], paint: Paint = layout.plain) -> str:
    """Return the tables, and the verdict of all."""
    parts = [_table(table, paint) for table in tables]
    report = worst(cluster, tables)
    bad = [one for one in report.findings if one.severity]
    lines = [f"  {one.check} ({one.subject}): {one.detail}" for one in bad]
    rows = sum(len(table.rows) for table in tables)
    verdict = layout.severity_text(report.verdict, paint)
    told = f"{len(bad)} of {rows} cells failed" if bad else f"all {rows} cells as allowed"
    return "\n\n".join([*parts, "\n".join([f"{cluster}: {verdict} ({told})", *lines])])


def _table(table: Table, paint: Paint) -> str:
    lines = [
        (
            row.cell.name,
            row.by,
            row.setting,
            row.cell.claimed,
            _allowed(row),
            _measured(row),
            paint(row.verdict.value, _STYLES[row.verdict]),
        )
        for row in table.rows
    ]
    of_each = f", {table.records} records a cell" if table.records else ""
    head = f"{table.drill}: {table.shows}\nseed {table.seed}{of_each}"
    met: dict[tuple[str, ...], list[Row]] = {}
    for row in table.rows:
        if row.faults:
            met.setdefault(row.faults, []).append(row)
    faults = [f"  {_who(rows, table)}: {'; '.join(what)}" for what, rows in met.items()]
    tail = ["faults", *faults] if faults else []
    return "\n".join([head, layout.table(COLUMNS, lines), *tail])


def _who(rows: Sequence[Row], table: Table) -> str:
    """Name the cells that have met the same faults: by what stands before the colon of their names, where they are many."""
    if len(rows) == 1:
        return f"{rows[0].by}, {rows[0].cell.name}"
    if len(rows) == len(table.rows):
        return "all cells"
    return ", ".join(dict.fromkeys(row.cell.name.partition(":")[0] for row in rows))


def _allowed(row: Row) -> str:
    return ", ".join(f"{name} {bounds}" for name, bounds in row.cell.allowed.items())


def _measured(row: Row) -> str:
    if row.cannot:
        return "-"
    if row.why:
        return row.why
    counts = [f"{name} {count}" for name, count in row.measured.items()]
    return ", ".join([*counts, *(f"{name} {figure}" for name, figure in row.also.items())])


def document(
    cluster: Cluster, tables: Sequence[Table], clients: Mapping[str, str], at: datetime
) -> dict[str, object]:
    """Return the tables as ``kafab.drills/1``; times are in seconds. ``clients``: each client -> its version."""
    report = worst(cluster.name, tables)
    return {
        "schema": "kafab.drills/1",
        "cluster": cluster.name,
        "version": str(cluster.version),
        "mode": "kraft" if cluster.kraft else "zookeeper",
        "clients": dict(clients),
        "measured": at.isoformat(timespec="seconds"),
        "verdict": str(report.verdict),
        "exit_code": report.exit_code,
        "drills": [
            {
                "drill": table.drill,
                "shows": table.shows,
                "seed": table.seed,
                "records": table.records,
                "rows": [_row(row) for row in table.rows],
            }
            for table in tables
        ],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "cell": row.cell.name,
        "client": row.by,
        "setting": row.setting,
        "claimed": row.cell.claimed,
        "allowed": {
            name: {"least": bounds.least, "most": bounds.most} for name, bounds in row.cell.allowed.items()
        },
        "control": row.cell.control,
        "measured": dict(row.measured),
        "also": dict(row.also),
        "faults": list(row.faults),
        "verdict": row.verdict.value,
        "why": row.why or None,
    }


def show_list(console: Console, drills: Sequence[Drill]) -> None:
    """Write the names of the drills, what each shows, and where it may be run."""
    rows = [(one.name, "labs" if one.lab_only else "any cluster", one.shows) for one in drills]
    listed = [{"drill": one.name, "lab_only": one.lab_only, "shows": one.shows} for one in drills]
    console.data(
        {"schema": "kafab.drill-list/1", "drills": listed}, console.table(("DRILL", "ON", "SHOWS"), rows)
    )
