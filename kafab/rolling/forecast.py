"""What a roll would do, as things are now: its order, who leads how much, and what can never be spared. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kafab.cluster.metadata import Metadata
from kafab.cluster.seen import Seen
from kafab.model import Cluster, Node
from kafab.rolling.decide import Goal, stages, together
from kafab.rolling.room import Room
from kafab.rolling.safety import Blocker, judge_stop, merged


@dataclass(frozen=True)
class Forecast:
    """The moves of a roll if nothing changes meanwhile."""

    down: tuple[str, ...] = ()
    """Nodes that do not run, and are started first."""
    waves: tuple[tuple[str, ...], ...] = ()
    """The nodes that stop together, in order."""
    leaders: Mapping[str, int] = field(default_factory=dict)
    """Broker's node name -> how many partitions it leads now: they move when it stops."""
    waits: Mapping[str, tuple[Blocker, ...]] = field(default_factory=dict)
    """Node -> what speaks against its stop now, and may be otherwise when its turn comes."""
    hopeless: tuple[Blocker, ...] = ()
    """What speaks against a stop and always will."""


def forecast(cluster: Cluster, goal: Goal, seen: Seen) -> Forecast:
    """Return what `decide` would do move after move if each stopped node came back as it was."""
    nodes = [node for node in cluster.nodes if node.name in goal.replaced]
    left = [node for node in nodes if not goal.finished(node, seen) and seen.stays(node)]
    room = Room(cluster, seen, goal.spared)
    # Where a majority cannot spare one voter it can spare none: each is judged, brokers only where there is doubt.
    judged = {
        node: judge_stop(cluster, [node], seen, goal.spared).blockers
        for node in left
        if node.is_voter or not room.takes(node)
    }
    hopeless = dict.fromkeys(one for found in judged.values() for one in found if one.hopeless)
    leads = Counter(one.leader for one in merged(v for v in seen.views.values() if isinstance(v, Metadata)))
    return Forecast(
        down=tuple(node.name for node in nodes if goal.replaced[node.name] is None or not seen.stays(node)),
        waves=tuple(_waves(cluster, goal, left, seen)),
        leaders={node.name: leads[node.id] for node in left if node in cluster.brokers},
        waits={node.name: found for node, found in judged.items() if found},
        hopeless=tuple(hopeless),
    )


def _waves(cluster: Cluster, goal: Goal, left: list[Node], seen: Seen) -> Iterator[tuple[str, ...]]:
    for stage in stages(cluster, left, seen):
        waiting = list(stage)
        while waiting:
            wave = together(cluster, goal, waiting, seen)
            yield tuple(node.name for node in wave)
            waiting = [node for node in waiting if node not in wave]
