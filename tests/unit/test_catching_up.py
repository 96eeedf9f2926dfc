"""How far replicas are behind while a roll waits for them, and what of it is progress."""

from pathlib import Path

import pytest

from kafab.cluster.metadata import ReplicaState
from kafab.cluster.seen import Ask
from kafab.ops.rolling.catching_up import CatchingUp
from kafab.ops.see import see
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

MEGABYTE = 1_000_000


def progress(root: Path, monkeypatch: pytest.MonkeyPatch, *lacking: int | None) -> list[bool]:
    """Look every 5 s at one replica that lacks so many megabytes, None where nobody says; return whether each look was better."""
    cosmos = Cosmos(cluster_in(root, 3)).up()
    cosmos.kafka.add("orders", [(2, 1, 3)])
    cosmos.kafka.partitions = [cosmos.kafka.shrunk(one, 1) for one in cosmos.kafka.partitions]
    world, found = cosmos.world, []
    catching_up = CatchingUp(cosmos.cluster, world)
    seen = see(cosmos.cluster, world, Ask(views=cosmos.cluster.brokers))
    catching_up.told({}, seen)
    for each in lacking:
        sizes = {1: 90 * MEGABYTE - (each or 0) * MEGABYTE, 2: 90 * MEGABYTE, 3: 90 * MEGABYTE}
        answer = tuple(ReplicaState(broker, "orders", 0, size, 0) for broker, size in sizes.items())
        said = Unknown("silence") if each is None else answer
        monkeypatch.setattr(world.brokers, "replicas", lambda _, said=said: said)
        cosmos.clock.sleep(5)
        before = catching_up.steps
        catching_up.told({}, seen)
        found.append(catching_up.steps != before)
    return found


def test_fewer_bytes_behind_are_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where as many replicas are out of the ISR as before: one large replica takes hours."""
    assert progress(tmp_path, monkeypatch, 50, 40, 30) == [False, True, True]


def test_more_bytes_behind_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes and goes is not taken for progress twice."""
    assert progress(tmp_path, monkeypatch, 40, 50, 45, 40, 39) == [False, False, False, False, True]


def test_bytes_that_nobody_says_are_not_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look without an answer is neither progress, nor does it hide what comes after it."""
    assert progress(tmp_path, monkeypatch, 50, None, 40) == [False, False, True]
