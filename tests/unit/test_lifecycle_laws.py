"""The law of interruption: from each state that Ctrl-C can leave, the moves left are the tail of the undisturbed run."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from kafab.errors import Interrupted
from kafab.ops.run.lifecycle import restart, start, stop
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

Moves: TypeAlias = list[tuple[str, str]]
PROCESSES = {"": 6, "combined": 3, "isolated": 6}
"""Mode -> how many processes a cluster of three hosts has, and so how many moves a start or a stop."""
CUTS = [(mode, done) for mode, size in PROCESSES.items() for done in range(size)]
CUTS_OF_A_RESTART = [(mode, done) for mode, size in PROCESSES.items() for done in range(2 * size)]


def _started(cosmos: Cosmos) -> None:
    start(cosmos.cluster, None, cosmos.world)


def _stopped(cosmos: Cosmos) -> None:
    stop(cosmos.cluster, None, cosmos.world, unsafe=False)


def _restarted(cosmos: Cosmos) -> None:
    restart(cosmos.cluster, None, cosmos.world, unsafe=False)


def _cosmos(root: Path, mode: str, *, runs: bool) -> Cosmos:
    made = Cosmos(cluster_in(root, 3, mode))
    return made.up() if runs else made


def _interrupted(cosmos: Cosmos, run: Callable[[Cosmos], None], done: int) -> None:
    """Run until so many moves have been carried out and Ctrl-C comes."""
    cosmos.ctrl_c = done
    with pytest.raises(Interrupted):
        run(cosmos)
    cosmos.ctrl_c = None
    cosmos.calls.clear()


@functools.cache
def _undisturbed(mode: str, run: Callable[[Cosmos], None], *, runs: bool) -> Moves:
    cosmos = _cosmos(Path("/nowhere"), mode, runs=runs)
    run(cosmos)
    return cosmos.moves


@pytest.mark.parametrize(("mode", "done"), CUTS)
def test_start_goes_on_with_the_tail(tmp_path: Path, mode: str, done: int) -> None:
    """An interrupted start that is run again starts what is left, in the same order, and nothing twice."""
    whole = _undisturbed(mode, _started, runs=False)
    cosmos = _cosmos(tmp_path, mode, runs=False)
    _interrupted(cosmos, _started, done)
    _started(cosmos)
    assert cosmos.moves == whole[done:]


@pytest.mark.parametrize(("mode", "done"), CUTS)
def test_stop_goes_on_with_the_tail(tmp_path: Path, mode: str, done: int) -> None:
    """An interrupted stop that is run again stops what is left, in the same order, and nothing twice."""
    whole = _undisturbed(mode, _stopped, runs=True)
    cosmos = _cosmos(tmp_path, mode, runs=True)
    _interrupted(cosmos, _stopped, done)
    _stopped(cosmos)
    assert cosmos.moves == whole[done:]


@pytest.mark.parametrize(("mode", "done"), CUTS_OF_A_RESTART)
def test_start_ends_an_interrupted_restart(tmp_path: Path, mode: str, done: int) -> None:
    """`fab start`, which the message names, starts exactly what the restart has stopped and not yet started, in its order."""
    whole = _undisturbed(mode, _restarted, runs=True)
    cosmos = _cosmos(tmp_path, mode, runs=True)
    _interrupted(cosmos, _restarted, done)
    down = {name for call, name in whole[:done] if call == "stop"}
    up = {name for call, name in whole[:done] if call == "start"}
    _started(cosmos)
    assert cosmos.moves == [move for move in whole if move[0] == "start" and move[1] in down - up]
