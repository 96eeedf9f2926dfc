"""What nodes run with: config.show and config.apply."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT


@task(
    positional=["node"],
    help={
        "node": "a broker or a KRaft controller, node1/broker",
        "key": "one property; without it all that are not Kafka's default",
        "json": JSON,
    },
)
def show(_context: Context, node: str, key: str | None = None, json: bool = False) -> int:
    """Show a node's properties: the value in its file, the value that it runs with, and where that comes from.

    A value that was set dynamically (kafka-configs.sh) wins over the file, also after a restart. Values of secrets are not shown.
    """
    from kafab.ops.config import show as run
    from kafab.screens.config import show_config

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = run(session.cluster, node, key, session)
    show_config(console, session.cluster, found)
    return 5 if found.silent else 0


@task(help={"limit": LIMIT, "json": JSON})
def apply(_context: Context, limit: str | None = None, json: bool = False) -> None:
    """Make changed properties effective on running brokers, as far as that needs no restart; else exit 3.

    Writes the brokers' files as deploy does, and sets the values on the running brokers. Where one difference needs a restart nothing is changed.
    """
    from kafab.ops.deploy.online import apply as run
    from kafab.screens.config import show_applied

    session, console = CHAIN.session(), CHAIN.console(json=json)
    show_applied(console, session.cluster, run(session.cluster, limit, session))
