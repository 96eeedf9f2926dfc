"""Rows about records.write and records.read: a million records against Kafka's own perf tests on the same cluster."""

from scripts.benches.labs import lab
from scripts.benches.measuring import Row, alternate, ratio

RECORDS, SIZE = 1_000_000, 100


def write(runs: int) -> list[Row]:
    """Measure all as whole commands, in turn: acks=all, three partitions of three replicas."""
    with lab(3) as here:
        here.fab("deploy", "start")
        here.fab("topics.create", "bench", "--partitions", "3", "--replication-factor", "3")
        bootstrap = ",".join(str(node.endpoint) for node in here.cluster.brokers)

        def ours() -> float:
            return here.fab("records.write", "bench", "--count", str(RECORDS), "--size", str(SIZE))

        def plain() -> float:
            perf = ("--topic", "bench", "--num-records", str(RECORDS), "--record-size", str(SIZE))
            props = ("--throughput", "-1", "--producer-props", f"bootstrap.servers={bootstrap}", "acks=all")
            return here.fab("tool", "node1/broker", "--", "kafka-producer-perf-test.sh", *perf, *props)

        def reading() -> float:
            return here.fab("records.read", "bench", "--until", str(RECORDS))

        def plain_reading() -> float:
            perf = ("--topic", "bench", "--messages", str(RECORDS), "--bootstrap-server", bootstrap)
            return here.fab("tool", "node1/broker", "--", "kafka-consumer-perf-test.sh", *perf)

        try:
            mine, theirs = alternate(runs, ours, plain)
            read, read_by_kafka = alternate(runs, reading, plain_reading)
        finally:
            here.fab("stop", "--yes")
    what = f"records.write of {RECORDS} records / kafka-producer-perf-test"
    reads = f"records.read of {RECORDS} records / kafka-consumer-perf-test"
    return [ratio(what, [mine], [theirs], 2), ratio(reads, [read], [read_by_kafka], 2)]
