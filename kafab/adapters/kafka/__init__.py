"""The ports of brokers, controllers and ZooKeeper on their client libraries."""
