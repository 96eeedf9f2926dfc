"""At least once: a batch is committed when its work is done; the last batch is done again after a kill (kafka-python)."""

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    "orders",
    bootstrap_servers="node1:9092",
    group_id="billing",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
try:
    while batch := consumer.poll(timeout_ms=10_000, max_records=20):
        for records in batch.values():
            for record in records:
                print(record.key, record.value)  # the work
        consumer.commit()
finally:
    consumer.close()
