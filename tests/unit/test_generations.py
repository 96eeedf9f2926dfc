"""Which generation of a node's files is kept, and which one it goes back to: a table of what its host says."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.render import configuration_digest
from kafab.config.security import PEM
from kafab.config.units import unit_paths
from kafab.errors import Unsafe
from kafab.hosts.facts import Aim, FileFact, Generation, HostFacts, NodeFacts, Process
from kafab.model import Cluster, Node, Supervisor
from kafab.plans.generations import has_run, keep_step, units, ways_back
from kafab.plans.previous import previous
from kafab.plans.state import desire
from kafab.plans.steps import KeepGeneration, UseUnit, WriteFile, document
from kafab.shell.layout import LAUNCH, MANIFEST, SERVER_PROPERTIES
from tests.conftest import cluster_in

RELEASE = "kafka_2.13-3.9.2-0123456789ab"
TEXTS = {"a": "one", "b": "two", "c": "three", "d": "four"}
"""State of a node's files -> the digest of its only file, as a manifest has it."""


def configuration(state: str) -> str:
    """Return the digest that a process started from this state records."""
    return configuration_digest({LAUNCH: TEXTS[state]})


def generation(number: int, state: str, unit: str = "-") -> Generation:
    """Return this state as a generation."""
    return Generation(number, RELEASE, configuration(state), unit, 1_790_000_000)


def facts(there: str, runs: str, kept: str = "", aim: Aim | None = None) -> NodeFacts:
    """Return a node with the files of one state, started from another; ``kept`` are its generations, newest first."""
    return NodeFacts(
        release=RELEASE,
        files={LAUNCH: FileFact(TEXTS[there], "755")},
        deployed={LAUNCH: TEXTS[there]},
        process=Process(7, RELEASE, configuration(runs), alive=True, start=9),
        generations=tuple(generation(len(kept) - at, state) for at, state in enumerate(kept)),
        aim=aim,
    )


@pytest.fixture
def node(small: Cluster) -> Node:
    """A broker without a unit."""
    return small.brokers[0]


@pytest.mark.parametrize(
    ("there", "runs", "kept", "numbers"),
    [
        ("b", "b", "a", [1]),  # what ran before what runs
        ("c", "c", "ba", [2, 1]),
        ("b", "a", "a", [1]),  # a deploy that was not rolled: what runs
        ("c", "b", "ba", [2, 1]),
        ("c", "b", "ab", [1, 2]),  # what runs comes first, wherever it stands
        ("a", "a", "ba", [2]),  # gone back to, and rolled: forward again
        ("a", "a", "dba", [3, 2]),
        ("a", "a", "a", []),  # nothing else has run
        ("a", "a", "", []),
        ("b", "a", "", []),
    ],
)
def test_way_back(node: Node, there: str, runs: str, kept: str, numbers: list[int]) -> None:
    """By what is there, what runs and what is kept, the generations that a node may go back to."""
    assert [one.number for one in ways_back(node, facts(there, runs, kept))] == numbers


def test_noted_way_back_holds_until_a_restart(node: Node) -> None:
    """Half-way, and when all of it is there, it leads to the same; another process has it decided anew."""
    noted = Aim(7, 9, (1,))
    half, whole, restarted = (
        facts("c", "b", "ba", noted),
        facts("a", "b", "ba", noted),
        replace(facts("a", "a", "ba", noted), process=Process(8, RELEASE, configuration("a"), alive=True)),
    )
    found = [[one.number for one in ways_back(node, each)] for each in (half, whole, restarted)]
    assert found == [[1], [1], [2]]


@pytest.mark.parametrize(
    ("state", "number", "dropped"),
    [
        (("a", "a", ""), 1, ()),
        (("b", "b", "a"), 2, ()),
        (("c", "c", "ba"), 3, ("1",)),
        (("a", "a", "cba"), 4, ("2", "1")),  # three after a way back: what ran comes first again, and once
        (("b", "b", "ba"), 0, ()),  # kept already
        (("b", "a", ""), 0, ()),  # has not run
    ],
)
def test_what_a_deploy_keeps(
    node: Node, state: tuple[str, str, str], number: int, dropped: tuple[str, ...]
) -> None:
    """What ran, unless it is the newest already; two stay."""
    step = keep_step(node, facts(*state))
    found = (step.number, step.dropped) if step else (0, ())
    assert found == (number, dropped)


def test_generation_that_is_gone_back_to_stays(node: Node) -> None:
    """What is replaced is kept as well, and so is the one that `--older` leads to."""
    there = facts("c", "c", "ba")
    step = keep_step(node, there, back_to=ways_back(node, there))
    assert step
    assert (step.number, step.dropped, step.aim) == (3, (), "7 9 2 1")


def test_deploy_forgets_where_it_went_back_to(node: Node) -> None:
    """It goes by the inventory: where nothing is kept the note is taken away all the same."""
    step = keep_step(node, facts("a", "b", "ba", Aim(7, 9, (1,))))
    assert step
    assert (step.number, step.aim, str(step)) == (0, "", "forget that it went back")


def test_node_of_which_nothing_is_known_has_not_run(node: Node) -> None:
    """No record, no manifest: nothing is taken for what ran."""
    there = facts("a", "a")
    found = [has_run(replace(there, process=None)), has_run(replace(there, deployed={})), has_run(there)]
    assert (found, keep_step(node, NodeFacts())) == ([False, False, True], None)


# Under systemd: two brokers of one host, which share their unit.


@pytest.fixture
def shared(tmp_path: Path) -> Cluster:
    """One host with two brokers and a service account."""
    small = cluster_in(tmp_path)
    host = replace(small.hosts[0], supervisor=Supervisor.SYSTEMD, user="kafka")
    brokers = tuple(
        replace(
            small.brokers[0],
            host=host,
            id=number,
            numbered=True,
            data=(small.brokers[0].data[0] / str(number),),
        )
        for number in (1, 2)
    )
    return replace(small, hosts=(host,), nodes=brokers)


def unit_facts(node: Node, text: str) -> dict[PurePosixPath, FileFact]:
    """Return the unit files of a node."""
    return {path: FileFact(f"{text} {path.name}", "644", text, "root:root") for path in unit_paths(node)}


def under_systemd(node: Node, before: str) -> NodeFacts:
    """Return a broker whose unit has changed since: what ran had the text ``before`` in it."""
    main = f"node.id={node.id}\n"
    now = {
        SERVER_PROPERTIES: FileFact("one", "640", main, "root:kafka"),
        MANIFEST: FileFact("two", "640", "one", "root:kafka"),
    }
    then = {path.name: fact for path, fact in unit_facts(node, before).items()}
    return NodeFacts(
        release=RELEASE,
        files=now,
        deployed={SERVER_PROPERTIES: "one"},
        process=Process(7, RELEASE, configuration_digest({SERVER_PROPERTIES: "one"}), alive=True),
        units=unit_facts(node, "now"),
        enabled=True,
        directories=frozenset((node.config, node.logs, node.run, node.scratch, *node.data_folders)),
        generations=(
            Generation(1, RELEASE, configuration_digest({SERVER_PROPERTIES: "one"}), before, 9, now, then),
        ),
    )


def on_one_host(cluster: Cluster, *texts: str) -> dict[str, HostFacts]:
    """Return what the host says of its brokers."""
    nodes = {
        node.instance: under_systemd(node, text) for node, text in zip(cluster.nodes, texts, strict=True)
    }
    return {cluster.hosts[0].name: HostFacts(nodes, releases=frozenset({RELEASE}), account=True)}


def test_units_are_kept_and_put_back(shared: Cluster) -> None:
    """Both are kept before the first is written, the unit of both is written once, and systemd reads them again."""
    found = previous(desire(shared, shared.nodes, None), on_one_host(shared, "then", "then"))
    steps = found.plan.steps
    assert [type(step) for step in steps] == [KeepGeneration] * 2 + [WriteFile] * 2 + [UseUnit] + [
        WriteFile
    ] + [UseUnit]
    written = [step for step in steps if isinstance(step, WriteFile)]
    assert [step.file.path.name for step in written] == [
        "kafka-broker@.service",
        "kafab.conf",
        "kafab.conf",
    ]
    assert {document(step)["source"] for step in written} == {
        str(node.config / ".before/1/unit" / name)
        for node in shared.nodes
        for name in ("kafka-broker@.service", "kafab.conf")
    } - {str(shared.nodes[1].config / ".before/1/unit/kafka-broker@.service")}
    assert found.plan.restart_pending == ()


def test_two_texts_of_one_unit_are_refused(shared: Cluster) -> None:
    """A limit takes the one or the other."""
    with pytest.raises(Unsafe, match=r"share .*kafka-broker@\.service") as caught:
        previous(desire(shared, shared.nodes, None), on_one_host(shared, "then", "earlier"))
    assert "--limit" in str(caught.value.hint)


def test_unit_alone_makes_another_generation(shared: Cluster) -> None:
    """The digest of the configuration does not tell of it."""
    node = shared.nodes[0]
    there = under_systemd(node, "then")
    step = keep_step(node, there)
    assert step
    assert (step.number, step.units, step.about.split()[2]) == (2, unit_paths(node), units(node, there))


def test_other_certificate_refuses_it(shared: Cluster) -> None:
    """The one of then may have expired, or be trusted by nobody any more."""
    hosts = on_one_host(shared, "then", "then")
    (name, found), *_ = hosts.items()
    first = found.nodes["broker-1"]
    changed = replace(first, files={**first.files, PEM[0]: FileFact("renewed", "640")})
    hosts = {name: replace(found, nodes={**found.nodes, "broker-1": changed})}
    with pytest.raises(Unsafe, match=rf"{PEM[0]} was another one"):
        previous(desire(shared, shared.nodes, None), hosts)
