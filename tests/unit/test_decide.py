"""What a roll does next: its order, its gates, and the laws that hold for every cluster."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.rolling.decide import Await, Blocked, Done, Goal, Move, Start, Stop, decide
from kafab.rolling.safety import Spared
from tests.rolling_world import ENOUGH, RollingWorld, cluster_of, harm, racked, rolled_by_racks, stops

MODES = ("", "combined", "isolated")


def world_of(mode: str, brokers: int = 3, **topics: tuple[int, Sequence[tuple[int, ...]]]) -> RollingWorld:
    """Return a cluster with a topic of three replicas that needs two of them, unless others are named."""
    return RollingWorld(cluster_of(brokers, mode), topics or {"orders": (2, [(1, 2, 3), (2, 3, 1)])})


def roll(world: RollingWorld, goal: Goal) -> Move:
    """Roll to the end; return the last move."""
    for _ in range(ENOUGH):
        move = decide(world.cluster, goal, world.seen())
        if isinstance(move, Done | Blocked):
            return move
        world.apply(move)
    raise AssertionError(f"no end after {ENOUGH} moves: {move}")


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        (
            "",
            [
                *("node2/zookeeper", "node3/zookeeper", "node1/zookeeper"),
                *("node2/broker", "node3/broker", "node1/broker"),
            ],
        ),
        ("combined", ["node2/broker", "node3/broker", "node1/broker"]),
        (
            "isolated",
            [
                *("node2/controller", "node3/controller", "node1/controller"),
                *("node1/broker", "node2/broker", "node3/broker"),
            ],
        ),
    ],
)
def test_order(mode: str, order: list[str]) -> None:
    """Voters before brokers, one at a time; whoever leads is the last of its kind."""
    world = world_of(mode)
    assert isinstance(roll(world, world.goal()), Done)
    assert stops(world) == [[name] for name in order]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_down_is_started_first(mode: str) -> None:
    """A node that does not run is one that the cluster lacks: it comes up before anything is stopped."""
    world = world_of(mode)
    down = world.cluster.brokers[2]
    world.stop(down)
    assert decide(world.cluster, world.goal(), world.seen()) == Start((down,))


def test_leader_is_read_again_before_each_move() -> None:
    """A leader that moves in mid-roll is still the last."""
    world = world_of("isolated")
    goal = world.goal(["node1/controller", "node2/controller", "node3/controller"])
    world.leader = 103
    move = decide(world.cluster, goal, world.seen())
    assert move == Stop((world.cluster.controllers[0],))


def test_unknown_is_no() -> None:
    """A host that does not answer is waited for, whatever is left to do."""
    world = world_of("")
    world.silent.add("node3/broker")
    assert decide(world.cluster, world.goal(), world.seen()) == Await({"node3/broker": "no answer"})


def test_nothing_is_stopped_while_a_replaced_broker_catches_up() -> None:
    """The gate after a start: in the ISR of every partition again."""
    world = world_of("isolated")
    goal = world.goal(["node1/broker", "node2/broker"])
    broker = world.cluster.brokers[0]
    world.stop(broker)
    world.start(broker)
    assert decide(world.cluster, goal, world.seen()) == Await(
        {"node1/broker": "2 replicas not in the ISR yet"}
    )


def test_topic_that_can_never_be_spared_blocks() -> None:
    """Where no wait helps the roll ends, with the partition and its figures."""
    world = world_of("isolated", single=(1, [(1,), (2,)]))
    move = decide(world.cluster, world.goal(["node1/broker"]), world.seen())
    assert isinstance(move, Blocked)
    assert [blocker.subject for blocker in move.blockers] == ["single-0"]


def test_topic_that_may_be_unavailable_blocks_nothing() -> None:
    """What the operator has named is left out of the judgement."""
    world = world_of("isolated", single=(1, [(1,), (2,)]))
    goal = world.goal(["node1/broker"], spared=Spared(unavailable=frozenset({"single"})))
    assert decide(world.cluster, goal, world.seen()) == Stop((world.cluster.brokers[0],))


def test_server_has_no_partitions_of_the_broker_with_its_number() -> None:
    """A ZooKeeper server may stop though the replicas of the broker with the same id cannot be spared."""
    world = world_of("")
    world.behind[3] = ENOUGH
    server = world.cluster.zookeepers[0]
    assert decide(world.cluster, world.goal([server.name]), world.seen()) == Stop((server,))


def test_margin_keeps_more_than_the_minimum() -> None:
    """With a margin of one a partition of three keeps two replicas, though one would do."""
    world = world_of("isolated", brokers=4, orders=(1, [(1, 2, 3)]))
    world.stop(world.cluster.brokers[2])
    world.down.discard("node3/broker")
    world.behind[3] = 99
    goal = world.goal(["node1/broker"], spared=Spared(margin=1), behind=9)
    assert isinstance(decide(world.cluster, goal, world.seen()), Await)


def test_rack_goes_together() -> None:
    """The brokers of a rack are one move where every partition has its replicas in other racks."""
    cluster = cluster_of(9, "isolated", racks=3)
    assignment = [(n, n % 9 + 1, (n + 1) % 9 + 1) for n in range(1, 10)]
    world = RollingWorld(cluster, {"orders": (2, assignment)})
    assert isinstance(roll(world, world.goal([node.name for node in cluster.brokers], rack=True)), Done)
    assert stops(world) == [[f"node{n}/broker" for n in range(first, 10, 3)] for first in (1, 2, 3)]


@st.composite
def worlds(draw: st.DrawFn) -> RollingWorld:
    """Return a cluster of some size with topics that can spare a replica, and perhaps something down."""
    brokers = draw(st.integers(3, 6))
    every = st.permutations(range(1, brokers + 1))
    topics = {
        f"topic{number}": (
            draw(st.integers(1, replicas - 1)),
            [tuple(draw(every)[:replicas]) for _ in range(draw(st.integers(1, 3)))],
        )
        for number, replicas in enumerate(draw(st.lists(st.integers(2, 3), max_size=3)))
    }
    world = RollingWorld(cluster_of(brokers, draw(st.sampled_from(MODES))), topics)
    if draw(st.booleans()):
        world.stop(draw(st.sampled_from(world.cluster.brokers)))
    return world


@given(worlds(), st.integers(1, 3))
def test_a_roll_ends_harms_nothing_and_replaces_each_process_once(world: RollingWorld, width: int) -> None:
    """Law: no partition under its minimum, no majority lost, no more down than allowed, each process replaced once."""
    before, down = dict(world.generation), set(world.down)
    goal, harmed = world.goal(width=width), list[str]()
    for _ in range(ENOUGH):
        move = decide(world.cluster, goal, world.seen())
        if isinstance(move, Done):
            break
        world.apply(move)
        if isinstance(move, Stop):
            harmed += harm(world, move.nodes)
            assert len(world.down) <= width
    assert (isinstance(move, Done), harmed) == (True, [])
    assert world.generation == {name: number + 1 for name, number in before.items()}, down


@pytest.mark.parametrize("seed", range(10))
def test_racks_roll_in_few_waves_though_brokers_are_slow_or_die(seed: int) -> None:
    """Whatever happens meanwhile, a wave costs no partition its minimum, and there are at most three waves a rack."""
    world = racked(seed, brokers=40, racks=10, partitions=200)
    move, waves, harmed = rolled_by_racks(world, seed)
    assert (isinstance(move, Done), waves <= 30, harmed) == (True, True, []), waves


@given(worlds(), st.data())
def test_an_interrupted_roll_goes_on_with_the_tail(world: RollingWorld, data: st.DataObject) -> None:
    """Law: what is decided follows from what is seen, so the moves after an interruption are those that were left."""
    goal = world.goal()
    states = []
    while not isinstance(move := decide(world.cluster, goal, world.seen()), Done):
        states.append((world.seen(), move))
        world.apply(move)
    seen, next_move = data.draw(st.sampled_from(states))
    assert decide(world.cluster, goal, seen) == next_move
