"""What Kafka and ZooKeeper say of a running cluster, as frozen values."""
