"""An upgrade's decisions: which way there is, what closes the way back, what a deploy may do meanwhile."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.config.properties import broker_properties
from kafab.errors import Unsafe
from kafab.hosts.facts import Identity, NodeFacts, Process
from kafab.inventory import InventoryError, load
from kafab.inventory.rewriting import version_edit
from kafab.model import Cluster, Node, Version
from kafab.ops.author.rewriting import rewrite
from kafab.ops.run.goal import Pause
from kafab.plans.versions import as_upgraded
from kafab.unknown import Unknown
from kafab.upgrading import routes
from kafab.upgrading.levels import PROTOCOL, closed_by_features, closed_by_protocols, common, raised
from kafab.upgrading.record import Direction, Upgrade, parse
from tests.conftest import cluster_in

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = Version(2, 4, 1), Version(3, 9, 2)
UNDER_WAY = Upgrade("ann", OLD, NEW, protocol="2.4-IV1", limits={"metadata.version": 21})


@pytest.mark.parametrize(
    ("kraft", "running", "after", "why", "way"),
    [
        (False, ["2.4.1"], "3.9.2", "", ""),
        (False, ["2.4.1", "3.9.2"], "3.9.2", "", ""),
        (False, ["3.9.1"], "3.9.0", "", ""),
        (True, ["3.9.2"], "4.3.1", "", ""),
        (True, ["4.3.1"], "4.4.0", "", ""),
        (False, ["2.4.1"], "4.3.1", "no ZooKeeper mode", "to 3.9.x first, then a migration"),
        (False, ["3.9.2"], "4.3.1", "no ZooKeeper mode", "the way is a migration to KRaft mode on 3.9.x"),
        (True, ["4.3.1"], "3.9.2", "3.9.2 is older", "upgrade.rollback"),
        (False, ["3.9.2", "2.4.1"], "2.4.1", "2.4.1 is older", "upgrade.rollback"),
    ],
)
def test_step_exists_or_its_way_is_named(
    kraft: bool, running: list[str], after: str, why: str, way: str
) -> None:
    """The versions that run decide; releases of one line lead to each other."""
    found = routes.judge(
        kraft=kraft, running=[Version.parse(one) for one in running], after=Version.parse(after)
    )
    told = (found.reason, found.way) if found else ("", "")
    assert (bool(found), why in told[0], way in told[1]) == (bool(why), True, True)


def test_table_of_routes_is_current() -> None:
    """The table of docs/upgrade.md is that of the module."""
    page = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- routes: .*? -->\n(.*?)<!-- /routes -->", page, re.DOTALL)
    assert found
    assert found[1].strip() == routes.table()


@given(st.sampled_from(Direction), st.none() | st.text(), st.dictionaries(st.text(), st.integers(0, 99)))
def test_record_is_read_as_it_was_written(
    direction: Direction, protocol: str | None, levels: dict[str, int]
) -> None:
    """One line holds all of it."""
    upgrade = replace(
        UNDER_WAY, direction=direction, protocol=protocol, limits=levels, levels=levels, serial=7
    )
    assert (parse(upgrade.text()), "\n" in upgrade.text()) == (upgrade, False)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "7", UNDER_WAY.text()[:-9], UNDER_WAY.text().replace("grade/1", "grade/2")]
)
def test_record_that_is_none_is_unknown(text: str) -> None:
    """What this version has not written is never taken for a record, nor for none."""
    assert isinstance(parse(text), Unknown)


def test_levels_that_all_nodes_know_are_raised() -> None:
    """The highest that every node knows; what one does not know stays, and so does kraft.version."""
    known = [
        {"metadata.version": (7, 30), "group.version": (0, 1), "kraft.version": (0, 1)},
        {"metadata.version": (7, 29), "kraft.version": (0, 1)},
    ]
    highest = common(known)
    assert (highest, raised({"metadata.version": 21}, highest)) == (
        {"group.version": 0, "kraft.version": 1, "metadata.version": 29},
        {"metadata.version": 29},
    )


@pytest.mark.parametrize(
    ("finalized", "reason"),
    [
        ({"metadata.version": 21}, None),
        ({"metadata.version": 30}, "metadata.version is finalized at 30, and 2.4.1 knows it up to 21"),
        (
            {"metadata.version": 21, "group.version": 1},
            "group.version is finalized at 1, and 2.4.1 knows it up to 0",
        ),
        ({"metadata.version": 21, "group.version": 0}, None),
        (Unknown("nobody answers"), "which features are finalized is not known: nobody answers"),
    ],
)
def test_finalized_level_closes_the_way_back(finalized: dict[str, int] | Unknown, reason: str | None) -> None:
    """What the old release does not know it would not start with; what is not known closes the way, too."""
    assert closed_by_features(UNDER_WAY, finalized) == reason


@pytest.mark.parametrize(
    ("spoken", "closed"),
    [("2.4-IV1", False), ("2.4", False), ("3.9-IV0", True), (Unknown("silent"), True)],
)
def test_newer_protocol_closes_the_way_back(spoken: str | Unknown, closed: bool) -> None:
    """One broker that speaks it is enough."""
    said = {"node1/broker": "2.4-IV1", "node2/broker": spoken}
    assert bool(closed_by_protocols(UNDER_WAY, said)) is closed


def facts(cluster: Cluster, versions: dict[str, Version], *, alive: bool = True) -> dict[Node, NodeFacts]:
    """Return what hosts say of nodes that run these versions, and hold data."""
    return {
        node: NodeFacts(
            release=f"kafka_2.13-{versions[node.name]}-0123456789ab",
            process=Process(7, f"kafka_2.13-{versions[node.name]}-0123456789ab", "", alive=alive),
            identities={node.data[0]: Identity(node.id)},
        )
        for node in cluster.nodes
        if node.name in versions
    }


def at(cluster: Cluster, version: Version) -> Cluster:
    """Return the cluster as its inventory would have it with another version."""
    return replace(cluster, version=version)


def everywhere(cluster: Cluster, version: Version) -> dict[str, Version]:
    """Return that version for each node."""
    return {node.name: version for node in cluster.nodes}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster of three hosts in ZooKeeper mode."""
    return cluster_in(tmp_path, 3)


def test_deploy_without_an_upgrade_is_as_ever(cluster: Cluster) -> None:
    """Nodes that run the inventory's version, and those that run nothing yet, speak against nothing."""
    now = at(cluster, NEW)
    assert as_upgraded(now, facts(now, everywhere(now, NEW)), None) is now
    assert as_upgraded(now, {node: NodeFacts() for node in now.nodes}, None) is now


def test_deploy_of_a_newer_protocol_under_running_brokers_is_refused(cluster: Cluster) -> None:
    """Restarted one after another they would be cut off from each other; where none runs nothing is refused."""
    now = at(cluster, NEW)
    with pytest.raises(Unsafe) as caught:
        as_upgraded(now, facts(now, everywhere(now, OLD)), None)
    assert f"fab upgrade --to {NEW}" in str(caught.value.hint)
    assert as_upgraded(now, facts(now, everywhere(now, OLD), alive=False), None) is now


def test_protocol_that_the_inventory_pins_is_enough(cluster: Cluster) -> None:
    """Whoever holds it by hand may go on by hand."""
    nodes = tuple(replace(node, properties={**node.properties, PROTOCOL: "2.4"}) for node in cluster.nodes)
    now = replace(at(cluster, NEW), nodes=nodes)
    assert as_upgraded(now, facts(now, everywhere(now, OLD)), None) is now


def test_deploy_of_an_older_release_is_refused(cluster: Cluster) -> None:
    """It does not read what the newer one has written; an older one of the same line does."""
    now = at(cluster, OLD)
    with pytest.raises(Unsafe, match="does not read what a newer release has written"):
        as_upgraded(now, facts(now, everywhere(now, NEW), alive=False), None)
    patch = at(cluster, Version(3, 9, 0))
    assert as_upgraded(patch, facts(patch, everywhere(patch, NEW)), None) is patch


def test_deploy_is_refused_while_nodes_are_left(cluster: Cluster) -> None:
    """Both ways on are named."""
    now = at(cluster, NEW)
    versions = {**everywhere(now, NEW), "node3/broker": OLD}
    with pytest.raises(Unsafe, match=r"5 of 6 nodes run 3\.9\.2") as caught:
        as_upgraded(now, facts(now, versions), UNDER_WAY)
    assert "`fab upgrade --to 3.9.2` goes on with it; `fab upgrade.rollback` goes back" in str(
        caught.value.hint
    )


def test_new_node_waits_for_the_end_of_an_upgrade(cluster: Cluster) -> None:
    """The old release might not start on what the new one has formatted, and then there would be no way back."""
    now = at(cluster, NEW)
    known = facts(now, everywhere(now, NEW)) | {now.brokers[2]: NodeFacts()}
    with pytest.raises(Unsafe, match="node3/broker is new"):
        as_upgraded(now, known, UNDER_WAY)


def test_deploy_that_would_undo_an_upgrade_is_refused(cluster: Cluster) -> None:
    """Every node runs the new version, and the inventory has the old one: the line to change is named."""
    now = at(cluster, OLD)
    with pytest.raises(Unsafe) as caught:
        as_upgraded(now, facts(now, everywhere(now, NEW)), UNDER_WAY)
    assert "write `version: 3.9.2`" in str(caught.value.hint)


def test_deploy_keeps_the_protocol_held(cluster: Cluster) -> None:
    """Until it is finalized a deploy of the new version writes the old protocol for every broker."""
    now = at(cluster, NEW)
    held = as_upgraded(now, facts(now, everywhere(now, NEW)), UNDER_WAY)
    assert {broker_properties(held, node).get(PROTOCOL) for node in held.brokers} == {"2.4-IV1"}
    assert PROTOCOL not in broker_properties(now, now.brokers[0])


@pytest.mark.parametrize(
    ("pause", "taken"),
    [
        (Pause(), {"node1/zookeeper", "node2/zookeeper", "node3/zookeeper", "node2/broker"}),
        (Pause(2), {"node1/zookeeper", "node2/zookeeper", "node3/zookeeper", "node2/broker", "node1/broker"}),
    ],
)
def test_pause_counts_brokers(cluster: Cluster, pause: Pause, taken: set[str]) -> None:
    """Servers of ZooKeeper all go before it, and brokers in their order."""
    ordered = [*(node.name for node in cluster.zookeepers), "node2/broker", "node1/broker", "node3/broker"]
    assert pause.takes(cluster, ordered) == taken


def test_pause_after_a_rack(cluster: Cluster) -> None:
    """All brokers of the first one's rack go before it."""
    racks = {"node1": "a", "node2": "b", "node3": "a"}
    nodes = tuple(
        replace(node, host=replace(node.host, rack=racks[node.host.name])) for node in cluster.nodes
    )
    found = Pause(rack=True).takes(
        replace(cluster, nodes=nodes), ["node1/broker", "node2/broker", "node3/broker"]
    )
    assert found == {"node1/broker", "node3/broker"}


TEXT = """# what runs in the cellar
kafka:   {scala: "2.13",  version: 2.6.0}   # 2.6.0 since March
hosts:
  node1: {zookeeper: {id: 1}, broker: {id: 1}}   # version: 2.6.0
"""


def test_only_the_version_is_written(tmp_path: Path) -> None:
    """Comments, order, spaces and everything that looks alike stay; a second time there is nothing to write."""
    path = tmp_path / "prod.yaml"
    path.write_text(TEXT)
    edit = version_edit(path, NEW)
    assert edit
    rewrite(path, edit)
    assert path.read_text() == TEXT.replace("version: 2.6.0}   # 2", "version: 3.9.2}   # 2")
    assert version_edit(path, NEW) is None


def test_inventory_is_read_as_one_of_another_version(tmp_path: Path) -> None:
    """What the new version does not have is told at its place in the file."""
    path = tmp_path / "prod.yaml"
    path.write_text(TEXT)
    assert load(path, version=NEW)[0].version == NEW
    with pytest.raises(InventoryError, match=r"found zookeeper with Kafka 4\.3\.1"):
        load(path, version=Version(4, 3, 1))
