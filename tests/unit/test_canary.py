"""What a canary counts: late is not lost, a record read again is no duplicate, and figures survive their journey."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.adapters.kafka.canary import number_in, value
from kafab.canary.assignment import spread
from kafab.canary.figures import Counts, Figures, document, from_document
from kafab.canary.ledger import Group, Read, Written, counted, figures
from kafab.canary.tallies import Latencies, Spans
from kafab.canary.verdict import judge
from kafab.errors import Failed, Unreachable
from kafab.events import Event, Note
from kafab.findings import Severity
from kafab.ops.canary import alone, beside
from kafab.testing.admin import FakeAdmin
from kafab.testing.canaries import WELL, FakeCanaries
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in

EVERY = timedelta(milliseconds=20)
NUMBERS = st.lists(st.integers(0, 40))


def written(acked: Sequence[int]) -> Written:
    """A partition that acknowledged these records, each at the offset of its place."""
    made = Written()
    for _ in range(41):
        made.send(0.0)
    for offset, number in enumerate(acked):
        made.ack(number, offset, 0.001, 1.0)
    return made


def read(log: Sequence[int]) -> Read:
    """A reading of a log."""
    made = Read()
    for offset, number in enumerate(log):
        made.take(offset, number)
    return made


def final(acked: Sequence[int], log: Sequence[int], *, to_the_end: bool = True) -> Counts:
    """The final figures of one partition."""
    partition, reading = written(acked), read(log)
    found = figures("t", [1], [partition], Group(), began=0.0, now=2.0, every=EVERY)
    return counted(found, [partition], [reading], [to_the_end]).total


@given(NUMBERS, NUMBERS)
def test_spans_are_sets(ours: list[int], theirs: list[int]) -> None:
    """A set of spans holds, counts and compares as a set of numbers does."""
    one, other = Spans(), Spans()
    fresh = [one.add(number) for number in ours]
    for number in theirs:
        other.add(number)
    assert (len(one), sum(fresh), one.lacking(other)) == (
        len(set(ours)),
        len(set(ours)),
        len(set(ours) - set(theirs)),
    )
    assert [number in one for number in range(42)] == [number in ours for number in range(42)]


@given(st.sets(st.integers(0, 40)), NUMBERS)
def test_what_is_counted_is_what_the_log_has(acked: set[int], log: list[int]) -> None:
    """Lost are the acknowledged records that the log lacks, duplicates the ones that it has again."""
    found = final(sorted(acked), log)
    assert (found.lost, found.unread) == (len(acked - set(log)), 0)
    assert found.duplicates == len(log) - len(set(log))


@given(st.lists(st.integers(0, 40), unique=True))
def test_records_behind_a_later_one_are_reordered(log: list[int]) -> None:
    """Of records that stand once, those are out of order that have a later one before them."""
    wanted = sum(number < max(log[:place], default=-1) for place, number in enumerate(log))
    assert final((), log).reordered == wanted


@given(st.sets(st.integers(0, 40)), NUMBERS)
def test_late_is_not_lost(acked: set[int], log: list[int]) -> None:
    """What a reading that did not reach the end has not found is unread, and nothing of it is lost."""
    found = final(sorted(acked), log, to_the_end=False)
    assert (found.lost, found.unread) == (0, len(acked - set(log)))


def test_a_record_read_again_is_no_duplicate() -> None:
    """A reader that goes back finds the same offsets: nothing is counted twice."""
    reading = read([0, 1, 2])
    reading.take(1, 1)
    assert (reading.duplicates, reading.position) == (0, 3)


def test_an_offset_given_out_again_is_a_loss() -> None:
    """Records 0 to 4 were acknowledged; the fifth gets offset 2: what was acknowledged at 2 to 4 is gone."""
    made = written(range(5))
    made.ack(5, 2, 0.001, 2.0)
    assert made.counts(2.0).lost == 3


def test_a_gap_that_is_open_counts() -> None:
    """A silence that goes on while records are under way is the longest gap, and an open one."""
    made = Written()
    for number in range(2):
        made.send(number)
    made.ack(0, 0, 0.001, 1.0)
    found = made.counts(9.0)
    assert (found.longest_gap, found.open_gap) == (timedelta(seconds=8), timedelta(seconds=8))


def test_what_is_given_up_is_under_way_no_more() -> None:
    """Records without an answer are refused once their producer is gone, so nothing is waited for."""
    made = written([0, 1])
    made.give_up("FATAL")
    found = made.counts(9.0)
    assert (found.in_flight, found.refused, found.open_gap) == (0, {"FATAL": 39}, timedelta())


def test_silence_goes_on_while_records_are_refused_at_once() -> None:
    """A client that has forgotten the topic's partitions gives each record up at once: nothing is under way, and nothing acknowledged."""
    made = Written()
    made.send(0.0)
    made.ack(0, 0, 0.001, 1.0)
    for moment in (2.0, 9.0):
        made.send(moment)
        made.refuse("UNKNOWN_PARTITION")
    found = made.counts(9.0)
    assert (found.in_flight, found.open_gap, found.longest_gap) == (
        0,
        timedelta(seconds=8),
        timedelta(seconds=8),
    )


def test_nothing_under_way_is_no_gap() -> None:
    """Where every record is answered, time that passes is no gap."""
    made = Written()
    made.send(0.0)
    made.ack(0, 0, 0.001, 1.0)
    assert made.counts(60.0).open_gap == timedelta()


@given(st.lists(st.floats(1e-4, 100), min_size=1), st.floats(0.01, 1))
def test_quantiles_are_near(times: list[float], share: float) -> None:
    """A quantile is the time of its rank, or up to 2 % more, and never more than the slowest."""
    found = Latencies()
    for time in times:
        found.take(time)
    rank = max(-int(-share * len(times) // 1), 1)
    true = sorted(times)[rank - 1]
    quantile = found.quantile(share)
    assert quantile is not None
    assert true * 0.999 - 1e-6 <= quantile.total_seconds() <= true * 1.021 + 1e-6


def test_a_take_over_is_the_longest_wait_for_a_commit() -> None:
    """What was read waits until the next commit; a wait that goes on counts."""
    group = Group()
    group.read(1.0)
    group.commit(1.5)
    group.read(2.0)
    assert group.takeover(9.0) == timedelta(seconds=7)


def test_figures_survive_their_journey() -> None:
    """A document is read as the figures that it was made of."""
    one = replace(WELL, refused={"MSG_TIMED_OUT": 2}, retried={"Not enough in-sync replicas": 3})
    found = Figures("t", (one, WELL), (2, 1), one, timedelta(seconds=9), EVERY, timedelta(seconds=1), True)
    assert from_document(document(found)) == found


COUNTS = st.builds(
    Counts,
    *([st.integers(0, 10**9)] * 6),
    *([st.dictionaries(st.text(), st.integers(0, 10**6), max_size=2)] * 2),
    *([st.integers(0, 10**8).map(lambda ms: timedelta(milliseconds=ms))] * 2),
    *([st.none() | st.integers(0, 10**9).map(lambda tenths: timedelta(milliseconds=tenths / 10))] * 3),
)


@given(COUNTS, st.lists(COUNTS, max_size=2), st.booleans())
def test_any_figures_survive_their_journey(total: Counts, partitions: list[Counts], whole: bool) -> None:
    """Whatever was counted, what is read from a line is what was written: to a millisecond, latencies to a tenth of one."""
    leaders = tuple(range(len(partitions)))
    found = Figures("t", tuple(partitions), leaders, total, timedelta(hours=30), EVERY, None, whole)
    assert from_document(json.loads(json.dumps(document(found)))) == found


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9)), max_size=60))
def test_no_gap_is_longer_than_the_time(steps: list[tuple[int, float]]) -> None:
    """Whatever a partition does, its gaps fit into the time that has passed, and every record is in one class."""
    made, now, under_way, refused = Written(), 0.0, list[int](), False
    for kind, seconds in steps:
        now += seconds
        if kind < 2:
            under_way.append(made.send(now))
        elif under_way and kind == 2:
            made.ack(under_way.pop(0), made.end, 0.001, now)
            refused = False
        elif under_way:
            under_way.pop(0)
            made.refuse("MSG_TIMED_OUT")
            refused = True
    found = made.counts(now)
    assert max(found.longest_gap, found.open_gap) <= timedelta(seconds=now)
    assert (found.in_flight, found.lost) == (len(under_way), 0)
    assert under_way or refused or not found.open_gap


@pytest.mark.parametrize("raw", [None, b"", b"t/0/x", b"t/1/7", b"u/0/7", b"t/0/07", "t/0/²".encode()])
def test_a_foreign_record_has_no_number(raw: bytes | None) -> None:
    """What the canary has not written in this place is none of its records."""
    assert (number_in(raw, "t", 0), number_in(value("t", 0, 7), "t", 0)) == (None, 7)


@pytest.mark.parametrize(
    ("counts", "counted_", "severity"),
    [
        (WELL, True, Severity.OK),
        (replace(WELL, lost=1), True, Severity.CRIT),
        (replace(WELL, lost=1), False, Severity.CRIT),
        (replace(WELL, duplicates=1), True, Severity.CRIT),
        (replace(WELL, reordered=1), True, Severity.CRIT),
        (replace(WELL, acked=0), True, Severity.CRIT),
        (replace(WELL, unread=1), True, Severity.UNKNOWN),
        (WELL, False, Severity.UNKNOWN),
        (replace(WELL, acked=99, refused={"MSG_TIMED_OUT": 1}), True, Severity.WARN),
        (replace(WELL, longest_gap=timedelta(seconds=5)), True, Severity.OK),
        (replace(WELL, longest_gap=timedelta(seconds=6)), True, Severity.WARN),
        (replace(WELL, acked=99, open_gap=timedelta(seconds=6)), True, Severity.WARN),
    ],
)
def test_the_verdict_follows_the_figures(counts: Counts, counted_: bool, severity: Severity) -> None:
    """A broken promise is CRIT, what was not counted UNKNOWN, what the producer was told a warning."""
    found = Figures("t", (counts,), (1,), counts, timedelta(seconds=9), EVERY, None, counted_)
    assert judge(found).severity is severity


def test_an_interruption_that_nothing_explains_is_a_broken_promise() -> None:
    """Beside a roll, which pauses for it, a long silence is a warning; alone the service was interrupted."""
    late = replace(WELL, longest_gap=timedelta(seconds=6))
    found = Figures("t", (late,), (1,), late, timedelta(seconds=9), EVERY, None, counted=True)
    assert (judge(found).exit_code, judge(found, alone=True).exit_code) == (0, 1)


def test_replicas_are_in_racks_of_their_own(tmp_path: Path) -> None:
    """Each broker leads one partition, whose followers are in other racks, also where a rack's brokers follow each other."""
    nodes = cluster_in(tmp_path, hosts=6).brokers
    racked = tuple(
        replace(node, host=replace(node.host, rack="aabbcc"[place])) for place, node in enumerate(nodes)
    )
    racks = {node.id: node.host.rack for node in racked}
    found = spread(racked)
    assert [replicas[0] for replicas in found] == [node.id for node in racked]
    assert {len({racks[broker] for broker in replicas}) for replicas in found} == {3}


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers, all well."""
    return FakeKafka(cluster_in(tmp_path, hosts=3))


def test_a_canary_leaves_no_topic(kafka: FakeKafka) -> None:
    """A canary alone is counted at the end, its process is closed, and its topic is gone."""
    canaries = FakeCanaries()
    found, absent = alone(kafka.cluster, FakeWorld.of(kafka, canaries=canaries), timedelta(seconds=5))
    assert (found.counted, absent, kafka.partitions, canaries.closed) == (True, (), [], canaries.flown)


def test_the_topic_is_removed_after_ctrl_c(kafka: FakeKafka) -> None:
    """An interruption in the block ends the process and removes the topic."""
    canaries = FakeCanaries()
    world = FakeWorld.of(kafka, canaries=canaries)
    with pytest.raises(KeyboardInterrupt), beside(kafka.cluster, world):
        raise KeyboardInterrupt
    assert (kafka.partitions, canaries.closed) == ([], canaries.flown)


def test_a_gap_above_the_budget_is_not_well(kafka: FakeKafka) -> None:
    """The broker whose partition is silent is named with how long; within the budget all is well."""
    canaries = FakeCanaries()
    with beside(kafka.cluster, FakeWorld.of(kafka, canaries=canaries)) as canary:
        canaries.counts = {2: replace(WELL, sent=130, open_gap=timedelta(seconds=6))}
        found = canary.well(timedelta(seconds=5))
        assert dict(canary.well(timedelta(seconds=7))) == {}
    assert list(found) == ["node2/broker"]
    assert "no acknowledgement for 6.0 s" in found["node2/broker"]


@pytest.mark.parametrize(("ago", "ended"), [(timedelta(seconds=9), None), (timedelta(), "it ended with 1")])
def test_a_canary_that_is_not_heard_of_is_not_well(
    kafka: FakeKafka, ago: timedelta, ended: str | None
) -> None:
    """A process that is silent, or gone, proves nothing."""
    canaries = FakeCanaries()
    with beside(kafka.cluster, FakeWorld.of(kafka, canaries=canaries)) as canary:
        canaries.ago, canaries.ended = ago, ended
        assert list(canary.well(timedelta(seconds=60))) == [kafka.cluster.name]


def test_a_canary_that_cannot_begin_is_an_error(kafka: FakeKafka) -> None:
    """Where one partition acknowledges nothing the block does not begin, and the topic is gone."""
    canaries = FakeCanaries(counts={3: replace(WELL, acked=0)})
    with (
        pytest.raises(Failed, match="node3/broker: no record of"),
        beside(kafka.cluster, FakeWorld.of(kafka, canaries=canaries)),
    ):
        pytest.fail("the block began")
    assert kafka.partitions == []


def test_without_a_broker_there_is_no_canary(kafka: FakeKafka) -> None:
    """Where no broker answers nothing is made."""
    for broker in (1, 2, 3):
        kafka.stop_broker(broker)
    with pytest.raises(Unreachable), beside(kafka.cluster, FakeWorld.of(kafka)):
        pytest.fail("the block began")


def test_a_topic_that_stays_is_told(kafka: FakeKafka) -> None:
    """Where the removal is not seen to be done the command that removes the topic is told."""
    events: list[Event] = []
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    world = FakeWorld.of(kafka, FakeAdmin(kafka), emit=events.append)
    with beside(kafka.cluster, world, now=now) as canary:
        for broker in (1, 2, 3):
            kafka.stop_broker(broker)
    last = events[-1]
    assert isinstance(last, Note)
    assert f"topics.delete {canary.topic}" in last.text
