"""A record that comes twice has its effect once: mark and effect are one step in Redis, which has both on its disk (kafka-python)."""

from kafka import KafkaConsumer
from redis import Redis

WEEK = 7 * 24 * 3600  # a mark must outlive every second delivery: a group that is reset, too

redis = Redis.from_url("redis://node1:6379")  # its server has appendonly yes and appendfsync always
once = redis.register_script("""
    if redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[2]) then
        redis.call('INCRBY', KEYS[2], ARGV[1])
    end
""")
consumer = KafkaConsumer(
    "orders",
    bootstrap_servers="node1:9092",
    group_id="billing",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
while batch := consumer.poll(timeout_ms=10_000, max_records=20):
    for records in batch.values():
        for record in records:
            order = (
                record.key.decode()
            )  # what the record is about, never its offset: a second copy has another one
            once(keys=[f"paid:{order}", "orders paid"], args=[1, WEEK])
    consumer.commit()
consumer.close()
