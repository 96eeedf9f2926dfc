"""Metrics for Prometheus: observe.render, observe.deploy, observe.textfile."""

import os
from contextlib import ExitStack
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
    tests = " ".join(str(file) for file in files if file.parent.name == "tests")
    configuration = next(file for file in files if file.name == "prometheus.yml")
    then = f"promtool check config {configuration} && promtool test rules {tests}"
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


@task(
    help={
        "out": "The file to write, in the folder of node-exporter's textfile collector; its name ends with .prom. Left out: print it.",
        "deadline": "How long the run may take, 30s or 2m: 50s if it is left out; what is not read by then is unknown.",
        "json": "Print one JSON document with the same figures, and why others are unknown.",
    }
)
def textfile(
    _context: Context, out: str | None = None, deadline: str | None = None, json: bool = False
) -> int:
    """Write figures that JMX does not have: lag of groups, disks, clocks, certificates, restarts pending, throttles.

    For a timer: nothing is changed in the cluster. What cannot be read is counted in kafab_unknown and has no figure; the exit code is 5 then,
    4 where nothing could be read. A run that meets another one of the same file ends with 6.
    """
    from kafab.folders import state_folder
    from kafab.ops.alone import alone
    from kafab.ops.author import textfile as author
    from kafab.ops.check import figures
    from kafab.screens import textfile as screen

    from .options import span

    limit = span("deadline", deadline, figures.DEADLINE)
    session, console = CHAIN.session(), CHAIN.console(json=json)
    file = Path(out).expanduser().absolute() if out else None
    with ExitStack() as held:
        if file:
            author.check(file)
            words = {file.parent.resolve() / file.name}
            held.enter_context(
                alone(state_folder(os.environ), "observe.textfile", words, session.owner("observe.textfile"))
            )
        # Ctrl-C, too, finds threads at work for which nobody waits.
        CHAIN.left_at_work = True
        run = figures.gather(session.cluster, session, limit)
        CHAIN.left_at_work = run.unfinished
        if file:
            author.write(file, run.written.text())
    screen.show(console, run.written, file)
    return run.exit_code
