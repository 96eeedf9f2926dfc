"""Which way leads from one version of Kafka to another, and how long it leads back. Pure."""
