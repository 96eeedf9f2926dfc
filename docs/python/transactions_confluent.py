"""Exactly once from topic to topic: what was read, and what was made of it, are committed together (confluent-kafka)."""

from confluent_kafka import Consumer, Producer, TopicPartition

consumer = Consumer(
    {
        "bootstrap.servers": "node1:9092",
        "group.id": "billing",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
    }
)
producer = Producer({"bootstrap.servers": "node1:9092", "transactional.id": "billing-1"})
producer.init_transactions()  # ends what an earlier one of this name has left open, and fences it
consumer.subscribe(["orders"])
while messages := consumer.consume(20, timeout=10):
    producer.begin_transaction()
    for message in messages:
        producer.produce("bills", key=message.key(), value=message.value())
    done = [TopicPartition(each.topic(), each.partition(), each.offset() + 1) for each in messages]
    producer.send_offsets_to_transaction(done, consumer.consumer_group_metadata())
    producer.commit_transaction()  # an error here ends the program; the next one goes on at the last commit
consumer.close()
