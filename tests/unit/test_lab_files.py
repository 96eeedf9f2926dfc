"""The inventory that a lab writes, read as any other: what its nodes are configured with."""

from pathlib import Path

import pytest

from kafab.config.properties import broker_properties
from kafab.inventory import load
from kafab.lab.files import LabHost, inventory
from kafab.lab.shape import Controllers, Shape
from kafab.model import Mode, Version, VoterSource

PATIENCE = ("broker.session.timeout.ms", "controller.quorum.fetch.timeout.ms")


@pytest.mark.parametrize("controllers", [Controllers.COMBINED, Controllers.ISOLATED])
def test_stall_of_seconds_fences_nobody(controllers: Controllers, tmp_path: Path) -> None:
    """On a starved machine a pause of 5 s fences no broker and moves no leader: every process is told, controllers too."""
    hosts = [LabHost(number, tmp_path / str(number), 24000 + 5 * number, "me") for number in (1, 2, 3)]
    shape = Shape(3, Version(4, 3, 1), Mode.KRAFT, controllers, VoterSource.DYNAMIC)
    path = tmp_path / "cluster.yaml"
    path.write_text(inventory(hosts, shape, None))
    cluster = load(path)[0]
    told = [broker_properties(cluster, node) for node in cluster.nodes]
    assert {int(properties[key]) > 5000 for properties in told for key in PATIENCE} == {True}
