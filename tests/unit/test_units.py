"""The systemd units of a host: what they promise, and that one unit a role serves all its nodes."""

from pathlib import Path

import pytest

from kafab.checks.preflight.local import node_places
from kafab.config.units import HIDDEN, unit_files
from kafab.hosts.facts import node_directories
from kafab.inventory import load
from kafab.model import Cluster

TWO_BROKERS = """
kafka: {version: 3.9.2}
hosts:
  node1:
    address: 10.0.0.1
    zookeeper: 1
    broker: [{id: 1, data: [/disk1, /disk2]}, {id: 2, port: 9093}]
"""


def cluster(folder: Path, text: str = TWO_BROKERS) -> Cluster:
    """Load an inventory's text."""
    path = folder / "prod.yaml"
    path.write_text(text)
    return load(path)[0]


def directives(text: str) -> dict[str, list[str]]:
    """Return directive -> values of a unit, comments left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("Type", "simple"),
        ("User", "kafka"),
        ("ExecStartPre", "+/bin/sh /etc/kafka/%i/record begin"),
        ("ExecStart", "/bin/sh /etc/kafka/%i/launch"),
        ("ExecStartPost", "+/bin/sh /etc/kafka/%i/record started $MAINPID"),
        ("Restart", "on-failure"),
        ("SuccessExitStatus", "143"),
        ("KillMode", "mixed"),
        ("TimeoutStopSec", "600"),
        ("LimitNOFILE", "100000"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("WantedBy", "multi-user.target"),
    ],
)
def test_broker_unit(directive: str, value: str, tmp_path: Path) -> None:
    """The unit says what keeps a broker safe: a long stop, a start limit, enough files, few rights."""
    found = cluster(tmp_path)
    assert directives(unit_files(found, found.brokers[0])[0].text)[directive] == [value]


def test_unit_hides_what_the_inventory_refuses(tmp_path: Path) -> None:
    """Folders are refused for the directives that the unit has, and for these only."""
    found = cluster(tmp_path)
    given = directives(unit_files(found, found.brokers[0])[0].text)
    assert {directive: given.get(directive) for directive in HIDDEN} == {key: ["yes"] for key in HIDDEN}


def test_no_unit_forbids_writable_code(tmp_path: Path) -> None:
    """With MemoryDenyWriteExecute no JVM starts."""
    found = cluster(tmp_path)
    assert "MemoryDenyWriteExecute" not in directives(unit_files(found, found.brokers[0])[0].text)


def test_brokers_come_after_zookeeper_at_boot(tmp_path: Path) -> None:
    """A broker's unit waits for the ZooKeeper server of its own host."""
    found = cluster(tmp_path)
    after = directives(unit_files(found, found.brokers[0])[0].text)["After"][0]
    assert after.split()[-1] == "kafka-zookeeper@zookeeper.service"


@pytest.mark.parametrize(
    ("controller", "last"), [(101, "kafka-controller@controller.service"), (1, "time-sync.target")]
)
def test_brokers_come_after_an_isolated_controller_at_boot(
    controller: int, last: str, tmp_path: Path
) -> None:
    """In KRaft a broker waits for the controller of its host; a combined process waits for no other."""
    roles = f"{{address: 10.0.0.1, broker: 1, controller: {controller}}}"
    found = cluster(tmp_path, f"kafka: {{version: 4.3.1}}\nhosts: {{node1: {roles}}}\n")
    after = directives(unit_files(found, found.brokers[0])[0].text)["After"][0]
    assert after.split()[-1] == last


def test_nodes_of_one_role_share_the_unit(tmp_path: Path) -> None:
    """Two brokers of a host have one and the same unit and a drop-in each."""
    found = cluster(tmp_path)
    first, second = (unit_files(found, broker) for broker in found.brokers)
    assert (first[0] == second[0], str(second[1].path)) == (
        True,
        "/etc/systemd/system/kafka-broker@broker-2.service.d/kafab.conf",
    )


def test_drop_in_opens_the_nodes_own_folders_only(tmp_path: Path) -> None:
    """Under ProtectSystem=strict a node may write its logs, Java's temporary files and its data, and not its run record."""
    found = cluster(tmp_path)
    paths = directives(unit_files(found, found.brokers[0])[1].text)["ReadWritePaths"][0].split()
    assert paths == ["/var/log/kafka/broker-1", "/var/lib/kafka/run/broker-1/tmp", "/disk1", "/disk2"]


def test_unit_waits_for_the_mounts_of_its_data(tmp_path: Path) -> None:
    """What /etc/fstab has below each data directory is mounted before a start, at boot as well."""
    found = cluster(tmp_path)
    assert directives(unit_files(found, found.brokers[0])[1].text)["RequiresMountsFor"] == ["/disk1 /disk2"]


def test_log_of_transactions_is_a_folder_like_that_of_the_data(tmp_path: Path) -> None:
    """What dataLogDir names is made, may be written under the unit, and is looked at before a deploy."""
    found = cluster(
        tmp_path,
        "kafka: {version: 3.9.2}\nzookeeper: {properties: {dataLogDir: /disk3/log}}\n"
        "hosts: {node1: {zookeeper: 1, broker: 1}}\n",
    )
    (server,) = found.zookeepers
    writable = directives(unit_files(found, server)[1].text)["ReadWritePaths"][0].split()
    missing = {
        name: list(map(str, paths))
        for name, paths in {
            "made": node_directories(server),
            "writable": writable,
            "looked at": node_places(server),
        }.items()
        if "/disk3/log" not in map(str, paths)
    }
    assert missing == {}


def test_process_supervisor_has_no_unit(tmp_path: Path) -> None:
    """Where systemd does not keep the processes, nothing is put below /etc/systemd."""
    found = cluster(tmp_path, f"supervisor: process\n{TWO_BROKERS}")
    assert unit_files(found, found.brokers[0]) == ()
