"""Metrics for Prometheus: observe.render, observe.deploy."""

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


@task(
    positional=["host"],
    help={
        "host": "The host with Prometheus: [user@]host[:port], or one of the inventory by its name. ssh: of the inventory holds for it, too.",
        "config": "The configuration that its Prometheus is started with, /etc/prometheus/prometheus.yml unless it is given.",
        "remove": "Have it forget the cluster; with the last one the rules and the lines in the configuration go, too.",
        "plan": "Show what would be changed there, and change nothing.",
        "json": "Print one JSON document.",
    },
)
def deploy(
    _context: Context,
    host: str,
    *,
    config: str | None = None,
    remove: bool = False,
    plan: bool = False,
    json: bool = False,
) -> None:
    """Have Prometheus on a host watch the cluster: targets, alerts and a job, checked, loaded, and proven.

    The old files stay where promtool does not take the new ones, and come back where Prometheus does not. Takes root or sudo there.
    """
    from contextlib import closing

    from kafab.inventory import outside
    from kafab.ops.hosts import watching
    from kafab.screens.observe import watched_document, watched_text

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster, at = session.cluster, outside.host(session.cluster, host)
    with closing(session.fleet_to(at)) as fleet:
        done = watching.deploy(
            cluster, at, fleet, session, config=config or watching.CONFIG, remove=remove, plan=plan
        )
    console.data(watched_document(done, cluster.name), watched_text(done))
