"""The end of an upgrade on fakes: what is raised, what has to be asked for by name, and what it leaves."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.errors import Unsafe
from kafab.model import Version, VoterSource
from kafab.ops.rolling.roll import Rolled
from kafab.ops.run.goal import Asked
from kafab.ops.upgrade.finalizing import finalize, prepare_final, prepare_quorum
from kafab.screens.console import Console
from kafab.screens.upgrade import show_finalized
from kafab.testing.world import FakeWorld
from kafab.upgrading.record import Upgrade
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

ASKED = Asked(pending=True, canary=False)
UNDER_WAY = Upgrade("ann", Version(4, 2, 0), Version(4, 3, 1), limits={"metadata.version": 29})


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three combined nodes of 4.3.1 that run, with a static quorum."""
    return Cosmos(replace(cluster_in(tmp_path, 3, "combined"), voter_source=VoterSource.STATIC)).up()


@pytest.fixture
def world(cosmos: Cosmos) -> FakeWorld:
    """Its ports: every node knows what 4.3.1 knows, and what was finalized is of 4.2.0."""
    made = cosmos.world
    made.controllers.levels.update({"metadata.version": 29, "group.version": 1})  # type: ignore[attr-defined]  # the fake's own
    made.controllers.known.update(  # type: ignore[attr-defined]  # the fake's own
        {"metadata.version": (7, 30), "group.version": (0, 2), "kraft.version": (0, 1)}
    )
    return made


def features(world: FakeWorld) -> dict[str, int]:
    """Return what is finalized."""
    found = world.controllers.features()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("dynamic", [False, True])
def test_quorum_stays_static_unless_that_is_asked_for(
    cosmos: Cosmos, world: FakeWorld, *, dynamic: bool
) -> None:
    """Every other feature is raised; `kraft.version` by its name alone, as the last of them."""
    cosmos.upgrades |= dict.fromkeys(("node1", "node2", "node3"), UNDER_WAY.text())
    found = prepare_final(cosmos.cluster, UNDER_WAY, ASKED, world, dynamic=dynamic)
    finalize(found, ASKED, world)
    raised = ["metadata.version", "group.version", *(["kraft.version"] if dynamic else [])]
    assert (list(found.levels), cosmos.upgrades) == (raised, {})
    assert features(world) == {name: found.levels[name] for name in raised}


def test_quorum_is_made_dynamic_without_an_upgrade(cosmos: Cosmos, world: FakeWorld) -> None:
    """No other feature changes, no host gets a record, and what is left to write into the inventory is told."""
    found = prepare_quorum(cosmos.cluster, world)
    out = io.StringIO()
    show_finalized(Console(out=out), cosmos.cluster, found, finalize(found, ASKED, world), None)
    assert (features(world)["kraft.version"], features(world)["metadata.version"]) == (1, 29)
    assert (cosmos.upgrades, "`fab deploy restart --pending`" in out.getvalue()) == ({}, True)
    assert prepare_quorum(cosmos.cluster, world).levels == {}


def test_release_that_cannot_is_refused(cosmos: Cosmos, world: FakeWorld) -> None:
    """Before 4.1 a static quorum stays one (KAFKA-16538)."""
    with pytest.raises(Unsafe, match="cannot make a static quorum dynamic"):
        prepare_quorum(replace(cosmos.cluster, version=Version(4, 0, 1)), world)


def test_node_that_does_not_know_it_refuses_it(cosmos: Cosmos, world: FakeWorld) -> None:
    """It would not follow the quorum any more."""
    world.controllers.known["kraft.version"] = (0, 0)  # type: ignore[attr-defined]  # the fake's own
    with pytest.raises(Unsafe, match=r"does not know kraft\.version 1"):
        prepare_quorum(cosmos.cluster, world)


def test_cluster_without_a_quorum_is_refused(tmp_path: Path) -> None:
    """There is nothing to make dynamic in ZooKeeper mode."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    with pytest.raises(Unsafe, match="in ZooKeeper mode"):
        prepare_quorum(cosmos.cluster, cosmos.world)


def test_dynamic_quorum_of_the_inventory_needs_no_word(cosmos: Cosmos, world: FakeWorld) -> None:
    """Where the inventory has it already nothing is left to write."""
    found = prepare_quorum(cosmos.cluster, world)
    out = io.StringIO()
    dynamic = replace(cosmos.cluster, voter_source=VoterSource.DYNAMIC)
    show_finalized(Console(out=out), dynamic, found, Rolled(), None)
    assert "restart --pending" not in out.getvalue()
