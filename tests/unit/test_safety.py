"""What a stop must not cost: brokers by partition, ZooKeeper by majority."""

import re
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.cluster.metadata import Metadata, Partition
from kafab.errors import Unsafe
from kafab.rolling.safety import endangered, guard_quorum, merged, refusal_of


def partition(
    replicas: Collection[int], isr: Collection[int], leader: int | None = 1, topic: str = "orders"
) -> Partition:
    """Return partition 0 of a topic."""
    return Partition(topic, 0, leader, tuple(replicas), tuple(isr))


@pytest.mark.parametrize(
    ("found", "min_isr", "stopping", "reason"),
    [
        (partition([1, 2, 3], [1, 2, 3]), 2, {1}, None),
        (partition([1, 2, 3], [1, 2, 3]), 2, {1, 2}, "from 3 to 1"),
        (partition([1, 2, 3], [1, 2]), 2, {1}, "from 2 to 1"),
        (partition([1, 2, 3], [2, 3]), 2, {1}, None),
        (partition([1, 2, 3], [1]), 2, {2}, "from 1 to 1"),
        (partition([1, 2], [1, 2]), 2, {1}, "no replica can ever be spared"),
        (partition([1], [1]), 1, {1}, "no replica can ever be spared"),
        (partition([1, 2, 3], [1, 2, 3], leader=None), 2, {1}, "no leader"),
        (partition([1, 2, 3], []), 1, {3}, "from 0 to 0"),
        (partition([1, 2, 3], [1]), 2, {4}, None),
    ],
)
def test_verdict(found: Partition, min_isr: int, stopping: set[int], reason: str | None) -> None:
    """A stop is safe exactly where leader and min.insync.replicas survive it; the reason has the numbers."""
    dangers = endangered([found], {"orders": min_isr}, stopping)
    assert [reason is not None and reason in danger.reason for danger in dangers] == [True] * (
        reason is not None
    )


def test_refusal_names_partitions_counts_and_flag() -> None:
    """Unsafe shows a few partitions and says how many there are."""
    partitions = [Partition("orders", number, 1, (1,), (1,)) for number in range(9)]
    refusal = refusal_of(endangered(partitions, {"orders": 1}, {1}), {1: "node1/broker"}, "--unsafe")
    assert re.search(r"(?s)9 partitions of 1 topic:.*orders-0.*and 4 more", refusal.message)


@given(st.sets(st.integers(1, 6), min_size=1), st.sets(st.integers(1, 6)), st.integers(1, 3), st.data())
def test_what_may_be_stopped_together_may_be_stopped_in_part(
    replicas: set[int], stopping: set[int], min_isr: int, data: st.DataObject
) -> None:
    """Law: where a set of brokers can be spared, each subset of it can."""
    isr = data.draw(st.sets(st.sampled_from(sorted(replicas))))
    found = partition(replicas, isr, leader=min(isr) if isr else None)
    subset = data.draw(st.sets(st.sampled_from(sorted(stopping)))) if stopping else set()
    if not endangered([found], {"orders": min_isr}, stopping):
        assert not endangered([found], {"orders": min_isr}, subset)


@st.composite
def views(draw: st.DrawFn) -> list[Metadata]:
    """Brokers' copies of the metadata of one partition, some of which lack it."""
    isr = st.frozensets(st.integers(1, 3))
    found = draw(st.lists(st.none() | isr, min_size=1, max_size=3))
    return [
        Metadata(
            None, None, {}, () if seen is None else (partition([1, 2, 3], seen, min(seen, default=None)),)
        )
        for seen in found
    ]


@given(views(), st.sets(st.integers(1, 3), min_size=1), st.integers(1, 2))
def test_what_all_views_together_allow_each_of_them_allows(
    found: list[Metadata], stopping: set[int], min_isr: int
) -> None:
    """Law: a stop that the merged view can spare is one that no broker's own copy speaks against."""
    limits = {"orders": min_isr}
    if not endangered(merged(found), limits, stopping):
        assert not any(endangered(view.partitions, limits, stopping) for view in found)


@pytest.mark.parametrize(
    ("members", "serving", "stopping", "brokers", "refused"),
    [
        (3, 3, ["a"], 3, False),
        (3, 3, ["a", "b"], 3, True),
        (3, 2, ["a"], 1, True),
        (3, 3, ["a", "b", "c"], 0, False),
        (5, 5, ["a", "b"], 3, False),
        (1, 1, ["a"], 1, True),
    ],
)
def test_majority(members: int, serving: int, stopping: list[str], brokers: int, refused: bool) -> None:
    """ZooKeeper and the controllers keep their majority for as long as a broker runs (fault 17)."""
    try:
        guard_quorum("servers", members, serving, stopping, brokers_running=brokers, flag="--unsafe")
        outcome = False
    except Unsafe:
        outcome = True
    assert outcome is refused


@pytest.mark.parametrize(
    ("isr", "min_isr", "mends"),
    [([1, 2], 2, True), ([1, 2, 3], 3, False), ([1, 2], 3, False)],
)
def test_refusal_offers_a_start_before_the_override(isr: list[int], min_isr: int, mends: bool) -> None:
    """Where a replica is out of sync and its return would help, `fab start` is named; the override always comes last."""
    dangers = endangered([partition([1, 2, 3], isr)], {"orders": min_isr}, {1})
    hint = str(refusal_of(dangers, {1: "node1/broker"}, "--unsafe").hint)
    assert hint.startswith("`fab start`") is mends
    assert hint.endswith("--unsafe overrides")
