"""Another quorum than the one that was formed: refused with both of them and the way, before anything stops."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.errors import Unsafe
from kafab.hosts.facts import Formed, Identity, NodeFacts, NodesFacts
from kafab.model import Cluster, Endpoint, Version, VoterSource
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.run.lifecycle import restart, start
from kafab.plans.quorum_guard import asks_others, guard_formed
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

STATIC, DYNAMIC = VoterSource.STATIC, VoterSource.DYNAMIC


def three(quorum: VoterSource = DYNAMIC) -> Cluster:
    """Return three combined nodes."""
    return replace(cluster_in(Path("/srv"), 3, "combined"), voter_source=quorum)


def as_asked(
    cluster: Cluster, quorum: VoterSource, *, moved: int = 0, more: int = 0, fewer: int = 0
) -> Formed:
    """Return the quorum of these controllers, of which so many were elsewhere, more, or fewer."""
    controllers = cluster.controllers[fewer:]
    voters = {node.id: frozenset({node.controller_endpoint}) for node in controllers}
    voters |= {node.id: frozenset({Endpoint("old", 9093)}) for node in controllers[:moved]}
    voters |= {90 + number: frozenset({Endpoint("old", 9093)}) for number in range(more)}
    return Formed(quorum, voters if quorum is DYNAMIC else dict.fromkeys(voters, frozenset()))


def said(cluster: Cluster, *found: Formed | Unknown | None) -> NodesFacts:
    """Return what the nodes' folders say, which are formatted; the last of ``found`` for all that are left."""
    answers = [*found, *[found[-1]] * len(cluster.nodes)]
    return {
        node: NodeFacts(identities={node.data[0]: Identity(node.id, "id", kraft=True)}, formed=formed)
        for node, formed in zip(cluster.nodes, answers, strict=False)
    }


CASES = {
    "the same static": (STATIC, STATIC, {}, None),
    "the same dynamic": (DYNAMIC, DYNAMIC, {}, None),
    "static made dynamic": (STATIC, DYNAMIC, {}, "formed static (kraft.version 0)"),
    # Kafka takes the voters from the log, and looks for them where the configuration says: measured with 4.3.1.
    "dynamic under a static configuration": (DYNAMIC, STATIC, {}, None),
    "a static voter more": (STATIC, STATIC, {"fewer": 1}, "cannot be changed"),
    "a static voter fewer": (STATIC, STATIC, {"more": 1}, "cannot be changed"),
    "a dynamic voter that is to be added": (DYNAMIC, DYNAMIC, {"fewer": 1}, None),
    "a dynamic voter that is gone": (
        DYNAMIC,
        DYNAMIC,
        {"more": 1},
        "voter 90 of the quorum would be missing",
    ),
    "one of three moves": (DYNAMIC, DYNAMIC, {"moved": 1}, None),
    "two of three move": (DYNAMIC, DYNAMIC, {"moved": 2}, "2 of 3 voters would move"),
    "a static quorum moves": (STATIC, STATIC, {"moved": 3}, None),
}


@pytest.mark.parametrize(
    ("formed", "asked", "change", "refusal"),
    [pytest.param(*case, id=name) for name, case in CASES.items()],
)
def test_what_is_refused(
    formed: VoterSource, asked: VoterSource, change: dict[str, int], refusal: str | None
) -> None:
    """Exactly what Kafka would not find its voters with."""
    cluster = three(asked)
    known = said(cluster, as_asked(cluster, formed, **change))
    told = None
    try:
        guard_formed(cluster, known)
    except Unsafe as error:
        told = error.message
    assert (told is None) if refusal is None else (told is not None and refusal in told)


def test_refusal_shows_both_quorums() -> None:
    """What is on each host stands beside what the inventory asks for."""
    cluster = three()
    with pytest.raises(Unsafe) as caught:
        guard_formed(cluster, said(cluster, as_asked(cluster, STATIC)))
    rows = caught.value.message.splitlines()[1:]
    assert (rows[0].endswith("/broker: static, voters 1, 2, 3"), rows[3].strip()[:30]) == (
        True,
        "the inventory: dynamic, voters",
    )


@pytest.mark.parametrize(("version", "told"), [((3, 9, 2), True), ((4, 0, 1), True), ((4, 1, 0), False)])
def test_way_to_a_dynamic_quorum_begins_with_a_kafka_that_has_it(
    version: tuple[int, int, int], *, told: bool
) -> None:
    """A static quorum can be made dynamic from 4.1 on: before that the way begins with an upgrade."""
    cluster = replace(three(), version=Version(*version))
    with pytest.raises(Unsafe) as caught:
        guard_formed(cluster, said(cluster, as_asked(cluster, STATIC)))
    hint = str(caught.value.hint)
    assert ("--feature kraft.version=1" in hint, "upgrade to Kafka 4.1.0" in hint) == (True, told)


def test_node_that_is_behind_does_not_decide() -> None:
    """One that was stopped while the quorum was made dynamic still has its old state, and the others know better."""
    cluster = three()
    guard_formed(cluster, said(cluster, as_asked(cluster, STATIC), as_asked(cluster, DYNAMIC)))


def test_one_that_has_heard_of_the_change_is_enough() -> None:
    """Voters that were added and removed are known to whoever follows; a node that was stopped is behind."""
    cluster = three()
    guard_formed(cluster, said(cluster, as_asked(cluster, DYNAMIC, more=1), as_asked(cluster, DYNAMIC)))


@pytest.mark.parametrize("found", [None, Unknown("no grep")])
def test_what_is_not_known_forbids_nothing(found: Unknown | None) -> None:
    """A quorum that could not be read is not called another one, nor one that was not formed yet."""
    cluster = three(STATIC)
    guard_formed(cluster, said(cluster, found))


def test_formatted_static_and_never_started() -> None:
    """The first voters of a dynamic quorum are written by the formatting: a start would elect nobody."""
    cluster = three()
    with pytest.raises(Unsafe, match="formatted for a static quorum"):
        guard_formed(cluster, said(cluster, None))


@pytest.mark.parametrize("limit", [None, "node1"])
@pytest.mark.parametrize("command", ["plan", "start", "restart"])
def test_nothing_is_changed_started_or_stopped(tmp_path: Path, command: str, limit: str | None) -> None:
    """A plan is refused, and so is a restart before anything stops: the cluster goes on serving with what it has."""
    cosmos = Cosmos(cluster_in(tmp_path, 3, "combined"))
    cosmos.quorum_state = (
        '{"currentVoters":[{"voterId":1},{"voterId":2},{"voterId":3}],"leaderId":1,"data_version":0}'
    )
    if command == "restart":
        cosmos.up()
    run: dict[str, Callable[[], object]] = {
        "plan": lambda: make_plan(cosmos.cluster, limit, cosmos.world),
        "start": lambda: start(cosmos.cluster, limit, cosmos.world),
        "restart": lambda: restart(cosmos.cluster, limit, cosmos.world, unsafe=True),
    }
    with pytest.raises(Unsafe, match="formed static"):
        run[command]()
    assert (cosmos.of("start"), cosmos.of("stop")) == ([], [])


def test_part_of_the_nodes_asks_for_the_rest() -> None:
    """With --limit what speaks against the inventory may be behind: the others are asked before anything is refused."""
    cluster = three()
    behind, fine = (
        {node: found for node, found in said(cluster, formed).items() if node.host.name == "node1"}
        for formed in (as_asked(cluster, STATIC), as_asked(cluster, DYNAMIC))
    )
    assert (asks_others(cluster, behind), asks_others(cluster, fine)) == (True, False)
