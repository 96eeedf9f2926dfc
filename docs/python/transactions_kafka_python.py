"""Exactly once from topic to topic: what was read, and what was made of it, are committed together (kafka-python)."""

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

consumer = KafkaConsumer(
    "orders",
    bootstrap_servers="node1:9092",
    group_id="billing",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    isolation_level="read_committed",  # not kafka-python's default
)
producer = KafkaProducer(bootstrap_servers="node1:9092", transactional_id="billing-1")
producer.init_transactions()  # ends what an earlier one of this name has left open, and fences it
while batch := consumer.poll(timeout_ms=10_000, max_records=20):
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            producer.send("bills", key=record.key, value=record.value)
    done = {place: OffsetAndMetadata(records[-1].offset + 1, "", -1) for place, records in batch.items()}
    producer.send_offsets_to_transaction(done, consumer.group_metadata())
    producer.commit_transaction()  # an error here ends the program; the next one goes on at the last commit
producer.close()
consumer.close()
