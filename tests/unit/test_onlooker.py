"""Looks at the ISR beside what holds a roll up: taken while it goes on, and without any effect on it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.cluster.metadata import Metadata, Partition
from kafab.ops.rolling import onlooker
from kafab.ops.rolling.onlooker import Onlooker
from kafab.rolling.course import Looks
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

PATIENCE = 10.0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWorld:
    """A cluster of three brokers that is looked at all the time."""
    monkeypatch.setattr(onlooker, "EVERY", 0.0)
    return Cosmos(cluster_in(tmp_path, 3)).world


def asked(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Metadata | Unknown]
) -> list[int]:
    """Let brokers answer so; return what grows with each question."""
    questions = list[int]()

    def metadata() -> Metadata | Unknown:
        questions.append(1)
        return answer()

    monkeypatch.setattr(world.brokers, "metadata", metadata)
    return questions


def until(look: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_replicas_that_are_missing_meanwhile_are_seen(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is out of the ISR while a script is at work is so in its strip."""
    partition = Partition("orders", 0, 2, (1, 2), (2,))
    view = Metadata(None, None, {}, (partition,))
    questions, looks = asked(world, monkeypatch, lambda: view), Looks(world.clock.now())
    with Onlooker(world, looks, {1, 2}).meanwhile():
        until(lambda: len(questions) > 1)
    first, second = looks.strips(world.clock.now()).strips
    assert (first.broker, [run[2] for run in first.out], second.out) == (1, [1], ())


def test_brokers_that_do_not_answer_are_no_look(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an unknown answer nor a fault of a client is one, and the roll goes on."""
    answers: list[Unknown | ConnectionError] = [Unknown("nobody answers"), ConnectionError("reset")]

    def answer() -> Metadata | Unknown:
        found = answers[len(questions) % 2]
        if isinstance(found, ConnectionError):
            raise found
        return found

    questions, looks = asked(world, monkeypatch, answer), Looks(world.clock.now())
    with Onlooker(world, looks, {1, 2}).meanwhile():
        until(lambda: len(questions) > 2)
    assert looks.strips(world.clock.now()).strips == ()
