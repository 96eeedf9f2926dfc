"""What Prometheus is given: targets, a configuration, and alerts that are proven in both directions by promtool."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kafab.errors import UsageError
from kafab.metrics import prometheus
from kafab.metrics.alerting import Alert
from kafab.metrics.alerts import ALERTS
from kafab.metrics.dashboards import BOARDS, document
from kafab.metrics.panels import Board
from kafab.metrics.textfile import HELPS
from kafab.model import AgentFile, Cluster
from kafab.ops.author.metrics import render
from tests.conftest import cluster_in

ROOT = Path(__file__).resolve().parents[2]
ONE_EACH = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@pytest.fixture(scope="module")
def passed(promtool: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bool]:
    """Run the tests of each alert, of one made dead of it, and of a hasty one, in one promtool."""
    folder = tmp_path_factory.mktemp("rules")
    files = list[str]()
    for alert in ALERTS:
        files += [
            written(folder, f"whole {alert.name}", alert),
            written(
                folder, f"dead {alert.name}", replace(alert, expr=f"({alert.expr}) and on () (vector(1) > 1)")
            ),
            written(folder, f"hasty {alert.name}", replace(alert, expr="vector(1)", wait=0)),
        ]
    done = subprocess.run(
        [promtool, "test", "rules", *files], cwd=folder, capture_output=True, text=True, check=False
    )
    told = re.findall(r"^Unit Testing: +(.+)\.yml\n(  SUCCESS)?", done.stdout, re.MULTILINE)
    return {name: bool(success) for name, success in told}


def written(folder: Path, name: str, alert: Alert) -> str:
    """Write the rule of an alert, and its test; return the name of the file of that."""
    (folder / f"{name}.rules").write_text(prometheus.rules([alert]))
    (folder / f"{name}.yml").write_text(prometheus.rule_tests(f"{name}.rules", [alert]))
    return f"{name}.yml"


def observed(folder: Path, controllers: str = "") -> Cluster:
    """Return a cluster of three hosts whose nodes show metrics."""
    cluster = cluster_in(folder, hosts=3, controllers=controllers)
    nodes = tuple(
        replace(node, metrics_port=port, metrics_bind="127.0.0.1")
        for port, node in enumerate(cluster.nodes, 7071)
    )
    return replace(cluster, nodes=nodes, agent=AgentFile("0" * 64))


@ONE_EACH
def test_alert_fires_and_is_silent(alert: Alert, passed: Mapping[str, bool]) -> None:
    """Promtool finds it firing for its fault, and silent in a restart or a cluster that is well."""
    assert passed[f"whole {alert.name}"]


@ONE_EACH
def test_alert_that_cannot_fire_is_found(alert: Alert, passed: Mapping[str, bool]) -> None:
    """The test of an alert whose expression is never so is red: it would have found a dead alert."""
    assert not passed[f"dead {alert.name}"]


@pytest.mark.parametrize("alert", [alert for alert in ALERTS if alert.wait], ids=lambda alert: alert.name)
def test_alert_that_does_not_wait_is_found(alert: Alert, passed: Mapping[str, bool]) -> None:
    """The test of an alert that is always so is red: it would have found one that fires at every restart."""
    assert not passed[f"hasty {alert.name}"]


@ONE_EACH
def test_alert_tells_a_person_what_to_do(alert: Alert) -> None:
    """Each says what it means, where to look, what to do and what not, and names a command that kafab has."""
    from tasks import namespace

    words = alert.command.split()
    assert (words[0], words[1] in namespace.task_names) == ("fab", True)
    assert all(text.endswith(".") for text in (alert.means, alert.look, alert.do, alert.dont))


def test_metrics_of_alerts_are_shown_by_nodes() -> None:
    """No alert asks for a metric that the tests of running clusters do not look for, so none is dead for want of one."""
    from tests import metrics_checks as checks

    shown = {
        *checks.ALL,
        *checks.BROKER,
        *checks.WITH_ZOOKEEPER,
        *checks.OF_KRAFT_CONTROLLER,
        *checks.OF_KRAFT_BROKER,
        *checks.ZOOKEEPER,
    }
    asked = {
        name.partition("{")[0] for alert in ALERTS for name in (*alert.fires.series, *alert.silent.series)
    }
    assert asked - shown - {*HELPS} == {"up"}  # Prometheus' own


@pytest.mark.parametrize(
    ("controllers", "roles"),
    [("", {"zookeeper", "broker"}), ("combined", {"combined"}), ("isolated", {"controller", "broker"})],
)
def test_targets_have_a_node_each(controllers: str, roles: set[str], tmp_path: Path) -> None:
    """Each node is asked at its own port, under its name and role."""
    cluster = observed(tmp_path, controllers)
    groups = json.loads(prometheus.targets(cluster))
    assert {group["labels"]["node"]: group["targets"] for group in groups} == {
        node.name: [f"127.0.0.1:{node.metrics_port}"] for node in cluster.nodes
    }
    assert (
        {group["labels"]["role"] for group in groups},
        {group["labels"]["cluster"] for group in groups},
    ) == (roles, {"small"})


def test_rack_is_a_label_where_there_is_one(tmp_path: Path) -> None:
    """A rack is written as it is, quotes and all; a host without one has no such label."""
    cluster = observed(tmp_path)
    hosts = {
        node.host.name: replace(node.host, rack='a"<&') for node in cluster.nodes if node.host.name == "node1"
    }
    nodes = tuple(replace(node, host=hosts.get(node.host.name, node.host)) for node in cluster.nodes)
    racks = {
        group["labels"]["node"]: group["labels"].get("rack")
        for group in json.loads(prometheus.targets(replace(cluster, nodes=nodes)))
    }
    assert (racks["node1/broker"], racks["node2/broker"]) == ('a"<&', None)


def test_prometheus_takes_the_configuration(tmp_path: Path, promtool: str) -> None:
    """What is written is a configuration that Prometheus starts with, in a folder with a space in its name."""
    out = tmp_path / "for prometheus"
    render(observed(tmp_path), out)
    done = subprocess.run(
        [promtool, "check", "config", str(out / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_second_rendering_changes_nothing(tmp_path: Path) -> None:
    """Files that are as they should be are left alone: Prometheus would read them again."""
    cluster = observed(tmp_path)
    first, second = (set(render(cluster, tmp_path / "out").values()) for _ in range(2))
    assert (first, second) == ({True}, {False})


def test_cluster_that_nobody_observes_is_refused(tmp_path: Path) -> None:
    """Without a port for metrics there is nothing to ask, and what to add is told."""
    with pytest.raises(UsageError) as caught:
        render(cluster_in(tmp_path), tmp_path / "out")
    assert ("observe" in str(caught.value.hint), (tmp_path / "out").exists()) == (True, False)


def test_rules_are_the_same_for_every_cluster(tmp_path: Path) -> None:
    """Two clusters in one folder share the rules and have their own targets."""
    for name in ("one", "two"):
        render(replace(observed(tmp_path), name=name), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "targets").iterdir()) == ["one.json", "two.json"]
    names = [
        rule["alert"]
        for group in yaml.safe_load((tmp_path / "out/rules/kafab.yml").read_text())["groups"]
        for rule in group["rules"]
    ]
    assert names == [alert.name for alert in ALERTS]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_dashboard_has_its_panels_side_by_side(board: Board) -> None:
    """Every panel of the table is in Grafana's JSON with its query, none covers another, and only variables that it has are asked for."""
    document_ = json.loads(document(board))
    panels = document_["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    asked = {name for panel in board.panels for name in re.findall(r"\$(\w+)", panel.expr)}
    known = {variable["name"] for variable in document_["templating"]["list"]} | {"__rate_interval"}
    assert ([panel["targets"][0]["expr"] for panel in panels], len(places)) == (
        [panel.expr for panel in board.panels],
        len(panels),
    )
    assert asked <= known


def test_titles_are_there_once() -> None:
    """A title is the name of one panel of its dashboard."""
    assert [
        board.name for board in BOARDS if len({panel.title for panel in board.panels}) < len(board.panels)
    ] == []
