"""A rolling restart of a cluster under systemd: killed and run again, and with a host that reboots in its midst."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator, Mapping

import pytest

from kafab.model import Role
from tests.disturbances import heard
from tests.docker_faults import cut_off, needs_packet_filter
from tests.docker_hosts import DockerLab, docker

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("docker_lab"),  # one lab for all its modules
    pytest.mark.timeout(600),
]
SEED, KILLS = 3, 3


@pytest.fixture(scope="module")
def cluster(docker_lab: DockerLab) -> Iterator[DockerLab]:
    """Deploy and start the shared lab's cluster, with a topic that can spare a replica; stop it again."""
    docker_lab.fab.must("deploy", "start")
    docker_lab.fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
    yield docker_lab
    docker_lab.fab("topics.delete", "orders", "stop")


def starts(lab: DockerLab) -> dict[str, int]:
    """Return node -> how often its process has begun, by its own log."""
    found = {}
    for node in lab.cluster.nodes:
        words = "Starting quorum peer" if node.role is Role.ZOOKEEPER else "Kafka startTimeMs"
        found[node.name] = int(lab.on(node.host.name, f"grep -c '{words}' {node.logs}/server.log"))
    return found


def since(lab: DockerLab, before: Mapping[str, int]) -> dict[str, int]:
    """Return node -> how often its process has begun since."""
    return {name: count - before[name] for name, count in starts(lab).items()}


def test_killed_roll_replaces_each_process_once(cluster: DockerLab) -> None:
    """Kill -9 three times, and the same command again: each process has begun exactly once more."""
    moments, before = random.Random(SEED), starts(cluster)
    for _ in range(KILLS):
        with cluster.fab.start("restart", "--no-canary") as roll:
            heard(roll, ": stops")
            time.sleep(moments.uniform(0, 3))
            os.killpg(roll.pid, signal.SIGKILL)
            roll.communicate()
    done = cluster.fab.must("restart", "--no-canary")
    assert since(cluster, before) == dict.fromkeys(before, 1), done.err


def test_roll_goes_on_when_a_rebooted_host_is_back(cluster: DockerLab) -> None:
    """A host that reboots is waited for; its nodes, which run anew by then, are not restarted once more."""
    before = starts(cluster)
    with cluster.fab.start("restart", "--no-canary") as roll:
        told = heard(roll, ": stops")
        third = re.search(r"3\. (node\d)/zookeeper", "".join(told))
        assert third, told
        done = docker("restart", "--time", "60", cluster.container(third[1]), limit=120)
        out, err = roll.communicate(timeout=400)
    assert (done.returncode, roll.returncode) == (0, 0), "".join(told) + err + out
    assert since(cluster, before) == dict.fromkeys(before, 1), err


def test_host_that_is_cut_off_from_the_others_stops_the_roll(cluster: DockerLab) -> None:
    """Its broker runs and answers kafab alone: it is named, nothing else is stopped, and the same command goes on when it hears the others."""
    needs_packet_filter()
    before = starts(cluster)
    command = ("restart", "--limit", "node1/broker,node2/broker", "--no-canary", "--pause-limit", "20s")
    with cluster.fab.start(*command) as roll:
        heard(roll, "/broker  started")
        with cut_off(cluster, "node3"):
            _, err = roll.communicate(timeout=300)
            meanwhile = since(cluster, before)
    done = cluster.fab("restart", "--limit", "node1/broker,node2/broker", "--no-canary")
    assert (roll.returncode, sum(meanwhile.values())) == (1, 1), err
    assert re.search(r"not within 20 s:\n.*node3/broker", err), err
    once = dict.fromkeys(before, 0) | {"node1/broker": 1, "node2/broker": 1}
    assert (done.code, since(cluster, before)) == (0, once), done.out + done.err + err
