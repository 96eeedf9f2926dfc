"""A node's configuration as a table and as a document."""

from kafab.model import Cluster
from kafab.ops.config import Line, Shown
from kafab.ops.deploy.online import Applied
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.words import plural


def show_config(console: Console, cluster: Cluster, found: Shown) -> None:
    """Write each property with the file's value, the running value and where that comes from."""
    document = {
        "schema": "kafab.config/1",
        "cluster": cluster.name,
        "node": found.node.name,
        "properties": [_document(line) for line in found.lines],
        "running_unknown": found.silent,
    }
    rows = [
        (line.name, _word(line.file), _word(line.value), line.running.source.words if line.running else "-")
        for line in found.lines
    ]
    text = layout.table(("Property", "File", "Running", "Source"), rows)
    if found.silent:
        text += f"\nwhat {found.node.name} runs with is unknown: {found.silent}"
    console.data(document, text)


def _word(value: str | None) -> str:
    return "-" if value is None else value or '""'


def _document(line: Line) -> dict[str, object]:
    return {
        "property": line.name,
        "file": line.file,
        "running": line.value,
        "source": line.running.source.name.lower() if line.running else None,
    }


def show_applied(console: Console, cluster: Cluster, done: Applied) -> None:
    """Write what was set on which broker, and that its file was written."""
    document = {
        "schema": "kafab.config-applied/1",
        "cluster": cluster.name,
        "files": list(done.files),
        "set": {node: dict(values) for node, values in done.set.items()},
    }
    lines = [f"{node}: {name}={value}" for node, values in done.set.items() for name, value in values.items()]
    written = (
        f"{plural(len(done.files), 'file')} written, {plural(len(lines), 'value')} set without a restart"
    )
    nothing = f"{cluster.name}: every broker runs with what the inventory says"
    console.data(
        document, "\n".join([*lines, f"{cluster.name}: {written}"]) if lines or done.files else nothing
    )
