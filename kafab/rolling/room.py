"""How many replicas of each partition can be spared, counted down as brokers are chosen to stop together.

`safety.judge_stop` is the rule, and looks at every partition each time. With hundreds of brokers to choose from this finds
who need not be asked; whoever it lets pass is judged by the rule all the same.
"""

from collections import defaultdict
from collections.abc import Iterable

from kafab.cluster.metadata import Partition
from kafab.cluster.seen import Seen
from kafab.model import Cluster, Node, Role
from kafab.rolling.safety import MIN_ISR, Spared, merged
from kafab.unknown import Unknown


class Room:
    """What is left to spare. Partitions of which too little is known are left to the rule."""

    def __init__(self, cluster: Cluster, seen: Seen, spared: Spared) -> None:
        staying = {node.id for node in cluster.brokers if seen.stays(node)}
        configs = {} if isinstance(seen.configs, Unknown) else seen.configs
        self._of: dict[int, list[Partition]] = defaultdict(list)
        self._left: dict[tuple[str, int], int] = {}
        """Partition -> how many in-sync replicas may stop still; below zero where it lacks some already."""
        self._in_sync: dict[tuple[str, int], frozenset[int]] = {}
        least = {
            topic: int(found[MIN_ISR].value or 1)
            for topic, found in configs.items()
            if MIN_ISR in found and topic not in spared.unavailable
        }
        for one in merged(seen.known_views.values()):
            if one.topic not in least:
                continue
            lowest = least[one.topic]
            wanted = min(lowest + spared.margin, max(lowest, len(one.replicas) - 1))
            in_sync = frozenset(one.isr) & staying
            self._in_sync[one.topic, one.number] = in_sync
            self._left[one.topic, one.number] = len(in_sync) - wanted if one.leader is not None else -1
            for broker in one.replicas:
                self._of[broker].append(one)

    def takes(self, node: Node) -> bool:
        """Tell whether this node may stop, too, as far as partitions are concerned: those of a broker."""
        # A ZooKeeper server may have the id of a broker.
        return node.role is not Role.BROKER or all(
            self._left[key] >= (node.id in self._in_sync[key])
            for key in ((one.topic, one.number) for one in self._of[node.id])
        )

    def take(self, nodes: Iterable[Node]) -> None:
        """Count these brokers as stopped."""
        for node in nodes:
            for one in self._of[node.id]:
                self._left[one.topic, one.number] -= node.id in self._in_sync[one.topic, one.number]
