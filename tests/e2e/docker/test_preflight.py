"""Faults put on real hosts on purpose: each is one failed line that names it, and gone when it is mended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from tests.docker_faults import edited
from tests.docker_hosts import DockerLab, docker, docker_lab_in

pytestmark = pytest.mark.e2e
Failed = list[dict[str, Any]]


@pytest.fixture(scope="module")
def lab(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three hosts on which nothing was deployed."""
    with docker_lab_in(tmp_path_factory.mktemp("preflight")) as made:
        yield made


def failed(lab: DockerLab, code: int = 1) -> Failed:
    """Run a preflight, which must end with this code; return what is not OK."""
    done = lab.fab("preflight", "--json")
    assert done.code == code, f"{done.out}\n{done.err}"
    return [finding for finding in done.document["findings"] if finding["severity"] != "OK"]


@contextmanager
def on_node1(lab: DockerLab, fault: str, remedy: str) -> Iterator[str]:
    """Put a fault on node1 and mend it again; yields what the fault printed."""
    try:
        yield lab.on("node1", fault).strip()
    finally:
        lab.on("node1", remedy)


def hosts_key(**values: object) -> Callable[[str], str]:
    """Return a change of an inventory: these keys of node1."""

    def change(text: str) -> str:
        document = yaml.safe_load(text)
        document["hosts"]["node1"] |= values
        return yaml.safe_dump(document, sort_keys=False)

    return change


def test_healthy_lab_is_all_green(lab: DockerLab) -> None:
    """Every check of every host is OK, and every connection between the hosts was proven."""
    document = lab.fab.must("preflight", "--json").document
    assert {finding["severity"] for finding in document["findings"]} == {"OK"}
    network = [finding["evidence"] for finding in document["findings"] if finding["check"] == "network"]
    assert [(each["tried"], each["not_proven"]) for each in network] == [(10, 0)] * 3


def test_nothing_listens_afterwards(lab: DockerLab) -> None:
    """The temporary listeners are gone when the command is."""
    lab.fab.must("preflight")
    for host in ("node1", "node2", "node3"):
        assert (
            lab.on(host, "ss -Htln 'sport = :9092 or sport = :2181 or sport = :2888 or sport = :3888'") == ""
        )


def test_port_taken(lab: DockerLab) -> None:
    """The port and its holder, by pid and command."""
    held = "setsid systemd-socket-activate -a --inetd -l 9092 /bin/true >/dev/null 2>&1 </dev/null & echo $! | tee /run/holder"
    with on_node1(lab, held, 'kill "$(cat /run/holder)"') as pid:
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("port", "node1/broker")
    assert f"client port 9092 is held by pid {pid}, systemd-socket-activate" in finding["detail"]


def test_java_too_old(lab: DockerLab) -> None:
    """Found, needed, and where it was looked for; no JVM is started for it."""
    fake = (
        "mkdir -p /opt/jdk7/bin; echo 'JAVA_VERSION=\"1.7.0_80\"' > /opt/jdk7/release;"
        " printf '#!/bin/sh\\nexit 1\\n' > /opt/jdk7/bin/java; chmod 755 /opt/jdk7/bin/java"
    )
    with on_node1(lab, fake, "rm -r /opt/jdk7"), edited(lab.inventory, hosts_key(java="/opt/jdk7")):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("java", "node1")
    assert finding["detail"] == (
        "Java 1.7.0_80 at /opt/jdk7/bin/java (looked at /opt/jdk7/bin/java); wanted: Java 8 or newer for Kafka 3.9.2"
    )


def test_disk_full(lab: DockerLab) -> None:
    """The file system, what is left of it, and what it is for."""
    full = "mkdir /var/lib/kafka; mount -t tmpfs -o mode=755,size=10m tmpfs /var/lib/kafka"
    with on_node1(lab, full, "umount /var/lib/kafka; rmdir /var/lib/kafka"):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("disk", "node1")
    assert finding["detail"].startswith("/var/lib/kafka: 10.5 MB of 10.5 MB free")


def test_clock_moved(lab: DockerLab) -> None:
    """The host that differs from the others is named, with by how much (a container cannot set its clock: `date` is moved)."""
    moved = """printf '#!/bin/sh\\nexec /usr/bin/date -d "1 hour ago" "$@"\\n' > /usr/local/bin/date; chmod 755 /usr/local/bin/date"""
    with on_node1(lab, moved, "rm /usr/local/bin/date"):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("clock", "node1")
    assert finding["evidence"]["found"] == pytest.approx(-3600, abs=30)


def test_name_unresolvable(lab: DockerLab) -> None:
    """One line for the name, whoever misses it."""
    broker = {"id": 1, "advertised": "broker1.invalid"}
    with edited(lab.inventory, hosts_key(broker=broker)):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("names", "broker1.invalid")
    assert "broker1.invalid (node1/broker) does not resolve on node1, node2, node3" in finding["detail"]


def test_sudo_removed(lab: DockerLab) -> None:
    """The check says what sudo said, and the line to add."""
    with on_node1(lab, "mv /etc/sudoers.d/ops /root/ops", "mv /root/ops /etc/sudoers.d/ops"):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"], finding["severity"]) == ("sudo", "node1", "CRIT")
    assert "ops ALL=(root) NOPASSWD: ALL" in finding["detail"]


def test_limits_lowered(lab: DockerLab) -> None:
    """The unit's own number is read, as systemd has it."""
    unit = "/etc/systemd/system/kafka-broker@.service"
    lowered = (
        f"printf '[Service]\\nExecStart=/bin/true\\nLimitNOFILE=1024\\n' > {unit}; systemctl daemon-reload"
    )
    with on_node1(lab, lowered, f"rm {unit}; systemctl daemon-reload"):
        (finding,) = failed(lab)
    assert (finding["check"], finding["subject"]) == ("limits", "node1/broker")
    assert finding["detail"].startswith("1024 open files (its unit")


def test_foreign_data_directory(lab: DockerLab) -> None:
    """Whose the data is, and whose it should be; that the folder is not the service account's is another finding."""
    foreign = "mkdir -p /var/lib/kafka/broker; printf 'version=0\\nbroker.id=9\\n' > /var/lib/kafka/broker/meta.properties"
    with on_node1(lab, foreign, "rm -r /var/lib/kafka"):
        finding, other = failed(lab)
    assert (finding["check"], finding["subject"], other["check"]) == ("data", "node1/broker", "access")
    assert "/var/lib/kafka/broker belongs to broker.id 9; wanted: broker.id 1" in finding["detail"]


def test_host_key_changed(lab: DockerLab) -> None:
    """Another key than the pinned one fails closed, with how to accept it."""
    address = lab.cluster.host("node1").address

    def swapped(text: str) -> str:
        lines = [line for line in text.splitlines() if not line.startswith(f"{address} ")]
        return "\n".join([*lines, f"{address} {lines[0].partition(' ')[2]}", ""])

    with edited(lab.inventory.parent / "known_hosts", swapped):
        (finding,) = failed(lab, code=4)
    assert (finding["check"], finding["subject"]) == ("ssh.hostkey", "node1")
    assert f"host key changed: {address} port 22" in finding["detail"]


def test_fix_is_refused_in_a_container(lab: DockerLab) -> None:
    """Where the kernel refuses, each host says so, no file is left, and the command has failed."""
    done = lab.fab("preflight", "--fix")
    assert done.code == 1
    assert done.err.count("refused, nothing was written") == 3
    assert lab.on("node1", "ls -A /etc/sysctl.d").count("kafab") == 0


def test_host_down(lab: DockerLab) -> None:
    """The host is named, the others are judged, and the exit code is that of an unreachable host."""
    container = lab.container("node1")
    assert docker("stop", "--time", "60", container, limit=90).returncode == 0
    try:
        (finding,) = failed(lab, code=4)
    finally:
        lab.fab.must("lab.up", "--kind", "docker")
    assert (finding["check"], finding["subject"], finding["severity"]) == ("ssh.reachable", "node1", "CRIT")
