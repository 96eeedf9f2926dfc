"""Where a canary's partitions lie: one is led by each broker, and its replicas are in as many racks as there are."""

from collections.abc import Sequence

from kafab.model import Node


def spread(brokers: Sequence[Node], most: int = 3) -> tuple[tuple[int, ...], ...]:
    """Return the replicas of each partition, first its leader: min(``most``, brokers) of them.

    A follower is in a rack that has none of the partition's replicas, as long as there is such a rack: a whole rack may
    be taken away at once. Followers are those that have the fewest replicas so far.
    """
    load = dict.fromkeys((node.id for node in brokers), 0)
    after = [*brokers, *brokers]
    found = []
    for place, leader in enumerate(brokers):
        chosen = [leader]
        others = after[place + 1 : place + len(brokers)]
        while len(chosen) < min(most, len(brokers)):
            racks = {node.host.rack for node in chosen}
            free = [node for node in others if node not in chosen]
            elsewhere = [node for node in free if node.host.rack is None or node.host.rack not in racks]
            chosen.append(min(elsewhere or free, key=lambda node: load[node.id]))
            load[chosen[-1].id] += 1
        found.append(tuple(node.id for node in chosen))
    return tuple(found)
