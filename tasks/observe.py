"""Metrics for Prometheus: observe.render."""

from pathlib import Path

from invoke.context import Context

from .boundary import task
from .chain import CHAIN


@task(
    help={
        "out": "The folder to write into; clusters can share one. Prometheus must be able to read it there.",
        "json": "Print one JSON document.",
    }
)
def render(_context: Context, out: str, json: bool = False) -> None:
    """Write where Prometheus asks the cluster's nodes, what it warns of, tests of that, and dashboards for Grafana."""
    from kafab.ops.author import metrics

    cluster, console = CHAIN.session().cluster, CHAIN.console(json=json)
    files = metrics.render(cluster, Path(out).expanduser())
    document = {
        "schema": "kafab.observe-rendered/1",
        "cluster": cluster.name,
        "files": [{"file": str(file), "changed": changed} for file, changed in files.items()],
    }
    lines = [f"{file}{'' if changed else ' (as it was)'}" for file, changed in files.items()]
    rules, configuration = (
        next(file for file in files if part in str(file)) for part in ("tests/", "prometheus.yml")
    )
    then = f"promtool check config {configuration} && promtool test rules {rules}"
    console.data(document, "\n".join([*lines, f"to check them: {then}"]))
