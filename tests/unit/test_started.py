"""What was started must last: an exit is told with its cause, and the last gate takes some seconds of service."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Outcome, Script
from kafab.errors import Failed
from kafab.ops.run.lifecycle import start
from kafab.testing.fleet import FakeFleet
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three deployed hosts on which nothing runs."""
    return Cosmos(cluster_in(tmp_path, 3))


def test_exit_at_start_is_noticed_within_two_seconds(cosmos: Cosmos) -> None:
    """A process that exits is told with its last lines, long before the gate's deadline (fault 12)."""
    cosmos.answers["start", "node2/broker"] = "started 123"
    cosmos.answers["check", "node2/broker"] = "exited 123\n| ConfigException: Invalid value x24"
    with pytest.raises(Failed, match=r"(?s)node2/broker: the process exited.*Invalid value x24"):
        start(cosmos.cluster, None, cosmos.world)
    assert cosmos.clock.now() <= 2


def test_exit_is_told_with_its_cause(cosmos: Cosmos) -> None:
    """The exception's own line is told first, above what else the process wrote."""
    cosmos.answers["start", "node2/broker"] = "started 123 77"
    log = [
        "ERROR Exiting Kafka due to fatal exception (kafka.Kafka$)",
        "org.x.ConfigException: Invalid value x24",
        "INFO bye",
    ]
    cosmos.answers["check", "node2/broker"] = "\n| ".join(["exited 123 77", *log])
    with pytest.raises(
        Failed, match=r"node2/broker: the process exited \(pid 123\): org.x.ConfigException: Invalid"
    ):
        start(cosmos.cluster, None, cosmos.world)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ("running 456 99", r"node2/broker: the process exited \(pid 124\) and was started again as pid 456"),
        ("running 124 99", r"node2/broker: the process exited \(pid 124\) and was started again as pid 124"),
        (
            "restarting 1 123 77\n| java.io.IOException: gone",
            r"node2/broker: the process exited .*: java.io.IOException: gone",
        ),
        ("exited 123 77", r"node2/broker: the process exited \(pid 123\)"),
    ],
)
def test_process_that_does_not_last_is_no_success(after: str, told: str, cosmos: Cosmos) -> None:
    """A broker that dies a moment after it served was not started, also where another process serves by now (fault 13)."""
    cosmos.up().change("node2/broker", False)

    def dies(now: float) -> None:
        if now >= 0.7:
            cosmos.answers["check", "node2/broker"] = after

    cosmos.clock.during = dies
    with pytest.raises(Failed, match=told):
        start(cosmos.cluster, None, cosmos.world)


@pytest.mark.parametrize(("lab", "least"), [(False, 3), (True, 1)])
def test_process_that_lasts_is_a_success(cosmos: Cosmos, lab: bool, least: int) -> None:
    """The last gate takes some seconds of service, one in a lab, and no more."""
    start(replace(cosmos.cluster, lab=lab), None, cosmos.world)
    assert least <= cosmos.clock.now() < least + 1


def test_host_that_does_not_answer_at_the_end_is_waited_for(cosmos: Cosmos) -> None:
    """Whether the process goes on is unknown while its host is silent: that is no yes."""

    def heard(now: float) -> None:
        cosmos.fleet.unreachable = {"node3": "silence"} if 1 < now < 9 else {}

    cosmos.clock.during = heard
    start(replace(cosmos.cluster, lab=False), None, cosmos.world)
    assert 9 <= cosmos.clock.now() < 11


def test_node_that_ends_within_its_first_seconds_has_held_data(tmp_path: Path) -> None:
    """Who has served has data: that is looked at before the start is over, so also where it fails."""
    broker = "node1/broker"
    cosmos = Cosmos(cluster_in(tmp_path), cluster_ids={"node1": "fakefakefakefakefakefQ"})
    answer, looks = cosmos.handler("node1"), 0

    def dies(script: Script) -> Outcome:
        nonlocal looks
        looks += bool(script.called("node") and cosmos.of("start")[-1:] == [broker])
        if script.called("check") and looks:
            cosmos.change(broker, False)
        return answer(script)

    cosmos.fleet = FakeFleet({"node1": dies})
    with pytest.raises(Failed, match=f"{broker}: the process exited"):
        start(cosmos.cluster, None, cosmos.world)
    assert looks == 1
