"""A KRaft cluster's life on the lab, as a user types it, in each shape: real sshd, real Kafka, three lines of it.

The file is a little over 400 lines long because its tests share one cluster, which a module's fixture holds.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from confluent_kafka import KafkaError, Producer

from kafab.adapters.kafka.drills import redis_server
from kafab.ops.drills import acks
from tests import python_checks, record_checks
from tests.conftest import cannot_run
from tests.diagnosis_checks import check_that_a_killed_broker_is_named
from tests.drill_checks import (
    check_controls_turn_red,
    check_drills_hold,
    check_frozen_goes_on_after_kill,
    check_phases_hold,
)
from tests.fab import Fab
from tests.group_checks import check_life_of_a_group, check_what_kafka_answers
from tests.labs import LocalLab
from tests.metrics_checks import check_metrics
from tests.prometheus_checks import check_panels, check_throttle_left_behind, watching
from tests.set_online import check_that_a_property_is_set_online, shown
from tests.two_listeners import (
    check_that_brokers_use_the_internal_one,
    check_that_clients_stay,
    check_that_verify_asks_both,
    give_two_listeners,
)

pytestmark = pytest.mark.e2e
COMBINED, ISOLATED = ("--controllers", "combined"), ("--controllers", "isolated")
STATIC = ("--quorum", "static")
QUICK = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000}
"""A coordinator looks for abandoned transactions every second, not every 10."""
TOPICS = (
    *("topics.create", "orders", "--partitions", "3", "--replication-factor", "3"),
    *("topics.describe", "orders"),
    *("topics.alter", "orders", "--partitions", "6", "--config", "retention.ms=3600000"),
    *("topics.alter", "orders", "--delete-config", "retention.ms"),
    *("topics.list", "topics.delete", "orders", "--yes"),
)
THE_REST = (*TOPICS, "logs", "node1/broker", "stop", "destroy", "lab.down")


def shape(*words: str) -> object:
    """Return a shape of lab, which any worker may take: it shares nothing with the others."""
    name = " ".join(word for word in words if not word.startswith("--"))
    return pytest.param(words, id=name, marks=pytest.mark.xdist_group(f"kraft {name}"))


# 4.3.1 with isolated controllers is the lab that the other tests share.
SHAPES = (
    shape("--mode", "kraft", "--version", "3.9.2", *COMBINED),
    shape("--mode", "kraft", "--version", "3.9.2", *ISOLATED),
    shape("--version", "4.3.1", *COMBINED),
    shape("--version", "4.3.1", *ISOLATED, *STATIC),
    shape("--version", "4.4.0", *COMBINED),
)


@pytest.mark.parametrize("words", SHAPES)
def test_whole_life_in_one_command(words: tuple[str, ...], tmp_path: Path) -> None:
    """One chain makes a cluster of this shape, proves it and takes it away; nothing is left."""
    fab = Fab(tmp_path)
    try:
        fab.must("lab.up", *words, "preflight", "plan", "deploy", "start", "verify", "status", *THE_REST)
    finally:
        fab("lab.down")
    assert not list((tmp_path / "labs").glob("*/cluster.yaml"))


class Lab(LocalLab):
    """A lab of 4.3.1 with isolated controllers and a dynamic quorum, whose cluster runs when a test begins and ends."""

    def started_with(self, name: str, flag: str) -> bool:
        """Tell whether a node's process has this flag."""
        return flag in Path(f"/proc/{self.pid(name)}/cmdline").read_text().split("\0")

    def ids(self) -> set[str]:
        """Return every cluster id that a node's data has."""
        files = [Path(path / "meta.properties") for node in self.cluster.nodes for path in node.data]
        lines = [line for file in files for line in file.read_text().splitlines()]
        return {line for line in lines if line.startswith("cluster.id=")}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring three hosts up, with two listeners a broker, deploy, start; and end exactly that again."""
    home = tmp_path_factory.mktemp("home")
    fab = Fab(home)
    made = Lab(fab)
    try:
        fab.must("lab.up", "--version", "4.3.1", *ISOLATED, "--observe")
        document = yaml.safe_load(made.inventory.read_text())
        give_two_listeners(document)
        document["kafka"]["properties"] |= QUICK
        made.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        fab.must("deploy", "start")
        yield made
    finally:
        fab.down()


@pytest.mark.xdist_group("kraft lab")
def test_started_cluster_verifies(lab: Lab) -> None:
    """After start every finding is OK, those of the quorum among them."""
    findings = lab.fab.must("verify", "--json").document["findings"]
    checks = {finding["check"] for finding in findings}
    severities = {finding["severity"] for finding in findings}
    assert (severities, "quorum.leader" in checks) == ({"OK"}, True)


@pytest.mark.xdist_group("kraft lab")
def test_smoke_tells_a_dead_cluster_from_those_that_are_well(lab: Lab, tmp_path: Path) -> None:
    """Of three inventories in a folder the dead one stands last and fails the run; once it is known it fails no more."""
    document = yaml.safe_load(lab.inventory.read_text())
    for key in ("identity", "known_hosts"):
        document["ssh"][key] = str(lab.inventory.parent / document["ssh"][key])
    for name in ("east", "west"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    dead = {
        "address": "127.0.0.1",
        "ssh": {"port": 1},
        "controller": {"id": 1, "port": 2},
        "broker": {"id": 2, "port": 3},
    }
    (tmp_path / "dead.yml").write_text(yaml.safe_dump({**document, "hosts": {"node1": dead}}))
    done = lab.fab("smoke", str(tmp_path), "--json")
    verdicts = [(one["cluster"], one["verdict"]) for one in done.document["clusters"]]
    assert (done.code, verdicts) == (5, [("east", "OK"), ("west", "OK"), ("dead", "UNKNOWN")])
    (tmp_path / "known.json").write_text(done.out)
    again = lab.fab.must("smoke", str(tmp_path), "--only-new", str(tmp_path / "known.json"))
    assert "0 new problems" in again.out


@pytest.mark.xdist_group("kraft lab")
def test_nodes_show_their_metrics(lab: Lab) -> None:
    """Each broker and isolated controller shows what dashboards and alerts need of it."""
    check_metrics(lab)


@pytest.mark.xdist_group("kraft lab")
def test_every_panel_has_data(lab: Lab, tmp_path: Path) -> None:
    """What a dashboard asks a Prometheus of this cluster it gets an answer to, also where nothing has happened yet."""
    with watching(lab.cluster, tmp_path, hurry=12) as watcher:
        check_panels(watcher, lab)


@pytest.mark.xdist_group("kraft lab")
def test_throttle_that_was_left_behind_fires_its_alert(lab: Lab, tmp_path: Path) -> None:
    """A limit of replication is warned of as long as nothing is moved below it."""
    with watching(lab.cluster, tmp_path, hurry=600) as watcher:
        check_throttle_left_behind(watcher, lab)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_life_of_a_group(lab: Lab, protocol: str) -> None:
    """A group of either protocol is described with its member, refused a reset then, and reset, restored, deleted without."""
    check_life_of_a_group(lab, protocol)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_written_records_are_there(lab: Lab, client: str) -> None:
    """What `records.write` tells as acknowledged is in the log of Kafka 4, too."""
    record_checks.check_written_records_are_there(lab, client)


@pytest.mark.xdist_group("kraft lab")
def test_python_of_a_share_group_does_what_it_says(lab: Lab, tmp_path: Path) -> None:
    """The program beside the drill of queues runs as it stands, but for the names of brokers, topic and group."""
    python_checks.check_share_group_is_a_queue(lab, tmp_path)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_records_are_read(lab: Lab, client: str) -> None:
    """The guide's examples hold with Kafka 4, too."""
    record_checks.check_records_are_read(lab, client)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("client", record_checks.CLIENTS)
def test_commits_are_of_what_was_read(lab: Lab, client: str) -> None:
    """A count that ends in the middle of what was fetched commits so much and no more."""
    record_checks.check_commits_are_of_what_was_read(lab, client)


@pytest.mark.xdist_group("kraft lab")
def test_acks_drill_holds(lab: Lab) -> None:
    """What a leader loses that is frozen, deposed or killed alone in sync is as Kafka allows, and each control shows its anomaly."""
    check_phases_hold(lab, acks.drill([acks.PAUSED_LEADER, acks.SILENT]))


@pytest.mark.xdist_group("kraft lab")
def test_failover_drill_holds_after_one_that_was_killed(lab: Lab) -> None:
    """A drill that is killed lets go of what it froze; the next one takes the rest away, and tells who took over and when."""
    check_frozen_goes_on_after_kill(lab, "acks")
    check_drills_hold(lab, "failover", "--client", "confluent")


@pytest.mark.xdist_group("kraft lab")
def test_duplicates_drill_holds(lab: Lab) -> None:
    """What is written or processed twice is what Kafka and each cure allow, through a relay that cuts, and with a Redis of its own."""
    if lacks := redis_server.lacking():
        cannot_run(f"{lacks[0]}; `{lacks[1]}` installs it")
    check_drills_hold(lab, "duplicates", "--client", "confluent")


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("drill", ["queue", "transactions"])
def test_drill_holds(lab: Lab, drill: str) -> None:
    """Share groups and transactions do what Kafka's rules say, and each control shows its anomaly."""
    check_drills_hold(lab, drill, "--client", "confluent")


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize(
    ("drill", "stay"),
    [
        ("offsets", ("new group, latest",)),
        ("acks", ()),
        ("duplicates", ()),
        ("queue", ()),
        ("transactions", ()),
    ],
)
def test_controls_turn_red(lab: Lab, drill: str, stay: tuple[str, ...]) -> None:
    """A drill whose faults are withheld fails: it would have seen a loss."""
    check_controls_turn_red(lab, drill, stay)


@pytest.mark.xdist_group("kraft lab")
def test_what_kafka_answers_of_groups(lab: Lab) -> None:
    """What groups.reset rests on holds in Kafka 4, too."""
    check_what_kafka_answers(lab)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize("name", ["INTERNAL", "EXTERNAL"])
def test_client_stays_on_its_listener(lab: Lab, name: str) -> None:
    """A client that comes to a listener is told the addresses of that listener, of every broker, and no other ones."""
    check_that_clients_stay(lab, name)


@pytest.mark.xdist_group("kraft lab")
def test_brokers_use_the_internal_listener(lab: Lab) -> None:
    """Every broker is connected to the internal listener of each other one, and to no external listener."""
    check_that_brokers_use_the_internal_one(lab)


@pytest.mark.xdist_group("kraft lab")
def test_verify_asks_both_listeners(lab: Lab) -> None:
    """`verify` says of each broker that both listeners answer, each with its own addresses."""
    check_that_verify_asks_both(lab)


@pytest.mark.xdist_group("kraft lab")
def test_every_node_has_the_one_cluster_id(lab: Lab) -> None:
    """The first deploy made one id, and every node's storage was formatted with it."""
    assert len(lab.ids()) == 1


@pytest.mark.xdist_group("kraft lab")
def test_second_deploy_formats_nothing(lab: Lab) -> None:
    """What has a meta.properties is never formatted again."""
    plan = lab.fab.must("plan", "--json").document
    assert plan["stages"] == []


@pytest.mark.xdist_group("kraft lab")
def test_killed_broker_comes_back(lab: Lab) -> None:
    """After kill -9 of a broker `diagnose` says so, `start` waits until its old session has ended, and succeeds."""
    os.kill(lab.pid("node2/broker"), signal.SIGKILL)
    check_that_a_killed_broker_is_named(lab, "node2/broker")
    assert "started node2/broker" in lab.fab.must("start").out


@pytest.mark.xdist_group("kraft lab")
def test_leader_moves_on_request(lab: Lab) -> None:
    """`verify --election` restarts the leading controller: another one leads in a later epoch."""
    findings = lab.fab.must("verify", "--read-only", "--election", "--json").document["findings"]
    evidence = next(found for found in findings if found["check"] == "controller.election")["evidence"]
    assert evidence["new_epoch"] > evidence["old_epoch"]


@pytest.mark.xdist_group("kraft lab")
def test_min_insync_replicas_is_in_force(lab: Lab) -> None:
    """With one of three replicas left acks=all is refused: the controllers have the cluster's min.insync.replicas of 2.

    On 4.x an isolated controller without it would make 1 the cluster's default, whatever the brokers' files say.
    """
    lab.fab.must("topics.create", "orders", "--partitions", "1", "--replication-factor", "3")
    try:
        lab.fab.must("stop", "--unsafe", "--limit", "node2/broker,node3/broker")
        assert _written(lab.cluster.brokers[0].endpoint) in (
            KafkaError.NOT_ENOUGH_REPLICAS,
            KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        )
    finally:
        lab.fab.must("start")
        lab.fab.must("topics.delete", "orders", "--yes")


def _written(at: object) -> int | None:
    """Write one record with acks=all and without retries; return the code of the error that Kafka answers with."""
    told: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": str(at), "acks": "all", "retries": 0, "log_level": 0})
    producer.produce("orders", b"one", on_delivery=lambda error, _message: told.append(error))
    producer.flush(60)
    assert told, "no answer within 60 s"
    return told[0].code() if told[0] else None


@pytest.mark.xdist_group("kraft lab")
def test_kept_by_the_majority(lab: Lab) -> None:
    """Two of three controllers cannot be stopped under running brokers: exit 3, and the numbers are told (fault 17)."""
    two = "node1/controller,node2/controller"
    asked = lab.fab("can-stop", two)
    done = lab.fab("stop", "--limit", two, "--yes")
    told = "would leave 1 of 3 controllers"
    assert (asked.code, told in asked.out, done.code, told in done.err) == (3, True, 3, True)


@pytest.mark.xdist_group("kraft lab")
def test_one_controller_after_the_other_is_refused(lab: Lab) -> None:
    """The leader takes a follower that stopped a moment ago for caught up: the second stop goes by who runs (fault 17)."""
    nodes = lab.fab.must("status", "--json").document["nodes"]
    roles = {node["node"]: node["leads"] or "" for node in nodes if node["node"].endswith("/controller")}
    first, second = [name for name, leads in roles.items() if "leader" not in leads]
    try:
        done = lab.fab("stop", "--limit", first, "stop", "--limit", second)
        assert (done.code, "would leave 1 of 3 controllers" in done.err) == (3, True), done.err
    finally:
        lab.fab.must("start")


@pytest.mark.xdist_group("kraft lab")
def test_roll_of_isolated_controllers_and_brokers_loses_nothing(lab: Lab) -> None:
    """Controllers first, the one that leads last of them; the canary beside it finds every record once, and the cluster is whole."""
    lab.fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
    nodes = lab.fab.must("status", "--json").document["nodes"]
    leading = next(node["node"] for node in nodes if "leader" in (node["leads"] or ""))
    try:
        done = lab.fab.must("restart", "--json").document
    finally:
        lab.fab.must("topics.delete", "orders", "--yes")
    order = [node["node"] for node in done["nodes"]]
    total = done["canary"]["total"]
    assert (order[2], {name.partition("/")[2] for name in order[:3]}) == (leading, {"controller"})
    assert (total["lost"], total["duplicates"], total["reordered"], done["check"]["exit_code"]) == (
        0,
        0,
        0,
        0,
    )


@pytest.mark.xdist_group("kraft lab")
def test_what_ran_before_is_put_back_and_rolled_to(lab: Lab) -> None:
    """A broker that was restarted with another heap goes back to its own, by what its host has kept; no other is touched."""
    document = yaml.safe_load(lab.inventory.read_text())
    document["hosts"]["node1"]["broker"]["heap"] = "300m"
    others = {name: pid for name, pid in lab.pids().items() if name != "node1/broker"}
    before = lab.started_with("node1/broker", "-Xmx300m")
    with lab.rewritten(yaml.safe_dump(document, sort_keys=False)):
        lab.fab.must("deploy", "restart", "--pending", "--no-canary")
        after = lab.started_with("node1/broker", "-Xmx300m")
        planned = lab.fab.must("plan", "--previous").out
        back = lab.fab.must("deploy", "--previous", "restart", "--pending", "--no-canary")
    last = lab.started_with("node1/broker", "-Xmx300m")
    assert (before, after, last, "-Xmx300m" in planned) == (False, True, False, True)
    assert "`fab deploy` brings it there" in back.err, back.err
    assert {name: pid for name, pid in lab.pids().items() if name != "node1/broker"} == others
    assert "nothing to do" in lab.fab.must("deploy").out


@pytest.mark.xdist_group("kraft lab")
def test_changed_property_is_set_online(lab: Lab) -> None:
    """A broker beside a controller of its own takes a changed property without a restart, and nothing is pending then."""
    check_that_a_property_is_set_online(lab)


@pytest.mark.xdist_group("kraft lab")
@pytest.mark.parametrize(
    ("key", "shown_"),
    [
        ("node.id", ("101", "101", "file")),
        ("min.insync.replicas", ("2", "2", "cluster")),
        ("num.io.threads", (None, "8", "default")),
    ],
)
def test_controller_tells_what_it_runs_with(lab: Lab, key: str, shown_: tuple[str | None, ...]) -> None:
    """A controller of its own is asked itself: what its file has, and what it has from Kafka."""
    assert shown(lab, "node1/controller", key) == shown_


@pytest.mark.xdist_group("kraft lab")
def test_status_names_the_leader(lab: Lab) -> None:
    """Exactly one controller leads, and status says which."""
    nodes = lab.fab.must("status", "--json").document["nodes"]
    leading = [node["node"] for node in nodes if "leader" in (node["leads"] or "")]
    assert len(leading) == 1, json.dumps(nodes, indent=1)
