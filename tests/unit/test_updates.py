"""Whether what a plan changes needs a restart, property by property."""

import json
from pathlib import Path

import pytest

from kafab.config.render import MAIN_FILE, RenderedFile
from kafab.model import Cluster, Node
from kafab.plans.plan import Plan, Stage
from kafab.plans.steps import WriteFile
from kafab.plans.updates import updates
from kafab.screens.cluster import show_plan
from kafab.screens.console import Console
from tests.conftest import cluster_in


def planned(cluster: Cluster, node: Node, before: str | None, after: str) -> Plan:
    """Return a plan that writes one node's main file."""
    file = RenderedFile(node.config / MAIN_FILE[node.role], after)
    step = WriteFile(node.host.name, node.name, file, before)
    return Plan(cluster.name, (Stage("configuration", (step,)),), ())


def modes(cluster: Cluster, node: Node, before: str | None, after: str) -> dict[str, str]:
    """Return name -> update mode of what such a plan changes."""
    return {found.name: found.mode for found in updates(cluster, planned(cluster, node, before, after))}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("num.io.threads", "cluster-wide"),
        ("ssl.keystore.location", "per-broker"),
        ("queued.max.requests", "read-only"),
        ("my.plugin.setting", "read-only"),
        ("ssl.key.password", "read-only"),
    ],
)
def test_the_catalogue_decides(tmp_path: Path, name: str, mode: str) -> None:
    """A broker's property has the catalogue's update mode, and is read-only where the catalogue does not have it, or where it is a secret."""
    cluster = cluster_in(tmp_path)
    assert modes(cluster, cluster.brokers[0], f"{name}=1\n", f"{name}=2\n") == {name: mode}


def test_added_and_taken_out(tmp_path: Path) -> None:
    """A property that is new, or is no longer there, is a change; a property that stays is not."""
    cluster = cluster_in(tmp_path)
    before, after = "num.io.threads=8\nbroker.id=1\n", "background.threads=10\nbroker.id=1\n"
    assert modes(cluster, cluster.brokers[0], before, after).keys() == {
        "num.io.threads",
        "background.threads",
    }


@pytest.mark.parametrize("controllers", ["", "isolated"])
def test_only_brokers_change_without_a_restart(tmp_path: Path, controllers: str) -> None:
    """What a ZooKeeper server or an isolated controller reads needs its restart."""
    cluster = cluster_in(tmp_path, controllers=controllers)
    node = next(one for one in cluster.nodes if one not in cluster.brokers)
    assert modes(cluster, node, "num.io.threads=1\n", "num.io.threads=2\n") == {"num.io.threads": "read-only"}


def test_a_first_deploy_needs_no_word(tmp_path: Path) -> None:
    """A node that has no file yet has nothing to restart."""
    cluster = cluster_in(tmp_path)
    assert modes(cluster, cluster.brokers[0], None, "num.io.threads=2\n") == {}


def test_unreadable_by_java(tmp_path: Path) -> None:
    """A file that was edited into what Java cannot read does not end the plan."""
    cluster = cluster_in(tmp_path)
    assert modes(cluster, cluster.brokers[0], "a=\\u12\n", "a=1\n") == {}


def test_the_screen_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan names each changed property with its node and whether a restart is needed."""
    cluster = cluster_in(tmp_path)
    node = cluster.brokers[0]
    show_plan(
        Console(), cluster, planned(cluster, node, "queued.max.requests=1\n", "queued.max.requests=2\n")
    )
    assert f"\n{node.name}: queued.max.requests: needs a restart\n" in capsys.readouterr().out


def test_the_document_has_no_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document has name and mode of each change and not its value, which may be a secret."""
    cluster = cluster_in(tmp_path)
    node = cluster.brokers[0]
    plan = planned(cluster, node, "ssl.key.password=one\n", "ssl.key.password=two\n")
    show_plan(Console(json=True), cluster, plan)
    assert json.loads(capsys.readouterr().out)["properties"] == [
        {"node": node.name, "property": "ssl.key.password", "update_mode": "read-only", "restart": True}
    ]
