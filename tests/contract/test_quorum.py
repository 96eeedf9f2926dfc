"""The fake of the KRaft quorum against real controllers: what holds for one holds for the other."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.adapters.kafka.controllers import KraftControllers
from kafab.cluster.metadata import KraftBroker, QuorumReplica, QuorumState
from kafab.model import Cluster, Endpoint, Node, Role, Version, VoterSource
from kafab.ports import Controllers
from kafab.testing.controllers import FakeControllers
from kafab.testing.kafka import FakeKafka
from kafab.unknown import Unknown
from tests.access_by_hand import check_without_authorizer
from tests.kafka_by_hand import unpacked, until
from tests.kraft_by_hand import KraftByHand, kraft_in

SOON = timedelta(seconds=2)
LIMIT = 180
BUSY = 30
"""Seconds within which what takes one has ended, be the machine as busy as it may: the peer never would."""


@dataclass(frozen=True)
class World:
    """A healthy KRaft cluster of three, the quorum's port onto it, and what can be done to its processes."""

    cluster: Cluster
    quorum: Controllers
    stop: Callable[[Node], None]
    start: Callable[[Node], None]
    freeze: Callable[[Node], None]
    thaw: Callable[[Node], None]
    settle: Callable[[], None]
    """Wait until the cluster is healthy."""

    def state(self, at: Endpoint | None = None) -> QuorumState:
        """Return the quorum's state, which is known."""
        found = self.quorum.describe(at)
        assert isinstance(found, QuorumState), found
        return found

    def voter(self, node: Node) -> QuorumReplica:
        """Return a voter as the leader sees it."""
        return next(voter for voter in self.state().voters if voter.id == node.id)

    def leader(self) -> Node:
        """Return the controller that leads."""
        return next(node for node in self.cluster.controllers if node.id == self.state().leader)

    def followers(self) -> list[Node]:
        """Return the controllers that do not lead."""
        leader = self.leader()
        return [node for node in self.cluster.controllers if node != leader]

    @contextmanager
    def without(self, *nodes: Node) -> Iterator[None]:
        """Stop nodes for the length of the block."""
        for node in nodes:
            self.stop(node)
        try:
            yield
        finally:
            for node in nodes:
                self.start(node)
            self.settle()


COMBINED_4 = ("4.3.1", False, VoterSource.DYNAMIC)
ISOLATED_3 = ("3.9.2", True, VoterSource.STATIC)


def _case(real: bool, version: str, isolated: bool, quorum: VoterSource) -> object:
    name = f"{'' if real else 'fake '}{version} {'isolated' if isolated else 'combined'}"
    jvms = [pytest.mark.e2e, pytest.mark.xdist_group(f"quorum {version}"), pytest.mark.timeout(600)]
    marks = jvms if real else []
    return pytest.param((real, Version.parse(version), isolated, quorum), id=name, marks=marks)


@pytest.fixture(
    scope="module",
    params=[
        _case(False, *COMBINED_4),
        _case(False, *ISOLATED_3),
        _case(True, *COMBINED_4),
        _case(True, *ISOLATED_3),
    ],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a healthy cluster: in memory, or three to six JVMs of one release."""
    real, version, isolated, quorum = request.param
    root = tmp_path_factory.mktemp(f"kraft-{version}")
    if not real:
        yield _in_memory(kraft_in(root, version, isolated=isolated, quorum=quorum))
        return
    with closing(
        KraftByHand(root, unpacked(version, root), version, isolated=isolated, quorum=quorum)
    ) as hand:
        hand.format(hand.cluster.nodes)
        hand.start(hand.cluster.nodes)
        hand.wait_until_healthy()
        yield World(
            hand.cluster,
            hand.quorum,
            hand.kill,
            lambda node: hand.start([node]),
            lambda node: hand.signal(node, signal.SIGSTOP),
            lambda node: hand.signal(node, signal.SIGCONT),
            hand.wait_until_healthy,
        )


def _in_memory(cluster: Cluster) -> World:
    kafka = FakeKafka(cluster)

    def stop(node: Node) -> None:
        if node.role is Role.BROKER:
            kafka.stop_broker(node.id)
        else:
            kafka.voters.stop(node.id)

    def start(node: Node) -> None:
        if node.role is Role.BROKER:
            kafka.start_broker(node.id, node.endpoint)
        else:
            kafka.voters.start(node.id)

    def frozen(node: Node) -> set[int]:
        return kafka.frozen if node.role is Role.BROKER else kafka.voters.frozen

    return World(
        cluster,
        FakeControllers(kafka),
        stop,
        start,
        lambda node: frozen(node).add(node.id),
        lambda node: frozen(node).discard(node.id),
        lambda: None,
    )


def test_one_voter_leads_all_voters_of_the_inventory(world: World) -> None:
    """The description names the inventory's controllers as voters, one of them as the leader, which is not behind itself."""
    state = world.state()
    assert [voter.id for voter in state.voters] == [node.id for node in world.cluster.controllers]
    leader = next(voter for voter in state.voters if voter.id == state.leader)
    assert (leader.behind, leader.caught_up) == (0, timedelta(0))
    assert state.epoch > 0


def test_observers_are_the_brokers_that_do_not_vote(world: World) -> None:
    """Brokers that are no controllers are observers, and nobody else is."""
    pure = [node.id for node in world.cluster.brokers if not node.combined]
    assert [one.id for one in world.state().observers] == pure


def test_voters_follow_closely(world: World) -> None:
    """Every voter of a healthy quorum has been seen with everything a short while ago."""
    until(
        lambda: all(v.caught_up is not None and v.caught_up < SOON for v in world.state().voters),
        "caught up",
        30,
    )


def test_directory_ids_are_those_of_a_dynamic_quorum(world: World) -> None:
    """Voters of a dynamic quorum have different directory ids of 22 letters, those of a static one have none."""
    found = {voter.directory for voter in world.state().voters}
    if world.cluster.voter_source is VoterSource.STATIC:
        assert found == {None}
    else:
        assert sorted(len(directory or "") for directory in found) == [22, 22, 22]


def test_every_broker_passes_on_the_leaders_description(world: World) -> None:
    """A broker asked alone gives the leader's own description: same leader, epoch and voters."""
    state = world.state()
    views = [world.state(node.endpoint) for node in world.cluster.brokers]
    assert {(v.leader, v.epoch, tuple(voter.id for voter in v.voters)) for v in views} == {
        (state.leader, state.epoch, tuple(voter.id for voter in state.voters))
    }


def test_of_the_controllers_only_the_leader_describes(world: World) -> None:
    """The leader asked alone describes the quorum; another controller says that it does not lead."""
    assert world.state(world.leader().controller_endpoint).leader == world.leader().id
    for node in world.followers():
        at = node.controller_endpoint
        assert world.quorum.describe(at) == Unknown(f"{at}: does not lead the quorum")


def test_every_controller_names_the_leader(world: World) -> None:
    """All controllers, asked one by one, agree on who leads."""
    named = {world.quorum.leader(node.controller_endpoint) for node in world.cluster.controllers}
    assert named == {world.state().leader}


def test_features_have_the_releases_metadata_version(world: World) -> None:
    """metadata.version is finalized at the level the release formats with: 3.9-IV0 or 4.3-IV0."""
    found = world.quorum.features()
    assert not isinstance(found, Unknown)
    assert found["metadata.version"] == (21 if world.cluster.version.major == 3 else 30)


def test_each_node_tells_what_its_release_knows(world: World) -> None:
    """Brokers and controllers tell the levels that they know, up to the finalized one at least, and what is finalized."""
    for node in world.cluster.nodes:
        at = node.endpoint if node.role is Role.BROKER else node.controller_endpoint
        known, finalized = world.quorum.known_levels(at), world.quorum.features(at)
        assert not isinstance(known, Unknown), known
        assert not isinstance(finalized, Unknown), finalized
        assert finalized == world.quorum.features()
        assert known["metadata.version"][1] >= finalized["metadata.version"]


def test_level_that_no_node_knows_is_refused(world: World) -> None:
    """With the name or without one, in Kafka's words; asked to judge or to do it, nothing changes."""
    before = world.quorum.features()
    for try_only in (True, False):
        refused = world.quorum.finalize({"metadata.version": 99}, try_only=try_only)
        assert not isinstance(refused, Unknown), refused
        assert (len(refused), all(refused.values()), world.quorum.features()) == (1, True, before)


def test_level_that_is_in_force_is_no_change(world: World) -> None:
    """A command that goes on may ask for what it has already done."""
    before = world.quorum.features()
    assert not isinstance(before, Unknown)
    found = world.quorum.finalize({"metadata.version": before["metadata.version"]}, try_only=False)
    assert (found, world.quorum.features()) == ({}, before)


def test_brokers_are_registered_where_the_inventory_says(world: World) -> None:
    """The registrations are the inventory's ids and endpoints, none of them fenced."""
    assert world.quorum.brokers() == {
        node.id: KraftBroker(node.id, (node.endpoint,), fenced=False) for node in world.cluster.brokers
    }


def test_nobody_at_an_address_is_unknown(world: World) -> None:
    """An address where nobody listens is Unknown and says so."""
    nobody = Endpoint("127.0.0.1", 1)
    refused = Unknown("127.0.0.1:1: connection refused")
    assert (world.quorum.describe(nobody), world.quorum.leader(nobody)) == (refused, refused)


def test_a_frozen_voter_falls_behind(world: World) -> None:
    """While a follower is frozen the leader sees it lag and since when, it answers nothing itself, and later it catches up."""
    node = world.followers()[0]
    at = node.controller_endpoint
    world.freeze(node)
    try:
        until(lambda: _late(world.voter(node)), f"voter {node.id} behind", LIMIT)
        silent = Unknown(f"{at}: did not answer within 1 s")
        assert world.quorum.leader(at, timeout=timedelta(seconds=1)) == silent
    finally:
        world.thaw(node)
    until(lambda: not _late(world.voter(node)), f"voter {node.id} caught up", LIMIT)
    world.settle()


def _late(voter: QuorumReplica) -> bool:
    return voter.behind > 0 and voter.caught_up is not None and voter.caught_up > SOON


def test_without_its_leader_a_quorum_has_another_one_later(world: World) -> None:
    """After the leader is gone another voter leads, in a later epoch, and all that are left name it."""
    before, leader, left = world.state(), world.leader(), world.followers()
    with world.without(leader):
        until(lambda: _leads_after(world, before), "another leader", LIMIT)
        until(lambda: _agreed(world, left), "agreed", LIMIT)


def _agreed(world: World, controllers: list[Node]) -> bool:
    """Return whether each of these controllers names the one that leads."""
    now = world.quorum.describe()
    named = {world.quorum.leader(node.controller_endpoint) for node in controllers}
    return isinstance(now, QuorumState) and named == {now.leader}


def _leads_after(world: World, before: QuorumState) -> bool:
    now = world.quorum.describe()
    return isinstance(now, QuorumState) and now.leader != before.leader and now.epoch > before.epoch


def test_without_a_majority_nobody_describes(world: World) -> None:
    """With two of three controllers gone, the leader among them, neither the third nor a broker describes a quorum."""
    alone, other = world.followers()
    gone = (world.leader(), other)
    with world.without(*gone):
        begun = time.monotonic()
        alive = [node.endpoint for node in world.cluster.brokers if node not in gone]
        asked = [None, alone.controller_endpoint, *alive]
        answers = [world.quorum.describe(at, timeout=SOON) for at in asked]
        assert time.monotonic() - begun < 10 * len(answers)
        assert [answer for answer in answers if not isinstance(answer, Unknown)] == []


def test_a_leader_without_followers_resigns(world: World) -> None:
    """A leader whose two followers are gone describes nothing after a while, and names no leader, itself neither."""
    alone = world.leader()
    with world.without(*world.followers()):
        until(lambda: isinstance(world.quorum.describe(timeout=SOON), Unknown), "no description", LIMIT)
        until(lambda: world.quorum.leader(alone.controller_endpoint) is None, "no leader", LIMIT)


@pytest.mark.parametrize("version", ["3.9.2", "4.3.1"])
def test_a_lonely_follower_of_kafka_4_names_the_last_leader(version: str, tmp_path: Path) -> None:
    """The fake does as 4.3.1 was seen to do (it names it for good), and 3.9.2 (it names nobody after a while)."""
    kafka = FakeKafka(kraft_in(tmp_path, Version.parse(version)))
    quorum, alone = FakeControllers(kafka), kafka.cluster.controllers[2]
    kafka.stop_broker(2)
    kafka.stop_broker(1)
    assert quorum.leader(alone.controller_endpoint) == (1 if version == "4.3.1" else None)


def test_a_stopped_broker_is_fenced(world: World) -> None:
    """Kafka 4 tells of a registration whose broker is gone, as fenced; Kafka 3.9 leaves it out."""
    leader = world.leader().id
    node = next(node for node in world.cluster.brokers if node.id != leader)
    told = True if world.cluster.version.major > 3 else None
    with world.without(node):
        until(lambda: _fenced(world, node.id) is told, f"broker {node.id} fenced", LIMIT)


def _fenced(world: World, broker: int) -> bool | None:
    """Return whether a broker is fenced, None where it is not told of."""
    found = world.quorum.brokers()
    if isinstance(found, Unknown):
        return False
    return found[broker].fenced if broker in found else None


@pytest.mark.parametrize("version", ["3.9.2", "4.3.1"])
def test_a_broker_that_one_has_not_heard_of_is_registered(version: str, tmp_path: Path) -> None:
    """The fake merges what its brokers have heard as the real ones' answers are merged."""
    kafka = FakeKafka(kraft_in(tmp_path, Version.parse(version)))
    kafka.unheard = {1: {3}, 2: {2}}
    found = FakeControllers(kafka).brokers()
    assert not isinstance(found, Unknown)
    assert set(found) == {1, 2, 3}


def test_without_an_authorizer_there_are_no_acls(world: World) -> None:
    """KRaft brokers without an authorizer say so."""
    check_without_authorizer(world.cluster, real=isinstance(world.quorum, KraftControllers))


@pytest.fixture
def mute() -> Iterator[Endpoint]:
    """Yield an address that takes connections and never says a word, like a frozen process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Endpoint("127.0.0.1", server.getsockname()[1])


def test_mute_controllers_are_unknown_within_the_timeout(mute: Endpoint) -> None:
    """Controllers that accept and are silent cost the timeout that was given, and each is named."""
    dead = Endpoint("127.0.0.1", 1)
    begun = time.monotonic()
    with closing(KraftControllers([mute, dead], [])) as quorum:
        answer = quorum.describe(timeout=timedelta(seconds=0.5))
    assert answer == Unknown(
        f"no controller leads: {mute}: did not answer within 0.5 s; {dead}: connection refused"
    )
    assert time.monotonic() - begun < BUSY


def test_mute_brokers_are_unknown_within_the_timeout(mute: Endpoint) -> None:
    """Where no broker tells of the registrations, that costs the timeout that was given, and each is named."""
    dead = Endpoint("127.0.0.1", 1)
    begun = time.monotonic()
    with closing(KraftControllers([], [mute, dead])) as quorum:
        answer = quorum.brokers(timeout=timedelta(seconds=1))
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith(f"no broker answers: {mute}: did not answer within")
    assert time.monotonic() - begun < BUSY
