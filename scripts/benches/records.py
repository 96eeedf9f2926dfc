"""A row about records.write: a million records against Kafka's own kafka-producer-perf-test on the same cluster."""

from scripts.benches.labs import lab
from scripts.benches.measuring import Row, alternate, ratio

RECORDS, SIZE = 1_000_000, 100


def write(runs: int) -> list[Row]:
    """Measure both as whole commands, in turn: acks=all, three partitions of three replicas."""
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

        try:
            mine, theirs = alternate(runs, ours, plain)
        finally:
            here.fab("stop", "--yes")
    what = f"records.write of {RECORDS} records / kafka-producer-perf-test"
    return [ratio(what, [mine], [theirs], 2)]
