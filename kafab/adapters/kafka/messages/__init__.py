"""Schemas of Kafka's messages that kafka-python does not have, in the form of Kafka's own (Apache License 2.0)."""
