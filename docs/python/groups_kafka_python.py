"""A static member: it is back within session_timeout_ms without a rebalance, as in a rolling restart (kafka-python)."""

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    "orders",
    bootstrap_servers="node1:9092",
    group_id="billing",
    group_instance_id="worker-1",  # of one member alone: a second one with this name fences the first
    session_timeout_ms=45_000,  # its partitions wait so long for a member that does not come back
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
while batch := consumer.poll(timeout_ms=10_000):
    for place, records in batch.items():
        print(place.partition, [record.offset for record in records])  # the work
    consumer.commit()
consumer.close()  # a static member does not leave the group: the group waits for it
