"""What the data on the hosts speak against: one row a contradiction, with what is there, what is asked for, and the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.properties import parse_properties
from kafab.config.render import MAIN_FILE
from kafab.errors import Unsafe
from kafab.hosts.facts import FileFact, FileSystem, Held, HostFacts, Identity, NodeFacts, Process
from kafab.model import Cluster, Node, Role
from kafab.plans.persisted import RULES, guard_persisted, warnings
from kafab.plans.plan import diff
from kafab.plans.state import Desired, desire
from tests.conftest import cluster_in

FIRST, SECOND, THIRD = (PurePosixPath(f"/srv/{name}") for name in ("first", "second", "third"))
DISK = FileSystem(PurePosixPath("/srv"), "ext4", "/dev/sdb1")


@dataclass(frozen=True)
class Row:
    """A node with two directories; ``before`` is what its host's file says in the place of the inventory's."""

    role: Role
    said: str
    kraft: bool = False
    before: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    """Properties of the inventory."""
    facts: NodeFacts = field(default_factory=NodeFacts)


MARK = Identity(1, "abc")
IN_KRAFT, JOINED = Identity(1, "abc", kraft=True), Identity(1, "abc", kraft=True, joined=True)
RECORD = dict.fromkeys((FIRST, SECOND, THIRD), Held(1, "abc", DISK))
BROKERS = NodeFacts(identities={FIRST: MARK, SECOND: MARK})
KRAFTS = NodeFacts(identities={FIRST: JOINED, SECOND: IN_KRAFT})
ROWS = {
    "chroot": Row(
        Role.BROKER, "at chroot /old, not /", before={"zookeeper.connect": "a:2181,b:2181/old"}, facts=BROKERS
    ),
    "broker's directory with replicas left out": Row(
        Role.BROKER,
        f"{THIRD} has its data, and is not in the inventory",
        facts=replace(BROKERS, held=RECORD, filled=frozenset({FIRST, THIRD})),
    ),
    "directory left out that nobody has looked into": Row(
        Role.BROKER,
        f"{THIRD} has its data",
        before={"log.dirs": f"{FIRST},{SECOND},{THIRD}"},
        facts=BROKERS,
    ),
    "controller's directory left out": Row(
        Role.CONTROLLER,
        f"{THIRD} has its data",
        kraft=True,
        facts=replace(KRAFTS, held=RECORD, filled=frozenset({THIRD})),
    ),
    "server's directory left out": Row(
        Role.ZOOKEEPER, f"{THIRD} has its data", facts=NodeFacts(held=RECORD, filled=frozenset({THIRD}))
    ),
    "dataDir and dataLogDir swapped": Row(
        Role.ZOOKEEPER,
        f"dataDir {FIRST} has logs of transactions and dataLogDir {SECOND} has snapshots",
        facts=NodeFacts(history=True, snapshots=frozenset({SECOND}), transactions=frozenset({FIRST})),
    ),
    "broker's directories reordered": Row(
        Role.BROKER,
        f"its metadata log is in {SECOND}, and the first directory is {FIRST}",
        kraft=True,
        facts=NodeFacts(identities={FIRST: IN_KRAFT, SECOND: JOINED}),
    ),
    "controller's directories reordered": Row(
        Role.CONTROLLER,
        f"its metadata log is in {SECOND}",
        kraft=True,
        facts=NodeFacts(identities={FIRST: IN_KRAFT, SECOND: JOINED}),
    ),
    "older message format": Row(
        Role.BROKER,
        "log.message.format.version is 2.10, not 2.8",
        before={"log.message.format.version": "2.10"},
        asked={"log.message.format.version": "2.8"},
        facts=BROKERS,
    ),
    "older protocol": Row(
        Role.BROKER,
        "inter.broker.protocol.version is 3.9-IV0, not 3.8",
        before={"inter.broker.protocol.version": "3.9-IV0"},
        asked={"inter.broker.protocol.version": "3.8"},
        facts=BROKERS,
    ),
}
TABLE = [pytest.param(row, id=name) for name, row in ROWS.items()]


def cluster_of(row: Row) -> tuple[Cluster, Node]:
    """Return the cluster, and its node of this row."""
    cluster = cluster_in(Path("/srv"), 1, "isolated" if row.kraft else "")
    old = next(node for node in cluster.nodes if node.role is row.role)
    data: tuple[PurePosixPath, ...] = (FIRST, SECOND)
    properties = {**old.properties, **row.asked}
    if row.role is Role.ZOOKEEPER:
        data, properties = (FIRST,), {**properties, "dataLogDir": str(SECOND)}
    node = replace(old, properties=properties, data=data)
    return replace(cluster, nodes=tuple(node if each is old else each for each in cluster.nodes)), node


def asked(row: Row, facts: NodeFacts) -> tuple[Desired, dict[Node, NodeFacts]]:
    """Return both sides: the file on the host differs by ``before`` alone."""
    cluster, node = cluster_of(row)
    desired = desire(cluster, [node], None)
    name = MAIN_FILE[node.role]
    now = next(file for file in desired.nodes[0].files if file.path.name == name)
    before = {**parse_properties(now.text), **row.before}
    text = "".join(f"{key}={value}\n" for key, value in before.items()) if row.before else None
    return desired, {node: replace(facts, files={name: FileFact("00", "640", text)})}


@pytest.mark.parametrize("row", TABLE)
def test_contradiction_is_refused(row: Row) -> None:
    """With the node, what is there and what is asked for; the hint has the supported way."""
    with pytest.raises(Unsafe) as caught:
        guard_persisted(*asked(row, row.facts))
    assert row.said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("row", TABLE)
def test_nothing_is_refused_where_there_are_no_data(row: Row) -> None:
    """Before its first start a node may be made over in every way."""
    guard_persisted(*asked(row, NodeFacts()))


@pytest.mark.parametrize("kraft", [False, True])
def test_unchanged_node_is_not_refused(kraft: bool) -> None:
    """Whatever it holds."""
    for role in (Role.BROKER, Role.CONTROLLER if kraft else Role.ZOOKEEPER):
        facts = KRAFTS if kraft else replace(BROKERS, history=True, snapshots=frozenset({FIRST}))
        guard_persisted(*asked(Row(role, "", kraft), facts))


def test_emptied_directory_may_leave() -> None:
    """The way of the hint leads on: its replicas were moved, or its disk is dead and gone."""
    row = ROWS["broker's directory with replicas left out"]
    guard_persisted(*asked(row, replace(row.facts, filled=frozenset({FIRST}))))


def refusal(row: Row) -> tuple[Role, str]:
    """Return the role of a row and the way that its refusal names."""
    with pytest.raises(Unsafe) as caught:
        guard_persisted(*asked(row, row.facts))
    return row.role, str(caught.value.hint)


def test_each_rule_has_a_row() -> None:
    """A rule that nothing here breaks is no rule."""
    assert {(role, rule.way) for role, rule in RULES} == set(map(refusal, ROWS.values()))


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"broker.rack": "b"}, "broker.rack b becomes none with its restart"),
        (
            {"advertised.listeners": "PLAINTEXT://old:9092"},
            "advertised.listeners PLAINTEXT://old:9092 becomes",
        ),
        ({"num.io.threads": "3"}, ""),
    ],
)
def test_change_under_a_running_broker_is_told(before: dict[str, str], said: str) -> None:
    """What others rely on, and nothing else; a broker that does not run has nobody who does."""
    running = replace(BROKERS, process=Process(1, "r", "d", alive=True))
    row = Row(Role.BROKER, "", before=before)
    (text,) = warnings(*asked(row, running)).values() or ("",)
    assert text.startswith(said)
    assert bool(text) is bool(said)
    assert warnings(*asked(row, BROKERS)) == {}


def test_plan_refuses(tmp_path: Path) -> None:
    """The guard stands in the plan, so that a deploy changes nothing."""
    row = ROWS["chroot"]
    desired, facts = asked(row, row.facts)
    (node,) = facts
    with pytest.raises(Unsafe, match="at chroot /old"):
        diff(desired, {node.host.name: HostFacts({node.instance: facts[node]})}, {})
