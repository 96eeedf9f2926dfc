"""Worlds for tests of operations."""

from collections.abc import Callable

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.machine.clock import SystemClock
from kafab.command import Outcome, Result, Script
from kafab.model import Cluster
from kafab.plans.state import desire
from kafab.ports import Controllers, ZooKeeper
from kafab.testing.admin import FakeAdmin
from kafab.testing.fleet import FakeFleet
from kafab.testing.hosts import FakeHost
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld

LENT = Result(0, b"locked\n", "")


def running_hosts(cluster: Cluster, ids: dict[int, str] | None = None) -> FakeFleet:
    """Return hosts as a deploy left them, everything running, which lend the cluster's lock.

    ``ids`` are cluster ids of KRaft data by node id.
    """
    desired = desire(cluster, cluster.nodes, FakeStore.for_cluster(cluster).only)
    kept = cluster.nodes if cluster.kraft else ()
    data = {
        node.data[0]: f"version=1\nnode.id={node.id}\ncluster.id={(ids or {}).get(node.id, 'ours')}"
        for node in kept
    }

    def answers(host: str) -> Callable[[Script], Outcome]:
        observed = FakeHost(desired, identities=data).answer(host, desired)
        return lambda script: LENT if script.called("lock") else observed

    return FakeFleet({host.name: answers(host.name) for host in cluster.hosts})


def by_hand(
    cluster: Cluster, admin: ClientsAdmin | FakeAdmin, zookeeper: ZooKeeper, controllers: Controllers
) -> FakeWorld:
    """Return real clients of a cluster that was started by hand, in real time; its hosts say that all runs as deployed."""
    return FakeWorld(
        fleet=running_hosts(cluster),
        zookeeper=zookeeper,
        controllers=controllers,
        brokers=admin,
        topics=admin,
        records=admin,
        leaders=admin,
        settings=admin,
        store=FakeStore.for_cluster(cluster),
        clock=SystemClock(),
    )
