"""Who leads partitions: leaders.restore."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT


@task(help={"limit": LIMIT, "json": JSON})
def restore(_context: Context, limit: str | None = None, json: bool = False) -> int:
    """Have the preferred replica of each partition lead it again, where it is in the ISR; exit 1 where one is not.

    After a restart or a failure the other brokers lead what a broker led before. Kafka gives it back by itself every few minutes, unless
    auto.leader.rebalance.enable is false.
    """
    from kafab.ops.leaders import restore as run
    from kafab.screens.leaders import show_restored

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = run(session.cluster, limit, session)
    show_restored(console, session.cluster, found)
    return 1 if found.left else 0
