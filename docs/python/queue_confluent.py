"""A queue: a record goes to one member of a share group, however many members and partitions there are (confluent-kafka)."""

from confluent_kafka import AcknowledgeType, ShareConsumer

consumer = ShareConsumer(
    {
        "bootstrap.servers": "node1:9092",
        "group.id": "workers",  # begins at the end of the log, unless its share.auto.offset.reset is earliest
        "share.acknowledgement.mode": "explicit",
    }
)
consumer.subscribe(["orders"])
while messages := consumer.poll(10):
    for message in messages:
        if message.error():
            continue
        print(message.key(), message.value())  # the work
        consumer.acknowledge(
            message, AcknowledgeType.ACCEPT
        )  # RELEASE: another member tries; REJECT: nobody does
    consumer.commit_sync()
consumer.close()
