"""What follows from a node that is gone names that node, and nothing else does."""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from kafab.findings import Finding, Report, Severity
from kafab.ops.check.verify import verify
from kafab.screens.layout import report, report_document
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
MODES = [None, "isolated", "combined"]


def _cosmos(folder: Path, mode: str | None) -> Cosmos:
    cosmos = Cosmos(cluster_in(folder, 3, mode) if mode else cluster_in(folder, 3)).up()
    cosmos.kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
    return cosmos


@pytest.fixture(params=MODES)
def cosmos(tmp_path: Path, request: pytest.FixtureRequest) -> Cosmos:
    """Three hosts of each mode, all running, and a topic that needs two in-sync replicas."""
    return _cosmos(tmp_path, request.param)


def checked(cosmos: Cosmos) -> Report:
    """Verify without changes, at a fixed time."""
    return verify(cosmos.cluster, cosmos.world, probe=False, now=NOW)


def left(found: Report) -> set[str]:
    """Return the checks that stand on their own though they are not OK."""
    return {each.check for each in found.findings if each.severity is not Severity.OK and not each.caused_by}


def of(found: Report, check: str) -> Finding:
    """Return the cluster's finding of that check."""
    return next(each for each in found.findings if (each.check, each.subject) == (check, found.cluster))


def test_healthy_cluster_has_no_cause(cosmos: Cosmos) -> None:
    """Where nothing is gone, nothing follows from it."""
    assert [each for each in checked(cosmos).findings if each.caused_by] == []


def test_dead_broker_is_told_once(cosmos: Cosmos) -> None:
    """All that a dead broker brings with it names that broker, in each mode; its process stands on its own."""
    cosmos.change("node2/broker", False)
    found = checked(cosmos)
    assert left(found) == {"process"}
    assert {each.caused_by for each in found.findings if each.caused_by} == {("node2/broker",)}


@pytest.mark.parametrize(("mode", "role"), [(None, "zookeeper"), ("isolated", "controller")])
def test_dead_voter_is_told_once(tmp_path: Path, mode: str | None, role: str) -> None:
    """The quorum that lacks only a dead server or controller follows from its loss."""
    cosmos = _cosmos(tmp_path, mode)
    cosmos.change(f"node2/{role}", False)
    assert left(checked(cosmos)) == {"process"}


def test_host_that_does_not_answer_is_a_root(tmp_path: Path) -> None:
    """Where neither the host nor its nodes answer, what they lack follows from that."""
    cosmos = _cosmos(tmp_path, None)
    for role in ("broker", "zookeeper"):
        cosmos.change(f"node2/{role}", False)
    cosmos.fleet.unreachable = {"node2": "no route"}
    assert left(checked(cosmos)) == {"process"}


def test_broker_that_serves_behind_a_silent_host_is_no_root(tmp_path: Path) -> None:
    """A host that lets nobody in says nothing of its broker, which answers clients: another broker's lag has another cause."""
    cosmos = _cosmos(tmp_path, None)
    cosmos.fleet.unreachable = {"node2": "no route"}
    cosmos.kafka.partitions = [cosmos.kafka.shrunk(each, 2) for each in cosmos.kafka.partitions]
    assert "partitions.under-replicated" in left(checked(cosmos))


def _another_lags(cosmos: Cosmos) -> None:
    first, *rest = cosmos.kafka.partitions
    cosmos.kafka.partitions = [cosmos.kafka.shrunk(first, 3), *rest]


def _never_spare(cosmos: Cosmos) -> None:
    cosmos.kafka.add("pairs", [(1, 3)])


def _another_leads(cosmos: Cosmos) -> None:
    cosmos.kafka.lead("orders", 0, 3)


def _a_stranger(cosmos: Cosmos) -> None:
    cosmos.kafka.start_broker(9, cosmos.cluster.brokers[0].endpoint)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_another_lags, "partitions.under-replicated"),
        (_another_lags, "partitions.under-min-isr"),
        (_never_spare, "partitions.at-min-isr"),
        (_another_leads, "partitions.preferred-leader"),
        (_a_stranger, "broker.registered"),
    ],
)
def test_more_than_the_loss_stands_on_its_own(
    tmp_path: Path, change: Callable[[Cosmos], None], check: str
) -> None:
    """A finding in which there is more than the dead broker explains gets no cause."""
    cosmos = _cosmos(tmp_path, None)
    cosmos.change("node2/broker", False)
    change(cosmos)
    found = of(checked(cosmos), check)
    assert (found.severity > Severity.OK, found.caused_by) == (True, ())


def test_consequences_stand_below_their_root(tmp_path: Path) -> None:
    """The screen has them indented, after a line with their root, and no worse row above."""
    cosmos = _cosmos(tmp_path, None)
    cosmos.change("node2/broker", False)
    lines = report(checked(cosmos)).splitlines()
    at = lines.index("root: node2/broker is gone (exited), and from that follows:")
    below = [line.split()[1] for line in lines[at + 1 :] if line.startswith("  ")]
    assert "partitions.under-replicated" in below
    assert [line for line in lines[:at] if "(2 of 3 nodes)" in line and "broker.registered" in line]
    assert next(line for line in lines[:at] if line.startswith("CRIT")).split()[1:3] == [
        "process",
        "node2/broker",
    ]


def test_document_has_the_causes(tmp_path: Path) -> None:
    """A program reads of each finding whose loss explains it."""
    cosmos = _cosmos(tmp_path, None)
    cosmos.change("node2/broker", False)
    findings = report_document(checked(cosmos))["findings"]
    assert isinstance(findings, list)
    caused = {each["check"]: each["caused_by"] for each in findings if each["subject"] == cosmos.cluster.name}
    assert caused["partitions.under-replicated"] == ["node2/broker"]


def test_unknown_partitions_have_no_cause(tmp_path: Path) -> None:
    """Where no broker is left to tell of the partitions, nobody claims to know why."""
    cosmos = _cosmos(tmp_path, None)
    cosmos.change("node2/broker", False)
    cosmos.kafka.frozen = {1, 3}
    found = of(checked(cosmos), "partitions.under-replicated")
    assert (found.severity, found.caused_by) == (Severity.UNKNOWN, ())
