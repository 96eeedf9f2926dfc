"""Secure KRaft under systemd, combined and isolated nodes in one cluster: formatted by a login user with sudo, back after kill -9 and boot."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.docker_hosts import DockerLab, docker, until
from tests.fab import Fab

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("docker kraft")]
HOSTS = ("node1", "node2", "node3")
WALLS = {
    f"walls.{each}"
    for each in ("plaintext", "certificate", "unknown-ca", "server-name", "login", "password", "acl")
}
SESSION_MS = 15_000
"""Longer than a broker takes to be started again: so it is refused as a duplicate for a while."""


def shaped(document: dict[str, Any]) -> None:
    """Let node3 have a controller of its own, and a session outlast the restart of its broker."""
    document["hosts"]["node3"] |= {"controller": 103}
    document["kafka"]["properties"]["broker.session.timeout.ms"] = SESSION_MS


@pytest.fixture(scope="module")
def lab(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Yield three hosts whose secure cluster of 4.3.1 runs: two combined nodes, and a controller with a broker."""
    made = DockerLab(Fab(tmp_path_factory.mktemp("kraft") / "home"))
    try:
        made.fab.must("lab.up", "--kind", "docker", "--secure", "--version", "4.3.1")
        document = yaml.safe_load(made.inventory.read_text())
        shaped(document)
        made.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        made.fab.must("secure.issue", "deploy", "start")  # that controller has no certificate yet
        yield made
    finally:
        made.fab("lab.down")


def pid(lab: DockerLab, host: str, instance: str) -> int:
    """Return the recorded pid of a host's node."""
    return int(lab.on(host, f"cut -d' ' -f1 /var/lib/kafka/run/{instance}/process"))


def restarts(lab: DockerLab, host: str, instance: str) -> int:
    """Return how many times systemd has started a node again by itself."""
    return int(lab.on(host, f"systemctl show --value -p NRestarts kafka-{instance}@{instance}.service"))


def killed(lab: DockerLab, host: str, instance: str) -> tuple[str, int]:
    """Kill a node's process with -9; return what `verify` ends with once it is back, and how often it was started."""
    old, before = pid(lab, host, instance), restarts(lab, host, instance)
    lab.on(host, f"kill -9 {old}")
    code = until(lambda: serves(lab) if pid(lab, host, instance) != old else "the old one", "0", 120)
    return code, restarts(lab, host, instance) - before


def serves(lab: DockerLab) -> str:
    """Say `0` when the read-only checks pass."""
    return str(lab.fab("verify", "--read-only").code)


def test_preflight_is_all_green(lab: DockerLab) -> None:
    """Data formatted, ports its own, every node reached by whom it needs: nothing but OK."""
    report = lab.fab.must("preflight", "--json").document
    assert {finding["severity"] for finding in report["findings"]} == {"OK"}


def test_storage_is_the_service_accounts(lab: DockerLab) -> None:
    """The tool ran as the account that the nodes run as: nothing of root's is in the data, and one id is everywhere."""
    script = """
    for path in /var/lib/kafka/broker /var/lib/kafka/controller; do
      [ ! -d $path ] || find $path ! -user kafka
    done
    cat /var/lib/kafka/*/meta.properties
    """
    said = [line for host in HOSTS for line in lab.on(host, script).splitlines()]
    strangers = [line for line in said if line.startswith("/")]
    ids = [line for line in said if line.startswith("cluster.id=")]
    assert (strangers, len(ids), len(set(ids))) == ([], 4, 1)


def test_files_with_secrets_are_roots_and_the_service_accounts(lab: DockerLab) -> None:
    """What a node has to read is 640 root:kafka, what root alone uses 600; in a folder that is closed to everybody else."""
    look = "for one in /etc/kafka/*; do stat -c '%n %a %U:%G' $one $one/.deployed $one/*; done"
    roots = {"digest-key": "600 root:root"}
    others = {"launch": "750 root:kafka"}
    for host in HOSTS:
        found = dict(line.split(" ", 1) for line in lab.on(host, look).splitlines())
        folders = {path for path in found if path.count("/") == 3}
        assert {f"{each}/keystore.pem" for each in folders} <= found.keys()
        assert {found.pop(folder) for folder in folders} == {"750 root:kafka"}
        wrong = {
            path: mode
            for path, mode in found.items()
            if mode != (roots | others).get(path.rpartition("/")[2], "640 root:kafka")
        }
        assert wrong == {}


def test_walls_stand_and_a_roll_with_its_canary_loses_nothing(lab: DockerLab) -> None:
    """A rolling restart of all nodes keeps the canary whole, over TLS, and every kind of stranger is refused after it."""
    canary = lab.fab.must("restart", "--json").document["canary"]
    assert (canary["counted"], canary["total"]["lost"], canary["total"]["duplicates"]) == (True, 0, 0)
    found = lab.fab.must("verify", "--json").document["findings"]
    walls = {one["check"] for one in found if one["check"].startswith("walls.")}
    assert (walls, {one["severity"] for one in found}) == (WALLS, {"OK"})


def test_killed_broker_waits_for_its_old_session(lab: DockerLab) -> None:
    """It is started once; while its old session lives it is refused as a duplicate, and waits without an exit."""
    assert killed(lab, "node3", "broker") == ("0", 1)


def test_killed_leader_comes_back(lab: DockerLab) -> None:
    """Another controller leads, and the killed one, be it a combined process, follows it after one restart."""
    nodes = lab.fab.must("status", "--json").document["nodes"]
    (leader,) = [node["node"] for node in nodes if "leader" in (node["leads"] or "")]
    host, _, instance = leader.partition("/")
    assert killed(lab, host, instance) == ("0", 1)


def test_rebooted_host_starts_its_controller_first(lab: DockerLab) -> None:
    """After a restart of the host its nodes are back, the controller before the broker, and serve."""
    done = docker("restart", "--time", "60", lab.container("node3"), limit=120)
    assert done.returncode == 0, done.stderr
    code = until(lambda: serves(lab), "0", 120)
    started = [
        int(lab.on("node3", f"systemctl show --value -p ExecMainStartTimestampMonotonic {unit}"))
        for unit in ("kafka-controller@controller.service", "kafka-broker@broker.service")
    ]
    assert (code, started == sorted(started), 0 in started) == ("0", True, False)


def releases(lab: DockerLab) -> dict[str, str]:
    """Return the release that each node runs."""
    nodes = lab.fab("status", "--json").document["nodes"]
    return {one["node"]: one["release"].rpartition("-")[0] for one in nodes}


def test_host_that_reboots_in_mid_upgrade_comes_back_as_what_it_ran(lab: DockerLab) -> None:
    """Its nodes were not switched yet; then everything goes back to the release before."""
    lab.fab.must("upgrade", "--to", "4.4.0", "--pause-after", "first", "--no-canary")
    between = releases(lab)
    left = [name for name, release in between.items() if release == "kafka_2.13-4.3.1"]
    docker("restart", "--time", "60", lab.container(left[0].split("/")[0]), limit=120)
    code = until(lambda: serves(lab), "0", 120)
    after = releases(lab)
    lab.fab.must("upgrade.rollback", "--no-canary")
    assert (len(left), code, after) == (2, "0", between)
    assert set(releases(lab).values()) == {"kafka_2.13-4.3.1"}


def test_destroyed_with_data_leaves_nothing(lab: DockerLab) -> None:
    """Units, releases, configuration and formatted storage of all nodes are gone; it is the last test for that reason."""
    lab.fab.must("stop", "destroy", "--data", "lab")
    look = "ls -d /opt/kafka /etc/kafka /var/lib/kafka /var/log/kafka /etc/profile.d/kafab* /etc/systemd/system/kafka-* 2>/dev/null || :"
    assert [lab.on(host, look) for host in HOSTS] == ["", "", ""]
