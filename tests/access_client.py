"""An application that writes and reads all the while, logged in by SCRAM: what it was denied is counted."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from kafab.listeners import Endpoint

DENIALS = (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


@dataclass
class Probe:
    """What an application has seen so far."""

    topic: str
    group: str
    settings: dict[str, object]
    acked: int = 0
    read: int = 0
    committed: int = 0
    denied: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Write one record after another, each acknowledged."""
        producer = KafkaProducer(**self.settings, acks="all", enable_idempotence=False, max_block_ms=5000)
        try:
            while not self.over.is_set():
                for partition in range(3):
                    self._try(lambda partition=partition: self._write(producer, partition))
        finally:
            producer.close()

    def consume(self) -> None:
        """Read what was written, and commit now and then."""
        consumer = KafkaConsumer(**self.settings, group_id=self.group, enable_auto_commit=False)
        try:
            consumer.assign([TopicPartition(self.topic, number) for number in range(3)])
            consumer.seek_to_beginning()
            while not self.over.is_set():
                self._try(lambda: self._read(consumer))
        finally:
            consumer.close()

    def _write(self, producer: KafkaProducer, partition: int) -> None:
        producer.send(self.topic, b"x", partition=partition).get(timeout=10)
        self.acked += 1

    def _read(self, consumer: KafkaConsumer) -> None:
        found = consumer.poll(timeout_ms=50)
        self.read += sum(len(records) for records in found.values())
        if found:
            consumer.commit()
            self.committed += 1

    def _try(self, what: "object") -> None:
        try:
            what()  # type: ignore[operator]
        except DENIALS as error:
            self.denied.append(f"{type(error).__name__}: {error}")
            time.sleep(0.02)
        except KafkaError as error:
            self.failed.append(f"{type(error).__name__}: {error}")
            time.sleep(0.02)


@contextmanager
def application(at: Sequence[Endpoint], user: str, password: str, topic: str, group: str) -> Iterator[Probe]:
    """Have an application at work for the block."""
    settings = {
        "bootstrap_servers": [str(one) for one in at],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password,
        "metadata_max_age_ms": 500,
        "client_id": user,
    }
    probe = Probe(topic, group, settings)
    threads = [threading.Thread(target=probe.write), threading.Thread(target=probe.consume)]
    for thread in threads:
        thread.start()
    try:
        yield probe
    finally:
        probe.over.set()
        for thread in threads:
            thread.join(30)
