"""How something went in time, in a bounded number of steps: of a canary's acknowledgements, and of a roll."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.canary.course import (
    FINEST,
    GAPS_EACH,
    STEPS,
    Acknowledgements,
    Course,
    Silences,
    Steps,
    course,
    document,
    from_document,
)
from kafab.canary.ledger import Written
from kafab.cluster.metadata import Metadata, Partition
from kafab.drills.history import Event, Kind
from kafab.drills.story import MOMENTS, story
from kafab.rolling.course import Looks, Phase, Spans

BEGAN = 100.0


def recorded(moments: Sequence[float], latency: float = 0.01) -> Course:
    """Return the course of acknowledgements at these moments."""
    steps = Steps(Acknowledgements, BEGAN)
    for moment in moments:
        if step := steps.at(moment):
            step.take(latency)
    return course(steps, [])


@given(st.lists(st.floats(min_value=BEGAN, max_value=BEGAN + 90_000), min_size=1, max_size=60))
def test_course_is_bounded_and_loses_no_acknowledgement(moments: list[float]) -> None:
    """Whenever acknowledgements come, there are no more than so many steps, and each one is in the step of its time."""
    found = recorded(sorted(moments))
    ends = max(moments) - BEGAN
    inside = all(0 <= point.number < STEPS and point.number * found.step <= ends for point in found.points)
    assert (inside, sum(point.acked for point in found.points)) == (True, len(moments))


def test_step_is_the_finest_where_it_is_short() -> None:
    """A minute is told in the finest steps there are."""
    assert recorded([BEGAN, BEGAN + 59]).step == FINEST


def test_what_came_before_the_beginning_is_left_out() -> None:
    """What opens the connections is no figure."""
    assert recorded([BEGAN - 1]).points == ()


def test_worst_latency_outlives_joining() -> None:
    """Two steps that become one keep the slowest of both."""
    steps = Steps(Acknowledgements, BEGAN)
    for moment, latency in ((BEGAN, 0.002), (BEGAN + FINEST, 2.0), (BEGAN + FINEST * STEPS, 0.002)):
        if step := steps.at(moment):
            step.take(latency)
    assert [(one.acked, one.max_ms) for one in course(steps, []).points] == [(2, 2000.0), (1, 2.0)]


def test_silence_is_a_gap_of_its_partition() -> None:
    """A partition that was not acknowledged for a while has a gap, from the last one before it to the next one."""
    steps = Steps(Acknowledgements, BEGAN)
    written = Written(steps)
    for number, moment in enumerate((BEGAN, BEGAN + 1, BEGAN + 1.2, BEGAN + 4.5)):
        written.ack(written.send(moment), number, 0.01, moment)
    found = course(steps, [[], written.silences(BEGAN + 5)])
    assert [(gap.partition, gap.begins, gap.ends) for gap in found.gaps] == [(1, 0.0, 1.0), (1, 1.2, 4.5)]


def test_silence_that_goes_on_is_a_gap() -> None:
    """What waits for an acknowledgement at the end is told, too."""
    written = Written(Steps(Acknowledgements, BEGAN))
    written.ack(written.send(BEGAN), 0, 0.01, BEGAN)
    written.send(BEGAN + 0.1)
    assert written.silences(BEGAN + 9) == [(BEGAN, BEGAN + 9)]


def test_only_the_longest_silences_are_kept() -> None:
    """A partition that is silent again and again has so many gaps."""
    silences = Silences()
    for number in range(1, 50):
        silences.take(0, number)
    assert [end for _, end in silences.longest] == list(range(49, 49 - GAPS_EACH, -1))


def test_course_goes_between_processes() -> None:
    """What is written of a course is read back as it was."""
    found = recorded([BEGAN, BEGAN + 3])
    assert from_document(document(found)) == found


def test_spans_of_a_node_follow_each_other() -> None:
    """A node is at one thing after another; what goes on at the end is marked."""
    spans = Spans()
    spans.enter(["a"], Phase.STOPS, 1)
    spans.enter(["a"], Phase.STARTS, 2)
    spans.enter(["b"], Phase.STOPS, 3)
    spans.enter(["a"], None, 4)
    found = [(one.node, one.phase, one.begins, one.ends, one.over) for one in spans.spans(9)]
    assert found == [
        ("a", Phase.STOPS, 1, 2, True),
        ("a", Phase.STARTS, 2, 4, True),
        ("b", Phase.STOPS, 3, 9, False),
    ]


def view(*isr: int) -> Metadata:
    """Return what a broker shows of a partition with three replicas."""
    return Metadata("id", 1, {}, (Partition("t", 0, 1, (1, 2, 3), isr),))


@pytest.mark.parametrize(
    ("looks", "out", "unseen"),
    [
        pytest.param([(0.0, view(1, 2, 3))], [], [(4, 9)], id="whole at the only look"),
        pytest.param([(0.0, view(1, 2))], [(3, 0, 4, 1)], [(4, 9)], id="one is out"),
        pytest.param(
            [(0.0, view(1)), (6.0, view(1, 2, 3))], [(2, 0, 4, 1), (3, 0, 4, 1)], [(4, 6)], id="back"
        ),
    ],
)
def test_strips_show_what_was_seen(
    looks: list[tuple[float, Metadata]], out: list[tuple[int, int, int, int]], unseen: list[tuple[int, int]]
) -> None:
    """A replica is out of sync from the look that showed it; without a look nothing is known."""
    found = Looks(BEGAN)
    for after, seen in looks:
        found.take([seen], [1, 2, 3], BEGAN + after)
    strips = found.strips(BEGAN + 8)
    shown = [(strip.broker, *run) for strip in strips.strips for run in strip.out]
    assert (shown, list(strips.unseen)) == (out, unseen)


def event(at: float, kind: Kind, number: int = -1, who: str = "writer", detail: str = "") -> Event:
    """Return what a worker of a drill has told."""
    return Event(BEGAN + at, who, kind, number=number, detail=detail)


def test_story_of_a_writer_has_its_latencies() -> None:
    """Each acknowledgement took as long as since the sending of its record."""
    found = story([event(0, Kind.SEND, 1), event(0.1, Kind.SEND, 2), event(0.2, Kind.ACK, 1)], [])
    assert found
    assert (found.counts, [(one.acked, one.max_ms) for one in found.course.points]) == ("ack", [(1, 200.0)])


def test_story_of_a_reader_is_of_its_effects() -> None:
    """Where records have effects their writing is the preparation, and the silence until another member goes on is a gap."""
    told = [event(0, Kind.SEND, 1), event(0.1, Kind.ACK, 1)]
    told += [event(5, Kind.EFFECT, 1, "first"), event(9, Kind.EFFECT, 1, "second")]
    found = story(told, [(BEGAN + 5.5, "member killed")])
    assert found
    assert (found.counts, sum(one.acked for one in found.course.points)) == ("effect", 2)
    assert ([gap.seconds for gap in found.course.gaps], found.course.began) == ([4.0], BEGAN + 5)


def test_story_has_so_many_faults() -> None:
    """A worker that is cut off again and again is told so often, the drill's own faults always."""
    told = [event(at, Kind.FAULT, detail="connection cut") for at in range(100)]
    found = story([*told, event(1, Kind.READ)], [(BEGAN, "a relay stands between")])
    assert found
    assert (len(found.faults), found.faults[0][1]) == (MOMENTS, "a relay stands between")


def test_nothing_has_no_story() -> None:
    """A cell in which nothing was sent or read is not drawn."""
    assert story([event(1, Kind.READY)], [(BEGAN, "leader killed")]) is None
