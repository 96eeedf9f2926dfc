"""Real clusters go to another version of Kafka under clients, back, and to the end; killed, paused and broken on the way."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kafab.model import Node
from kafab.reporting.render import data
from tests.disturbances import heard
from tests.fab import Done, Fab
from tests.labs import LocalLab
from tests.plain_client import plain_client

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1200),
]  # three rolls of six nodes in one test, on a busy machine
SEED = 1


@dataclass(frozen=True)
class Pair:
    """A lab of one version, and the version that it goes to."""

    before: str
    after: str
    shape: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.before, "to", self.after, *(w for w in self.shape if not w.startswith("--"))])


class Lab(LocalLab):
    """A lab that is upgraded."""

    pair: Pair

    def upgrade(self, *words: str) -> Done:
        """Upgrade it."""
        return self.fab("upgrade", "--to", self.pair.after, *words)

    def versions(self) -> dict[str, str]:
        """Return what each node runs, by the record of its process."""
        return {node.name: self.version(node) for node in self.cluster.nodes}

    def version(self, node: Node) -> str:
        """Return what a node runs, by the record of its process."""
        release = Path(node.run / "process").read_text().split()[2]
        return re.sub(r"kafka_[0-9.]+-([0-9.]+)-.*", r"\1", release)

    def everywhere(self, version: str) -> dict[str, str]:
        """Return what `versions` is where every node runs this one."""
        return {node.name: version for node in self.cluster.nodes}

    def under_clients(self, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a command beside a client that knows nothing of it: its document, and what the client met."""
        with plain_client(self.cluster.bootstrap, "orders") as client:
            done = self.fab.must(*words, "--json")
            return done.document, client.end()


WHOLE = (
    Pair("2.4.1", "3.9.2"),
    Pair("3.9.2", "4.3.1", ("--mode", "kraft", "--controllers", "combined")),
)
SHORT = (
    Pair("3.9.2", "4.3.1", ("--mode", "kraft", "--controllers", "isolated", "--quorum", "static")),
    Pair("4.3.1", "4.4.0", ("--controllers", "isolated")),
)


def grouped(pairs: tuple[Pair, ...]) -> list[Any]:
    """Return each as a parameter whose tests stay together."""
    return [pytest.param(one, id=str(one), marks=pytest.mark.xdist_group(f"upgrade {one}")) for one in pairs]


def brought_up(pair: Pair, home: Path) -> Iterator[Lab]:
    """Have a lab of the pair's first version with a topic, and end exactly that again."""
    fab = Fab(home)
    try:
        fab.must("lab.up", "--version", pair.before, *pair.shape, "deploy", "start")
        fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
        lab = Lab(fab)
        object.__setattr__(lab, "pair", pair)
        yield lab
    finally:
        fab.down()


@pytest.fixture(scope="module", params=grouped(WHOLE))
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring up a lab that goes all the ways; each test leaves it where the next one begins."""
    yield from brought_up(request.param, tmp_path_factory.mktemp("home"))


def found_nothing_wrong(document: dict[str, Any], client: dict[str, Any]) -> bool:
    """Tell whether neither the canary nor the client has lost or doubled a record."""
    canary = document["roll"]["canary"]["total"]
    # Between two versions nodes find out what the other one understands by asking.
    compared = {one["what"]: one for one in document["compared"] if one["what"] != "complaints in logs"}
    wrong = {what: one for what, one in compared.items() if one["changed"] or one["unknown"]}
    assert (len(compared), wrong) == (9, {})
    return (
        canary["acked"] > 0
        and client["acked"] > 0
        and not any(canary[name] for name in ("lost", "unread", "duplicates", "reordered"))
        and (client["lost"], client["duplicates"]) == (0, 0)
    )


def test_plan_changes_nothing_and_a_wrong_way_is_refused(lab: Lab) -> None:
    """The order and what changes are told; a version that leads nowhere is refused with the reason."""
    before = lab.pids()
    planned = lab.fab.must("upgrade.plan", "--to", lab.pair.after, "--json").document
    wrong = lab.fab("upgrade.plan", "--to", "4.3.1" if lab.pair.before == "2.4.1" else "3.9.2", "--json")
    order = [name for wave in planned["order"] for name in wave]
    assert (sorted(order), lab.pids()) == (sorted(before), before)
    assert wrong.code == (3 if lab.pair.before == "2.4.1" else 0), wrong.err


def test_pause_leaves_a_cluster_between_two_versions(lab: Lab) -> None:
    """After the first broker it ends; status and verify say so, a deploy is refused, and a node that its host starts is what it was."""
    paused = lab.fab.must("upgrade", "--to", lab.pair.after, "--pause-after", "first", "--no-canary")
    upgraded = [node for node in lab.cluster.brokers if lab.version(node) == lab.pair.after]
    left = [node for node in lab.cluster.brokers if node not in upgraded]
    shown, judged, deploy = lab.fab("status"), lab.fab("verify", "--json"), lab.fab("deploy")
    os.kill(lab.pid(left[0].name), signal.SIGKILL)
    lab.fab.must("start")
    assert (len(upgraded), lab.version(left[0])) == (1, lab.pair.before)
    assert ("is under way" in shown.out, "in an upgrade" in shown.out) == (True, True), shown.out
    worst = {one["check"]: one["severity"] for one in judged.document["findings"] if one["severity"] != "OK"}
    assert worst == {"upgrade": "WARN"}, judged.out
    assert "BEFORE AND AFTER" in paused.out, paused.out
    assert (deploy.code, f"`fab upgrade --to {lab.pair.after}` goes on" in deploy.err) == (3, True), (
        deploy.err
    )


def test_killed_upgrade_goes_on(lab: Lab) -> None:
    """Kill -9 at a random moment, and the same command: every node runs the new version, and the way back is open."""
    with lab.fab.start("upgrade", "--to", lab.pair.after, "--no-canary") as roll:
        heard(roll, ": stops")
        time.sleep(random.Random(SEED).uniform(0, 3))
        os.killpg(roll.pid, signal.SIGKILL)
        roll.communicate()
    lab.fab.must("upgrade", "--to", lab.pair.after)
    shown = lab.fab.must("upgrade.status", "--json").document
    assert lab.versions() == lab.everywhere(lab.pair.after)
    assert (shown["rollback"]["open"], shown["left"]) == (True, []), shown


def test_rollback_loses_nothing(lab: Lab) -> None:
    """Under clients every node goes back, and nothing is under way then: a deploy has nothing to do."""
    document, client = lab.under_clients("upgrade.rollback")
    again = lab.fab.must("deploy")
    assert found_nothing_wrong(document, client), (document, client)
    assert (lab.versions(), document["over"]) == (lab.everywhere(lab.pair.before), True)
    assert "nothing to do" in again.out


@pytest.mark.parametrize("lab", grouped(WHOLE[1:]), indirect=True)
def test_broker_that_does_not_come_up_is_taken_back(lab: Lab) -> None:
    """A property that the new release fails at: the roll ends there, the others are untouched, and one command goes back."""
    text = lab.inventory.read_text()
    changed = re.sub(
        r"(broker:\n +)(id: 1\n)",
        r"\1properties: {principal.builder.class: org.example.Missing}\n      \2",
        text,
    )
    with lab.rewritten(changed):
        broken = lab.fab("upgrade", "--to", lab.pair.after, "--limit", "node1/broker", "--no-canary")
    left = {name: version for name, version in lab.versions().items() if name != "node1/broker"}
    back = lab.fab.must("upgrade.rollback", "--no-canary", "--json").document
    assert (broken.code, "org.example.Missing" in broken.err) == (1, True), broken.err
    assert left == dict.fromkeys(left, lab.pair.before)
    assert (lab.versions(), back["over"]) == (lab.everywhere(lab.pair.before), True)


def test_upgrade_loses_nothing_and_its_end_closes_the_way_back(lab: Lab) -> None:
    """Under clients to the new version; the inventory follows, a deploy has nothing to do, and after the end there is no way back."""
    report = lab.fab.home / "upgrade.html"
    document, client = lab.under_clients(
        "upgrade", "--to", lab.pair.after, "--write", "--report", str(report)
    )
    page, _ = data(report.read_text(encoding="utf-8"))
    deployed = lab.fab.must("deploy")
    finalized = lab.fab.must("upgrade.finalize", "--no-canary")
    back, after = lab.fab("upgrade.rollback"), lab.fab.must("deploy")
    judged = lab.fab("verify", "--json").document
    assert found_nothing_wrong(document, client), (document, client)
    assert (lab.versions(), str(lab.cluster.version)) == (lab.everywhere(lab.pair.after), lab.pair.after)
    assert (page.verdict.exit_code, page.roll and page.roll.versions) == (
        0,
        (lab.pair.before, lab.pair.after),
    )
    assert ("nothing to do" in deployed.out, "nothing to do" in after.out) == (True, True)
    assert (back.code, "is finalized" in finalized.out, judged["verdict"]) == (3, True, "OK"), judged


@pytest.mark.parametrize("pair", grouped(SHORT))
def test_there_back_there_and_the_end(pair: Pair, tmp_path: Path) -> None:
    """To the new version, back, there again and finalized; what Kafka's own tool finalizes closes the way back as well."""
    for lab in brought_up(pair, tmp_path):
        for words, version in (
            (("upgrade", "--to", pair.after, "--no-canary"), pair.after),
            (("upgrade.rollback", "--no-canary"), pair.before),
            (("upgrade", "--to", pair.after, "--write", "--no-canary"), pair.after),
        ):
            lab.fab.must(*words)
            assert lab.versions() == lab.everywhere(version)
        may = lab.fab.must("upgrade.status", "--json").document["may_be"]
        level = f"metadata.version={may['metadata.version']}"
        lab.fab.must("tool", "node1/broker", "--", "kafka-features.sh", "upgrade", "--feature", level)
        closed = lab.fab("upgrade.rollback")
        static = "static" in pair.shape
        report = lab.fab.home / "finalize.html"
        quorum = ("--quorum", "dynamic") if static else ()
        lab.fab.must("upgrade.finalize", *quorum, "--report", str(report))
        page, _ = data(report.read_text(encoding="utf-8"))
        told = (page.kind, page.verdict.severity, page.verdict.text.startswith("finalized: "))
        assert told == ("finalize", "OK", True), page.verdict
        assert (closed.code, f"{pair.before} knows it up to" in closed.err) == (3, True), closed.err
        shown = lab.fab.must("upgrade.status", "--json").document
        assert (shown["may_be"], shown["finalized"]["kraft.version"]) == ({}, 1), shown
        lab.fab.must("deploy", "verify")
