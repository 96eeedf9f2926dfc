"""A static member: it is back within session.timeout.ms without a rebalance, as in a rolling restart (confluent-kafka)."""

from confluent_kafka import Consumer


def told(_consumer, partitions):
    """Hear what is this member's from now on."""
    print("assigned", [place.partition for place in partitions])


consumer = Consumer(
    {
        "bootstrap.servers": "node1:9092",
        "group.id": "billing",
        "group.instance.id": "worker-1",  # of one member alone: a second one with this name fences the first
        "session.timeout.ms": 45_000,  # its partitions wait so long for a member that does not come back
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,
    }
)
consumer.subscribe(["orders"], on_assign=told)
while message := consumer.poll(10):
    print(message.partition(), message.offset())  # the work
    consumer.store_offsets(message)
consumer.close()  # a static member does not leave the group: the group waits for it
