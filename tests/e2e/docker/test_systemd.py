"""A cluster under systemd, by a login user with sudo: what holds on real servers."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.canary_secret import environment
from tests.docker_hosts import DockerLab, docker, until
from tests.fab import Done

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("docker_lab"),  # one lab for both modules
    pytest.mark.timeout(600),
]
BROKER = "kafka-broker@broker.service"
LIMIT = 180
"""Seconds for a cluster to be whole again by itself; how long that takes is the machine's matter."""


@pytest.fixture(scope="module")
def cluster(docker_lab: DockerLab) -> Iterator[DockerLab]:
    """Deploy and start the shared lab's cluster; stop it again."""
    docker_lab.fab.must("deploy", "start")
    yield docker_lab
    docker_lab.fab("stop")


def unit(lab: DockerLab, host: str, name: str = "SubState") -> str:
    """Return one property of a host's broker unit."""
    return lab.on(host, f"systemctl show --value -p {name} {BROKER}").strip()


def pid(lab: DockerLab, host: str) -> int:
    """Return the recorded pid of a host's broker."""
    return int(lab.on(host, "cut -d' ' -f1 /var/lib/kafka/run/broker/process"))


def states(lab: DockerLab) -> dict[str, tuple[str, str]]:
    """Return node -> state and configuration, as `status` says."""
    # Right after a restart by hand a broker does not answer yet, and the exit code says so.
    nodes = lab.fab("status", "--json").document["nodes"]
    return {node["node"]: (node["state"], node["configuration"]) for node in nodes}


def serves(lab: DockerLab) -> str:
    """Say `0` when the read-only checks pass."""
    return str(lab.fab("verify", "--read-only").code)


def with_property(lab: DockerLab, line: str, then: Callable[[], Done]) -> Done:
    """Run something while every broker's inventory has one property more; put the inventory back."""
    text = lab.inventory.read_text()
    changed = re.sub(r"(\n  properties:\n)", rf"\1    {line}\n", text, count=1)
    assert changed != text
    lab.inventory.write_text(changed)
    try:
        return then()
    finally:
        lab.inventory.write_text(text)


def test_cluster_verifies(cluster: DockerLab) -> None:
    """Deployed and started over sudo, the cluster replicates and every check is OK."""
    findings = cluster.fab.must("verify", "--json").document["findings"]
    assert {finding["severity"] for finding in findings} == {"OK"}


def test_second_deploy_has_nothing_to_do(cluster: DockerLab) -> None:
    """Units, account and owners are observed like everything else."""
    assert "nothing to do" in cluster.fab.must("deploy").out


def test_broker_runs_as_its_account(cluster: DockerLab) -> None:
    """The process belongs to the service account, and may open the files that the unit allows where the host does."""
    number = pid(cluster, "node1")
    told = cluster.on("node1", f"stat -c %U /proc/{number}; grep 'open files' /proc/{number}/limits")
    assert (told.split()[0], int(told.split()[4]) >= 20000) == ("kafka", True)


def test_configuration_is_not_the_brokers_to_change(cluster: DockerLab) -> None:
    """Release and configuration belong to root; the service account reads the one and runs the other."""
    owners = cluster.on(
        "node1",
        "stat -c '%U:%G %a' /opt/kafka/current-broker/libs /etc/kafka/broker /etc/kafka/broker/server.properties"
        " /var/lib/kafka/broker /var/log/kafka/broker",
    )
    assert owners.splitlines() == [
        "root:root 755",
        "root:kafka 750",
        "root:kafka 640",
        "kafka:kafka 750",
        "kafka:kafka 750",
    ]


CANARY = "can4ryS3cret"


def test_secret_is_roots_and_the_brokers(cluster: DockerLab) -> None:
    """The service account reads its secret; nobody else does, nor guesses it by what a start records, and the journal has none of it."""
    record = "sha256sum /etc/kafka/broker/{launch,log4j.properties,record,server.properties}"
    looks = (
        "stat -c '%n %U:%G %a' server.properties .deployed digest-key",
        "for who in nobody kafka; do runuser -u $who -- grep -ls . server.properties digest-key || :; done",
        f"! journalctl -q | grep -c {CANARY}",
        f"grep -rl {CANARY} /etc /var/lib /var/log /run /tmp /home /root || :",
        "runuser -u nobody -- cut -d' ' -f4 /var/lib/kafka/run/broker/process",
        f"bash -c 'cd /etc/kafka/broker; {record.replace('/etc/kafka/broker/', '')}' | sha256sum | cut -d' ' -f1",
    )

    def brought() -> Done:
        cluster.fab.must("deploy", "--limit", "node1")
        return cluster.fab.must("restart", "--limit", "node1/broker")

    def seen() -> Done:
        done = brought()
        found.extend(cluster.on("node1", f"cd /etc/kafka/broker; {look}").splitlines() for look in looks)
        found.append([states(cluster)["node1/broker"][1]])
        return done

    found: list[list[str]] = []
    with environment(CANARY=CANARY):
        with_property(cluster, "ssl.key.password: ${env:CANARY}", seen)
    brought()
    modes, readers, journal, files, recorded, guess, state = found
    assert modes == [
        "server.properties root:kafka 640",
        ".deployed root:kafka 640",
        "digest-key root:root 600",
    ]
    assert readers == ["server.properties"]
    assert (journal, files, state) == (["0"], ["/etc/kafka/broker/server.properties"], ["as deployed"])
    assert len(recorded[0]) == len(guess[0]) == 64
    assert recorded != guess


def test_unit_is_hardened(cluster: DockerLab) -> None:
    """The analysis of systemd itself gives the unit a score that is OK (under 2 of 10)."""
    told = cluster.on("node1", f"systemd-analyze security --no-pager {BROKER} | tail -n 1")
    found = re.search(r"(\d+\.\d+) OK", told)
    assert found is not None
    assert float(found[1]) < 2


def test_journal_has_the_brokers_log(cluster: DockerLab) -> None:
    """The journal shows the log under a name that an administrator looks for."""
    assert "kafka-broker[" in cluster.on("node1", f"journalctl -q -n 3 -u {BROKER}")


def test_login_shell_has_the_release_and_its_tools(cluster: DockerLab) -> None:
    """The login user's shell has KAFKA_HOME, and the tools at the end of its PATH."""
    home = "/opt/kafka/current-broker"
    said = cluster.on("node1", "runuser -l ops -c 'echo $KAFKA_HOME; echo ${PATH##*:}'")
    assert said.splitlines() == [home, f"{home}/bin"]


def test_tool_runs_as_the_account(cluster: DockerLab) -> None:
    """A script of the release's bin/ runs as the node's account, with its words, and gives its exit code."""
    tools = "/opt/kafka/current-broker/bin"
    said = """printf '#!/bin/sh\\nid -un\\necho "$@"\\nexit 9\\n' > who.sh"""
    cluster.on("node1", f"mkdir -p {tools}; cd {tools}; {said}; chmod 755 who.sh")
    done = cluster.fab("tool", "node1/broker", "--", "who.sh", "a  b")
    cluster.on("node1", f"rm {tools}/who.sh; rmdir --ignore-fail-on-non-empty {tools}")
    assert (done.code, done.out) == (9, "kafka\na  b\n"), done.err


def test_killed_broker_comes_back_by_itself(cluster: DockerLab) -> None:
    """After kill -9 systemd starts it again until its old session has ended, and it serves."""
    killed = pid(cluster, "node2")
    cluster.on("node2", f"kill -9 {killed}")
    code = until(lambda: serves(cluster) if pid(cluster, "node2") != killed else "the old one", "0", LIMIT)
    assert (code, unit(cluster, "node2")) == ("0", "running")


def test_rebooted_host_brings_its_nodes_back(cluster: DockerLab) -> None:
    """Nodes are enabled at boot: after a restart of the host the cluster is whole again."""
    done = docker("restart", "--time", "60", cluster.container("node1"), limit=120)
    assert done.returncode == 0, done.stderr
    assert until(lambda: serves(cluster), "0", LIMIT) == "0"


def test_restart_by_hand_is_seen(cluster: DockerLab) -> None:
    """A change is pending until somebody restarts the unit, with systemctl as well as with kafab."""

    def pending_then_restarted() -> Done:
        cluster.fab.must("deploy")
        before = states(cluster)["node3/broker"][1]
        cluster.on("node3", f"systemctl restart {BROKER}", limit=120)
        after = states(cluster)["node3/broker"][1]
        assert (before, after) == ("restart pending", "as deployed")
        return cluster.fab("status")

    with_property(cluster, "log.retention.hours: 24", pending_then_restarted)
    cluster.fab.must("deploy", "restart", "--limit", "node3/broker", "--no-canary")
    assert states(cluster)["node3/broker"] == ("running", "as deployed")


def test_broken_configuration_is_given_up(cluster: DockerLab) -> None:
    """The reason is told at once, and by `diagnose`; systemd goes on until its start limit and then gives up, for all to see; what ran before is put back."""

    def broken() -> Done:
        cluster.fab.must("deploy", "--limit", "node3")
        return cluster.fab("restart", "--limit", "node3/broker", "--no-canary")

    told = with_property(cluster, "principal.builder.class: org.example.Missing", broken)
    # A minute on hosts of their own; here they share their processors with the other tests.
    state = until(lambda: unit(cluster, "node3"), "failed", 180)
    archive = str(cluster.fab.home / "failed.tar.gz")
    cause = cluster.fab.must("diagnose", "--out", archive, "--json").document["causes"][0]
    cluster.fab.must("deploy", "--previous", "--limit", "node3/broker", "start")
    kept = cluster.on(
        "node3", "stat -c '%U:%G %a %F' /etc/kafka/broker/.before /etc/kafka/broker/.before/*/launch"
    )
    assert (told.code, "org.example.Missing" in told.err, state, serves(cluster)) == (1, True, "failed", "0")
    assert (cause["sign"], cause["subjects"]) == ("configuration", ["node3/broker"])
    assert set(kept.splitlines()) == {"root:root 700 directory", "root:kafka 750 regular file"}
    assert "nothing to do" in cluster.fab.must("deploy").out
