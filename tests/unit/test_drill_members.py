"""A member of a drill's group: what it does before its first poll, whose order decides whether it ever has a partition."""

from typing import Any

import pytest

from kafab.adapters.kafka.drills.members import member
from kafab.drills.orders import Order, Role
from kafab.records.settings import Client


class FakeConsumer:
    """A KafkaConsumer that takes note of what it is asked, in order."""

    def __init__(self, **_config: Any) -> None:
        self.asked: list[str] = []

    def subscribe(self, _topics: list[str], *, listener: object) -> None:
        """Subscribe."""
        assert listener
        self.asked.append("subscribe")

    def topics(self) -> set[str]:
        """Fetch the metadata of all topics."""
        self.asked.append("topics")
        return set()


def test_topic_is_known_before_the_first_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python 3.0.12 may lose a join that follows from metadata which came after the first one (`need_rejoin`)."""
    made: list[FakeConsumer] = []

    def make(**config: Any) -> FakeConsumer:
        made.append(FakeConsumer(**config))
        return made[0]

    monkeypatch.setattr("kafka.KafkaConsumer", make)
    member(Order("me", Role.READ, Client.KAFKA_PYTHON, "a:1", "t", group="g"), lambda *_event: None)
    assert made[0].asked == ["subscribe", "topics"]
