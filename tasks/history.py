"""What was done with the cluster: history."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN


@task(
    help={
        "limit": "Only what these hosts and nodes remember, comma-separated: node1,node2/broker.",
        "last": "How many of the last commands to show.",
        "json": "Print one JSON document.",
    }
)
def history(_context: Context, limit: str | None = None, last: str = "20", json: bool = False) -> None:
    """Show who changed the cluster, from where, with what, when, and how it ended."""
    from kafab.ops.history import past
    from kafab.ops.hosts.logs import line_count
    from kafab.screens.history import show_history

    session, console = CHAIN.session(), CHAIN.console(json=json)
    shown = line_count(last, "--last")
    show_history(console, session.cluster, past(session.cluster, limit, session), shown)
