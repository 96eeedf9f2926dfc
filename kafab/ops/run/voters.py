"""What a start asks of the voters' data before it, with the hosts that a --limit leaves out. See `kafab.plans.voters`."""

from collections.abc import Mapping, Sequence

from kafab.errors import Unreachable
from kafab.hosts.facts import NodeFacts, NodesFacts
from kafab.model import Cluster, Node
from kafab.ops.observing import look
from kafab.ops.world import World
from kafab.plans import quorum_guard
from kafab.plans.plan import known, node_facts
from kafab.plans.voters import asks_others, guard_start, waves
from kafab.unknown import Unknown


def guard_voters(cluster: Cluster, starting: Mapping[Node, NodeFacts], world: World) -> NodesFacts:
    """Refuse to start these nodes where a majority without the cluster's metadata, or no majority, could come to be.

    Returns what is known of the nodes that matter, at least of those that are to be started. Raises Unsafe with the
    table, Unreachable where a host that matters does not answer.
    """
    everything = {**starting, **_others(cluster, starting, world)}
    guard_start(cluster, starting, everything)
    quorum_guard.guard_formed(cluster, everything)
    return everything


def in_waves(
    cluster: Cluster, first: Sequence[Node], starting: Mapping[Node, NodeFacts], world: World, *, anew: bool
) -> list[list[Node]]:
    """Return the voters ``first`` in the order in which to start them, each wave to be proven before the next one.

    Raises what `guard_voters` raises, unless ``anew``.
    """
    if anew:
        return [list(first)]
    return waves(cluster, first, guard_voters(cluster, starting, world))


def _others(cluster: Cluster, starting: NodesFacts, world: World) -> NodesFacts:
    left_out = [node for node in cluster.nodes if node not in starting]
    if not left_out or not (asks_others(cluster, starting) or quorum_guard.asks_others(cluster, starting)):
        return {}
    desired, observed = look(cluster, left_out, world)
    silent = {host: fact.reason for host, fact in observed.items() if isinstance(fact, Unknown)}
    if silent:
        hint = "nothing was started; what the nodes there hold decides whether empty ones may be"
        raise Unreachable(silent, hint=hint)
    return node_facts(desired, known(observed))
