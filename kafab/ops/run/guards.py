"""What is asked before a stop or a start: of the nodes that stay, by `safety.judge_stop`, and of a node's own files.

Nodes that stay are looked at again for a while, as they may change; files do not change by themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from kafab.errors import Failed
from kafab.events import Waiting
from kafab.hosts import supervisor
from kafab.hosts.facts import NodeFacts
from kafab.hosts.sights import troubles
from kafab.model import Cluster, Node
from kafab.ops.run import gates
from kafab.ops.see import reports, see
from kafab.ops.world import World
from kafab.rolling.safety import Verdict, judge_stop, questions
from kafab.rolling.safety import running as those_running
from kafab.words import few

PATIENCE = timedelta(seconds=10)
"""How long nodes that run and do not answer, or do not say the same, are asked again before a stop is refused for it."""


def guard_stop(cluster: Cluster, stopping: Sequence[Node], world: World) -> None:
    """Raise Unsafe with the numbers where the rest needs these nodes, Failed or Unreachable where that cannot be known."""
    if (refusal := can_stop(cluster, stopping, world).refusal) is not None:
        raise refusal


def can_stop(cluster: Cluster, stopping: Sequence[Node], world: World) -> Verdict:
    """Judge whether these nodes may be stopped while the rest goes on serving.

    What may be otherwise in a moment is looked at again for a while: an election, a voter or a copy of the metadata that
    lags, a node that pauses.
    """
    clock, ask = world.clock, questions(cluster, stopping)
    begun = clock.now()
    while (verdict := judge_stop(cluster, stopping, see(cluster, world, ask))).refusal is not None:
        elapsed = timedelta(seconds=clock.now() - begun)
        if verdict.final or elapsed >= PATIENCE:
            return verdict
        what = f"safe to stop {few(node.name for node in stopping)}: {_in_one_line(verdict.refusal.message)}"
        world.emit(Waiting(cluster.name, what, elapsed, PATIENCE))
        clock.sleep(gates.LOOK_AT_HOSTS_EVERY)
    return verdict


def _in_one_line(message: str) -> str:
    """Return the first line of a message; where it ends with a colon, with what it lists behind it."""
    first, *listed = message.splitlines()
    return f"{first} {few(line.strip() for line in listed)}" if first.endswith(":") and listed else first


def running(cluster: Cluster, nodes: Sequence[Node], world: World) -> list[Node]:
    """Return those of the nodes that run. Raises Unreachable where that cannot be known."""
    hint = f"nothing was stopped in {cluster.name}; --limit leaves hosts out"
    return those_running(nodes, reports(supervisor.check, nodes, world.fleet), hint)


def guard_access(facts: Mapping[Node, NodeFacts]) -> None:
    """Refuse to start nodes, and to stop them before a start, whose files their account or their unit keeps from them."""
    found = [
        (node, trouble)
        for node, seen in facts.items()
        for trouble in troubles(node, seen.sights, seen.strange, account=True)
    ]
    if found:
        lines = "\n  ".join(f"{node.name}: {trouble.text}" for node, trouble in found)
        raise Failed(f"nothing was stopped or started:\n  {lines}", hint=found[0][1].mend)
