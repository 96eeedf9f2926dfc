"""Where a group goes on, what it has still to read, and what retention took before it was read (confluent-kafka)."""

from confluent_kafka import Consumer, TopicPartition

consumer = Consumer({"bootstrap.servers": "node1:9092", "group.id": "billing", "enable.auto.commit": False})
numbers = consumer.list_topics("orders").topics["orders"].partitions
for place in consumer.committed([TopicPartition("orders", number) for number in numbers]):
    first, end = consumer.get_watermark_offsets(place)
    if place.offset < 0:
        print(place.partition, "nothing committed: auto.offset.reset decides")
    elif place.offset < first:
        print(place.partition, first - place.offset, "records are gone, unread: auto.offset.reset decides")
    else:
        print(place.partition, "goes on at", place.offset, "with", end - place.offset, "to read")
consumer.close()
