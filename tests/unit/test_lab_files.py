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


@pytest.mark.parametrize(("version", "short"), [("4.3.1", True), ("4.1.1", False), ("3.9.2", False)])
def test_share_groups_may_have_short_times_where_there_are_some(
    version: str, short: bool, tmp_path: Path
) -> None:
    """A drill that waits for a share group's lock and session waits seconds, and an older server is told nothing of them."""
    shape = Shape(1, Version.parse(version), Mode.KRAFT, Controllers.COMBINED, VoterSource.DYNAMIC)
    text = inventory([LabHost(1, tmp_path / "1", 24000, "me")], shape, None)
    assert ("group.share.min.record.lock.duration.ms" in text) is short


@pytest.mark.parametrize(
    ("version", "mode", "encrypted"),
    [
        ("4.3.1", Mode.KRAFT, {"broker": "SSL", "controller": "SSL"}),
        ("3.9.2", Mode.ZOOKEEPER, {"broker": "SSL", "zookeeper": "SSL"}),
        ("2.4.1", Mode.ZOOKEEPER, {"broker": "SSL", "zookeeper": "PLAINTEXT"}),
    ],
)
def test_secure_lab_encrypts_what_its_version_can(
    version: str, mode: Mode, encrypted: dict[str, str], tmp_path: Path
) -> None:
    """In a secure lab nodes show certificates to each other, clients log in, and there is an authorizer."""
    hosts = [LabHost(number, tmp_path / str(number), 24000 + 6 * number, "me") for number in (1, 2, 3)]
    controllers = Controllers.ISOLATED if mode is Mode.KRAFT else None
    quorum = VoterSource.DYNAMIC if mode is Mode.KRAFT else None
    shape = Shape(3, Version.parse(version), mode, controllers, quorum, secure=True)
    path = tmp_path / "cluster.yaml"
    path.write_text(inventory(hosts, shape, None))
    cluster, warnings = load(path)
    own = {str(node.role): str(node.operator_listener.protocol) for node in cluster.nodes}
    clients = {str(node.broker_listeners[1].protocol) for node in cluster.brokers}
    assert (own, clients, cluster.security is not None, warnings) == (encrypted, {"SASL_SSL"}, True, ())
