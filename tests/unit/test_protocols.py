"""A change of protocols under a running cluster: refused where nodes with the old and the new file would not find each other."""

from pathlib import Path

import pytest

from kafab.config.render import MAIN_FILE
from kafab.errors import Unsafe
from kafab.hosts.facts import FileFact, NodeFacts, Process
from kafab.inventory import load
from kafab.model import Cluster
from kafab.plans.protocols import guard_protocols
from kafab.plans.state import desire

KRAFT, ENSEMBLE = "controller: {id: 101, port: 9099}, broker: 1", "zookeeper: 1, broker: 1"
SSL = "listeners: {INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}, CLIENTS: {port: 9092}}"
CLEAR = SSL.replace(", protocol: SSL", "")
BOTH = "listeners: {OLD: {port: 9090, use: brokers}, INTERNAL: {port: 9091, use: operator, protocol: SSL}}"
MOVED = BOTH.replace("use: brokers", "use: clients").replace("use: operator", "use: [operator, brokers]")


def _cluster(folder: Path, kafka: str, roles: str, more: str = "") -> Cluster:
    version = "4.3.1" if "controller" in roles else "3.9.2"
    file = folder / "prod.yaml"
    kafka = f", {kafka}" if kafka else ""
    file.write_text(
        f"kafka: {{version: {version}{kafka}}}\n{more}hosts:\n  node1: {{address: 10.0.0.11, {roles}}}\n"
    )
    return load(file)[0]


def _guarded(before: Cluster, after: Cluster, *, running: bool = True) -> str:
    """Return what is refused when one file follows another on the hosts of a cluster."""
    there = {
        wanted.node.name: next(
            file.text for file in wanted.files if file.path.name == MAIN_FILE[wanted.node.role]
        )
        for wanted in desire(before, before.nodes, None).nodes
    }
    process = Process(1, "kafka", "", alive=running)
    facts = {
        node: NodeFacts(
            files={MAIN_FILE[node.role]: FileFact("00", "640", there[node.name])}, process=process
        )
        for node in after.nodes
    }
    try:
        guard_protocols(desire(after, after.nodes, None), facts)
    except Unsafe as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("kafka", "roles", "more", "said"),
    [
        ((CLEAR, SSL), KRAFT, ("", ""), "would change from PLAINTEXT to SSL"),
        (("", SSL), KRAFT, ("", ""), "INTERNAL, the listener of the brokers among themselves, is new"),
        ((SSL, ""), ENSEMBLE, ("", ""), "INTERNAL, the listener of the brokers among themselves, is gone"),
        (
            (CLEAR, CLEAR),
            KRAFT,
            ("", "controller: {protocol: SSL}\n"),
            "CONTROLLER, the controllers' listener",
        ),
        ((CLEAR, CLEAR), ENSEMBLE, ("", "zookeeper: {protocol: SSL}\n"), "client port would be encrypted"),
        ((CLEAR, CLEAR), ENSEMBLE, ("zookeeper: {protocol: SSL}\n", ""), "client port would be in the clear"),
    ],
)
def test_change_that_cuts_a_cluster_in_two_is_refused(
    kafka: tuple[str, str], roles: str, more: tuple[str, str], said: str, tmp_path: Path
) -> None:
    """While nodes run with the old file, a listener that they need must neither go nor change."""
    one = _cluster(tmp_path, kafka[0], roles, more[0])
    assert said in _guarded(one, _cluster(tmp_path, kafka[1], roles, more[1]))


@pytest.mark.parametrize(
    ("before", "after"),
    [(CLEAR, CLEAR), (BOTH, MOVED), (BOTH.replace("use: operator, ", ""), BOTH)],
)
def test_steps_of_the_way_are_allowed(before: str, after: str, tmp_path: Path) -> None:
    """A listener that is added, and one that the brokers move to when all have it, cut nobody off."""
    one = _cluster(tmp_path, before, KRAFT)
    assert _guarded(one, _cluster(tmp_path, after, KRAFT)) == ""


def test_stopped_cluster_may_change_everything(tmp_path: Path) -> None:
    """Where nothing runs, no two files have to understand each other."""
    one = _cluster(tmp_path, CLEAR, KRAFT)
    assert _guarded(one, _cluster(tmp_path, SSL, KRAFT), running=False) == ""
