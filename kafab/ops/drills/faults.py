"""Faults on the nodes of a lab. A frozen node goes on when kafab lets go of its host, also where kafab itself was killed.

A node that a drill has killed or stopped carries the drill's mark on its host until it runs again: the next drill finds it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from kafab.errors import Failed, Unsafe
from kafab.events import Note
from kafab.hosts import supervisor
from kafab.hosts.supervisor import State
from kafab.model import Cluster, Node
from kafab.ops.check.verify import verify
from kafab.ops.run.bring_up import bring_up
from kafab.ops.run.processes import Progress, stop_processes
from kafab.ops.run.startable import idle_ones, startable
from kafab.ops.see import reports
from kafab.ops.until import late, until
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

WHOLE_LIMIT = timedelta(seconds=90)
"""How long all replicas may take to be in sync again."""
LOOK_EVERY = 0.5


@contextmanager
def frozen(nodes: Sequence[Node], world: World) -> Iterator[None]:
    """Keep these nodes from running for the length of the block. Raises Failed where one cannot be frozen."""
    with ExitStack() as held:
        for node in nodes:
            script = supervisor.freeze(node)
            outcome = held.enter_context(world.fleet.hold(node.host.name, script))
            found = supervisor.read(outcome, [node])[node.name]
            if isinstance(found, Unknown) or not found.frozen:
                why = found.reason if isinstance(found, Unknown) else found.state.value
                raise Failed(f"{node.name} was not frozen: {why}")
        yield


def kill(node: Node, world: World) -> None:
    """Kill a node. Raises Failed where it was not there to be killed."""
    found = reports(supervisor.strike, [node], world.fleet)[node.name]
    if isinstance(found, Unknown) or found.state is not State.EXITED:
        why = found.reason if isinstance(found, Unknown) else found.state.value
        raise Failed(f"{node.name} was not killed: {why}")


def stop(node: Node, world: World) -> None:
    """Stop a node in good order; it carries the mark, too. Raises Failed where it does not run."""
    found = reports(supervisor.marked, [node], world.fleet)[node.name]
    if isinstance(found, Unknown) or found.state is not State.RUNNING:
        why = found.reason if isinstance(found, Unknown) else found.state.value
        raise Failed(f"{node.name} was not stopped: {why}")
    stop_processes([node], world, Progress("stop", [node]))


def mend(cluster: Cluster, world: World) -> None:
    """Take all faults back: let frozen nodes go on, start those that a drill has ended, wait until all is in sync.

    Nothing is done about a node that somebody else has stopped or killed. Raises Unsafe where this is no lab.
    """
    struck = start_again(cluster, world)
    if struck:
        whole(cluster, world)
        reports(supervisor.mended, struck, world.fleet)


def start_again(cluster: Cluster, world: World) -> list[Node]:
    """Let frozen nodes go on and start those that a drill has ended; return these, which keep the mark until `mend`."""
    if not cluster.lab:
        raise Unsafe(f"{cluster.name} is no lab: a drill has put no fault on it")
    answers = reports(supervisor.struck, cluster.nodes, world.fleet)
    struck = [
        node
        for node in cluster.nodes
        if not isinstance(found := answers[node.name], Unknown) and found.state is State.EXITED
    ]
    if struck:
        idle = idle_ones(startable(cluster, struck, world))
        for node in idle:
            world.emit(Note(node.name, "was ended by a drill: it is started again"))
        bring_up(cluster, idle, world, Progress("start", struck), partial=True, steady=False, settled=False)
    return struck


def whole(cluster: Cluster, world: World) -> None:
    """Wait until verify finds no fault. Raises Failed with the worst finding where that is not in time."""
    what = "the cluster to be whole again"
    missing = until(lambda: _unhealthy(cluster, world), what, WHOLE_LIMIT, world, every=LOOK_EVERY)
    if missing:
        raise Failed(late(what, WHOLE_LIMIT, missing), hint="`fab verify` tells more")


def _unhealthy(cluster: Cluster, world: World) -> Missing:
    report = verify(cluster, world, probe=False)
    if not report.exit_code:
        return {}
    worst = max(report.findings, key=lambda finding: finding.severity)
    return {worst.subject: worst.detail}
