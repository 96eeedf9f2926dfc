"""Write, and know of each record whether it is in the log (confluent-kafka)."""

from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": "node1:9092", "acks": "all", "enable.idempotence": True})
failed = {}


def delivered(error, message):
    """Hear of one record's end; `poll` and `flush` call it."""
    if error:
        failed[message.key()] = error


for number in range(10):
    producer.produce("orders", key=f"order-{number}", value="paid", on_delivery=delivered)
    producer.poll(0)
unheard = producer.flush()  # until delivery.timeout.ms (120 s by default) is over for the last one
if unheard or failed:
    raise SystemExit(f"{unheard} records without an answer, refused: {failed}")
