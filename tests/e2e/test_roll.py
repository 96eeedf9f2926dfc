"""A rolling restart on real clusters, undisturbed and disturbed: each process replaced once, and nothing else touched."""

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import ResourceType
from kazoo.exceptions import NoNodeError

from kafab.model import Node, Role
from kafab.reporting.page import Page
from kafab.reporting.render import data
from tests.disturbances import configure, frozen, heard, produce, topic, zookeeper
from tests.fab import Fab
from tests.labs import LocalLab
from tests.plain_client import plain_client
from tests.prometheus_checks import of_lab, until
from tests.set_online import check_that_a_property_is_set_online

pytestmark = pytest.mark.e2e
SHAPES = {
    "zookeeper": ("--version", "3.9.2"),
    "combined": ("--version", "4.3.1", "--controllers", "combined"),
}
SEED, KILLS = 1, 2
"""A roll of three nodes that is killed twice before it stops its last one ends with the third run."""


class Lab(LocalLab):
    """A lab whose cluster runs, whole, when a test begins and when it ends."""

    def beginnings(self) -> dict[str, int]:
        """Return how often each node's process has begun, by its own log."""
        return {node.name: self._begun(node) for node in self.cluster.nodes}

    def controller(self) -> int:
        """Return the id of the broker that is the controller, or of the controller that leads."""
        if not self.cluster.kraft:
            with zookeeper(self.cluster) as client:
                return int(json.loads(client.get("/controller")[0])["brokerid"])
        states = [Path(node.data[0] / "__cluster_metadata-0" / "quorum-state") for node in self.cluster.nodes]
        newest = max(
            (json.loads(state.read_text()) for state in states), key=lambda one: int(one["leaderEpoch"])
        )
        return int(newest["leaderId"])

    def controller_moved(self) -> int:
        """Have another broker become the controller; return its id."""
        before = self.controller()
        leader = self.pid(f"node{before}/broker")
        deadline = time.monotonic() + 60
        while (after := self.controller()) in (before, -1):
            assert time.monotonic() < deadline
            if self.cluster.kraft:
                os.kill(leader, signal.SIGSTOP)
                time.sleep(0.1)
            else:
                with zookeeper(self.cluster) as client, suppress(NoNodeError):
                    client.delete("/controller")
                time.sleep(0.5)
        if self.cluster.kraft:
            os.kill(leader, signal.SIGCONT)
        return after

    @staticmethod
    def _begun(node: Node) -> int:
        words = "Starting quorum peer" if node.role is Role.ZOOKEEPER else "Kafka startTimeMs"
        return Path(node.logs / "server.log").read_text(errors="replace").count(words)


SHAPED = {name: pytest.param(name, marks=pytest.mark.xdist_group(f"roll {name}")) for name in SHAPES}


@pytest.fixture(scope="module", params=SHAPED.values())
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring three hosts up with a topic that can spare one replica; and end exactly that again."""
    home = tmp_path_factory.mktemp("home")
    fab = Fab(home)
    try:
        fab.must("lab.up", *SHAPES[request.param], "--observe", "deploy", "start")
        fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
        yield Lab(fab)
    finally:
        fab.down()


@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
def test_changed_property_is_set_online(lab: Lab) -> None:
    """A broker takes a changed property without a restart, also where it is a controller as well, and nothing is pending then."""
    check_that_a_property_is_set_online(lab)


def replaced(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how often each process has begun since."""
    return {name: after[name] - count for name, count in before.items()}


def once(lab: Lab) -> dict[str, int]:
    """Return what `replaced` is where each node was restarted once."""
    return {node.name: 1 for node in lab.cluster.nodes}


@dataclass(frozen=True)
class Undisturbed:
    """A roll of everything: its document, how often each process began, and what a client that knows nothing of it met."""

    document: dict[str, Any]
    began: dict[str, int]
    client: dict[str, Any]
    fired: frozenset[str]
    """The alerts that fired meanwhile in the Prometheus of the lab."""
    watched: int
    """How many nodes it reads at the end."""
    page: Page


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> Undisturbed:
    """Roll everything once, with a canary and a plain client beside it, and have a report of it."""
    before, file = lab.beginnings(), lab.fab.home / "roll.html"
    with plain_client(lab.cluster.bootstrap, "orders") as client:
        begun = time.monotonic()
        done = lab.fab.must("restart", "--json", "--report", str(file))
        watcher = of_lab(lab.fab.must("lab.up").err.splitlines())
        until(lambda: watcher.up() == len(lab.cluster.nodes))
        fired = watcher.fired(int(time.monotonic() - begun) + 1)
        met = client.end()
    page, _ = data(file.read_text(encoding="utf-8"))
    began = replaced(before, lab.beginnings())
    return Undisturbed(done.document, began, met, frozenset(fired), watcher.up(), page)


def test_each_process_is_replaced_once(lab: Lab, undisturbed: Undisturbed) -> None:
    """All nodes are in the document with their seconds, and none began more than once."""
    named = sorted(node["node"] for node in undisturbed.document["nodes"])
    assert (named, undisturbed.began) == (sorted(once(lab)), once(lab))


def test_clients_lose_nothing(undisturbed: Undisturbed) -> None:
    """What the canary wrote while the cluster rolled is there, once and in order, in each broker's partition."""
    canary = undisturbed.document["canary"]
    total = canary["total"]
    wrong = {name: total[name] for name in ("lost", "unread", "duplicates", "reordered") if total[name]}
    acked = [partition["acked"] > 0 for partition in canary["partitions"]]
    assert (canary["counted"], wrong, acked) == (True, {}, [True] * 3), canary


def test_plain_client_loses_nothing(undisturbed: Undisturbed) -> None:
    """A producer and a consumer of kafka-python's, with its defaults, lose and double nothing, and no record is refused."""
    found = undisturbed.client
    assert (found["acked"] > 100, found["lost"], found["duplicates"], found["refused"]) == (
        True,
        0,
        0,
        {},
    ), found


def test_alerts_are_silent(lab: Lab, undisturbed: Undisturbed) -> None:
    """A Prometheus that reads every node finds nothing to warn of while each of them is restarted."""
    assert (undisturbed.fired, undisturbed.watched) == (frozenset(), len(lab.cluster.nodes))


def test_cluster_is_whole_after_the_last_node(undisturbed: Undisturbed) -> None:
    """The check after the roll finds nothing: no partition is behind, and each is led by its preferred leader."""
    document = undisturbed.document
    assert (document["check"]["verdict"], document["leaders"]["left"]) == ("OK", {}), document["check"]


def test_report_has_the_figures_of_the_roll(undisturbed: Undisturbed) -> None:
    """The canary's figures and each node's seconds are those of the document, and the verdict is its exit code's."""
    document, page = undisturbed.document, undisturbed.page
    seconds = {one["node"]: one["seconds"] for one in document["nodes"]}
    assert page.roll
    assert page.canary
    assert ({one.node: one.seconds for one in page.roll.nodes}, page.verdict.severity) == (seconds, "OK")
    total = page.canary.figures[-1]
    assert (total.acked, total.lost) == (document["canary"]["total"]["acked"], 0)


def test_report_shows_how_the_roll_went(lab: Lab, undisturbed: Undisturbed) -> None:
    """Each node stops, starts and catches up once; nearly all acknowledgements are in the steps."""
    time = undisturbed.page.time
    assert time
    assert time.acks
    assert time.isr
    phases = {tuple(s.phase for s in time.spans if s.node == node.name) for node in lab.cluster.nodes}
    assert phases == {("stops", "is down", "starts", "catches up")}
    counted = sum(point.acked for point in time.acks.points)
    # The first record of each partition opens the connections and is in no step.
    assert 0 <= undisturbed.document["canary"]["total"]["acked"] - counted <= len(lab.cluster.brokers)
    within = [0 <= span.begins_s <= span.ends_s <= time.seconds + 0.1 for span in time.spans]
    assert (all(within), len(time.isr.strips)) == (True, len(lab.cluster.brokers))
    for strip in time.isr.strips:
        # Whatever a stopped broker has is out of sync until it has started again.
        began, ended = (
            next(s for s in time.spans if (s.node, s.phase) == (strip.node, phase))
            for phase in ("is down", "catches up")
        )
        out = [
            (time.isr.from_s + run.first * time.isr.step_s, time.isr.from_s + run.end * time.isr.step_s)
            for run in strip.out
        ]
        assert any(first < ended.begins_s and last > began.begins_s for first, last in out), (strip, out)


# In ZooKeeper mode, under systemd, tests/e2e/docker/test_roll.py kills it three times.
@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
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


@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
def test_broker_that_does_not_come_back_ends_the_roll(lab: Lab) -> None:
    """A bad property: the roll stops there, the others are left, and once it is mended the same command ends it."""
    text, before = lab.inventory.read_text(), lab.pids()
    changed = re.sub(
        r"(broker:\n +)(id: 1\n)",
        r"\1properties: {principal.builder.class: org.example.Missing}\n      \2",
        text,
    )
    with lab.rewritten(changed):
        broken = lab.fab("deploy", "restart", "--pending", "--no-canary")
        left = {name: pid for name, pid in lab.pids().items() if name != "node1/broker"}
        shown = lab.fab("status")
    mended = lab.fab("deploy", "restart", "--pending", "--no-canary")
    kept = {name: pid for name, pid in before.items() if name != "node1/broker"}
    assert (broken.code, "org.example.Missing" in broken.err, "the same command goes on" in broken.err) == (
        1,
        True,
        True,
    ), broken.err
    assert (left, lab.pid("node1/broker") != before["node1/broker"]) == (kept, True)
    assert ("a roll is unfinished" in shown.out, mended.code) == (True, 0), shown.out + mended.err


@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
def test_only_what_is_pending_is_restarted(lab: Lab) -> None:
    """The daily chain: a property of one broker, deploy, restart --pending; a second one has nothing to do."""
    text, before = lab.inventory.read_text(), lab.beginnings()
    changed = re.sub(r"(broker:\n +)(id: 2\n)", r"\1properties: {log.cleaner.threads: 2}\n      \2", text)
    try:
        with lab.rewritten(changed):
            lab.fab.must("deploy", "restart", "--pending", "--no-canary")
            again = lab.fab.must("restart", "--pending")
            after = lab.beginnings()
    finally:
        lab.fab.must("deploy", "restart", "--pending", "--no-canary")
    touched = {name for name, count in replaced(before, after).items() if count}
    assert (touched, "nothing to restart" in again.out) == ({"node2/broker"}, True)


@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
def test_broker_killed_in_mid_roll_is_brought_back_first(lab: Lab) -> None:
    """The last one dies while the first comes back, is started again and left alone while it recovers its logs, however many."""
    last = lab.controller()
    first, victim = lab.node(f"node{last % 3 + 1}/broker"), lab.node(f"node{last}/broker")
    # Kafka 4 has no segments that small, and then the recovery takes a moment only.
    small = () if lab.cluster.kraft else ("segment.bytes=17000", "segment.index.bytes=100")
    with topic(lab, "segments", 20, *small) as name:
        produce(lab, name, 40_000 if small else 1000, 1000)
        before = lab.beginnings()
        with lab.fab.start("restart", "--limit", f"{first.name},{victim.name}", "--no-canary") as roll:
            heard(roll, f"{first.name}  started")
            os.kill(lab.pid(victim.name), signal.SIGKILL)
            # What it had flushed it need not read again, and here that is all by now.
            for folder in victim.data:
                Path(folder / "recovery-point-offset-checkpoint").unlink()
            _, err = roll.communicate(timeout=300)
        began = {name: count for name, count in replaced(before, lab.beginnings()).items() if count}
    assert (roll.returncode, began) == (0, {first.name: 1, victim.name: 1}), err
    told = re.search(rf"{victim.name}.* recovers its logs after an unclean stop, \d+ of \d+ remain", err)
    assert told or not small, err


@pytest.mark.parametrize("lab", [SHAPED["zookeeper"]], indirect=True)
def test_replica_that_catches_up_slowly_is_waited_for(lab: Lab) -> None:
    """Throttled to nothing it ends the roll with the bytes behind; the same command waits while they shrink, and says how long."""
    before, rate = lab.beginnings(), "follower.replication.throttled.rate"
    with topic(lab, "slow", 3, "follower.replication.throttled.replicas=*") as name:
        try:
            configure(lab, ResourceType.BROKER, "1", {rate: "1"})
            command = ("restart", "--limit", "node1/broker", "--no-canary")
            # A throttled follower still gets a megabyte each 11 s, when its last one is out of the quota's window.
            with lab.fab.start(*command, "--pause-limit", "6s") as roll:
                heard(roll, "node1/broker  stopped")
                produce(lab, name, 40, 500_000)
                _, stuck = roll.communicate(timeout=240)
            left = lab.beginnings()
            configure(lab, ResourceType.BROKER, "1", {rate: "600000"})
            done = lab.fab(*command, "--pause-limit", "12s")
        finally:
            configure(lab, ResourceType.BROKER, "1", {rate: None})
    began = {name: count for name, count in replaced(before, left).items() if count}
    assert (roll.returncode, began) == (1, {"node1/broker": 1}), stuck
    assert re.search(
        r"not within 6 s:\n  node1/broker: \d+ replicas? not in the ISR yet, .*B behind", stuck
    ), stuck
    assert (done.code, lab.beginnings()) == (0, left), done.err
    assert re.search(r"not in the ISR yet, .*B behind, about \d+ s more", done.err), done.err


def test_controller_that_moves_in_mid_roll_is_still_the_last(lab: Lab) -> None:
    """Between two moves another broker becomes the controller: the order is read again, and each node is restarted once."""
    before = lab.beginnings()
    with lab.fab.start("restart", "--no-canary") as roll:
        told = heard(roll, r"node\d/broker  started")
        with frozen(roll.pid):
            first = told[-1].split("/")[0]
            after = lab.controller_moved()
        _, err = roll.communicate(timeout=240)
    stopped = [line.split("/")[0] for line in err.splitlines() if "/broker  " in line and ": stops" in line]
    assert (roll.returncode, replaced(before, lab.beginnings())) == (0, once(lab)), err
    assert len(stopped) == 2, err
    assert stopped[-1] == f"node{after}" or after == int(first.removeprefix("node")), err


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


@pytest.mark.parametrize("lab", [SHAPED["combined"]], indirect=True)
def test_topic_without_a_spare_replica_is_refused_and_accepted_by_name(lab: Lab) -> None:
    """RF 1 is told up front, with counts; named, its broker is restarted all the same."""
    command = ("restart", "--limit", "node2/broker")
    with topic(lab, "single", 3, replicas=1) as name:
        before = lab.pids()
        refused = lab.fab(*command)
        kept = lab.pids() == before
        accepted = lab.fab(*command, "--accept-unavailable", name, "--no-canary")
    assert (refused.code, kept, "--accept-unavailable single" in refused.err) == (3, True, True), refused.err
    assert (accepted.code, lab.pid("node2/broker") != before["node2/broker"]) == (0, True), accepted.err


@pytest.mark.parametrize("lab", [SHAPED["zookeeper"]], indirect=True)
def test_restart_at_once_is_an_interruption_for_canary_and_client(lab: Lab) -> None:
    """Negative control: all brokers stop together, and both clients, one on a topic with a replica only, tell of it."""
    brokers = ",".join(node.name for node in lab.cluster.brokers)
    with (
        topic(lab, "single", 3, replicas=1) as name,
        plain_client(lab.cluster.bootstrap, name) as client,
        lab.fab.start("canary", "--for", "22s", "--json") as canary,
    ):
        heard(canary, "records acknowledged")
        lab.fab.must("restart", "--at-once", "--limit", brokers, "--unsafe")
        met = client.end()
        out, err = canary.communicate(timeout=120)
    told = json.loads(out)
    assert (met["lost"], met["longest_gap_s"] > 5) == (0, True), met
    assert (canary.returncode, told["verdict"]) == (1, "CRIT"), out + err
    assert (told["total"]["lost"], told["total"]["longest_gap_s"] > 5) == (0, True), out + err
