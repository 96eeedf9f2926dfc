"""A cluster whose ports this machine cannot reach: hosts in a network of their own, behind a bastion with OpenSSH's limits."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.beyond import PORT, Beyond, FarLab, beyond, far_lab
from tests.disturbances import heard
from tests.far import slow
from tests.ports import ADDRESS

pytestmark = pytest.mark.e2e

TOLD = re.compile(r"reached through SSH: 127\.0\.0\.1:\d+ cannot be reached directly \(connection refused\)")
SILENCE = 30.0


ACCESS = """users:
  ann: {password: "${file:ann.password}"}
quotas:
  - {user: ann, producer_byte_rate: 1048576}
  - {client_id: <default>, request_percentage: 200}
topics:
  refunds: {partitions: 2, replication_factor: 1}
"""
ACLS = """acls:
  - {principal: User:ann, topic: refunds, allow: [Read, Write]}
  - {principal: User:ann, group: app, allow: Read}
"""


def settled(lab: FarLab, access: str, steps: int) -> None:
    """Apply a file, and hold the cluster to it: no drift, and what is exported is what was applied."""
    fab, file = lab.fab, lab.inventory.parent / "access.yaml"
    file.write_text(access)
    file.with_name("ann.password").write_text("a password\n")
    plan = fab("access.plan", "--json", "--detailed-exitcode")
    assert (plan.code, len(plan.document["steps"]), len(TOLD.findall(plan.err))) == (10, steps, 1), plan.err
    assert len(fab.must("access.apply", "--yes", "--json").document["steps"]) == steps
    assert fab.must("access.drift", "--json").document["differs"] is False
    file.with_name("exported.yaml").write_text(fab.must("access.export").out)
    again = fab.must("access.apply", "--file", str(file.with_name("exported.yaml")), "--yes", "--json")
    assert again.document["steps"] == []


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """A network with a bastion."""
    with beyond(tmp_path_factory.mktemp("network"), 0) as made:
        yield made


@pytest.fixture(scope="module")
def lab(network: Beyond, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarLab]:
    """A cluster in ZooKeeper mode that was deployed and started from here."""
    with far_lab(network, tmp_path_factory.mktemp("home"), "--hosts", "3") as made:
        assert TOLD.search(made.fab.must("deploy", "start").err)
        yield made


def test_status_and_verify_see_all_of_it(lab: FarLab) -> None:
    """Every node is seen, and the probe's records are written and read back; one line says which way that went."""
    assert {node["state"] for node in lab.fab.must("status", "--json").document["nodes"]} == {"running"}
    done = lab.fab.must("verify", "--json")
    probe = next(one for one in done.document["findings"] if one["check"] == "replication.probe")["evidence"]
    severities = {finding["severity"] for finding in done.document["findings"]}
    assert (severities, probe["lost"], probe["duplicates"]) == ({"OK"}, 0, 0)
    assert len(TOLD.findall(done.err)) == 1


def test_life_of_a_topic_and_its_records(lab: FarLab) -> None:
    """A topic is created, grown, configured, written, read by a group, and deleted; refusals are Kafka's own."""
    fab = lab.fab
    fab.must("topics.create", "orders", "--partitions", "3")
    refused = fab("topics.alter", "orders", "--config", "min.insync.replicas=0")
    assert (refused.code, "min.insync.replicas" in refused.err) == (1, True), refused.err
    fab.must("topics.alter", "orders", "--partitions", "4", "--config", "retention.ms=3600000")
    written = fab.must("records.write", "orders", "--count", "200", "--json")
    assert (written.document["acked"], written.document["client"]) == (200, "kafka-python")
    assert "librdkafka cannot go through SSH" in written.err
    read = fab.must("records.read", "orders", "--group", "readers", "--json").document
    assert (read["read"], read["client"]) == (200, "kafka-python")
    assert "readers" in fab.must("groups.list").out
    fab.must("groups.reset", "readers", "--to", "earliest", "--yes")
    fab.must("groups.delete", "readers", "--yes")
    fab.must("topics.delete", "orders", "--yes")


def test_a_roll_with_its_canary(lab: FarLab) -> None:
    """A rolling restart of a broker loses nothing, by kafka-python's own count."""
    done = lab.fab.must("restart", "--limit", "node1/broker", "--yes", "--json")
    canary = done.document["canary"]
    assert (canary["client"], canary["total"]["lost"], canary["counted"]) == ("kafka-python", 0, True)


def test_a_drill_says_which_client_it_was(lab: FarLab) -> None:
    """With both clients asked for each cell is measured once, with kafka-python."""
    done = lab.fab.must("drill.run", "offsets", "--records", "100", "--json")
    rows = done.document["drills"][0]["rows"]
    assert {row["client"] for row in rows} == {"kafka-python"}


def test_a_host_that_forbids_forwarding_is_named(lab: FarLab) -> None:
    """One sshd that forwards nothing costs its own nodes alone, and the line to change is told, by preflight, too."""
    with lab.forbidding("node2"):
        done = lab.fab("status", "--json")
        preflight = lab.fab("preflight", "--json")
    bad = [one for one in preflight.document["findings"] if one["severity"] != "OK"]
    assert [(one["check"], one["subject"]) for one in bad] == [("ssh.forwarding", "node2")], bad
    assert (preflight.code, "AllowTcpForwarding" in bad[0]["detail"]) == (1, True)
    unknown = {node["node"] for node in done.document["nodes"] if "AllowTcpForwarding" in str(node)}
    assert unknown <= {"node2/zookeeper", "node2/broker"}
    assert "AllowTcpForwarding" in done.out + done.err


def test_a_canary_outlives_its_connections(network: Beyond, lab: FarLab) -> None:
    """Where all connections through the bastion are cut, the clients see it at once and go on over new logins: nothing is lost."""
    with lab.fab.start("canary", "--for", "15s", "--json") as process:
        try:
            heard(process, "records acknowledged")
            assert network.drop_logins()
            begun = time.monotonic()
            out, said = process.communicate(timeout=3 * SILENCE)
        finally:
            process.kill()
    assert time.monotonic() - begun < 2 * SILENCE
    found = json.loads(out)
    assert (found["total"]["lost"], found["counted"]) == (0, True), said


def test_a_bastion_that_hangs_is_told_in_time(network: Beyond, lab: FarLab) -> None:
    """A command ends within the time in which silence is told, and says what is silent."""
    with network.hanging():
        begun = time.monotonic()
        done = lab.fab("status")
        assert time.monotonic() - begun < SILENCE + 5
    assert done.code == 4, done.err  # no host was reached
    lab.fab.must("status")


@pytest.mark.parametrize("words", [("status",), ("topics.list",), ("verify", "--read-only")])
def test_300_ms_of_round_trip_to_the_bastion(network: Beyond, lab: FarLab, words: tuple[str, ...]) -> None:
    """Two logins and a question take longer than a question may take: nothing is unknown for that."""
    with slow(PORT, 0.15, network.bastion) as at:
        known = (network.folder / "known_hosts").read_text().partition(" ")[2]
        with (lab.inventory.parent / "known_hosts").open("a") as file:
            file.write(f"[{ADDRESS}]:{at} {known}")
        document = yaml.safe_load(lab.inventory.read_text())
        document["ssh"]["gateway"] = f"root@{ADDRESS}:{at}"
        with lab.rewritten(yaml.safe_dump(document, sort_keys=False)):
            begun = time.monotonic()
            lab.fab.must(*words)
            assert time.monotonic() - begun < SILENCE


def test_reach_direct_does_not_reach_it(lab: FarLab) -> None:
    """Who wants plain connections alone has them: nothing is seen then."""
    document = yaml.safe_load(lab.inventory.read_text())
    document["ssh"]["reach"] = "direct"
    with lab.rewritten(yaml.safe_dump(document, sort_keys=False)):
        done = lab.fab("topics.list")
    assert (done.code, "connection refused" in done.err) == (4, True)


def test_kraft_over_ssh_alone(network: Beyond, tmp_path: Path) -> None:
    """A combined KRaft node is deployed, started, verified and stopped with `reach: ssh`, and without a word about it."""
    with far_lab(network, tmp_path / "home", "--hosts", "1", "--version", "4.3.1", reach="ssh") as lab:
        done = lab.fab.must("deploy", "start", "verify", "--json")
        assert "through SSH" not in done.err
        lab.fab.must("stop", "--yes")


@pytest.fixture(scope="module")
def secure(network: Beyond, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarLab]:
    """A secure combined KRaft node that runs, with what it is to have in a file."""
    words = ("--hosts", "1", "--version", "4.3.1", "--secure")
    with far_lab(network, tmp_path_factory.mktemp("secure"), *words) as made:
        made.fab.must("deploy", "start")
        made.inventory.write_text(made.inventory.read_text() + "access: access.yaml\n")
        (made.inventory.parent / "ann.password").touch(0o600)
        yield made


def test_a_secure_cluster_over_ssh(secure: FarLab) -> None:
    """TLS and logins go through the channels as they are: verify proves the walls, and a canary logs in, too."""
    report = secure.fab.must("verify", "--json").document
    assert {finding["severity"] for finding in report["findings"]} == {"OK"}
    canary = secure.fab.must("canary", "--for", "3s", "--json").document
    assert (canary["client"], canary["total"]["lost"]) == ("kafka-python", 0)


def test_access_of_a_secure_cluster_over_ssh(secure: FarLab) -> None:
    """Topics, users, ACLs and quotas are planned, applied and exported through SSH; a changed password is found by a login there."""
    settled(secure, ACCESS + ACLS, steps=7)
    (secure.inventory.parent / "ann.password").write_text("another one\n")
    drift = secure.fab("access.drift")
    assert (drift.code, "password changed" in drift.out, len(TOLD.findall(drift.err))) == (10, True, 1)


def test_access_without_an_authorizer_over_ssh(lab: FarLab) -> None:
    """In ZooKeeper mode, and without logins, the rest of a file is applied the same way."""
    (lab.inventory.parent / "ann.password").touch(0o600)
    with lab.rewritten(lab.inventory.read_text() + "access: access.yaml\n"):
        settled(lab, ACCESS, steps=4)
