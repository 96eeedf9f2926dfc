"""The one polling loop: what it returns, how long it pauses, when it gives up."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from kafab.errors import Failed, OutcomeUnknown
from kafab.ops.until import LOOK_EVERY, WATCH_EVERY, until, wait
from kafab.rolling.readiness import Unanswered, with_more
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in

LIMIT = timedelta(minutes=5)
LACK = {"broker-1": "is not registered"}


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    """A world whose clock goes on when somebody sleeps."""
    return FakeWorld.of(FakeKafka(cluster_in(tmp_path, 1)))


def _answers(given: Iterable[dict[str, str]]) -> Callable[[], dict[str, str]]:
    return iter(given).__next__


def _looks(world: FakeWorld) -> list[float]:
    """Return when it looked at something that never comes."""
    times: list[float] = []

    def look() -> dict[str, str]:
        times.append(world.clock.now())
        return LACK

    until(look, "the broker to serve", LIMIT, world)
    return times


def test_nothing_missing_is_no_wait(world: FakeWorld) -> None:
    """What is there at the first look costs no pause."""
    assert (until(dict, "the broker to serve", LIMIT, world), world.clock.now()) == ({}, 0.0)


def test_ends_with_the_look_that_misses_nothing(world: FakeWorld) -> None:
    """The third look finds everything: two pauses."""
    until(_answers([LACK, LACK, {}]), "the broker to serve", LIMIT, world)
    assert world.clock.now() == pytest.approx(2 * LOOK_EVERY)


def test_what_is_missing_at_the_deadline_is_returned(world: FakeWorld) -> None:
    """A caller decides by what is missing then."""
    assert until(lambda: LACK, "the broker to serve", LIMIT, world) == LACK


def test_pauses_grow_with_the_wait(world: FakeWorld) -> None:
    """The first seconds are looked at ten times each, and a wait of minutes once a second."""
    pauses = [round(later - earlier, 6) for earlier, later in pairwise(_looks(world))]
    assert (pauses[0], pauses[-1], pauses == sorted(pauses)) == (LOOK_EVERY, WATCH_EVERY, True)


def test_the_last_look_is_at_the_deadline(world: FakeWorld) -> None:
    """A wait is at most one pause longer than its limit."""
    assert 0 <= _looks(world)[-1] - LIMIT.total_seconds() <= WATCH_EVERY


def test_a_gate_that_is_late_tells_what_each_node_lacks(world: FakeWorld) -> None:
    """The message has the limit, the node and its lack."""
    with pytest.raises(
        Failed, match=r"the broker to serve: not within 300 s:\n  broker-1: is not registered"
    ):
        wait(lambda: LACK, "the broker to serve", LIMIT, world)


def test_nothing_but_answers_missing_is_unknown(world: FakeWorld) -> None:
    """A node that nobody could ask may serve by now: exit code 5, as `status` has it, and not that of a failure."""
    silent = {"broker-1": with_more(Unanswered("did not answer within 2 s"), "; its old session")}
    with pytest.raises(OutcomeUnknown, match="did not answer within 2 s; its old session"):
        wait(lambda: silent, "the broker to serve", LIMIT, world)


def test_an_answer_among_what_is_missing_is_a_failure(world: FakeWorld) -> None:
    """One node that says what it lacks decides: waiting for the silent one would not mend it."""
    mixed = {"broker-1": Unanswered("did not answer within 2 s"), "broker-2": "is fenced"}
    with pytest.raises(Failed):
        wait(lambda: mixed, "the broker to serve", LIMIT, world)
