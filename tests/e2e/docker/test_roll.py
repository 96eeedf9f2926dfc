"""A rolling restart of a cluster under systemd: killed and run again, and with a host that reboots in its midst."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from kafab.model import Role
from tests.disturbances import heard
from tests.docker_faults import cut_off, needs_packet_filter
from tests.docker_hosts import DockerLab, docker, until
from tests.fab import Done

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
    shown = cluster.fab("status")
    done = cluster.fab.must("restart", "--no-canary")
    assert ("a roll is unfinished" in shown.out, since(cluster, before)) == (
        True,
        dict.fromkeys(before, 1),
    ), shown.out + done.err


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


@dataclass(frozen=True)
class CutOff:
    """What became of a roll of two brokers while the host of the third one was cut off from all others after the first."""

    first: str
    waited: Done
    """The roll in whose midst it happened."""
    began: dict[str, int]
    """How often each process had begun when that roll had ended."""
    looped: str
    """What the same command said while the first broker was killed again and again."""
    healed: Done
    """The same command once all heard each other again."""
    began_after: dict[str, int]


@pytest.fixture(scope="module")
def beside_a_cut_off_host(cluster: DockerLab) -> CutOff:
    """Roll two brokers, with the third one cut off after the first; then the same with a crash loop; then heal."""
    needs_packet_filter()
    before = starts(cluster)
    command = ("restart", "--limit", "node1/broker,node2/broker", "--no-canary")
    with cluster.fab.start(*command, "--pause-limit", "20s") as roll:
        first = heard(roll, "/broker  started")[-1].split("/")[0]
        with cut_off(cluster, "node3"):
            out, err = roll.communicate(timeout=300)
            began = since(cluster, before)
            with cluster.fab.start(*command) as again:
                heard(again, "waiting: the roll's next move")
                killing = f"kill -9 $(cut -d' ' -f1 {cluster.node(f'{first}/broker').run}/process) || :"
                deadline = time.monotonic() + 120
                while again.poll() is None and time.monotonic() < deadline:
                    cluster.on(first, killing)
                    time.sleep(1)
                _, looped = again.communicate(timeout=60)
    waited = Done(roll.returncode, out, err)
    # A server of ZooKeeper that was cut off tries again after a moment (AGAIN_AFTER), and until then the check after a roll tells of it.
    until(lambda: str(cluster.fab("verify", "--read-only").code), "0", 180)
    healed = cluster.fab(*command)
    return CutOff(f"{first}/broker", waited, began, looped, healed, since(cluster, before))


def test_roll_stops_beside_a_host_that_is_cut_off(beside_a_cut_off_host: CutOff) -> None:
    """The third broker runs and answers kafab alone: it is named, and the second one is left."""
    found = beside_a_cut_off_host
    began = {name: count for name, count in found.began.items() if count}
    assert (found.waited.code, began) == (1, {found.first: 1}), found.waited.err
    assert re.search(r"not within 20 s:\n.*node3/broker", found.waited.err), found.waited.err


def test_node_that_ends_again_and_again_ends_the_roll(beside_a_cut_off_host: CutOff) -> None:
    """Systemd starts it each time; the second exit is the end, and not the pause limit."""
    found = beside_a_cut_off_host
    assert f"{found.first}: the process exited" in found.looped, found.looped
    assert "for the second time during this roll" in found.looped, found.looped


def test_roll_goes_on_when_the_host_is_heard_again(beside_a_cut_off_host: CutOff) -> None:
    """The same command restarts the second broker, once, and nothing else."""
    found = beside_a_cut_off_host
    began = {name: count for name, count in found.began_after.items() if count and name != found.first}
    (second,) = {"node1/broker", "node2/broker"} - {found.first}
    assert (found.healed.code, began) == (0, {second: 1}), found.healed.out + found.healed.err
