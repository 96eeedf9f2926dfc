"""Worlds for tests of operations."""

import threading
from collections.abc import Callable
from datetime import timedelta

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.machine.clock import SystemClock
from kafab.cluster.metadata import Metadata
from kafab.command import Outcome, Result, Script
from kafab.model import Cluster, Endpoint
from kafab.plans.state import desire
from kafab.ports import Controllers, ZooKeeper
from kafab.testing.admin import FakeAdmin
from kafab.testing.fleet import FakeFleet
from kafab.testing.hosts import FakeHost
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown

LENT = Result(0, b"locked\n", "")
_MET_WITHIN = 20  # seconds for three threads to begin


class MeetingBrokers(FakeAdmin):
    """Three brokers that answer only once all of them are asked."""

    def __init__(self, kafka: FakeKafka) -> None:
        super().__init__(kafka)
        self._meeting = threading.Barrier(3)

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        """Answer, once all have come here."""
        self._meeting.wait(_MET_WITHIN)
        return super().metadata(at, timeout=timeout)


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
