"""The ports together, for operations that touch no host and no release."""

from typing import cast

from kafab.events import Emit, silent
from kafab.ops.world import World
from kafab.ports import Clock, KafkaAdmin, MetadataQuorum, Store, ZooKeeper
from kafab.testing.fleet import FakeFleet


def without_hosts(
    zookeeper: ZooKeeper, quorum: MetadataQuorum, admin: KafkaAdmin, clock: Clock, emit: Emit = silent
) -> World:
    """Return a world in which no host is there to be asked, and no release is stored."""
    return World(
        fleet=FakeFleet({}),
        zookeeper=zookeeper,
        quorum=quorum,
        admin=admin,
        store=cast("Store", None),
        clock=clock,
        emit=emit,
        owner="ann",
    )
