"""Whose data is this: one value, from the marks of the directories, the pinned id and the mode."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.hosts.belonging import belonging, of_running
from kafab.hosts.facts import Identity, NodeFacts, NodesFacts
from kafab.model import Cluster
from tests.conftest import cluster_in


def three(pinned: str | None = None) -> Cluster:
    """Return three combined nodes."""
    return replace(cluster_in(Path("/srv"), 3, "combined"), cluster_id=pinned)


def said(cluster: Cluster, *ids: str | None, kraft: bool = True) -> NodesFacts:
    """Return what the nodes' marks say; None: there is no mark."""
    return {
        node: NodeFacts(identities={node.data[0]: Identity(node.id, id_, kraft=kraft)} if id_ else {})
        for node, id_ in zip(cluster.nodes, ids, strict=True)
    }


@pytest.mark.parametrize(
    ("pinned", "ids", "right", "source", "foreign"),
    [
        (None, ("a", "a", "b"), "a", "as on 2 other directories", ["node3"]),
        (None, ("a", "b", None), None, "", ["node1", "node2"]),
        ("b", ("a", "a", "b"), "b", "kraft.cluster_id of the inventory", ["node1", "node2"]),
        ("c", (None, None, None), "c", "kraft.cluster_id of the inventory", []),
        (None, (None, None, None), None, "", []),
    ],
)
def test_right_id_and_what_is_foreign(
    pinned: str | None, ids: tuple[str | None, ...], right: str | None, source: str, foreign: list[str]
) -> None:
    """The pinned id, however many have another; else that of most, and none where as many have another."""
    cluster = three(pinned)
    found = belonging(cluster, said(cluster, *ids))
    assert (found.right, found.source) == (right, source)
    assert [place.node.host.name for place in found.foreign] == foreign
    assert len(found.bare) == ids.count(None)


def test_data_of_another_node_do_not_vote() -> None:
    """A directory that came from elsewhere says nothing about which id is right."""
    cluster = three()
    facts = dict(said(cluster, "a", "a", None))
    node = cluster.nodes[0]
    others = {PurePosixPath(f"/other/{at}"): Identity(9, "b", kraft=True) for at in range(3)}
    facts[node] = replace(facts[node], identities={**facts[node].identities, **others})
    found = belonging(cluster, facts)
    assert (found.right, found.foreign) == ("a", ())
    assert {place.whose for place in found.strangers} == {"node.id 9"}


def test_other_mode_wrote_it() -> None:
    """What ZooKeeper mode has written is no KRaft node's, with the same id as well."""
    cluster = three()
    found = belonging(cluster, said(cluster, "a", None, None, kraft=False))
    assert [place.whose for place in found.strangers] == ["broker.id 1 (ZooKeeper mode)"]


def test_cluster_that_runs_decides() -> None:
    """Its id is right, whatever most directories have; before it has made one every id is foreign."""
    cluster = three()
    found = belonging(cluster, said(cluster, "a", "a", "b"))
    assert [place.node.host.name for place in of_running(found, "b")] == ["node1", "node2"]
    assert len(of_running(found, None)) == 3


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=3, max_size=3), st.sampled_from([None, "a", "c"]))
def test_they_agree_exactly_where_nothing_is_foreign(ids: list[str | None], pinned: str | None) -> None:
    """The law: refused by a plan is what preflight finds, and the other way round."""
    cluster = three(pinned)
    found = belonging(cluster, said(cluster, *ids))
    assert found.agreed is not bool(found.foreign)
