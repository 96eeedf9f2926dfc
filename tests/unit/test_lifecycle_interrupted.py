"""Ctrl-C in start, stop and restart: what is told of each node, and what to type next."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kafab.command import Outcome, Script
from kafab.errors import Interrupted, KafabError
from kafab.ops.run.lifecycle import restart, start, stop
from kafab.screens.layout import error_document
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts with a ZooKeeper server and a broker each; nothing runs."""
    return Cosmos(cluster_in(tmp_path, 3))


@pytest.fixture
def stopping(cosmos: Cosmos) -> Cosmos:
    """The same, running; one broker is slow to end, and Ctrl-C comes while it is waited for."""

    def interrupted(_now: float) -> None:
        raise KeyboardInterrupt

    cosmos.up().stubborn = {"node3/broker"}
    cosmos.clock.during = interrupted
    return cosmos


def test_interrupted_stop_says_where(stopping: Cosmos) -> None:
    """Ctrl-C while waiting tells what is stopped, what was asked to, and what was left (fault 1)."""
    with pytest.raises(Interrupted) as caught:
        stop(stopping.cluster, None, stopping.world, unsafe=False)
    assert caught.value.message.splitlines()[1:] == [
        "  stopped: node1/broker, node2/broker",
        "  asked to stop: node1/broker, node2/broker, node3/broker",
        "  left as they were: node1/zookeeper, node2/zookeeper, node3/zookeeper",
    ]


def test_interrupted_start_names_what_was_asked(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the hosts' answer: those that were asked to start may run, and are not told as left (fault 1)."""

    def run(scripts: Mapping[str, Script], **_: object) -> Mapping[str, Outcome]:
        if any(script.called("start") for script in scripts.values()):
            raise KeyboardInterrupt
        return usual(scripts)

    usual = cosmos.fleet.run
    monkeypatch.setattr(cosmos.fleet, "run", run)
    with pytest.raises(Interrupted) as caught:
        start(cosmos.cluster, None, cosmos.world)
    assert caught.value.message.splitlines()[1:] == [
        "  asked to start: node1/zookeeper, node2/zookeeper, node3/zookeeper",
        "  left as they were: node1/broker, node2/broker, node3/broker",
    ]


def test_interrupted_restart_names_the_way_up(stopping: Cosmos) -> None:
    """The same command again would stop what has come up by then."""
    with pytest.raises(Interrupted) as caught:
        restart(stopping.cluster, None, stopping.world, unsafe=False)
    assert "`fab start` brings up what was stopped" in str(caught.value.hint)


def test_failed_restart_says_what_it_stopped(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that falls silent between the stop and the start: its broker is told as stopped already, to programs, too."""

    def run(scripts: Mapping[str, Script], **_: object) -> Mapping[str, Outcome]:
        if any(script.called("start") for script in scripts.values()):
            return dict.fromkeys(scripts, Unknown("the connection timed out"))
        return usual(scripts)

    cosmos.up()
    usual = cosmos.fleet.run
    monkeypatch.setattr(cosmos.fleet, "run", run)
    with pytest.raises(KafabError) as caught:
        restart(cosmos.cluster, "node1/broker", cosmos.world, unsafe=True)
    told = "  stopped by this restart, not known to be started again: node1/broker"
    found = error_document(caught.value)["stopped"]
    assert (caught.value.message.splitlines()[-1], found) == (told, ["node1/broker"])
