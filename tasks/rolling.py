"""What may stop, and what a stop would cost: can-stop."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN


@task(
    positional=["nodes"],
    help={
        "nodes": "Nodes that would stop together, comma-separated: node1/broker, or a host for all of its nodes.",
        "json": "Print one JSON document.",
    },
)
def can_stop(_context: Context, nodes: str, json: bool = False) -> int:
    """Tell whether the rest can spare these nodes: exit 0, or 3 with everything that speaks against it."""
    from kafab.ops.run.guards import can_stop as run
    from kafab.plans.state import limited
    from kafab.screens.rolling import show_can_stop

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    stopping = limited(cluster, nodes, "can-stop")
    verdict = run(cluster, stopping, session)
    show_can_stop(console, cluster, stopping, verdict)
    return 0 if verdict.refusal is None else 3
