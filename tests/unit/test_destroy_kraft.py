"""destroy of KRaft nodes, formatted by a stand-in of Kafka's tool."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.errors import Unsafe
from tests.conftest import cluster_in
from tests.deployed import Deployed, Lab, Shell
from tests.storage_tool import StorageTool


@pytest.fixture(scope="module", params=["combined", "isolated"])
def deployed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shell: Shell
) -> Deployed:
    """What a deploy leaves on a host in KRaft mode: its nodes are formatted."""
    folder = tmp_path_factory.mktemp("kraft")
    cluster = StorageTool(folder).on(cluster_in(folder / "hosts", 1, request.param))
    return Deployed.once(cluster, folder, shell)


@pytest.fixture
def kraft(deployed: Deployed) -> Lab:
    """A host in KRaft mode, deployed and formatted, as if it had run."""
    return deployed.lab()


def test_formatted_directories_go_with_the_data(kraft: Lab) -> None:
    """Of combined and of isolated nodes nothing is left where data was asked for."""
    kraft.destroy(data=True)
    assert kraft.tree() == ["node1"]


def test_formatted_directories_stay_without_data(kraft: Lab) -> None:
    """The metadata log is data: it stays, and a deploy over it formats nothing."""
    kraft.destroy()
    kraft.events.clear()
    kraft.deploy()
    told = " ".join(str(event) for event in kraft.events)
    assert ("switched to" in told, "formatted" in told) == (True, False)


def test_directory_of_another_cluster_stays(kraft: Lab) -> None:
    """Data that another cluster has put into a node's place is refused, and nothing is changed."""
    pinned = "MkU3OEVBNTcwNTJENDM2Qg"
    kraft.cluster = replace(kraft.cluster, cluster_id=pinned)
    before = kraft.tree()
    with pytest.raises(Unsafe, match=f"kraft.cluster_id {pinned}"):
        kraft.destroy(data=True)
    assert kraft.tree() == before


def test_unformatted_directory_with_something_in_it_stays(kraft: Lab) -> None:
    """What has no mark says not whose it is: refused, with the mark that is missing."""
    node = kraft.cluster.nodes[0]
    (Path(node.data[0]) / "meta.properties").unlink()
    with pytest.raises(Unsafe, match=f"{node.name}: .* has 1 entry and no meta.properties"):
        kraft.destroy(data=True)
