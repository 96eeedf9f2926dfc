"""At least once: an offset is committed when the record's work is done, and not when it is handed over (confluent-kafka)."""

from confluent_kafka import Consumer

consumer = Consumer(
    {
        "bootstrap.servers": "node1:9092",
        "group.id": "billing",
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,  # without this, a killed consumer has lost what it was handed
    }
)
consumer.subscribe(["orders"])
try:
    while message := consumer.poll(10):
        if error := message.error():
            raise SystemExit(str(error))
        print(message.key(), message.value())  # the work
        consumer.store_offsets(message)  # committed every 5 s (auto.commit.interval.ms), and by close
finally:
    consumer.close()
