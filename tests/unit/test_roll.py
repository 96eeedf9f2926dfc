"""A rolling restart over hosts that answer the real scripts, and a Kafka in memory: its journal, its ends, and its way on.

The file is a little over 400 lines long because all its tests roll the same clusters of its fixtures.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.canary.figures import Counts
from kafab.errors import Failed, Interrupted, Unreachable, Unsafe
from kafab.events import Note, Waiting
from kafab.ops.check.status import unfinished_roll
from kafab.ops.rolling.roll import Rolled, give_up, roll
from kafab.ops.run.goal import Asked, prepare
from kafab.ops.run.journal import parse
from kafab.ops.run.lifecycle import start
from kafab.rolling.safety import Spared
from tests.conftest import cluster_in
from tests.cosmos import ALL, Cosmos, names

EVERY = names("zookeeper") + names("broker")


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts on which everything runs, and a topic of three replicas that needs two."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
    cosmos.kafka.configs["orders"]["min.insync.replicas"] = "2"
    return cosmos


def rolled(cosmos: Cosmos, **asked: object) -> Rolled:
    """Roll, with what is asked for."""
    wanted = Asked(**asked)  # type: ignore[arg-type]  # the tests name its fields
    return roll(cosmos.cluster, wanted, prepare(cosmos.cluster, wanted, cosmos.world), cosmos.world)


def test_each_node_is_replaced_once(cosmos: Cosmos) -> None:
    """Every process is another one at the end; no node is stopped or started twice."""
    before = dict(cosmos.pids)
    done = rolled(cosmos)
    assert sorted(one.name for one in done.nodes) == sorted(EVERY)
    assert cosmos.pids == {name: pid + 1 for name, pid in before.items()}


def test_node_serves_before_the_next_one_stops(cosmos: Cosmos) -> None:
    """Moves alternate: a stop, then the start of the same node."""
    rolled(cosmos)
    moves = cosmos.moves
    assert [moves[at : at + 2] for at in range(0, len(moves), 2)] == [
        [("stop", name), ("start", name)] for name in cosmos.of("stop")
    ]


def test_journal_is_there_before_the_first_stop_and_gone_after_the_last(cosmos: Cosmos) -> None:
    """Each host of a ZooKeeper server has it while the roll is at work."""
    cosmos.ctrl_c = 0
    with pytest.raises(Interrupted):
        rolled(cosmos)
    assert (sorted(cosmos.journals), cosmos.moves) == (ALL, [])
    cosmos.ctrl_c = None
    rolled(cosmos)
    assert cosmos.journals == {}


@pytest.mark.parametrize("moves", range(12))
def test_interrupted_roll_goes_on_with_the_rest(cosmos: Cosmos, moves: int) -> None:
    """After Ctrl-C at any move the same command replaces what is left, and nothing a second time."""
    before, cosmos.ctrl_c = dict(cosmos.pids), moves
    with pytest.raises(Interrupted):
        rolled(cosmos)
    cosmos.ctrl_c = None
    rolled(cosmos)
    assert cosmos.pids == {name: pid + 1 for name, pid in before.items()}


def test_interrupted_roll_says_what_is_done(cosmos: Cosmos) -> None:
    """The message names what is finished, what was touched, and what was left; programs get what was stopped."""
    cosmos.ctrl_c = 3
    with pytest.raises(Interrupted) as caught:
        rolled(cosmos)
    first, second = cosmos.of("stop")[:2]
    told = f"finished: {first}\n  stopped, and not known to serve again: {second}" in caught.value.message
    assert (told, caught.value.stopped) == (True, (second,))


def test_another_roll_is_refused_while_one_is_unfinished(cosmos: Cosmos) -> None:
    """Both ways are named: the command that goes on, and the one that gives up."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos, limit="node1")
    with pytest.raises(Unsafe) as caught:
        prepare(cosmos.cluster, Asked(), cosmos.world)
    assert "`fab restart --limit node1` goes on with it; `fab restart --forget` gives it up" in str(
        caught.value.hint
    )


def test_roll_that_came_to_its_end_otherwise_forbids_no_other(cosmos: Cosmos) -> None:
    """A start brought back what had failed: every node runs as another process, so nothing is left to go on with."""
    cosmos.ctrl_c = 1
    with pytest.raises(Interrupted):
        rolled(cosmos, limit="node1/zookeeper")
    cosmos.ctrl_c = None
    start(cosmos.cluster, None, cosmos.world)
    rolled(cosmos, limit="node2/broker")
    assert (cosmos.of("stop"), cosmos.journals) == (["node1/zookeeper", "node2/broker"], {})


def test_status_tells_of_an_unfinished_roll(cosmos: Cosmos) -> None:
    """Whose it is, how far it is, and both ways on."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos)
    assert unfinished_roll(cosmos.cluster, cosmos.world) == (
        "a roll is unfinished, of ann (`restart`): 1 of 6 nodes are finished; `fab restart` goes on with it, "
        "`fab restart --forget` gives it up and leaves the nodes as they are"
    )


def test_status_says_nothing_where_no_roll_is_unfinished(cosmos: Cosmos) -> None:
    """There is no line for it."""
    rolled(cosmos)
    assert unfinished_roll(cosmos.cluster, cosmos.world) == ""


def test_roll_that_was_given_up_leaves_the_nodes(cosmos: Cosmos) -> None:
    """--forget takes the journal away and moves nothing; the next roll is a new one."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos)
    cosmos.ctrl_c = None
    before, moves = dict(cosmos.pids), len(cosmos.moves)
    found = give_up(cosmos.cluster, cosmos.world)
    assert (found and found.command, cosmos.journals, len(cosmos.moves)) == ("fab restart", {}, moves)
    rolled(cosmos)
    assert cosmos.pids == {name: pid + 1 for name, pid in before.items()}


def test_journal_left_on_one_host_means_nothing(cosmos: Cosmos) -> None:
    """A host that was down at the end of a roll keeps a copy: a majority says that none is unfinished."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos)
    del cosmos.journals["node1"], cosmos.journals["node2"]
    assert prepare(cosmos.cluster, Asked(), cosmos.world).begun is None


def test_journal_that_a_silent_host_may_have_counts(cosmos: Cosmos) -> None:
    """One host has it, one has not, one does not answer: it may be on a majority, so it is gone on with."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos, limit="node1,node2")
    del cosmos.journals["node2"]
    cosmos.fleet.unreachable = {"node3": "no route"}
    found = prepare(cosmos.cluster, Asked("node1,node2"), cosmos.world)
    assert found.begun is not None


def test_journal_needs_a_majority_before_anything_moves(cosmos: Cosmos) -> None:
    """Where the hosts that keep it do not answer nothing is stopped."""
    cosmos.fleet.unreachable = {"node2": "no route", "node3": "no route"}
    with pytest.raises(Unreachable):
        rolled(cosmos, limit="node1")
    assert cosmos.moves == []


def test_damaged_journal_is_told(cosmos: Cosmos) -> None:
    """A journal that cannot be read is no reason to begin another roll: its file and the way on are named."""
    cosmos.journals = dict.fromkeys(ALL, "{}")
    with pytest.raises(Failed, match="cannot be read") as caught:
        rolled(cosmos)
    assert "fab restart --forget" in str(caught.value.hint)


def test_damaged_journal_can_be_given_up(cosmos: Cosmos) -> None:
    """What the hint tells to type takes it away."""
    cosmos.journals = dict.fromkeys(ALL, "{}")
    give_up(cosmos.cluster, cosmos.world)
    assert cosmos.journals == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"schema": "kafab.roll/9"}', '{"schema": "kafab.roll/1"}']
)
def test_what_is_no_journal_is_unknown(text: str) -> None:
    """Another version's journal, or a damaged one, is never taken for one."""
    assert not hasattr(parse(text), "owner")


def test_node_that_does_not_come_back_ends_the_roll(cosmos: Cosmos) -> None:
    """The others are left as they were, and the message says so with the way on (a bad property)."""
    cosmos.answers["start", "node1/zookeeper"] = "failed no such file"
    with pytest.raises(Failed) as caught:
        rolled(cosmos, limit="node1")
    assert "node1/zookeeper: not started: no such file" in caught.value.message
    assert "left as they were: node1/broker" in caught.value.message
    assert "the same command goes on; `fab restart --forget` gives the roll up" in str(caught.value.hint)


def test_topic_without_a_spare_replica_is_refused_before_anything_stops(cosmos: Cosmos) -> None:
    """What no wait helps is told up front, with the option that names the topic."""
    cosmos.kafka.add("single", [(1,)])
    with pytest.raises(Unsafe) as caught:
        rolled(cosmos)
    assert (cosmos.moves, "--accept-unavailable single" in str(caught.value.hint)) == ([], True)


def test_topic_that_may_be_unavailable_is_restarted(cosmos: Cosmos) -> None:
    """The operator has named it."""
    cosmos.kafka.add("single", [(1,)])
    done = rolled(cosmos, spared=Spared(unavailable=frozenset({"single"})))
    assert len(done.nodes) == len(EVERY)


def test_nothing_pending_moves_nothing(cosmos: Cosmos) -> None:
    """With --pending, where each node runs from what the inventory asks for, there is no goal, and no lock is taken."""
    found = prepare(cosmos.cluster, Asked(pending=True), cosmos.world)
    assert (dict(found.goal.replaced), found.begun, cosmos.of("lock")) == ({}, None, [])


def test_roll_waits_while_something_else_is_down_and_gives_up_at_the_limit(cosmos: Cosmos) -> None:
    """A broker outside of the limit that is down is not touched; the roll waits for it and then ends with the state."""
    cosmos.change("node3/broker", False)
    with pytest.raises(Failed) as caught:
        rolled(cosmos, limit="node1/broker", pause_limit=timedelta(seconds=30))
    assert (cosmos.moves, "cannot be spared" in caught.value.message) == ([], True)
    assert 29 < cosmos.clock.time < 35


def test_roll_goes_on_when_what_was_down_is_back(cosmos: Cosmos) -> None:
    """What it waits for is looked at again and again."""
    cosmos.change("node3/broker", False)

    def back(now: float) -> None:
        if now > 20 and "node3/broker" not in cosmos.running:
            cosmos.change("node3/broker", True)

    cosmos.clock.during = back
    rolled(cosmos, limit="node1/broker")
    assert cosmos.of("stop") == ["node1/broker"]


def test_node_that_is_down_is_started_first(cosmos: Cosmos) -> None:
    """A node of the goal that does not run is one that the cluster lacks: it comes up before anything stops."""
    cosmos.change("node3/broker", False)
    rolled(cosmos)
    assert cosmos.moves[0] == ("start", "node3/broker")
    assert "node3/broker" not in cosmos.of("stop")


def test_nodes_that_somebody_restarted_since_the_look_are_left_and_told(cosmos: Cosmos) -> None:
    """Another roll that began and ended between look and lock has replaced what was to go: each is named, none is touched."""
    found = prepare(cosmos.cluster, Asked(), cosmos.world)
    roll(cosmos.cluster, Asked(), found, cosmos.world)
    pids, moves = dict(cosmos.pids), len(cosmos.moves)
    cosmos.events.clear()
    done = roll(cosmos.cluster, Asked(), found, cosmos.world)
    notes = [str(event.text) for event in cosmos.events if isinstance(event, Note)]
    assert (cosmos.pids, len(cosmos.moves), sorted(done.before)) == (pids, moves, sorted(EVERY))
    assert any("not restarted, as another process runs there since the look" in text for text in notes)


def test_roll_says_whose_it_goes_on_with(cosmos: Cosmos) -> None:
    """Another operator may have begun it."""
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        rolled(cosmos)
    cosmos.ctrl_c = None
    rolled(cosmos)
    assert Note(cosmos.cluster.name, "goes on with the roll of ann (`restart`)") in cosmos.events


@pytest.mark.parametrize("mode", ["combined", "isolated"])
def test_kraft_rolls(tmp_path: Path, mode: str) -> None:
    """Controllers first, one at a time; each process is replaced once."""
    cosmos = Cosmos(cluster_in(tmp_path, 3, mode)).up()
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
    cosmos.kafka.configs["orders"]["min.insync.replicas"] = "2"
    before = dict(cosmos.pids)
    rolled(cosmos)
    assert cosmos.pids == {name: pid + 1 for name, pid in before.items()}


def test_canary_is_there_from_the_first_stop_on_and_its_topic_goes(cosmos: Cosmos) -> None:
    """Its figures come back with the roll, and nothing of it is left in the cluster."""
    done = rolled(cosmos)
    assert (done.canary and done.canary.counted, cosmos.canaries.closed == cosmos.canaries.flown) == (
        True,
        True,
    )
    assert {partition.topic for partition in cosmos.kafka.partitions} == {"orders"}


def test_lost_record_stops_the_roll(cosmos: Cosmos) -> None:
    """An acknowledged record that is gone is worth more than the end of a restart."""
    cosmos.canaries.counts = {2: Counts(sent=9, acked=9, lost=1)}
    with pytest.raises(Failed, match="the canary has lost 1 acknowledged record: the roll stops here"):
        rolled(cosmos)
    assert (cosmos.moves, cosmos.canaries.closed == cosmos.canaries.flown) == ([], True)


def test_canary_that_ended_is_not_waited_for(cosmos: Cosmos) -> None:
    """It cannot be well again: the roll stops at once, and what goes on without it is named."""
    cosmos.canaries.ended = "killed"
    with pytest.raises(Failed) as caught:
        rolled(cosmos)
    assert (cosmos.moves, cosmos.clock.time < 60) == ([], True), caught.value.message


def test_roll_waits_until_the_canary_is_well(cosmos: Cosmos) -> None:
    """A silence above the budget pauses it, and it goes on when records are acknowledged again."""
    cosmos.canaries.counts = {2: Counts(sent=9, acked=8, open_gap=timedelta(seconds=6))}

    def well_again(now: float) -> None:
        if now > 40:
            cosmos.canaries.counts = {}

    cosmos.clock.during = well_again
    rolled(cosmos, limit="node1/broker")
    assert (cosmos.of("stop"), cosmos.clock.time > 40) == (["node1/broker"], True)


def test_silence_within_the_budget_is_no_reason_to_wait(cosmos: Cosmos) -> None:
    """The budget is the operator's."""
    cosmos.canaries.counts = {2: Counts(sent=9, acked=8, open_gap=timedelta(seconds=6))}
    rolled(cosmos, limit="node1/broker", gap_budget=timedelta(seconds=10))
    assert cosmos.of("stop") == ["node1/broker"]


def test_roll_without_a_canary_makes_no_topic(cosmos: Cosmos) -> None:
    """--no-canary."""
    done = rolled(cosmos, canary=False)
    assert (done.canary, cosmos.canaries.flown) == (None, [])


def test_interrupted_roll_takes_its_canary_away(cosmos: Cosmos) -> None:
    """Ctrl-C leaves no topic of kafab's."""
    cosmos.ctrl_c = 3
    with pytest.raises(Interrupted):
        rolled(cosmos)
    assert {partition.topic for partition in cosmos.kafka.partitions} == {"orders"}


def once_started(
    cosmos: Cosmos, name: str, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have something happen in the moment in which a node has been started."""
    change = cosmos.change

    def changed(node: str, runs: bool) -> None:
        change(node, runs)
        if (node, runs) == (name, True):
            then()

    monkeypatch.setattr(cosmos, "change", changed)


def crash_loop(cosmos: Cosmos, name: str, why: str) -> Callable[[float], None]:
    """Have a node end every 7 seconds, with these last words, and be started again 2 seconds later by systemd."""

    def at(now: float) -> None:
        number, since = divmod(now, 7)
        ended = f"restarting {number:.0f} {500 + number:.0f} 7\n| ERROR {why} (kafka)"
        cosmos.answers["check", name] = ended if since < 2 else f"running {501 + number:.0f} 7"

    return at


@pytest.mark.parametrize(
    ("why", "ends"),
    [("an OutOfMemoryError", True), ("KeeperErrorCode = NodeExists", False)],
)
def test_node_that_ends_again_and_again_ends_the_roll_at_once(
    cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch, why: str, ends: bool
) -> None:
    """Its host starts it each time, so it never looks down: the second time is the end, unless time mends it."""
    # Without node3/broker the roll cannot stop the controller's, which is node1/broker.
    once_started(cosmos, "node2/broker", lambda: cosmos.change("node3/broker", False), monkeypatch)
    loop = crash_loop(cosmos, "node2/broker", why)
    cosmos.clock.during = lambda now: loop(now) if "node2/broker" in cosmos.of("start") else None
    with pytest.raises(Failed) as caught:
        rolled(cosmos, limit="node1/broker,node2/broker")
    told = "for the second time during this roll, and its host starts it again"
    assert (told in caught.value.message, cosmos.clock.time < 60) == (ends, ends), caught.value.message
    assert cosmos.of("stop") == ["node2/broker"]


def test_broker_outside_of_the_limit_that_recovers_is_waited_for(cosmos: Cosmos) -> None:
    """It answers nobody for longer than the pause limit; as its logs are fewer each time the roll waits, and says how many remain."""
    cosmos.kafka.frozen = {3}

    def recovers(now: float) -> None:
        cosmos.answers["loading", "node3/broker"] = f"running 5 5\n| INFO ({now:.0f}/400 completed in /data)"
        if now > 100:
            cosmos.kafka.frozen = set()

    cosmos.clock.during = recovers
    rolled(cosmos, limit="node1/broker", pause_limit=timedelta(seconds=30))
    told = [event.what for event in cosmos.events if isinstance(event, Waiting)]
    assert (cosmos.of("stop"), cosmos.clock.time > 100) == (["node1/broker"], True)
    assert any("loads its logs, 3" in text for text in told), told


def test_pause_limit_holds_from_when_a_broker_serves(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the roll's own look that waits for replicas, by progress; a start's minute does not come before it."""

    def behind() -> None:
        cosmos.kafka.partitions = [cosmos.kafka.shrunk(one, 1) for one in cosmos.kafka.partitions]

    once_started(cosmos, "node1/broker", behind, monkeypatch)
    with pytest.raises(Failed) as caught:
        rolled(cosmos, limit="node1/broker", canary=False, pause_limit=timedelta(seconds=10))
    assert "node1/broker: 3 replicas not in the ISR yet" in caught.value.message
    assert cosmos.clock.time < 20
