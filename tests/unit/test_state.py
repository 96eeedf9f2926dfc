"""Which nodes a limit means."""

from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.plans.state import limited
from tests.conftest import cluster_in


def test_no_limit_is_the_whole_cluster(tmp_path: Path) -> None:
    """Without --limit every node is meant."""
    cluster = cluster_in(tmp_path, 2)
    assert limited(cluster, None) == cluster.nodes


@pytest.mark.parametrize("limit", ["", " ", ",", "node9", "node1,node2/brokers"])
def test_limit_that_names_nothing_is_refused(limit: str, tmp_path: Path) -> None:
    """An empty limit, as an unset variable gives, is a mistake and never the whole cluster."""
    with pytest.raises(UsageError, match="no such host or node"):
        limited(cluster_in(tmp_path, 2), limit)


def test_host_and_node_are_named_side_by_side(tmp_path: Path) -> None:
    """A host stands for its nodes; the order is the inventory's."""
    found = limited(cluster_in(tmp_path, 2), "node2/broker,node1")
    assert [node.name for node in found] == ["node1/zookeeper", "node1/broker", "node2/broker"]
