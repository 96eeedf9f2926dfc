"""What the KRaft controllers say of themselves, judged: tables of answers and findings."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from kafab.checks import brokers, controllers
from kafab.checks.storage import judge_storage
from kafab.cluster.metadata import KraftBroker, Metadata, QuorumReplica, QuorumState
from kafab.cluster.seen import ControllerAnswers, registered_with_controllers
from kafab.findings import Finding, Severity
from kafab.hosts.facts import HostFacts, Identity, NodeFacts
from kafab.model import Cluster, Endpoint, Version
from kafab.unknown import Unknown
from tests.kraft_by_hand import kraft_in

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT
GONE = Unknown("connection refused")
CLUSTER = kraft_in(Path("/srv"), Version(4, 3, 1), isolated=True)
COMBINED = kraft_in(Path("/srv"), Version(4, 3, 1))
DISK = {number: f"disk-{number}" for number in (1, 2, 3, 11, 12, 13)}


def replica(
    number: int, behind: int = 0, caught_up: float | None = 0.3, disk: str | None = None
) -> QuorumReplica:
    """Return a replica of the metadata log; caught up unless told otherwise."""
    ago = None if caught_up is None else timedelta(seconds=caught_up)
    return QuorumReplica(number, 100 - behind, behind, ago, disk or DISK.get(number))


WELL = QuorumState(
    *(11, 7, 100),
    tuple(replica(number) for number in (11, 12, 13)),
    tuple(replica(number) for number in (1, 2, 3)),
)


def voting(*voters: QuorumReplica, observers: tuple[QuorumReplica, ...] = WELL.observers) -> QuorumState:
    """Return the state with these voters beside the leader, 11."""
    return replace(WELL, voters=(replica(11), *voters), observers=observers)


def answers(
    state: QuorumState | Unknown = WELL,
    *,
    named: dict[int, int | Unknown | None] | None = None,
    reached: dict[int, QuorumState | Unknown] | None = None,
    cluster: Cluster = CLUSTER,
) -> ControllerAnswers:
    """Return what controllers and brokers say: the same as ``state``, unless told otherwise by id."""
    leader = None if isinstance(state, Unknown) else state.leader
    return ControllerAnswers(
        {node.name: (named or {}).get(node.id, leader) for node in cluster.controllers},
        {node.name: (reached or {}).get(node.id, state) for node in cluster.brokers},
        state,
        {"group.version": 1, "metadata.version": 30},
        {node.id: KraftBroker(node.id, (node.endpoint,), fenced=False) for node in cluster.brokers},
    )


def views(silent: int | None = None, cluster: Cluster = CLUSTER) -> dict[int, Metadata | Unknown]:
    """Return what the brokers answer."""
    known = {node.id: node.endpoint for node in cluster.brokers}
    return {node.id: GONE if node.id == silent else Metadata("the-id", 1, known) for node in cluster.brokers}


def judged(
    given: ControllerAnswers, seen: dict[int, Metadata | Unknown] | None = None, cluster: Cluster = CLUSTER
) -> dict[tuple[str, str], Finding]:
    """Return the findings by check and subject; a pair that comes twice fails."""
    found = controllers.judge_quorum(cluster, given, seen or views(cluster=cluster))
    told = {(finding.check, finding.subject): finding for finding in found}
    assert len(told) == len(found)
    return told


def faults(found: dict[tuple[str, str], Finding]) -> dict[tuple[str, str], Severity]:
    """Return what is not OK."""
    return {key: finding.severity for key, finding in found.items() if finding.severity is not OK}


@pytest.mark.parametrize("cluster", [CLUSTER, COMBINED], ids=["isolated", "combined"])
def test_a_quorum_that_is_well_is_ok(cluster: Cluster) -> None:
    """Leader, voters, observers, features and what every node names are all OK, whatever the shape."""
    ids = [node.id for node in cluster.controllers]
    brokers = tuple(replica(node.id) for node in cluster.brokers if not node.combined)
    state = QuorumState(ids[0], 7, 100, tuple(replica(id_) for id_ in ids), brokers)
    found = judged(answers(state, cluster=cluster), cluster=cluster)
    assert (faults(found), len(found)) == ({}, 8 + len(cluster.nodes))


@pytest.mark.parametrize(
    ("known", "named", "severity", "words"),
    [
        (WELL, {}, OK, "controller 11 leads, epoch 7"),
        (replace(WELL, leader=19), {}, CRIT, "controller 19 leads, epoch 7, is not in the inventory"),
        (GONE, {12: GONE, 13: GONE}, CRIT, "no leader: 1 of 3 controllers answers, a majority is 2"),
        (GONE, {}, CRIT, "no leader: 3 of 3 controllers answer, a majority is 2"),
        (GONE, {11: GONE, 12: GONE, 13: GONE}, UNKNOWN, "no leader: 0 of 3 controllers answer"),
        (GONE, {11: GONE, 12: 11, 13: 11}, UNKNOWN, "controller 11 is named as the leader"),
    ],
)
def test_one_controller_leads(
    known: QuorumState | Unknown, named: dict[int, int | Unknown | None], severity: Severity, words: str
) -> None:
    """No leader is CRIT where whoever answers knows none, and UNKNOWN where the answer may be with the silent ones."""
    finding = judged(answers(known, named=named))["quorum.leader", "hand"]
    assert (finding.severity, words in finding.detail) == (severity, True), finding.detail


@pytest.mark.parametrize(
    ("state", "named", "severity", "words"),
    [
        (voting(replica(12), replica(13)), {}, OK, "follows, 0 records behind, last caught up 0.3 s ago"),
        (
            voting(replica(12), replica(13, 40, 9)),
            {},
            WARN,
            "lags: 40 records behind, last caught up 9.0 s ago",
        ),
        (voting(replica(12), replica(13, 40, 90)), {}, CRIT, "lags: 40 records behind"),
        (voting(replica(12), replica(13, 40, None)), {}, WARN, "never caught up since this leader leads"),
        (voting(replica(12), replica(13, 40, None)), {13: None}, CRIT, "never caught up since this leader"),
        (voting(replica(12), replica(13, 40, None)), {13: 12}, CRIT, "never caught up since this leader"),
        (voting(replica(12), replica(13, 40, None)), {13: GONE}, CRIT, "connection refused; 40 records"),
        (voting(replica(12), replica(13, 40, 9)), {13: GONE}, CRIT, "connection refused; 40 records behind"),
        (voting(replica(12), replica(13)), {13: GONE}, UNKNOWN, "is caught up but does not answer"),
        (voting(replica(12)), {13: GONE}, CRIT, "is not in the voter set, and does not answer"),
        (voting(replica(12)), {}, CRIT, "is not in the voter set, and answers, names controller 11"),
        (
            voting(replica(12), replica(13, 40, None), observers=(*WELL.observers, replica(13, disk="new"))),
            *({}, CRIT, "it runs with directory id new, the voter is disk-13; 0 records behind"),
        ),
        (
            voting(replica(12), replica(13, 9, 4), observers=(*WELL.observers, replica(13, disk="new"))),
            *({}, CRIT, "it runs with directory id new, the voter is disk-13; 0 records behind"),
        ),
        (
            voting(replica(12), observers=(*WELL.observers, replica(13))),
            *({}, CRIT, "is not in the voter set: it only observes"),
        ),
        (
            voting(replica(12), replica(13), observers=(*WELL.observers, replica(13, 40, 90, "old"))),
            *({}, OK, "follows"),
        ),
        (
            voting(replica(12), replica(13, 40, 9), observers=(*WELL.observers, replica(13, 40, 90, "old"))),
            *({13: GONE}, CRIT, "does not answer: connection refused; 40 records behind"),
        ),
        (GONE, {13: GONE}, UNKNOWN, "does not answer: connection refused"),
        (GONE, {}, UNKNOWN, "answers, knows no leader; whether it is caught up is not told"),
    ],
)
def test_every_controller_votes_and_is_caught_up(
    state: QuorumState | Unknown, named: dict[int, int | Unknown | None], severity: Severity, words: str
) -> None:
    """A stopped, lagging, unknown or replaced voter is told with its figures, and the others are not blamed."""
    found = judged(answers(state, named=named))
    finding = found["quorum.voter", "node3/controller"]
    assert (finding.severity, words in finding.detail) == (severity, True), finding.detail
    if not isinstance(state, Unknown):
        assert found["quorum.voter", "node2/controller"].severity is OK


def test_a_replaced_disk_is_told_with_the_commands() -> None:
    """The hint removes the voter that is gone by its directory id, and adds the one that is there."""
    state = voting(replica(12), replica(13, 40, None), observers=(replica(13, disk="new"),))
    hint = judged(answers(state))["quorum.voter", "node3/controller"].hint or ""
    assert "remove-controller --controller-id 13 --controller-directory-id disk-13" in hint


@pytest.mark.parametrize(
    ("voters", "severity", "words"),
    [
        ((replica(12), replica(13)), OK, "11, 12, 13, as in the inventory"),
        ((replica(12),), CRIT, "not in the voter set: 13"),
        ((replica(12), replica(13), replica(19)), CRIT, "not in the inventory: 19"),
    ],
)
def test_the_voters_are_the_inventorys(
    voters: tuple[QuorumReplica, ...], severity: Severity, words: str
) -> None:
    """Missing and strange voters are named; the evidence has the directory ids."""
    finding = judged(answers(voting(*voters)))["quorum.voters", "hand"]
    assert (finding.severity, finding.detail) == (severity, words)
    assert finding.evidence["directories"] == {str(v.id): v.directory for v in (replica(11), *voters)}


@pytest.mark.parametrize(
    ("voters", "severity", "words"),
    [
        ((replica(12), replica(13)), OK, "3 of 3 voters are caught up, 1 can be spared"),
        ((replica(12),), OK, "2 of 2 voters are caught up, 0 can be spared"),
        ((), OK, "1 of 1 voters is caught up, 0 can be spared"),
        (
            (replica(12), replica(13, 40, 9)),
            WARN,
            "2 of 3 voters are caught up: one more loss leaves no majority",
        ),
        (
            (replica(12), replica(13), replica(14), replica(15, 40, 9)),
            *(WARN, "4 of 5 voters are caught up: 1 more can be lost"),
        ),
        (
            (replica(12, 40, 9), replica(13, 40, 9)),
            *(CRIT, "1 of 3 voters is caught up, a majority is 2: the metadata cannot change"),
        ),
    ],
)
def test_a_majority_is_caught_up(voters: tuple[QuorumReplica, ...], severity: Severity, words: str) -> None:
    """What one more loss would mean follows from how many voters are caught up."""
    finding = judged(answers(voting(*voters)))["quorum.majority", "hand"]
    assert (finding.severity, finding.detail) == (severity, words)


@pytest.mark.parametrize(
    ("named", "severity", "words"),
    [
        ({}, WARN, "a majority is 2: the leader has not seen 12, 13 yet, which agree on it"),
        ({12: GONE, 13: None}, CRIT, "a majority is 2: the metadata cannot change"),
    ],
)
def test_followers_that_a_new_leader_has_not_seen_are_no_loss(
    named: dict[int, int | Unknown | None], severity: Severity, words: str
) -> None:
    """A moment after an election the leader knows nothing of voters that agree on it: that is no lost majority."""
    state = voting(replica(12, 40, None), replica(13, 40, None))
    finding = judged(answers(state, named=named))["quorum.majority", "hand"]
    assert (finding.severity, finding.detail) == (severity, f"1 of 3 voters is caught up, {words}")


@pytest.mark.parametrize(
    ("observers", "silent", "severity", "words"),
    [
        (WELL.observers, None, OK, "3 brokers follow, caught up"),
        ((replica(1), replica(2)), None, CRIT, "node3/broker does not follow the metadata"),
        ((replica(1), replica(2), replica(3, 40, 9)), None, WARN, "node3/broker lags: 40 records behind"),
        ((replica(1), replica(2), replica(3, 40, 9)), 3, CRIT, "node3/broker does not answer"),
        ((replica(1), replica(2), replica(3, 40, 90)), None, CRIT, "node3/broker lags: 40 records behind"),
        ((replica(1), replica(2), replica(3, 40, None)), None, WARN, "never caught up since this leader"),
        ((replica(1), replica(2), replica(3, 40, None)), 3, CRIT, "node3/broker does not answer"),
    ],
)
def test_every_broker_observes(
    observers: tuple[QuorumReplica, ...], silent: int | None, severity: Severity, words: str
) -> None:
    """Brokers that are no controllers follow the metadata log, and those that do not are named."""
    finding = judged(answers(replace(WELL, observers=observers)), views(silent))["quorum.observers", "hand"]
    assert (finding.severity, words in finding.detail) == (severity, True), finding.detail


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answers(named={13: 12}), {"node3/controller": CRIT}),
        (answers(named={13: None}), {"node3/controller": CRIT}),
        (answers(named={13: GONE}), {"node3/controller": UNKNOWN}),
        (answers(voting(replica(12), replica(13, 9, 9)), named={13: GONE}), {"node3/controller": CRIT}),
        (answers(reached={3: replace(WELL, epoch=6)}), {"node3/broker": CRIT}),
        (answers(reached={3: GONE}), {"node3/broker": UNKNOWN}),
        (
            replace(answers(reached={3: GONE}), brokers={3: KraftBroker(3, (), fenced=True)}),
            {"node3/broker": CRIT},
        ),
    ],
)
def test_every_node_names_the_one_leader(given: ControllerAnswers, expected: dict[str, Severity]) -> None:
    """Controllers name it, brokers reach it; who is gone by other proof is CRIT, who is only silent UNKNOWN."""
    found = faults(judged(given))
    assert {
        subject: severity for (check, subject), severity in found.items() if check == "controller.agreed"
    } == expected


def test_a_combined_node_has_one_finding_for_both_halves() -> None:
    """Where the broker's half does not reach the leader and the controller's names it, the worse one is told."""
    state = QuorumState(1, 7, 100, tuple(replica(id_) for id_ in (1, 2, 3)), ())
    found = judged(answers(state, reached={3: GONE}, cluster=COMBINED), cluster=COMBINED)
    finding = found["controller.agreed", "node3/broker"]
    assert (finding.severity, finding.detail) == (UNKNOWN, "reaches no leader: connection refused")


def test_without_a_leader_nothing_is_healthy() -> None:
    """No check disappears and none is OK while nobody leads and nobody answers."""
    none: dict[int, int | Unknown | None] = {11: GONE, 12: GONE, 13: GONE}
    found = judged(replace(answers(GONE, named=none), features=GONE, brokers=GONE))
    assert len(found) == len(judged(answers()))
    assert set(faults(found).values()) == {UNKNOWN}
    assert len(faults(found)) == len(found)


def test_features_are_told_with_the_metadata_version_first() -> None:
    """The level of metadata.version comes first; without it the finding is UNKNOWN."""
    assert judged(answers())["features", "hand"].detail == "metadata.version 30, group.version 1"
    assert judged(replace(answers(), features={}))["features", "hand"].severity is UNKNOWN


def registration(number: int, *, fenced: bool = False, at: Endpoint | None = None) -> KraftBroker:
    """Return a broker's registration."""
    known = {node.id: node.endpoint for node in CLUSTER.brokers}
    return KraftBroker(number, (at or known.get(number) or Endpoint("10.9.9.9", 1),), fenced)


@pytest.mark.parametrize(
    ("changed", "version", "severity", "words"),
    [
        (registration(3), "4.3.1", OK, "id 3 at 127.0.0.1:"),
        (registration(3, fenced=True), "4.3.1", CRIT, "id 3 is registered but fenced"),
        (None, "4.3.1", CRIT, "id 3 is not registered"),
        (None, "3.9.2", CRIT, "id 3 is not registered, or fenced"),
        (registration(3, at=Endpoint("10.9.9.9", 1)), "4.3.1", CRIT, "the inventory says 127.0.0.1:"),
    ],
)
def test_brokers_are_registered_and_unfenced(
    changed: KraftBroker | None, version: str, severity: Severity, words: str
) -> None:
    """Fenced, missing and moved brokers are CRIT; before 4.0 a fenced one cannot be told from a missing one."""
    known = {1: registration(1), 2: registration(2), 3: changed}
    found = registered_with_controllers({key: value for key, value in known.items() if value is not None})
    cluster = replace(CLUSTER, version=Version.parse(version))
    said = controllers.absent(cluster)
    _, _, third, all_ = brokers.judge_registrations(cluster, found, views(), absent=said)
    assert (third.severity, words in third.detail) == (severity, True), third.detail
    assert all_.severity is (CRIT if changed is None or changed.fenced else OK)


def test_a_fenced_stranger_is_named_as_one() -> None:
    """A registration that nobody took away shows that its broker serves nobody."""
    known = {number: registration(number, fenced=number == 9) for number in (1, 2, 3, 9)}
    found = brokers.judge_registrations(CLUSTER, registered_with_controllers(known), views())
    assert found[-1].detail == "not in the inventory: id 9 at 10.9.9.9:1 (fenced)"


@pytest.mark.parametrize(
    ("pinned", "ids", "severity", "words"),
    [
        (None, {}, OK, "the-id in all 6 data directories"),
        ("the-id", {}, OK, "the-id in all 6 data directories"),
        ("another", {}, CRIT, "1 cluster id, the inventory says another: the-id on node1/controller"),
        (None, {13: "foreign"}, CRIT, "foreign on node3/controller /srv/node3/controller-data"),
        (None, {13: None}, CRIT, "not formatted: node3/controller /srv/node3/controller-data"),
    ],
)
def test_data_directories_have_one_cluster_id(
    pinned: str | None, ids: dict[int, str | None], severity: Severity, words: str
) -> None:
    """Two ids, another one than the inventory's, and directories without any are told with their places."""
    hosts: dict[str, HostFacts | Unknown] = {}
    for host in CLUSTER.hosts:
        nodes = {}
        for node in CLUSTER.on(host):
            id_ = ids.get(node.id, "the-id")
            identities = {} if id_ is None else {node.data[0]: Identity(node.id, id_)}
            nodes[node.instance] = NodeFacts(identities=identities)
        hosts[host.name] = HostFacts(nodes)
    finding = judge_storage(replace(CLUSTER, cluster_id=pinned), hosts)
    assert (finding.severity, words in finding.detail) == (severity, True), finding.detail


def test_a_silent_host_leaves_the_cluster_id_unknown() -> None:
    """One host that does not answer: what the others have is no proof for it."""
    nodes = {"broker": NodeFacts(identities={PurePosixPath("/srv/node1/broker-data"): Identity(1, "the-id")})}
    nodes["controller"] = NodeFacts(
        identities={PurePosixPath("/srv/node1/controller-data"): Identity(11, "the-id")}
    )
    finding = judge_storage(CLUSTER, {"node1": HostFacts(nodes), "node2": GONE, "node3": GONE})
    assert (finding.severity, finding.detail) == (
        UNKNOWN,
        "not told by node2: connection refused; node3: connection refused",
    )
