"""Brokers that were started from older files and run with what the files have now: nothing is pending there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.config.properties import broker_properties
from kafab.model import Cluster, Version
from kafab.ops.check.status import findings, status
from kafab.ops.run.goal import Asked, prepare
from kafab.plans.state import desire
from kafab.screens.cluster import show_status
from kafab.screens.console import Console
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.kraft_by_hand import kraft_in

NAME, CHANGED = "num.io.threads", "node1/broker"
FIXED = "queued.max.requests"


def with_properties(cluster: Cluster, properties: Mapping[str, str]) -> Cluster:
    """Return the cluster whose first broker has these properties besides its own."""
    first = cluster.brokers[0]
    changed = replace(first, properties={**first.properties, **properties})
    return replace(cluster, nodes=tuple(changed if node == first else node for node in cluster.nodes))


def started_with(cluster: Cluster, then: Mapping[str, str], now: Mapping[str, str]) -> Cosmos:
    """Return a cluster that runs, whose first broker was started with other properties than its file has now."""
    before, after = with_properties(cluster, then), with_properties(cluster, now)
    cosmos = Cosmos(after).up()
    (wanted,) = desire(before, before.brokers[:1], cosmos.store.only).nodes
    cosmos.started[wanted.node.name] = wanted.configuration(None)
    cosmos.kafka.started_with[wanted.node.id] = broker_properties(before, wanted.node)
    return cosmos


def configuration(cosmos: Cosmos) -> tuple[str, tuple[str, ...]]:
    """Return what status says of the changed broker."""
    (line,) = [
        line for line in status(cosmos.cluster, None, cosmos.world) if line.node == cosmos.cluster.brokers[0]
    ]
    return line.configuration, line.online


@pytest.mark.parametrize("then", [{}, {NAME: "9"}], ids=["added", "changed"])
@pytest.mark.parametrize("mode", ["zookeeper", "combined"])
def test_value_that_is_in_force_is_not_pending(mode: str, then: dict[str, str], tmp_path: Path) -> None:
    """Once the broker runs with the file's value status says so, and a roll of what is pending has nothing to do."""
    cluster = cluster_in(tmp_path, 3) if mode == "zookeeper" else kraft_in(tmp_path, Version(4, 3, 1))
    cosmos = started_with(cluster, then, {NAME: "16"})
    before = (
        configuration(cosmos),
        list(prepare(cosmos.cluster, Asked(pending=True), cosmos.world).goal.replaced),
    )
    cosmos.kafka.dynamic[cluster.brokers[0].id] = {NAME: "16"}
    after = (
        configuration(cosmos),
        list(prepare(cosmos.cluster, Asked(pending=True), cosmos.world).goal.replaced),
    )
    name = cluster.brokers[0].name
    assert (before, after) == ((("restart pending", ()), [name]), (("set online", (NAME,)), []))


@pytest.mark.parametrize(
    ("then", "now", "dynamic"),
    [
        ({}, {NAME: "16", FIXED: "600"}, {NAME: "16"}),
        ({NAME: "9"}, {}, {}),
        ({NAME: "9"}, {NAME: "16"}, {NAME: "17"}),
        ({}, {FIXED: "600"}, {NAME: "16"}),
    ],
    ids=["another one is fixed", "taken out", "another value", "fixed"],
)
def test_everything_else_stays_pending(
    then: dict[str, str], now: dict[str, str], dynamic: dict[str, str], tmp_path: Path
) -> None:
    """Where anything differs that only a restart brings, a restart is pending."""
    cosmos = started_with(cluster_in(tmp_path, 3), then, now)
    cosmos.kafka.dynamic[cosmos.cluster.brokers[0].id] = dynamic
    assert configuration(cosmos) == ("restart pending", ())


def test_another_file_that_changed_stays_pending(tmp_path: Path) -> None:
    """The digest is of all files: one that is not Kafka's properties shows in it."""
    cosmos = started_with(cluster_in(tmp_path, 3), {}, {NAME: "16"})
    cosmos.started[CHANGED] = "0" * 64
    cosmos.kafka.dynamic[cosmos.cluster.brokers[0].id] = {NAME: "16"}
    assert configuration(cosmos) == ("restart pending", ())


def test_silent_broker_stays_pending(tmp_path: Path) -> None:
    """What a broker runs with is not known while it says nothing."""
    cosmos = started_with(cluster_in(tmp_path, 3), {}, {NAME: "16"})
    broker = cosmos.cluster.brokers[0]
    cosmos.kafka.dynamic[broker.id] = {NAME: "16"}
    cosmos.kafka.frozen.add(broker.id)
    assert configuration(cosmos) == ("restart pending", ())


def test_verify_has_no_warning_of_it(tmp_path: Path) -> None:
    """A node that runs with what the inventory says is OK."""
    cosmos = started_with(cluster_in(tmp_path, 3), {}, {NAME: "16"})
    cosmos.kafka.dynamic[cosmos.cluster.brokers[0].id] = {NAME: "16"}
    assert {str(found.severity) for found in findings(cosmos.cluster, cosmos.world)} == {"OK"}


def test_screen_counts_the_properties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says how many properties were set online."""
    cosmos = started_with(cluster_in(tmp_path, 3), {}, {NAME: "16"})
    cosmos.kafka.dynamic[cosmos.cluster.brokers[0].id] = {NAME: "16"}
    show_status(Console(), cosmos.cluster, status(cosmos.cluster, None, cosmos.world))
    assert "1 set online" in capsys.readouterr().out
