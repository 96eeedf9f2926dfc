"""Deploy, start, verify and operate Apache Kafka clusters over SSH, from one YAML file."""

__version__ = "0.1.0"
