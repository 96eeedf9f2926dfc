"""Writes what Prometheus is given of a cluster into a folder of this machine."""

from pathlib import Path

from kafab.errors import Failed, UsageError
from kafab.metrics import prometheus
from kafab.metrics.dashboards import BOARDS, document
from kafab.model import Cluster


def render(cluster: Cluster, out: Path) -> dict[Path, bool]:
    """Write the targets of a cluster, the rules, their tests, a configuration and dashboards below ``out``.

    Returns each file and whether it is another one now. Several clusters can share a folder: only the file of targets is a cluster's own.
    Raises UsageError where no node shows metrics, Failed where the folder cannot be written.
    """
    refuse_unobserved(cluster)
    folder = out.absolute()
    texts = {
        folder / "targets" / f"{cluster.name}.json": prometheus.targets(cluster),
        folder / "rules" / "kafab.yml": prometheus.rules(),
        **{
            folder / "tests" / name: text
            for name, text in prometheus.test_files("../rules/kafab.yml").items()
        },
        folder / "prometheus.yml": prometheus.configuration(str(folder)),
        **{folder / "dashboards" / f"{board.name}.json": document(board) for board in BOARDS},
    }
    try:
        return {file: _written(file, text) for file, text in texts.items()}
    except OSError as error:
        raise Failed(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            hint="--out names another folder",
        ) from error


def refuse_unobserved(cluster: Cluster) -> None:
    """Raise UsageError where no node shows metrics."""
    if not any(node.metrics_port for node in cluster.nodes):
        raise UsageError(
            f"no node of {cluster.name} shows metrics: its inventory has no observe.jmx",
            hint="add `observe: {jmx: {}}` to it, then: fab deploy restart --pending",
        )


def _written(file: Path, text: str) -> bool:
    """Put a file in its place, whole or not at all, as Prometheus reads it whenever it changes; return whether it did."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    new = file.with_name(f".{file.name}.kafab-new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
    return True
