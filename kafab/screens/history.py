"""The history of a cluster's changes, as a table and as a document: a run is one row, however many hosts remember it."""

from collections.abc import Sequence

from kafab.hosts.history import Entry
from kafab.model import Cluster
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.screens.rows import named
from kafab.words import plural

COLUMNS = ("WHEN (UTC)", "WHO", "FROM", "COMMAND", "TOOK", "EXIT", "HOSTS", "RESULT")
HOSTS_SHOWN = 3
UNENDED = "no end is known: it runs still, or was killed"


def show_history(console: Console, cluster: Cluster, entries: Sequence[Entry], shown: int) -> None:
    """Write the last ``shown`` of these runs, the latest last."""
    last = entries[max(0, len(entries) - shown) :]
    left_out = len(entries) - len(last)
    text = (
        console.table(COLUMNS, map(_row, last)) if last else f"{cluster.name}: no command is remembered here"
    )
    if left_out:
        text += f"\n{plural(left_out, 'earlier command')}: --last {len(entries)} shows all"
    document = {
        "schema": "kafab.history/1",
        "cluster": cluster.name,
        "left_out": left_out,
        "commands": [_document(entry) for entry in last],
    }
    console.data(document, text)


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        f"{entry.began:%Y-%m-%d %H:%M:%S}",
        layout.one_line(entry.user),
        layout.one_line(entry.machine),
        layout.one_line(entry.command),
        "-" if entry.took is None else layout.duration(entry.took),
        "-" if entry.exit_code is None else entry.exit_code,
        named(entry.hosts, HOSTS_SHOWN),
        layout.one_line(_result(entry)),
    )


def _result(entry: Entry) -> str:
    if entry.took is None:
        return UNENDED
    figures = ", ".join(f"{name} {value}" for name, value in (entry.figures or {}).items())
    return "; ".join(part for part in (entry.result, figures) if part) or "done"


def _document(entry: Entry) -> dict[str, object]:
    return {
        "run": entry.run,
        "began": entry.began.isoformat(timespec="milliseconds"),
        "user": entry.user,
        "machine": entry.machine,
        "command": entry.command,
        "seconds": None if entry.took is None else entry.took.total_seconds(),
        "exit_code": entry.exit_code,
        "result": entry.result,
        "figures": dict(entry.figures or {}),
        "hosts": list(entry.hosts),
    }
