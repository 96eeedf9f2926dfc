"""Faults that a drill puts on a lab's nodes: a frozen process goes on whatever happens, a killed one carries a mark."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Result, Script
from kafab.errors import Failed, Unsafe
from kafab.hosts import supervisor
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Node
from kafab.ops.drills import faults
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld

PATIENCE = 30.0


@pytest.fixture
def node(small: Cluster) -> Node:
    """A broker on this machine."""
    return small.brokers[0]


@pytest.fixture
def process(node: Node) -> Iterator[subprocess.Popen[bytes]]:
    """What the node's record takes for its process."""
    run = Path(node.run)
    run.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as sleeping:
        words = Path(f"/proc/{sleeping.pid}/stat").read_text().rpartition(")")[2].split()
        (run / "process").write_text(f"{sleeping.pid} {words[19]} kafka digest\n")
        yield sleeping
        sleeping.kill()


def state(process: subprocess.Popen[bytes]) -> str:
    """Return the process's state as proc(5) has it."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def becomes(process: subprocess.Popen[bytes], wanted: str) -> bool:
    """Wait for a state."""
    deadline = time.monotonic() + PATIENCE
    while state(process) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return state(process) == wanted


def test_frozen_process_goes_on_when_its_holder_is_gone(node: Node, process: subprocess.Popen[bytes]) -> None:
    """The script answers once the process is frozen; with the end of its stdin, as after kill -9 of kafab, it goes on."""
    script = supervisor.freeze(node)
    with subprocess.Popen(
        ["sh", "-eu", "-c", script.text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holding:
        assert holding.stdout is not None
        assert holding.stdin is not None
        answer = supervisor.read(Result(0, holding.stdout.readline(), ""), [node])[node.name]
        assert isinstance(answer, Report)
        # The kernel stops it a moment after the signal.
        assert (answer.frozen, becomes(process, "T")) == (True, True)
        holding.stdin.close()
        assert becomes(process, "S")


def test_process_frozen_for_nobody_goes_on(node: Node, process: subprocess.Popen[bytes]) -> None:
    """A script whose kafab is gone before it can say that the process is frozen lets it go on, too."""
    script = supervisor.freeze(node)
    with subprocess.Popen(
        ["sh", "-eu", "-c", script.text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as holding:
        assert holding.stdout is not None
        holding.stdout.close()
        holding.wait(PATIENCE)
    assert becomes(process, "S")


def test_killed_process_carries_a_mark_until_it_is_mended(
    node: Node, process: subprocess.Popen[bytes], shell: Callable[[Script], Result]
) -> None:
    """The next drill is told of the node that a drill has killed, and not of one that ended otherwise."""

    def asked(script: Script) -> State:
        found = supervisor.read(shell(script), [node])[node.name]
        assert isinstance(found, Report)
        return found.state

    assert asked(supervisor.struck([node])) is State.RUNNING
    assert asked(supervisor.strike([node])) is State.EXITED
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert asked(supervisor.struck([node])) is State.EXITED
    assert asked(supervisor.strike([node])) is State.STOPPED
    asked(supervisor.mended([node]))
    assert asked(supervisor.struck([node])) is State.RUNNING


def test_process_that_a_drill_is_about_to_stop_carries_the_mark(
    node: Node, process: subprocess.Popen[bytes], shell: Callable[[Script], Result]
) -> None:
    """The mark is there before the process is asked to end: whatever becomes of kafab then, the next drill finds it."""
    shell(supervisor.marked([node]))
    found = supervisor.read(shell(supervisor.struck([node])), [node])[node.name]
    assert isinstance(found, Report)
    assert (found.state, process.poll()) == (State.EXITED, None)


def test_next_drill_lets_go_on_what_is_frozen(
    node: Node, process: subprocess.Popen[bytes], shell: Callable[[Script], Result]
) -> None:
    """A process that is frozen all the same, as after kill -9 of the script that held it, is let go on."""
    process.send_signal(signal.SIGSTOP)
    assert becomes(process, "T")
    shell(supervisor.struck([node]))
    assert becomes(process, "S")


def test_faults_of_a_host_that_does_not_answer_are_none(small: Cluster) -> None:
    """What cannot be frozen or killed is told, and nothing goes on as if it were."""
    world = FakeWorld.of(FakeKafka(small))
    with pytest.raises(Failed, match="was not killed"):
        faults.kill(small.brokers[0], world)
    with pytest.raises(Failed, match="was not stopped"):
        faults.stop(small.brokers[0], world)
    with pytest.raises(Failed, match="was not frozen"), faults.frozen(small.brokers, world):
        pytest.fail("the block was entered")


def test_nothing_is_mended_elsewhere_than_on_a_lab(small: Cluster) -> None:
    """A cluster that is no lab is not touched."""
    with pytest.raises(Unsafe, match="is no lab"):
        faults.mend(replace(small, lab=False), FakeWorld.of(FakeKafka(small)))
