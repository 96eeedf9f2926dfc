"""Which artifact a Kafka version is, and whether it may be unpacked. No I/O."""
