"""The end of a cluster: destroy."""

import sys

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT, YES


@task(
    help={
        "limit": LIMIT,
        "data": "Also remove data and logs; the value is the cluster's name, typed again.",
        "yes": YES,
        "json": JSON,
    }
)
def destroy(
    _context: Context,
    limit: str | None = None,
    data: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Remove units, releases and configuration that kafab placed, and nothing else.

    The nodes must be stopped. Data and logs stay, unless --data names the cluster; then only data directories whose own
    mark (meta.properties, myid) says that they are these nodes' are removed. Files in the configuration folders that
    kafab did not place stay and are named. It shows what it will remove and asks; a lab never asks.
    """
    from kafab.errors import UsageError
    from kafab.events import Note
    from kafab.ops.deploy import destroy as operation
    from kafab.screens import destroy as destroy_screens

    session, console = CHAIN.session(), CHAIN.console(json=json)
    name = session.cluster.name
    if data not in (None, name):
        raise UsageError(f"found --data {data}; expected the name of the cluster that loses its data, {name}")
    agreed = operation.prepare(session.cluster, limit, session, data=bool(data))
    for lines, hosts in destroy_screens.grouped(
        (host, tuple(map(str, agreed.on(host)))) for host in agreed.hosts
    ):
        session.emit(Note(hosts, "\n".join(["will lose:", *lines])))
    if agreed:
        where = f"{len(agreed.hosts)} host{'s' * (len(agreed.hosts) > 1)} of {name}"
        question = f"Remove this from {where}{', data included' * bool(data)}?"
        # Without a terminal the name that was typed is the answer.
        answered = yes or (bool(data) and not sys.stdin.isatty())
        console.confirm(question, yes=answered, lab=session.cluster.lab)
    done = operation.destroy(session.cluster, limit, session, agreed, data=bool(data))
    done.raise_unless_done()
    console.data(destroy_screens.document(done.removals), destroy_screens.text(done.removals))
