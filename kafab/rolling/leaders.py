"""Which partitions are to be led by their preferred replica again: pure judgements of what was seen."""

from collections.abc import Collection, Iterable

from kafab.cluster.metadata import Partition


def elsewhere(partitions: Iterable[Partition], brokers: Collection[int]) -> tuple[Partition, ...]:
    """Return the partitions whose preferred leader, the first replica, is one of these brokers and does not lead them."""
    return tuple(
        one
        for one in partitions
        if one.replicas and one.replicas[0] in brokers and one.leader != one.replicas[0]
    )


def able(partitions: Iterable[Partition]) -> tuple[Partition, ...]:
    """Return those whose preferred leader can lead: it is in the ISR. The controller refuses the others."""
    return tuple(one for one in partitions if one.replicas[0] in one.isr)
