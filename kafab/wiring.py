"""From an inventory to a session with real adapters: the only importer of adapters.

Adapters are imported when they are first used: a `plan` never pays for the Kafka clients, `inventory.check` not even for SSH.
"""

import os
from functools import cached_property

from kafab.events import Emit
from kafab.folders import cache_folder, state_folder
from kafab.lab.local import LocalLab
from kafab.model import Cluster
from kafab.ports import Clock, Fleet, KafkaAdmin, Store, ZooKeeper


class Session:
    """One cluster and the connections to it, opened on first use and shared by all tasks of a command line."""

    def __init__(self, cluster: Cluster, emit: Emit) -> None:
        self.cluster = cluster
        self.emit = emit

    @cached_property
    def fleet(self) -> Fleet:
        """SSH to the cluster's hosts."""
        from kafab.adapters.ssh import SshFleet

        return SshFleet(self.cluster.hosts)

    @cached_property
    def zookeeper(self) -> ZooKeeper:
        """The cluster's ZooKeeper ensemble."""
        from kafab.adapters.zk import KazooEnsemble

        return KazooEnsemble([node.endpoint for node in self.cluster.zookeepers], self.cluster.chroot)

    @cached_property
    def admin(self) -> KafkaAdmin:
        """The cluster's brokers as a client sees them."""
        from kafab.adapters.admin import ClientsAdmin

        return ClientsAdmin([node.endpoint for node in self.cluster.brokers])

    @cached_property
    def store(self) -> Store:
        """The releases on this machine."""
        return open_store()

    @cached_property
    def clock(self) -> Clock:
        """The real time."""
        from kafab.adapters.clock import SystemClock

        return SystemClock()

    def close(self) -> None:
        """Close what was opened, and only that."""
        for name in ("admin", "zookeeper", "fleet"):
            if name in self.__dict__:
                getattr(self, name).close()


def open_store() -> Store:
    """Return this user's store of releases."""
    from kafab.adapters.store import ReleaseStore

    return ReleaseStore(cache_folder(os.environ) / "releases")


def open_lab(name: str, emit: Emit) -> LocalLab:
    """Return this user's lab of that name, which may not be up. Raises UsageError for a bad name."""
    from kafab.adapters.clock import SystemClock
    from kafab.adapters.localhost import Localhost

    return LocalLab(name, state_folder(os.environ) / "labs", Localhost(), SystemClock(), emit)
