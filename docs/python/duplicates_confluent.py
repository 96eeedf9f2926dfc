"""A record that comes twice has its effect once: mark and effect are one step in Redis, which has both on its disk (confluent-kafka)."""

from confluent_kafka import Consumer
from redis import Redis

WEEK = 7 * 24 * 3600  # a mark must outlive every second delivery: a group that is reset, too

redis = Redis.from_url("redis://node1:6379")  # its server has appendonly yes and appendfsync always
once = redis.register_script("""
    if redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[2]) then
        redis.call('INCRBY', KEYS[2], ARGV[1])
    end
""")
consumer = Consumer(
    {
        "bootstrap.servers": "node1:9092",
        "group.id": "billing",
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,
    }
)
consumer.subscribe(["orders"])
while message := consumer.poll(10):
    if error := message.error():
        raise SystemExit(str(error))
    order = (
        message.key().decode()
    )  # what the record is about, never its offset: a second copy has another one
    once(keys=[f"paid:{order}", "orders paid"], args=[1, WEEK])
    consumer.store_offsets(message)
consumer.close()
