"""The canary's process where its producer is broken, or its group's coordinator gone."""

import json
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Lock
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafab.adapters.kafka import canary
from kafab.adapters.kafka.canaries import CanaryProcess
from kafab.canary.course import Course, Point
from kafab.canary.figures import document
from kafab.canary.ledger import Group, Written, figures
from kafab.ports import Perch

PERCH = Perch("127.0.0.1:1", "kafab-canary-0000000a-ab", (1,), timedelta(milliseconds=20))


class BreaksAtOnce:
    """An idempotent producer whose sequence is out of order since records were lost: `poll` says so, as librdkafka's does."""

    made: ClassVar[list["BreaksAtOnce"]] = []

    def __init__(self, config: dict[str, Any], **_named: Any) -> None:
        self.told: Callable[[KafkaError], None] | None = config.get("error_cb")
        self.produced: list[bytes] = []
        self.made.append(self)

    def produce(self, _topic: str, value: bytes, **_named: Any) -> None:
        """Take a record."""
        self.produced.append(value)

    def poll(self, _seconds: float) -> None:
        """Tell the fatal error: to whom it may be told, or by raising it."""
        if self is not self.made[0]:
            return
        error = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "desynchronized", True)
        if self.told is None:
            raise KafkaException(error)
        self.told(error)

    def list_topics(self, _topic: str, timeout: float) -> None:
        """Know everything."""

    def purge(self) -> None:
        """Drop what is under way."""

    def flush(self, _seconds: float) -> None:
        """Wait for nothing."""

    def close(self) -> None:
        """End."""


class BreaksOddly(BreaksAtOnce):
    """One whose binding lost the exception that a callback had raised."""

    made: ClassVar[list["BreaksAtOnce"]] = []

    def poll(self, _seconds: float) -> None:
        """Raise what confluent-kafka has raised in a roll."""
        if self is self.made[0]:
            raise SystemError("_PyErr_SetObject: exception <class 'str'> is not a BaseException subclass")


@pytest.mark.parametrize("broken", [BreaksAtOnce, BreaksOddly])
def test_producer_that_is_broken_is_replaced(
    broken: type[BreaksAtOnce], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fatal error, which follows a loss, the canary goes on with a producer of new: only so can it count the loss."""
    broken.made.clear()
    monkeypatch.setattr(canary, "Producer", broken)
    writer = canary.Writer(PERCH, [written := Written()])
    number = written.send(0.0)
    written.ack(number, 0, 0.001, 0.0)
    writer.begin(time.monotonic() + 0.01)
    writer.write(time.monotonic() + 0.2)
    assert (len(broken.made), len(broken.made[-1].produced) > 1) == (2, True)


class AcksWithoutOffset(BreaksAtOnce):
    """One whose records were in the log before they were sent again: the broker acknowledges them, and tells no offset."""

    made: ClassVar[list["BreaksAtOnce"]] = []

    def produce(self, _topic: str, value: bytes, **named: Any) -> None:
        """Answer at once, as confluent-kafka does behind DUPLICATE_SEQUENCE_NUMBER."""
        self.produced.append(value)
        named["on_delivery"](None, SimpleNamespace(offset=lambda: None, latency=lambda: None))

    def poll(self, _seconds: float) -> None:
        """Have nothing to tell."""


def test_record_that_was_in_the_log_already_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement without an offset counts as one; it raised in the client's callback, which broke the client."""
    monkeypatch.setattr(canary, "Producer", AcksWithoutOffset)
    writer = canary.Writer(PERCH, [written := Written()])
    writer.begin(time.monotonic() + 0.01)
    assert (written.counts(time.monotonic()).acked, written.end) == (1, 0)


class NeverCloses:
    """A consumer whose coordinator is gone."""

    def __init__(self, *_words: Any, **_named: Any) -> None:
        pass

    def subscribe(self, _topics: list[str]) -> None:
        """Subscribe."""

    def consume(self, _count: int, _seconds: float) -> list[Any]:
        """Read nothing."""
        return []

    def close(self) -> None:
        """Wait for the coordinator, longer than anybody waits for the canary."""
        time.sleep(1)


def test_nobody_waits_for_a_group_without_a_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are counted though the group's consumer does not end."""
    monkeypatch.setattr(canary, "Consumer", NeverCloses)
    monkeypatch.setattr(canary, "LEAVE_LIMIT", 0.05)
    follower = canary.Follower(PERCH)
    begun = time.monotonic()
    follower.close()
    waited = time.monotonic() - begun
    follower._thread.join()
    assert waited < 0.9


class Tells:
    """A client of any kind that writes down what is done to it."""

    def __init__(self, name: str, done: list[str]) -> None:
        self._name, self._done = name, done

    def __call__(self, *_words: Any, **_named: Any) -> "Tells":
        """Be made."""
        return self

    def __getattr__(self, what: str) -> Callable[..., list[Any]]:
        def told(*_words: Any, **_named: Any) -> list[Any]:
            if what in ("close", "delete"):
                self._done.append(f"{self._name}.{what}")
            return []

        return told


def test_orphan_ends_its_clients_before_it_removes_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that lived on would have the brokers make the topic again, where auto.create.topics.enable is true."""
    done: list[str] = []
    for name in ("Producer", "Consumer", "TopicChanges"):
        monkeypatch.setattr(canary, name, Tells(name, done))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    reading, writing = os.pipe()
    os.write(writing, json.dumps(canary.perch_document(PERCH)).encode() + b"\n")
    os.close(writing)
    with os.fdopen(reading) as orders:
        monkeypatch.setattr("sys.stdin", orders)
        canary.main()
    assert done == ["Producer.close", "Consumer.close", "TopicChanges.delete"]


def test_course_is_kept_from_one_telling_to_the_next() -> None:
    """The whole course is told now and then only: the figures that come between have the one before."""
    course = Course(1.0, 0.25, (Point(0, 3, 2.0, 4.0),), ())
    found = figures(PERCH.topic, (1,), [Written()], Group(), began=1.0, now=2.0, every=PERCH.every)
    lines = [replace(found, course=course), found]
    process = object.__new__(CanaryProcess)
    told = [json.dumps(document(one)).encode() for one in lines]
    vars(process).update(
        _process=SimpleNamespace(stdout=told, wait=lambda: 0), _lock=Lock(), _figures=None, _said=deque()
    )
    process._listen()
    assert process._figures == replace(found, course=course)
