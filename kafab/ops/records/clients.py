"""Which client can go where the brokers are."""

from kafab.events import Note
from kafab.model import Cluster
from kafab.ops.world import World
from kafab.records.settings import Client

INSTEAD = (
    "librdkafka cannot go through SSH: kafka-python does it in its place, also where confluent was asked for"
)


def usable(cluster: Cluster, world: World, client: Client) -> Client:
    """Return the client to use, and say so where it is not the one that was asked for."""
    if client is not Client.CONFLUENT or not world.brokers.through_ssh():
        return client
    world.emit(Note(cluster.name, INSTEAD))
    return Client.KAFKA_PYTHON
