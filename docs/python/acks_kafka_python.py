"""Write, and know of each record whether it is in the log (kafka-python)."""

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers="node1:9092", acks="all", enable_idempotence=True)
sent = [producer.send("orders", key=f"order-{number}".encode(), value=b"paid") for number in range(10)]
producer.flush()
for future in sent:
    future.get()  # raises the KafkaError of a record that is in no log, or of which nothing was heard
producer.close()
