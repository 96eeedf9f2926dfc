"""Write records with a client of the operator's choice, telling how far it is."""

from dataclasses import replace
from datetime import timedelta

from kafab.events import Waiting
from kafab.model import Cluster
from kafab.ops.topics.rules import check_name
from kafab.ops.topics.topics import find
from kafab.ops.world import World
from kafab.records.settings import Client, ProducerSettings, idempotence
from kafab.records.writing import Acked, Order, Written
from kafab.words import plural

TELL_EVERY = 0.25
"""Seconds between two words about how far it is."""


def write(
    cluster: Cluster, world: World, client: Client, settings: ProducerSettings, order: Order
) -> tuple[Written, tuple[Acked, ...]]:
    """Write the order's records; return the figures and the first acknowledged ones, as many as the order wants shown.

    Raises UsageError for a topic that does not exist and for settings that exclude each other, Unreachable and Failed where
    nobody answers.
    """
    check_name(order.topic)
    idempotence(client, settings)
    find(world, order.topic)
    begun = told = world.clock.now()

    def alive(known: int) -> None:
        nonlocal told
        now = world.clock.now()
        if now - told < TELL_EVERY:
            return
        told = now
        total = "" if order.count is None else f" of {order.count}"
        what = f"{plural(known, 'record')}{total} answered"
        world.emit(Waiting(cluster.name, what, timedelta(seconds=now - begun), None))

    return world.writers.write(client, settings, order, alive)


def settings_of(cluster: Cluster, settings: ProducerSettings) -> ProducerSettings:
    """Return the settings with the cluster's brokers, as kafab itself reaches them."""
    return replace(settings, bootstrap=brokers_of(cluster))


def brokers_of(cluster: Cluster) -> str:
    """Return the cluster's brokers as a bootstrap.servers value."""
    return ",".join(str(node.endpoint) for node in cluster.brokers)
