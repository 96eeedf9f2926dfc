"""What an operation that changes a running cluster works with."""

from dataclasses import dataclass

from kafab.events import Emit
from kafab.ports import Clock, Fleet, KafkaAdmin, MetadataQuorum, Store, ZooKeeper


@dataclass(frozen=True)
class World:
    """The ports, and ``owner``: who runs the command, from where, since when."""

    fleet: Fleet
    zookeeper: ZooKeeper
    quorum: MetadataQuorum
    admin: KafkaAdmin
    store: Store
    clock: Clock
    emit: Emit
    owner: str
    locked: bool = False
    """True inside an operation that holds the cluster's lock already: what it is made of does not take it again."""
