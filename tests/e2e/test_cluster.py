"""A cluster's life on the lab, as a user types it: real sshd, real ZooKeeper, real Kafka, two releases.

The file is over 400 lines long because all its tests share one cluster a release, which a module's fixture holds.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kafab.model import Node
from kafab.ops.check.ensemble_election import CHECK
from kafab.releases import launchers
from tests import python_checks, record_checks
from tests.alert_faults import check_zookeeper_without_majority
from tests.conftest import cannot_run
from tests.drill_checks import check_drills_hold
from tests.fab import Fab
from tests.group_checks import check_life_of_a_group, check_markers_are_no_records, check_what_kafka_answers
from tests.labs import LocalLab
from tests.metrics_checks import check_metrics
from tests.prometheus_checks import check_panels, watching
from tests.two_listeners import (
    check_that_brokers_use_the_internal_one,
    check_that_clients_stay,
    check_that_verify_asks_both,
    give_two_listeners,
)

pytestmark = pytest.mark.e2e
VERSIONS = ("3.9.2", "2.4.1")
"""The other version's brokers have the only listener that an inventory without listeners gives them."""
ARCHIVE_LIMIT = 240  # seconds
ARCHIVE_PATIENCE = 30  # seconds for the one that a start has left behind
SESSION_MS = 16_000
"""The brokers' session in ZooKeeper: long enough for a slow machine to meet the old one of a broker that was killed."""


class Lab(LocalLab):
    """A lab whose cluster runs when a test begins and when it ends."""

    def tree(self) -> dict[str, tuple[int, int]]:
        """Return inode and time of every file on the hosts that a deploy could write."""
        kept = {}
        for host in self.cluster.hosts:
            for root in (host.paths.releases, host.paths.config):
                for path in [Path(root), *Path(root).rglob("*")]:
                    found = path.lstat()
                    kept[str(path)] = (found.st_ino, found.st_mtime_ns)
        return kept

    def states(self) -> dict[str, tuple[str, str]]:
        """Return node -> state and configuration, as `status` says."""
        nodes = self.fab.must("status", "--json").document["nodes"]
        return {node["node"]: (node["state"], node["configuration"]) for node in nodes}


def with_property(inventory: str, broker: int, line: str) -> str:
    """Give one broker of the lab's inventory a property of its own."""
    changed = re.sub(rf"(broker:\n +)(id: {broker}\n)", rf"\1properties: {{{line}}}\n      \2", inventory)
    assert changed != inventory
    return changed


SHAPED = {
    version: pytest.param(version, marks=pytest.mark.xdist_group(f"cluster {version}"))
    for version in VERSIONS
}


@pytest.fixture(
    scope="module",
    params=SHAPED.values(),
)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring three hosts up, deploy, start; and end exactly that again."""
    home = tmp_path_factory.mktemp("home")
    fab = Fab(home)
    made = Lab(fab)
    try:
        fab.must("lab.up", "--version", request.param, "--observe")
        document = yaml.safe_load(made.inventory.read_text())
        document["kafka"]["properties"]["zookeeper.session.timeout.ms"] = SESSION_MS
        give_two_listeners(document)
        made.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        fab.must("deploy", "start")
        yield made
    finally:
        fab("lab.down")


def test_started_cluster_verifies(lab: Lab) -> None:
    """After start every finding is OK and the probe lost and doubled nothing."""
    document = lab.fab.must("verify", "--json").document
    probe = next(f for f in document["findings"] if f["check"] == "replication.probe")["evidence"]
    severities = {finding["severity"] for finding in document["findings"]}
    assert (severities, probe["lost"], probe["duplicates"]) == ({"OK"}, 0, 0)


def test_smoke_finds_it_well(lab: Lab) -> None:
    """A read-only look at a cluster in ZooKeeper mode, as one of a fleet, has one line and no problem."""
    done = lab.fab.must("smoke", str(lab.inventory), "--json")
    assert [(one["cluster"], one["verdict"]) for one in done.document["clusters"]] == [("lab", "OK")]


def test_nodes_show_their_metrics(lab: Lab) -> None:
    """Each broker and ZooKeeper server shows what dashboards and alerts need of it."""
    check_metrics(lab)


def test_every_panel_has_data(lab: Lab, tmp_path: Path) -> None:
    """What a dashboard asks a Prometheus of this cluster it gets an answer to, also where nothing has happened yet."""
    with watching(lab.cluster, tmp_path, hurry=12) as watcher:
        check_panels(watcher, lab)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_ensemble_without_quorum_fires_its_alerts(lab: Lab, tmp_path: Path) -> None:
    """Of two servers that were killed, of the quorum, and of each broker's session a quick Prometheus warns; then it is silent."""
    with watching(lab.cluster, tmp_path, hurry=60) as watcher:
        check_zookeeper_without_majority(lab, watcher)


@pytest.mark.parametrize("name", ["INTERNAL", "EXTERNAL"])
def test_client_stays_on_its_listener(lab: Lab, name: str) -> None:
    """A client that comes to a listener is told the addresses of that listener, of every broker, and no other ones."""
    check_that_clients_stay(lab, name)


def test_brokers_use_the_internal_listener(lab: Lab) -> None:
    """Every broker is connected to the internal listener of each other one, and to no external listener."""
    check_that_brokers_use_the_internal_one(lab)


def test_verify_asks_both_listeners(lab: Lab) -> None:
    """`verify` says of each broker that both listeners answer, each with its own addresses."""
    check_that_verify_asks_both(lab)


def test_life_of_a_group(lab: Lab) -> None:
    """A group is described with its member, refused a reset then, and reset, restored, deleted and brought back without."""
    check_life_of_a_group(lab)


def test_what_kafka_answers_of_groups(lab: Lab) -> None:
    """What groups.reset rests on holds: nothing is clamped by Kafka, a late time has no offset, a member refuses all."""
    check_what_kafka_answers(lab)


def test_markers_are_no_records(lab: Lab) -> None:
    """A group that has read all but a transaction's marker is behind no record."""
    check_markers_are_no_records(lab)


def test_commits_drill_holds(lab: Lab) -> None:
    """What each way to commit leaves processed twice or never is as Kafka allows, and each control shows its anomaly."""
    check_drills_hold(lab, "commits", "--client", "confluent")


def test_python_of_the_guarantees_does_what_it_says(lab: Lab, tmp_path: Path) -> None:
    """The programs beside the tables run as they stand, but for the names of brokers, topics and groups."""
    if str(lab.cluster.version) == VERSIONS[0]:
        python_checks.check_programs_do_what_they_say(lab, tmp_path)


@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_written_records_are_there(lab: Lab, client: str) -> None:
    """What `records.write` tells as acknowledged is in the log, where it is told, with either client."""
    record_checks.check_written_records_are_there(lab, client)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_refused_records_are_told(lab: Lab, client: str) -> None:
    """A record that is too large, an unknown partition and an unknown topic are told, and nothing is written."""
    record_checks.check_refused_records_are_told(lab, client)


@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_records_are_read(lab: Lab, client: str) -> None:
    """The guide's examples hold: a reader without a group, a group that goes on, two members, a second group."""
    record_checks.check_records_are_read(lab, client)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_end_is_found_behind_no_record(lab: Lab, client: str) -> None:
    """`records.read` ends where the last offsets are no records, or those of an open transaction."""
    record_checks.check_end_is_found_behind_no_record(lab, client)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_reader_leaves_at_ctrl_c(lab: Lab, client: str) -> None:
    """At Ctrl-C a member commits what it has shown, leaves and tells its figures."""
    record_checks.check_reader_leaves_at_ctrl_c(lab, client)


def test_reading_is_refused(lab: Lab) -> None:
    """A partition, an offset and a time that are not there are told with the log's bounds."""
    record_checks.check_reading_is_refused(lab)


def archived(broker: Node, seconds: float) -> list[Path]:
    """Make a broker's archive of classes, as what `start` leaves behind does once the machine has a processor to spare."""
    launch, classes = str(broker.config / "launch"), Path(broker.run / "classes")
    deadline = time.monotonic() + seconds
    # It ends at once where another one is at it.
    while not (made := list(classes.glob("*.jsa"))) and time.monotonic() < deadline:
        subprocess.run(["sh", launch, "archive"], check=False, timeout=ARCHIVE_LIMIT)
        time.sleep(0.2)
    return made


def recorded_anew(lab: Lab, broker: Node) -> None:
    """Start a broker again and keep all others from its list of classes: the one that made an archive of it is ended."""
    lab.fab.must("stop", "--limit", broker.name)
    with Path(broker.run / "classes" / "making").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lab.fab.must("start", "--limit", broker.name)


# Of one version, as the archive is Java's matter and the launch script's: to make one takes 10 s of processor time.
@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
@pytest.mark.timeout(600)
def test_next_start_maps_the_archive_of_classes(lab: Lab) -> None:
    """From the classes that a start has recorded the host makes an archive, and the next start's Java maps it."""
    broker = lab.cluster.brokers[0]
    made = archived(broker, ARCHIVE_PATIENCE)
    if not made:
        # The one at it has the lowest priority: on a machine that is busy it may never come to its end.
        recorded_anew(lab, broker)
        made = archived(broker, ARCHIVE_LIMIT)
    lab.fab.must("restart", "--limit", "node1/broker", "--no-canary")
    maps = Path(f"/proc/{lab.pid('node1/broker')}/maps").read_text()
    assert [str(archive) in maps for archive in made] == [True]


def test_verify_covers_every_node(lab: Lab) -> None:
    """Each node's process is a finding of its own."""
    findings = lab.fab.must("verify", "--read-only", "--json").document["findings"]
    assert [f["subject"] for f in findings if f["check"] == "process"] == [
        node.name for node in lab.cluster.nodes
    ]


def test_election_is_forced_and_timed(lab: Lab) -> None:
    """A forced election gives the next epoch, and verify says how long it took."""
    findings = lab.fab.must("verify", "--read-only", "--election", "--json").document["findings"]
    evidence = next(f for f in findings if f["check"] == CHECK)["evidence"]
    assert evidence["new_epoch"] > evidence["old_epoch"]


def test_junit_has_a_case_a_finding(lab: Lab, tmp_path: Path) -> None:
    """A CI job can read the findings."""
    file = tmp_path / "verify.xml"
    document = lab.fab.must("verify", "--read-only", "--json", "--junit", str(file)).document
    assert len(list(ET.parse(file).iter("testcase"))) == len(document["findings"])


def test_second_deploy_writes_nothing(lab: Lab) -> None:
    """With nothing to do no file on any host is touched."""
    before = lab.tree()
    done = lab.fab.must("deploy")
    assert (lab.tree() == before, "nothing to do" in done.out) == (True, True)


def test_second_start_changes_nothing(lab: Lab) -> None:
    """On a running cluster every process stays the one it was."""
    before = lab.pids()
    done = lab.fab.must("start")
    assert (lab.pids() == before, "everything runs already" in done.out) == (True, True)


def test_edit_by_hand_is_a_diff(lab: Lab) -> None:
    """A file changed on a host is shown line by line, with exit code 10; deploy takes the change back."""
    target = Path(lab.cluster.brokers[1].config / "server.properties")
    target.write_text(target.read_text() + "mine=yes\n")
    plan = lab.fab("plan", "--detailed-exitcode")
    lab.fab.must("deploy")
    assert (plan.code, "-mine=yes" in plan.out, "mine=yes" in target.read_text()) == (10, True, False)


def test_changed_property_reaches_its_nodes_only(lab: Lab) -> None:
    """One broker's property changes that broker's file, and its restart alone is pending."""
    text = lab.inventory.read_text()
    changed = with_property(text, 2, "log.retention.hours: 24")
    before = lab.tree()
    lab.inventory.write_text(changed)
    try:
        lab.fab.must("deploy")
        after = lab.tree()
        states = lab.states()
    finally:
        lab.inventory.write_text(text)
        lab.fab.must("deploy")
    changed_paths = [Path(path) for path in after if after[path] != before.get(path)]
    # What ran is kept beside the files, as copies.
    files = {path.name for path in changed_paths if path.is_file() and ".before" not in path.parts}
    pending = [node for node, (_, configuration) in states.items() if configuration == "restart pending"]
    assert (files, pending) == ({"server.properties", ".deployed"}, ["node2/broker"])


@pytest.mark.timeout(300)
def test_dynamic_property_needs_no_restart(lab: Lab) -> None:
    """A changed property is in force on its running broker; after a restart from the new file its own value is gone."""
    before, kept = lab.pids(), lab.inventory.read_text()
    lab.inventory.write_text(with_property(kept, 2, "background.threads: 11"))

    def shown() -> tuple[str, str, str]:
        document = lab.fab.must("config.show", "node2", "--key", "background.threads", "--json").document
        (line,) = document["properties"]
        return line["file"], line["running"], line["source"]

    try:
        done = lab.fab.must("config.apply", "--json").document
        assert done["set"] == {"node2/broker": {"background.threads": "11"}}
        assert (shown(), lab.pids()) == (("11", "11", "broker"), before)
        assert lab.states()["node2/broker"] == ("running", "set online")
        assert lab.fab.must("restart", "--pending", "--json").document["nodes"] == []
        lab.fab.must("restart", "--limit", "node2/broker", "--no-canary")
        assert shown() == ("11", "11", "file")
    finally:
        lab.inventory.write_text(kept)
        lab.fab.must("deploy", "restart", "--pending", "--no-canary")


def test_kcat_produces_and_consumes(lab: Lab) -> None:
    """A client that knows nothing of kafab sees three brokers and reads what it wrote."""
    kcat = shutil.which("kcat")
    if kcat is None:
        cannot_run("kcat is not installed")
    bootstrap = lab.cluster.bootstrap
    lab.fab.must("topics.create", "orders", "--partitions", "3", "--replication-factor", "3")
    brokers = subprocess.run(
        [kcat, "-b", bootstrap, "-L"], capture_output=True, text=True, check=True, timeout=60
    )
    subprocess.run(
        [kcat, "-b", bootstrap, "-P", "-t", "orders", "-X", "acks=all"],
        input=b"one\ntwo\n",
        check=True,
        timeout=60,
    )
    read = subprocess.run(
        [kcat, "-b", bootstrap, "-C", "-t", "orders", "-e", "-q"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lab.fab.must("topics.delete", "orders")
    assert (" 3 brokers:" in brokers.stdout, sorted(read.stdout.split())) == (True, ["one", "two"])


def test_logs_show_the_last_lines(lab: Lab) -> None:
    """The log of a node is shown as it stands on its host."""
    shown = lab.fab.must("logs", "node1/broker", "--lines", "5").out
    log = Path(lab.cluster.brokers[0].logs / "server.log").read_text().splitlines()  # it may grow meanwhile
    assert shown.splitlines()[0] in log


@pytest.fixture
def with_tools(lab: Lab) -> Iterator[Lab]:
    """The lab with bin/ in the release of its first host, also where the stored one was put together before there was any."""
    libs = Path(lab.cluster.brokers[0].current) / "libs"
    made: list[Path] = []
    if not (libs.parent / "bin").is_dir():
        jars = [zipfile.ZipFile(jar) for jar in libs.glob("*.jar")]
        names = {name for jar in jars for name in jar.namelist()}
        classes = {name.removesuffix(".class").replace("/", ".") for name in names}
        for name, text in launchers.files(classes, log4j2=False).items():
            made.append(libs.parent / name)
            made[-1].parent.mkdir(exist_ok=True)
            made[-1].write_text(text)
            made[-1].chmod(0o755)
    yield lab
    for path in made:
        path.unlink()
    for folder in {path.parent for path in made}:
        folder.rmdir()


def test_kafkas_own_tool_lists_the_topics(with_tools: Lab) -> None:
    """What a guide tells to type runs on a node, with the brokers' addresses filled in."""
    fab = with_tools.fab
    fab.must("topics.create", "orders", "--partitions", "1", "--replication-factor", "3")
    try:
        done = fab.must("tool", "node1/broker", "--", "kafka-topics.sh", "--list")
    finally:
        fab.must("topics.delete", "orders")
    assert "orders" in done.out.splitlines(), done.out + done.err


def test_kafkas_own_tool_passes_its_exit_code_on(with_tools: Lab) -> None:
    """What the tool takes for a failure is one here."""
    done = with_tools.fab("tool", "node1/broker", "--", "kafka-topics.sh", "--no-such-option")
    assert (done.code, "no-such-option is not a recognized option" in done.err) == (1, True)


def test_shell_of_zookeeper_is_below_the_chroot(with_tools: Lab) -> None:
    """The servers are filled in with the cluster's own path: its brokers' ids are where Kafka has them."""
    done = with_tools.fab.must("tool", "node1/broker", "--", "zookeeper-shell.sh", "ls", "/brokers/ids")
    # The shell's own thread may write its "WatchedEvent" between the bracket and the ids.
    assert done.out.splitlines()[-1].endswith("1, 2, 3]"), done.out + done.err


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_start_after_kill_waits_for_the_old_session(lab: Lab) -> None:
    """After kill -9 a start waits, visibly, until the old registration has gone, and then succeeds."""
    killed = lab.pid("node3/broker")
    os.kill(killed, signal.SIGKILL)
    done = lab.fab.must("status", "start")  # in one go: the old session lasts no longer on a slow machine
    exited = re.search(r"(?m)^node3 .*\bbroker\b.*\bexited\b", done.out)
    assert (exited is not None, "old registration" in done.err, lab.pid("node3/broker") != killed) == (
        True,
        True,
        True,
    ), done.out + done.err


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_broken_property_is_told_with_the_reason(lab: Lab) -> None:
    """A broker that exits at start is told within seconds, with Kafka's own words, and what is likely to be wrong; the others stay."""
    text = lab.inventory.read_text()
    lab.inventory.write_text(with_property(text, 3, "principal.builder.class: org.example.Missing"))
    others = {node: pid for node, pid in lab.pids().items() if node != "node3/broker"}
    try:
        lab.fab.must("deploy")
        lab.fab.diagnose = ""
        done = lab.fab("restart", "--limit", "node3/broker", "--no-canary")
    finally:
        lab.fab.diagnose = "no"
        lab.inventory.write_text(text)
        lab.fab.must("deploy", "start")
    kept = {node: pid for node, pid in lab.pids().items() if node != "node3/broker"}
    assert (
        done.code,
        "node3/broker: the process exited" in done.err,
        "org.example.Missing" in done.err,
        kept == others,
    ) == (
        1,
        True,
        True,
        True,
    )
    (archive,) = (lab.fab.home / "diagnoses").iterdir()
    assert "likely cause: node3/broker: its configuration is refused" in done.err
    assert f"gathered: {archive} " in done.err


def test_stop_that_would_cost_availability_is_refused(lab: Lab) -> None:
    """Two of three ZooKeeper servers are not stopped under running brokers, and the numbers are told."""
    done = lab.fab("stop", "--limit", "node1/zookeeper,node2/zookeeper")
    assert (done.code, "1 of 3 ZooKeeper servers" in done.err, lab.states()["node1/zookeeper"][0]) == (
        3,
        True,
        "running",
    )


def test_what_speaks_against_a_stop_is_told_beforehand(lab: Lab) -> None:
    """One broker can be spared and two servers cannot: can-stop says so with its exit code, and stops nothing."""
    lab.fab.must("topics.create", "single", "--partitions", "3", "--replication-factor", "1")
    try:
        spared, refused = (
            lab.fab("can-stop", nodes, "--json")
            for nodes in ("node1/zookeeper", "node1/broker,node2/zookeeper,node3/zookeeper")
        )
    finally:
        lab.fab.must("topics.delete", "single")
    subjects = {blocker["subject"][:7] for blocker in refused.document["blockers"]}
    assert (spared.code, refused.code, subjects) == (0, 3, {"ZooKeep", "single-"})


def test_canary_loses_nothing(lab: Lab) -> None:
    """On a whole cluster every broker's records come back once and in order, and the topic is gone."""
    document = lab.fab.must("canary", "--for", "3s", "--json").document
    total, acked = document["total"], [row["acked"] for row in document["partitions"]]
    broken = {total[name] for name in ("lost", "unread", "duplicates", "reordered")}
    assert (document["verdict"], document["counted"], broken, min(acked) > 0) == ("OK", True, {0}, True)
    assert document["topic"] not in lab.fab.must("topics.list").out


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_canary_whose_owner_is_killed_takes_its_topic_away(lab: Lab) -> None:
    """After kill -9 of the command its canary ends by itself, and its topic is gone."""
    with lab.fab.start("canary", "--for", "5m") as process:
        assert process.stderr
        topic = re.search(r"kafab-canary-\S+\b", process.stderr.readline())
        assert topic
        next(line for line in process.stderr if "acknowledged, longest gap" in line)
        process.kill()
    deadline = time.monotonic() + 60
    while topic[0] in lab.fab.must("topics.list").out:
        assert time.monotonic() < deadline, f"{topic[0]} is still there"
        time.sleep(0.5)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_commands_without_the_lock_are_remembered(lab: Lab, tmp_path: Path) -> None:
    """Changes of topics, exec and push have a row each, on the hosts that they are about, and no word that may be a secret."""
    file = tmp_path / "some.conf"
    file.write_text("a\n")
    lab.fab.must("topics.create", "kept", "--partitions", "1", "topics.delete", "kept", "--yes")
    lab.fab.must("exec", "echo hunter2", "--limit", "node2", "push", str(file), str(tmp_path / "there.conf"))
    rows = lab.fab.must("history", "--last", "4", "--json").document["commands"]
    everywhere = ["node1", "node2", "node3"]
    # The hosts of a lab are one machine: the first one has the file by the time that the others are asked, or none has.
    assert [(row["command"], row["exit_code"], row["hosts"]) for row in rows[:3]] == [
        ("topics.create kept --partitions 1", 0, everywhere),
        ("topics.delete kept --yes", 0, everywhere),
        ("exec echo", 0, ["node2"]),
    ]
    assert (rows[3]["command"].startswith(f"push {file}"), "hunter2" in str(rows)) == (True, False)


@pytest.mark.parametrize("lab", [SHAPED[VERSIONS[0]]], indirect=True)
def test_second_operator_is_refused(lab: Lab) -> None:
    """While one command changes the cluster, another one ends with 6 and names it."""
    with lab.fab.start("restart", "--limit", "node2/broker", "--no-canary") as first:
        assert first.stderr is not None
        for line in first.stderr:
            if "stopped" in line:
                break
        second = lab.fab("stop", "--limit", "node2/zookeeper")
        first.communicate(timeout=120)
    assert (first.returncode, second.code, "`restart`" in second.err) == (0, 6, True)


def test_stop_leaves_no_process(lab: Lab) -> None:
    """Stop ends every process; start brings the cluster back."""
    pids = lab.pids()
    lab.fab.must("stop")
    left = [pid for pid in pids.values() if _runs(pid)]
    states = {state for state, _ in lab.states().values()}
    lab.fab.must("start")
    assert (left, states) == ([], {"stopped"})


def test_history_has_what_was_done(lab: Lab) -> None:
    """The start that has just ended is the last row, of all three hosts, with its figures; what was not killed has an end."""
    found = lab.fab.must("history", "--last", "100", "--json").document["commands"]
    last = found[-1]
    told = (last["command"], last["exit_code"], last["figures"], last["hosts"])
    without_end = {each["command"].split()[0] for each in found if each["exit_code"] is None}
    started = {"started": len(lab.cluster.nodes)}
    assert told == ("start", 0, started, ["node1", "node2", "node3"])
    assert without_end <= {"canary"}, found  # a test has killed one


def test_lab_down_leaves_nothing(lab: Lab) -> None:
    """After lab.down no java and no sshd of the lab is left, nor its folder."""
    pids = [*lab.pids().values(), *_sshds(lab)]
    lab.fab.must("lab.down")
    assert ([pid for pid in pids if _runs(pid)], lab.inventory.parent.exists()) == ([], False)


def _sshds(lab: Lab) -> list[int]:
    hosts = lab.fab.must("lab.status", "--json").document["hosts"]
    return [host["sshd"] for host in hosts]


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_whole_life_in_one_command_line(tmp_path: Path) -> None:
    """From nothing to a verified cluster and back to nothing, typed as one chain."""
    fab = Fab(tmp_path)
    chain = ("lab.up", "deploy", "start", "verify", "status", "stop", "lab.down")
    try:
        done = fab(*chain)
        left = (tmp_path / "labs" / "lab").exists()
        assert (done.code, "(35 OK)" in done.out, left) == (0, True, False), done.err
    finally:
        fab("lab.down")
