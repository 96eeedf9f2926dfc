"""Where a group goes on, what it has still to read, and what retention took before it was read (kafka-python)."""

from kafka import KafkaConsumer, TopicPartition

consumer = KafkaConsumer(bootstrap_servers="node1:9092", group_id="billing", enable_auto_commit=False)
places = [TopicPartition("orders", number) for number in consumer.partitions_for_topic("orders")]
first, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
for place in places:
    committed = consumer.committed(place)
    if committed is None:
        print(place.partition, "nothing committed: auto_offset_reset decides")
    elif committed < first[place]:
        print(
            place.partition, first[place] - committed, "records are gone, unread: auto_offset_reset decides"
        )
    else:
        print(place.partition, "goes on at", committed, "with", end[place] - committed, "to read")
consumer.close()
