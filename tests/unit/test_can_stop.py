"""`fab can-stop`: everything that speaks against a stop, with figures and what would unblock it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.ops.run.guards import can_stop
from kafab.rolling.safety import Verdict
from kafab.screens.console import Console
from kafab.screens.rolling import show_can_stop
from tasks import rolling
from tests.command_line import on_fakes, tree_of
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

Change = Callable[[Cosmos], object]


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts with a ZooKeeper server and a broker each, all running; topics need two in-sync replicas."""
    found = Cosmos(cluster_in(tmp_path, 3)).up()
    found.kafka.min_isr = 2
    found.kafka.add("orders", [(1, 2, 3), (2, 3, 1)])
    return found


def judged(cosmos: Cosmos, *names: str) -> Verdict:
    """Ask whether these nodes can be spared."""
    return can_stop(cosmos.cluster, [cosmos.nodes[name] for name in names], cosmos.world)


def test_spare_broker_can_stop(cosmos: Cosmos) -> None:
    """Where every partition keeps its minimum nothing speaks against it."""
    assert judged(cosmos, "node1/broker") == Verdict()


def test_every_partition_is_told(cosmos: Cosmos) -> None:
    """Not only the first ones, as in the refusal of a stop."""
    cosmos.kafka.add("single", [(1,)] * 30)
    assert [blocker.subject for blocker in judged(cosmos, "node1/broker").blockers] == [
        f"single-{number}" for number in range(30)
    ]


def test_majority_and_partitions_are_both_told(cosmos: Cosmos) -> None:
    """What speaks against the servers' stop does not hide what speaks against the brokers'."""
    found = judged(cosmos, "node1/broker", "node2/broker", "node1/zookeeper", "node2/zookeeper").blockers
    assert [blocker.subject for blocker in found] == ["ZooKeeper servers", "orders-0", "orders-1"]


def _dead(cosmos: Cosmos) -> None:
    cosmos.kill("node2/broker")
    cosmos.kafka.stop_broker(2)


def _two_replicas(cosmos: Cosmos) -> None:
    cosmos.kafka.add("pairs", [(1, 2)])


@pytest.mark.parametrize(
    ("change", "names", "subject", "unblocks"),
    [
        (_dead, ["node1/broker"], "orders-0", "`fab start --limit node2/broker`"),
        (_two_replicas, ["node1/broker"], "pairs-0", "more replicas, or a lower min.insync.replicas"),
        (lambda _: None, ["node1/broker", "node2/broker"], "orders-0", "fewer brokers at once"),
        (lambda c: c.kafka.lead("orders", 0, None), ["node1/broker"], "orders-0", "an election"),
        (
            lambda c: c.kafka.stopped_servers.add(2),
            ["node1/zookeeper"],
            "ZooKeeper servers",
            "an answer of node2/zookeeper",
        ),
        (
            lambda c: c.kill("node2/zookeeper"),
            ["node1/zookeeper"],
            "ZooKeeper servers",
            "`fab start` of those that are down",
        ),
    ],
)
def test_what_would_unblock_it(
    cosmos: Cosmos, change: Change, names: list[str], subject: str, unblocks: str
) -> None:
    """Each blocker says what has to happen first."""
    change(cosmos)
    first = judged(cosmos, *names).blockers[0]
    assert (first.subject, first.unblocks) == (subject, unblocks)


def test_broker_that_does_not_answer_blocks(cosmos: Cosmos) -> None:
    """What is unknown is no yes: the broker that stays silent is named."""
    cosmos.kafka.frozen.add(2)
    assert [(one.subject, one.unblocks) for one in judged(cosmos, "node1/broker").blockers] == [
        ("node2/broker", "an answer")
    ]


def test_document_has_the_figures(cosmos: Cosmos, capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads ISR and minimum of each partition."""
    _two_replicas(cosmos)
    stopping = [cosmos.nodes["node1/broker"]]
    show_can_stop(Console(json=True), cosmos.cluster, stopping, judged(cosmos, "node1/broker"))
    (blocker,) = json.loads(capsys.readouterr().out)["blockers"]
    assert {key: blocker[key] for key in ("topic", "partition", "replicas", "isr", "min_isr", "leader")} == {
        "topic": "pairs",
        "partition": 0,
        "replicas": [1, 2],
        "isr": [1, 2],
        "min_isr": 2,
        "leader": 1,
    }


def test_table_has_a_dash_where_no_partition_is_meant(
    cosmos: Cosmos, capsys: pytest.CaptureFixture[str]
) -> None:
    """A blocker without figures is a row all the same."""
    verdict = judged(cosmos, "node1/zookeeper", "node2/zookeeper")
    show_can_stop(Console(), cosmos.cluster, [cosmos.nodes["node1/zookeeper"]], verdict)
    assert "ZooKeeper servers  -" in capsys.readouterr().out


@pytest.mark.parametrize(("names", "code"), [("node1/broker", 0), ("node1/broker,node2", 3), ("node9", 2)])
def test_exit_code(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch, names: str, code: int) -> None:
    """0 where the nodes can be spared, 3 where not, 2 for what is no node."""
    fab = on_fakes(monkeypatch, cosmos.cluster, cosmos.world, tree_of(rolling.can_stop))
    assert fab("can-stop", names) == code
