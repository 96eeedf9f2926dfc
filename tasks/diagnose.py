"""Gathering what an expert would ask for: diagnose."""

from pathlib import Path

from invoke.context import Context

from .boundary import task
from .chain import CHAIN


@task(
    help={
        "out": "The archive; diagnosis-CLUSTER-TIME.tar.gz in this folder unless it is given. A file that is there is not overwritten.",
        "limit": "Only these hosts and nodes, comma-separated: node1,node2/broker. The cluster itself is asked as a whole.",
        "json": "Print one JSON document: causes, nodes, what was gathered, the file.",
    }
)
def diagnose(_context: Context, out: str | None = None, limit: str | None = None, json: bool = False) -> None:
    """Gather what an expert would ask for into one archive without secrets, and name the likely cause.

    Hosts and cluster are only read, nobody who is silent stops the rest, and nothing is sent anywhere. Exit 0 where the archive was written.
    """
    from kafab.ops.diagnosing.diagnose import diagnose as run
    from kafab.screens.diagnose import show_diagnosed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    file = Path(out) if out else None
    done = run(session.cluster, limit, session, file, plain=lambda: session.fleet_as(root=False))
    show_diagnosed(console, done)
