"""Preferred leaders elected back: which, by whom, and what is said of the rest."""

from pathlib import Path

import pytest

from kafab.errors import NotTold
from kafab.ops.leaders import Restored, restore
from kafab.screens.leaders import text
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """A cluster whose first broker was away: others lead what it led."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (1, 3, 2)])
    cosmos.kafka.stop_broker(1)
    cosmos.kafka.start_broker(1, cosmos.cluster.brokers[0].endpoint)
    return cosmos


def leaders(cosmos: Cosmos) -> list[int | None]:
    """Return who leads each partition."""
    return [partition.leader for partition in cosmos.kafka.partitions]


def test_preferred_replicas_lead_again(cosmos: Cosmos) -> None:
    """What they led before, they lead, and it is counted."""
    found = restore(cosmos.cluster, None, cosmos.world)
    assert (leaders(cosmos), found) == ([1, 2, 1], Restored(("orders-0", "orders-2"), {}, 3))


def test_limit_leaves_the_leaders_of_other_brokers(cosmos: Cosmos) -> None:
    """Only the partitions are moved whose preferred leader is a broker of the limit."""
    before = leaders(cosmos)
    assert (restore(cosmos.cluster, "node2", cosmos.world).moved, leaders(cosmos)) == ((), before)


def test_replica_that_is_behind_leads_nothing(cosmos: Cosmos) -> None:
    """It is named with the reason, and the others are moved all the same."""
    first, *others = cosmos.kafka.partitions
    cosmos.kafka.partitions = [cosmos.kafka.shrunk(first, 1), *others]
    found = restore(cosmos.cluster, None, cosmos.world)
    assert (found.moved, dict(found.left)) == (
        ("orders-2",),
        {"orders-0": "its preferred leader is not in the ISR"},
    )


def test_nothing_to_do_takes_no_lock(cosmos: Cosmos) -> None:
    """Where each partition is led by its preferred leader nothing is asked of anybody."""
    restore(cosmos.cluster, None, cosmos.world)
    locks = [script for _, script in cosmos.fleet.ran if script.called("lock")]
    assert restore(cosmos.cluster, None, cosmos.world).moved == ()
    assert [script for _, script in cosmos.fleet.ran if script.called("lock")] == locks


def test_silent_cluster_is_told(cosmos: Cosmos) -> None:
    """Where no broker answers nothing is known of leaders."""
    for broker in cosmos.cluster.brokers:
        cosmos.change(broker.name, False)
    with pytest.raises(NotTold, match="no broker of small answers"):
        restore(cosmos.cluster, None, cosmos.world)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Restored((), {}, 6), "all of 6 partitions are led by their preferred leader"),
        (Restored(("a-0",), {}, 6), "1 of 6 partitions given back to their preferred leader"),
        (Restored((), {"a-0": "it is away"}, 1), "0 of 1 partition given back to their preferred leader, 1 could not be:\n  a-0: it is away"),
    ],
)  # fmt: skip
def test_what_was_done_is_counted(found: Restored, said: str) -> None:
    """How many, of how many, and why the others were not."""
    assert text(found) == said
