"""What data directories have held: recorded, compared before anything stops or starts, and forgotten where it is asked for.

The file is a little over 400 lines long because laws, refusals and the real shell share its nodes and clusters.
"""

import os
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.cluster.metadata import Partition
from kafab.command import Outcome, Result, Script
from kafab.config.render import node_files
from kafab.errors import Unsafe, UsageError
from kafab.findings import Severity
from kafab.hosts.facts import FileSystem, Held, Identity, NodeFacts
from kafab.hosts.held import missing, read_line, record, text, unrecorded
from kafab.model import Cluster, Node, Role, Supervisor
from kafab.ops.check.preflight import preflight
from kafab.ops.check.status import status
from kafab.ops.deploy.deploy import deploy, make_plan
from kafab.ops.held import only_on
from kafab.ops.run.lifecycle import restart, start, stop
from kafab.testing.fleet import FakeFleet
from tasks.cluster import _accepted
from tests.conftest import cluster_in
from tests.cosmos import ALL, Cosmos
from tests.deployed import Deployed, Lab, Shell

DISK = FileSystem(PurePosixPath("/srv"), "ext4", "/dev/sdb1", "1-2-3")
ROOT = FileSystem(PurePosixPath("/"), "ext4", "/dev/sda1")
BROKER = "node1/broker"


def node_of(role: Role = Role.BROKER, *, kraft: bool = False) -> Node:
    """Return a node with a folder or two below /srv."""
    cluster = cluster_in(Path("/srv"), 1, "combined" if kraft else "")
    node = next(node for node in cluster.nodes if node.role is role)
    if role is Role.ZOOKEEPER:
        return replace(node, properties={**node.properties, "dataLogDir": "/srv/txn"})
    return replace(node, data=(*node.data, PurePosixPath("/srv/second")))


def ran(node: Node, on: FileSystem = DISK, *, kraft: bool = False) -> NodeFacts:
    """Return what a host says of a node that has run, and has no record yet."""
    folders = node.data_folders
    mark = Identity(node.id, "abc", kraft=kraft, joined=kraft)
    server = node.role is Role.ZOOKEEPER
    return NodeFacts(
        identities=dict.fromkeys(node.data, Identity(node.id) if server else mark),
        written=frozenset(folders) if server else frozenset(),
        lies=dict.fromkeys(folders, on),
    )


def recorded(node: Node, facts: NodeFacts) -> NodeFacts:
    """Return the same with the record."""
    return replace(facts, held=record(node, facts))


KINDS = [
    pytest.param(node_of(Role.ZOOKEEPER), False, id="zookeeper"),
    pytest.param(node_of(), False, id="broker"),
    pytest.param(node_of(kraft=True), True, id="kraft"),
]


@pytest.mark.parametrize(("node", "kraft"), KINDS)
def test_each_folder_that_is_empty_now_is_missing(node: Node, kraft: bool) -> None:
    """Both modes, each of several data folders, and ZooKeeper's dataLogDir; whatever mark of its own a deploy has put there."""
    facts = recorded(node, ran(node, kraft=kraft))
    assert missing(node, facts) == ()
    for path in node.data_folders:
        left = {
            at: mark for at, mark in facts.identities.items() if at != path or node.role is Role.ZOOKEEPER
        }
        bare = replace(
            facts, identities=left, written=facts.written - {path}, lies={**facts.lies, path: ROOT}
        )
        assert [gone.path for gone in missing(node, bare)] == [path]


@pytest.mark.parametrize(("node", "kraft"), KINDS)
def test_older_copy_below_a_disk_that_is_not_mounted_is_missing(node: Node, kraft: bool) -> None:
    """The marks are right, as the node once ran there; the file system is another, further up."""
    facts = recorded(node, ran(node, kraft=kraft))
    covered = replace(facts, lies=dict.fromkeys(node.data_folders, ROOT))
    assert {gone.now for gone in missing(node, covered)} == {"has others, as /srv is not mounted"}


def test_data_that_moved_to_a_disk_of_their_own_are_there() -> None:
    """A copy on a new disk at the folder itself, or at another place that a link leads to, is no loss."""
    node = node_of()
    facts = recorded(node, ran(node, ROOT))
    moved = replace(facts, lies=dict.fromkeys(node.data, replace(DISK, point=node.data[0])))
    assert missing(node, moved) == ()
    assert {held.on.point for held in record(node, moved).values()} == {node.data[0]}


def test_data_of_another_cluster_are_missing_what_was_there() -> None:
    """The table of ids may agree everywhere else."""
    node = node_of()
    facts = recorded(node, ran(node))
    foreign = replace(facts, identities={**facts.identities, node.data[1]: Identity(node.id, "xyz")})
    assert [gone.now for gone in missing(node, foreign)] == ["has those of cluster xyz"]


def test_message_has_what_was_there_what_is_there_and_the_mount_that_lacks() -> None:
    """Device, file system, mount point, and the line of /etc/fstab."""
    node = node_of()
    facts = recorded(node, ran(node))
    bare = replace(
        facts,
        identities={},
        lies=dict.fromkeys(node.data, ROOT),
        fstab={node.data[0]: PurePosixPath("/srv")},
    )
    assert str(missing(node, bare)[0]) == (
        f"{node.name}: {node.data[0]} has held the data of id 1 of cluster abc on /dev/sdb1 (ext4, UUID 1-2-3), mounted at "
        "/srv; now it has none, on /dev/sda1 (ext4), mounted at /; /srv of /etc/fstab is not mounted"
    )


def test_way_is_a_mount_only_where_one_is_missing() -> None:
    """A folder that was moved away by hand comes back by hand."""
    node = node_of()
    facts = replace(recorded(node, ran(node)), identities={})
    assert {gone.way for gone in missing(node, facts)} == {
        f"bring {path} on node1 back" for path in node.data
    }
    below = replace(facts, lies=dict.fromkeys(node.data, ROOT))
    assert {gone.way for gone in missing(node, below)} == {"mount /srv on node1 again"}


def test_format_alone_is_nothing_to_lose() -> None:
    """A KRaft node that was formatted and never ran may be formatted again."""
    node = node_of(kraft=True)
    facts = ran(node, kraft=True)
    fresh = {path: replace(mark, joined=False) for path, mark in facts.identities.items()}
    assert unrecorded(node, replace(facts, identities=fresh)) is None


def test_device_with_another_name_after_a_boot_is_the_same() -> None:
    """The UUID decides: a plan has nothing to do for it."""
    node = node_of()
    facts = recorded(node, ran(node))
    renamed = replace(facts, lies=dict.fromkeys(node.data, replace(DISK, source="/dev/sdc1")))
    assert unrecorded(node, renamed) is None


def test_accepted_folder_is_forgotten_and_recorded_again_once_it_holds_data() -> None:
    """What still is there stays in the record."""
    node = node_of()
    facts = recorded(node, ran(node))
    bare = replace(facts, identities={node.data[0]: facts.identities[node.data[0]]})
    assert record(node, bare) == facts.held
    forgotten = record(node, bare, accepted=True)
    assert list(forgotten) == [node.data[0]]
    assert record(node, replace(ran(node), held=forgotten)).keys() == facts.held.keys()


WORD = st.text("abc/-.:@0", min_size=1, max_size=9).filter(lambda word: word != "-")
PATHS = WORD.map(lambda word: PurePosixPath("/" + word))
SYSTEMS = st.builds(FileSystem, PATHS, WORD, WORD, st.none() | WORD)


@given(st.dictionaries(PATHS, st.builds(Held, st.integers(0, 9), st.none() | WORD, SYSTEMS)))
def test_record_reads_back_as_it_was_written(held: dict[PurePosixPath, Held]) -> None:
    """Whatever the file systems are called."""
    lines = text(node_of(), held).splitlines()
    assert dict(map(read_line, lines)) == held


@given(st.lists(st.sampled_from(["lose", "find", "look", "accept"]), max_size=8))
def test_nothing_but_acceptance_forgets(moves: list[str]) -> None:
    """The law: however often a node is looked at, with or without its disk, a folder that held data stays in the record."""
    node = node_of()
    facts = recorded(node, ran(node))
    there, bare, accepted = facts.identities, dict[PurePosixPath, Identity](), False
    for move in moves:
        facts = replace(
            facts, identities=bare if move == "lose" else there if move == "find" else facts.identities
        )
        accepted = move == "accept"
        facts = replace(facts, held=record(node, facts, accepted=accepted))
        if not facts.identities:
            assert bool(facts.held) != (accepted or not missing(node, facts))
    if "accept" not in moves:
        assert facts.held.keys() == set(node.data)


def test_partitions_that_no_other_broker_has_in_sync() -> None:
    """Without an in-sync replica at all, as after an unclean end, the assigned ones count."""
    found = [
        Partition("orders", 0, 1, (1, 2), (1,)),
        Partition("orders", 1, 2, (1, 2), (2, 1)),
        Partition("alone", 0, None, (1,), ()),
        Partition("wide", 0, None, (1, 2), ()),
    ]
    assert only_on({1}, found) == ["alone-0", "orders-0"]


def unmounted(tmp_path: Path) -> Cosmos:
    """Return a cluster that runs but for one broker, whose disk is not mounted, and has a topic that broker alone is in sync for."""
    cosmos = Cosmos(
        cluster_in(tmp_path, 3),
        cluster_ids=dict.fromkeys(ALL[1:], "fakefakefakefakefakefQ"),
        held={BROKER: str(tmp_path)},
    ).up()
    cosmos.kafka.add("orders", [[1, 2], [2, 3]])
    cosmos.kill(BROKER)
    cosmos.kafka.stop_broker(1)
    cosmos.kafka.partitions[0] = replace(cosmos.kafka.partitions[0], isr=(1,))
    return cosmos


@pytest.mark.parametrize("verb", [make_plan, deploy, start])
def test_empty_folder_is_refused_before_anything_is_done(verb: object, tmp_path: Path) -> None:
    """Exit 3, with the partitions that have no other replica and both ways on; no lock is taken."""
    cosmos = unmounted(tmp_path)
    assert callable(verb)
    with pytest.raises(Unsafe, match="1 data directory without the data that it has held") as caught:
        verb(cosmos.cluster, None, cosmos.world)
    assert (
        "1 partition without an in-sync replica elsewhere would lose records: orders-0"
        in caught.value.message
    )
    assert caught.value.hint == (
        f"mount {tmp_path} on node1 again; for disks that are really new: --accept-empty {BROKER} (plan, deploy, start)"
    )
    assert cosmos.calls == []


def test_server_without_its_data_is_told_with_what_it_kept(tmp_path: Path) -> None:
    """A ZooKeeper server has no partition's records: nobody is to read that nothing is lost with it."""
    cosmos = Cosmos(cluster_in(tmp_path, 3), held={"node1/zookeeper": str(tmp_path)})
    with pytest.raises(Unsafe, match="without the data that it has held") as caught:
        start(cosmos.cluster, None, cosmos.world)
    assert caught.value.message.splitlines()[-1] == (
        "no broker is among them, and so no partition's records: what they kept is the cluster's metadata"
    )


def test_restart_is_refused_before_it_stops(tmp_path: Path) -> None:
    """Other brokers of the limit run on."""
    cosmos = unmounted(tmp_path)
    with pytest.raises(Unsafe, match="has held"):
        restart(cosmos.cluster, "node1/broker,node2/broker", cosmos.world, unsafe=True)
    assert cosmos.of("stop") == []


def test_status_says_it(tmp_path: Path) -> None:
    """The node is stopped, and the reason why it will not start stands below."""
    cosmos = unmounted(tmp_path)
    (line,) = (line for line in status(cosmos.cluster, None, cosmos.world) if line.node.name == BROKER)
    assert "has held the data of id 1" in line.reason


def test_other_nodes_start_meanwhile(tmp_path: Path) -> None:
    """A limit that leaves the node out does not ask about its disk."""
    cosmos = unmounted(tmp_path)
    assert start(cosmos.cluster, "node2,node3", cosmos.world) == ()


def test_accepted_node_is_started(tmp_path: Path) -> None:
    """What that costs is told on the way."""
    cosmos = unmounted(tmp_path)
    assert start(cosmos.cluster, None, cosmos.world, accepted={BROKER}) == (BROKER,)
    assert any("orders-0" in str(event) for event in cosmos.events)


def test_stop_asks_nothing_of_a_disk(tmp_path: Path) -> None:
    """What runs can be stopped, whatever another node's folder has."""
    cosmos = unmounted(tmp_path)
    assert stop(cosmos.cluster, "node2/broker", cosmos.world, unsafe=True) == ("node2/broker",)


def test_record_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """A broker on a disk that has become read-only is stopped all the same, and what was not recorded is told."""
    ids = {"node1": "fakefakefakefakefakefQ"}
    cosmos = Cosmos(cluster_in(tmp_path), cluster_ids=ids, held={BROKER: "/"}).up()
    answer = cosmos.handler("node1")

    def read_only(script: Script) -> Outcome:
        return Result(1, b"", "Read-only file system") if script.called("keep") else answer(script)

    cosmos.fleet = FakeFleet({"node1": read_only})
    assert BROKER in stop(cosmos.cluster, None, cosmos.world, unsafe=False)
    assert any("not recorded: Read-only file system" in str(event) for event in cosmos.events)


@pytest.mark.parametrize("names", ["node1", "nobody/broker", ""])
def test_acceptance_names_nodes(names: str, small: Cluster) -> None:
    """A host has several nodes, and each of them loses something else."""
    with pytest.raises(UsageError, match="--accept-empty"):
        _accepted(small, names)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> Deployed:
    """What a deploy leaves on one host."""
    folder = tmp_path_factory.mktemp("held")
    return Deployed.once(cluster_in(folder / "hosts"), folder, shell)


@pytest.fixture
def lab(deployed: Deployed) -> Lab:
    """A host whose nodes were deployed, have run, and were seen with their data."""
    return deployed.lab()


def test_record_is_made_where_a_node_is_seen_with_data(lab: Lab) -> None:
    """A cluster that an older kafab deployed has none: a deploy writes it, and then has nothing to do."""
    _, plan = make_plan(lab.cluster, None, lab.world)
    assert [step.file.path.name for step in plan.steps if hasattr(step, "file")] == ["held", "held"]
    lab.deploy()
    assert not make_plan(lab.cluster, None, lab.world)[1]
    for node in lab.cluster.nodes:
        path, held = read_line(Path(node.config / "held").read_text())
        assert (path, held.id, held.on.point) == (
            node.data[0],
            node.id,
            PurePosixPath(mount_of(node.data[0])),
        )


def mount_of(path: PurePosixPath) -> str:
    """Return the mount point as Python finds it."""
    at = Path(path).resolve()
    while not at.is_mount():
        at = at.parent
    return str(at)


@pytest.mark.parametrize("role", [Role.BROKER, Role.ZOOKEEPER])
def test_folder_that_came_back_empty_is_refused_on_a_real_host(lab: Lab, role: Role) -> None:
    """Accepted, the record forgets it, and the same deploy again has nothing to do."""
    lab.deploy()
    node = next(node for node in lab.cluster.nodes if node.role is role)
    Path(node.data[0]).rename(Path(node.data[0]).with_name("elsewhere"))
    Path(node.data[0]).mkdir()
    for verb in (make_plan, deploy):
        with pytest.raises(Unsafe, match=f"{node.data[0]} has held the data of id {node.id}"):
            verb(lab.cluster, None, lab.world)
    if role is Role.ZOOKEEPER:
        return  # an ensemble that has lost its majority needs more than this word
    deploy(lab.cluster, None, lab.world, check=False, accepted={node.name}).raise_unless_done()
    assert Path(node.config / "held").read_text() == ""
    assert not make_plan(lab.cluster, None, lab.world)[1]


def test_destroy_takes_the_record_away(lab: Lab) -> None:
    """The data stay, and a later deploy is told by their marks whose they are."""
    lab.deploy()
    lab.destroy()
    assert not [path for path in lab.tree() if path.endswith("held")]


def test_preflight_finds_the_empty_folder(lab: Lab) -> None:
    """Before anybody plans anything."""
    lab.deploy()
    (node,) = lab.cluster.brokers
    Path(node.data[0], "meta.properties").unlink()
    report = preflight(lab.cluster, None, lab.world, connections=False).report
    (found,) = (finding for finding in report.findings if finding.check == "held")
    assert (found.subject, found.severity) == (node.name, Severity.CRIT)


@pytest.fixture
def unit(small: Cluster) -> Node:
    """Return a broker under systemd as deployed, with its data and its record."""
    host = replace(small.hosts[0], supervisor=Supervisor.SYSTEMD)
    node = replace(small.brokers[0], host=host)
    for folder in (node.config, node.run, node.host.paths.releases / "kafka", node.data[0]):
        Path(folder).mkdir(parents=True)
    for path in (Path(node.run), *Path(node.run).parents[:2]):
        path.chmod(0o755)
    Path(node.current).symlink_to("kafka")
    for file in node_files(small, node):
        Path(file.path).write_text(file.text)
    Path(node.data[0], "meta.properties").touch()
    return node


def begun(node: Node, point: str) -> "subprocess.CompletedProcess[str]":
    """Run what the unit runs before the process, where the record names this mount point."""
    line = f"{node.data[0]} 1 abc meta.properties {point} ext4 /dev/sdb1 -\n"
    Path(node.config / "held").write_text(line)
    return subprocess.run(
        ["sh", node.config / "record", "begin"], capture_output=True, text=True, check=False
    )


def test_unit_begins_where_the_data_are(unit: Node) -> None:
    """On the file system that the record names."""
    assert begun(unit, mount_of(unit.data[0])).returncode == 0


def test_unit_does_not_begin_over_an_empty_folder(unit: Node) -> None:
    """At boot nobody runs kafab: the unit itself fails, and its journal has the way on."""
    Path(unit.data[0], "meta.properties").unlink()
    done = begun(unit, mount_of(unit.data[0]))
    assert done.returncode == 1
    assert "there is no meta.properties. Mount it, or `fab deploy --accept-empty node1/broker`" in done.stderr
    assert not os.path.lexists(unit.run / "begun")


def test_unit_does_not_begin_over_an_older_copy(unit: Node) -> None:
    """The folder of the disk that is not mounted has the right marks, too."""
    done = begun(unit, str(unit.data[0]))
    assert (done.returncode, f"{unit.data[0]}, where it lay, is not mounted" in done.stderr) == (1, True)
