"""A rolling restart on real clusters, undisturbed and disturbed: each process replaced once, and nothing else touched."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kafab.inventory import load
from kafab.model import Cluster, Node, Role
from tests.fab import Fab

pytestmark = pytest.mark.e2e
SHAPES = {
    "zookeeper": ("--version", "3.9.2"),
    "combined": ("--version", "4.3.1", "--controllers", "combined"),
}
SEED, KILLS = 1, 2
"""A roll of three nodes that is killed twice before it stops its last one ends with the third run."""


@dataclass(frozen=True)
class Lab:
    """A lab whose cluster runs, whole, when a test begins and when it ends."""

    fab: Fab
    inventory: Path

    @property
    def cluster(self) -> Cluster:
        """The lab's inventory, loaded."""
        return load(self.inventory)[0]

    def pid(self, name: str) -> int:
        """Return a node's recorded pid."""
        run = next(node.run for node in self.cluster.nodes if node.name == name)
        return int(Path(run / "process").read_text().split()[0])

    def pids(self) -> dict[str, int]:
        """Return every node's recorded pid."""
        return {node.name: self.pid(node.name) for node in self.cluster.nodes}

    def beginnings(self) -> dict[str, int]:
        """Return how often each node's process has begun, by its own log."""
        return {node.name: self._begun(node) for node in self.cluster.nodes}

    @staticmethod
    def _begun(node: Node) -> int:
        words = "Starting quorum peer" if node.role is Role.ZOOKEEPER else "Kafka startTimeMs"
        return Path(node.logs / "server.log").read_text(errors="replace").count(words)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"roll {name}")) for name in SHAPES],
)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring three hosts up with a topic that can spare one replica; and end exactly that again."""
    home = tmp_path_factory.mktemp("home")
    fab = Fab(home)
    try:
        fab.must("lab.up", *SHAPES[request.param], "deploy", "start")
        fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
        yield Lab(fab, home / "labs" / "lab" / "cluster.yaml")
    finally:
        fab("lab.down")


def replaced(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how often each process has begun since."""
    return {name: after[name] - count for name, count in before.items()}


def once(lab: Lab) -> dict[str, int]:
    """Return what `replaced` is where each node was restarted once."""
    return {node.name: 1 for node in lab.cluster.nodes}


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> tuple[dict[str, Any], dict[str, int]]:
    """Roll everything once, with a canary beside it; return the document, and how often each process began."""
    before = lab.beginnings()
    done = lab.fab.must("restart", "--json")
    return done.document, replaced(before, lab.beginnings())


def test_each_process_is_replaced_once(lab: Lab, undisturbed: tuple[dict[str, Any], dict[str, int]]) -> None:
    """All nodes are in the document with their seconds, and none began more than once."""
    document, began = undisturbed
    assert (sorted(node["node"] for node in document["nodes"]), began) == (sorted(once(lab)), once(lab))


def test_clients_lose_nothing(undisturbed: tuple[dict[str, Any], dict[str, int]]) -> None:
    """What the canary wrote while the cluster rolled is there, once and in order, in each broker's partition."""
    canary = undisturbed[0]["canary"]
    total = canary["total"]
    wrong = {name: total[name] for name in ("lost", "unread", "duplicates", "reordered") if total[name]}
    acked = [partition["acked"] > 0 for partition in canary["partitions"]]
    assert (canary["counted"], wrong, acked) == (True, {}, [True] * 3), canary


def test_cluster_is_whole_after_the_last_node(undisturbed: tuple[dict[str, Any], dict[str, int]]) -> None:
    """The check after the roll finds nothing: no partition is behind, and each is led by its preferred leader."""
    document, _ = undisturbed
    assert (document["check"]["verdict"], document["leaders"]["left"]) == ("OK", {}), document["check"]


def test_killed_roll_goes_on(lab: Lab) -> None:
    """Kill -9 at random moments, the same command again each time: every node is restarted exactly once."""
    moments, before = random.Random(SEED), lab.beginnings()
    for _ in range(KILLS):
        with lab.fab.start("restart", "--no-canary") as roll:
            heard(roll, ": stops")
            time.sleep(moments.uniform(0, 3))
            os.killpg(roll.pid, signal.SIGKILL)
            roll.communicate()
    shown = lab.fab("status")
    done = lab.fab.must("restart")
    assert ("a roll is unfinished" in shown.out, replaced(before, lab.beginnings())) == (True, once(lab)), (
        shown.out + done.err
    )


def heard(roll: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read what a roll says up to a line with these words."""
    assert roll.stderr is not None
    lines = []
    for line in roll.stderr:
        lines.append(line)
        if words in line:
            return lines
    pytest.fail(f"{words!r} was not said:\n{''.join(lines)}")


def test_ctrl_c_waits_for_the_node_that_is_down(lab: Lab) -> None:
    """The first one lets the node come back and then ends with 130; nothing is left stopped, and the roll can be given up."""
    with lab.fab.start("restart", "--no-canary") as roll:
        heard(roll, ": stops")
        os.kill(roll.pid, signal.SIGINT)
        _, err = roll.communicate(timeout=120)
    states = {node["state"] for node in lab.fab("status", "--json").document["nodes"]}
    given_up = lab.fab.must("restart", "--forget")
    assert (roll.returncode, "left as they were" in err, states) == (130, True, {"running"}), err
    assert "gave up the roll" in given_up.out


def test_broker_that_does_not_come_back_ends_the_roll(lab: Lab) -> None:
    """A bad property: the roll stops there, the others are left, and once it is mended the same command ends it."""
    text, before = lab.inventory.read_text(), lab.pids()
    changed = re.sub(
        r"(broker:\n +)(id: 1\n)",
        r"\1properties: {principal.builder.class: org.example.Missing}\n      \2",
        text,
    )
    assert changed != text
    try:
        lab.inventory.write_text(changed)
        broken = lab.fab("deploy", "restart", "--pending", "--no-canary")
        left = {name: pid for name, pid in lab.pids().items() if name != "node1/broker"}
        shown = lab.fab("status")
    finally:
        lab.inventory.write_text(text)
    mended = lab.fab("deploy", "restart", "--pending", "--no-canary")
    kept = {name: pid for name, pid in before.items() if name != "node1/broker"}
    assert (broken.code, "org.example.Missing" in broken.err, "the same command goes on" in broken.err) == (
        1,
        True,
        True,
    ), broken.err
    assert (left, lab.pid("node1/broker") != before["node1/broker"]) == (kept, True)
    assert ("a roll is unfinished" in shown.out, mended.code) == (True, 0), shown.out + mended.err


def test_only_what_is_pending_is_restarted(lab: Lab) -> None:
    """The daily chain: a property of one broker, deploy, restart --pending; a second one has nothing to do."""
    text, before = lab.inventory.read_text(), lab.beginnings()
    changed = re.sub(r"(broker:\n +)(id: 2\n)", r"\1properties: {log.cleaner.threads: 2}\n      \2", text)
    try:
        lab.inventory.write_text(changed)
        lab.fab.must("deploy", "restart", "--pending", "--no-canary")
        again = lab.fab.must("restart", "--pending")
        after = lab.beginnings()
    finally:
        lab.inventory.write_text(text)
        lab.fab.must("deploy", "restart", "--pending", "--no-canary")
    touched = {name for name, count in replaced(before, after).items() if count}
    assert (touched, "nothing to restart" in again.out) == ({"node2/broker"}, True)


def test_broker_killed_in_mid_roll_is_brought_back_first(lab: Lab) -> None:
    """Another broker dies while one is down: nothing more is stopped until it serves again."""
    victim = "node3/broker"
    with lab.fab.start("restart", "--no-canary") as roll:
        heard(roll, "node1/broker  started")
        os.kill(lab.pid(victim), signal.SIGKILL)
        _, err = roll.communicate(timeout=240)
    assert (roll.returncode, f"{victim}  started" in err) == (0, True), err


def test_broker_that_hangs_is_waited_for(lab: Lab) -> None:
    """One that runs and says nothing forbids every stop; the roll goes on once it answers."""
    frozen = lab.pid("node3/broker")
    before = lab.pids()
    os.kill(frozen, signal.SIGSTOP)
    try:
        with lab.fab.start("restart", "--limit", "node1/broker", "--no-canary") as roll:
            time.sleep(7)
            meanwhile = lab.pids()
            os.kill(frozen, signal.SIGCONT)
            _, err = roll.communicate(timeout=240)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert (meanwhile == before, roll.returncode, lab.pid("node1/broker") != before["node1/broker"]) == (
        True,
        0,
        True,
    ), err


def test_topic_without_a_spare_replica_is_refused_and_accepted_by_name(lab: Lab) -> None:
    """RF 1 is told up front, with counts; named, its broker is restarted all the same."""
    lab.fab.must("topics.create", "single", "--partitions", "3", "--replication-factor", "1")
    before = lab.pids()
    try:
        refused = lab.fab("restart", "--limit", "node2/broker")
        kept = lab.pids() == before
        accepted = lab.fab(
            "restart", "--limit", "node2/broker", "--accept-unavailable", "single", "--no-canary"
        )
    finally:
        lab.fab.must("topics.delete", "single")
    assert (refused.code, kept, "--accept-unavailable single" in refused.err) == (3, True, True), refused.err
    assert (accepted.code, lab.pid("node2/broker") != before["node2/broker"]) == (0, True), accepted.err
