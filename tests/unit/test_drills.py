"""The checker of the drills: a planted anomaly is found, a clean history has none, and a row's verdict follows from its counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.drills import history
from kafab.drills.checker import Anomaly, anomalies, counted, outcomes, processed
from kafab.drills.history import Event, Kind, Log, Stood
from kafab.drills.rows import ANY, NONE, SOME, Allowed, Cell, Row, Table, Verdict
from kafab.findings import Severity
from kafab.records.settings import Client

CLEAN = dict.fromkeys(Anomaly, 0)


@st.composite
def clean(draw: st.DrawFn) -> tuple[list[Event], Log]:
    """A history in which all is well: records are sent, some fail, the others are acknowledged and read once, in order."""
    many = draw(st.integers(4, 15))
    partitions = draw(st.integers(1, 3))
    events: list[Event] = []
    log: dict[int, tuple[Stood, ...]] = dict.fromkeys(range(partitions), ())
    for number in range(many):
        partition = draw(st.integers(0, partitions - 1)) if number >= 3 else 0
        events.append(Event(number, "writer", Kind.SEND, partition, number=number))
        kind = (
            draw(st.sampled_from((Kind.ACK, Kind.ACK, Kind.FAIL, Kind.UNKNOWN))) if number >= 3 else Kind.ACK
        )
        if kind is Kind.ACK or (kind is Kind.UNKNOWN and draw(st.booleans())):
            # Offsets may have gaps: markers of transactions take some.
            offset = (log[partition][-1].offset + draw(st.integers(1, 2))) if log[partition] else 0
            log[partition] = (*log[partition], Stood(offset, number))
        at = log[partition][-1].offset if kind is Kind.ACK else -1
        events.append(Event(number + 0.5, "writer", kind, partition, at, number))
    for partition, found in log.items():
        events.append(Event(many, "reader", Kind.ASSIGNED, partition))
        for poll, stood in enumerate(found):
            events.append(
                Event(many + poll, "reader", Kind.READ, partition, stood.offset, stood.number, poll // 3)
            )
            events.append(Event(many + poll, "reader", Kind.EFFECT, partition, stood.offset, stood.number))
    return events, log


@given(clean())
def test_clean_history_has_no_anomaly(made: tuple[list[Event], Log]) -> None:
    """Failures, unknown outcomes and gaps in the offsets are no anomalies."""
    events, log = made
    assert anomalies(events, log) == CLEAN
    assert processed(events, log) == {
        "processed": sum(map(len, log.values())),
        "repeated": 0,
        "skipped": 0,
    }


@given(clean())
def test_outcomes_add_up(made: tuple[list[Event], Log]) -> None:
    """Every record that was sent is acknowledged, failed or of unknown outcome."""
    found = outcomes(made[0])
    assert found["sent"] == found["acked"] + found["failed"] + found["unknown"]


@given(clean())
def test_lost_record_is_found(made: tuple[list[Event], Log]) -> None:
    """A record that was acknowledged and is in no log, though one behind it is, is lost; no other anomaly is."""
    events, log = made
    gone = log[0][0]
    log[0] = log[0][1:]
    events = [one for one in events if one.kind is Kind.ACK or one.number != gone.number]
    assert anomalies(events, log) == CLEAN | {Anomaly.LOST_WRITE: 1}


@given(clean())
def test_record_behind_all_that_was_read_is_unseen(made: tuple[list[Event], Log]) -> None:
    """A record behind the last one that was read may be read later: it is not lost."""
    events, log = made
    acked = {one.number for one in events if one.kind is Kind.ACK}
    last = log[0][-1]
    log[0] = log[0][:-1]
    events = [one for one in events if one.kind is Kind.ACK or one.number != last.number]
    assert anomalies(events, log) == CLEAN | {Anomaly.UNSEEN: int(last.number in acked)}


@given(clean())
def test_duplicate_is_found(made: tuple[list[Event], Log]) -> None:
    """A record that stands at two offsets is a duplicate, even where neither was acknowledged twice."""
    events, log = made
    log[0] = (*log[0], replace(log[0][0], offset=log[0][-1].offset + 1))
    assert anomalies(events, log) == CLEAN | {Anomaly.DUPLICATE: 1}


@given(clean())
def test_two_records_at_one_offset_are_found(made: tuple[list[Event], Log]) -> None:
    """An offset that was acknowledged for one record and holds another one is inconsistent: the first was overwritten."""
    events, log = made
    first = log[0][0]
    events.append(Event(0, "other", Kind.ACK, 0, first.offset, 1000))
    assert anomalies(events, log)[Anomaly.INCONSISTENT_OFFSETS] == 1


@given(clean())
def test_reordered_send_is_found(made: tuple[list[Event], Log]) -> None:
    """Two records of one worker whose offsets are not in the order of their sending are one nonmonotonic send."""
    events, log = made
    first, second = log[0][:2]
    swapped = {first.number: second.number, second.number: first.number}
    events = [
        replace(one, number=swapped.get(one.number, one.number)) if one.kind is Kind.ACK else one
        for one in events
    ]
    assert anomalies(events, log)[Anomaly.NONMONOTONIC_SEND] == 1


@given(clean(), st.booleans())
def test_skipped_and_repeated_polls_are_found(made: tuple[list[Event], Log], internal: bool) -> None:
    """A record that a reader jumps over is a skip, one that it reads again goes back: within one poll or between two."""
    events, log = made
    read = [Event(99, "second", Kind.READ, 0, stood.offset, stood.number, 0) for stood in log[0][:3]]
    later = 0 if internal else 1
    skip, back = (
        (Anomaly.INT_POLL_SKIP, Anomaly.INT_NONMONOTONIC_POLL)
        if internal
        else (Anomaly.POLL_SKIP, Anomaly.NONMONOTONIC_POLL)
    )
    assert anomalies([*events, read[0], replace(read[2], poll=later)], log) == CLEAN | {skip: 1}
    assert anomalies([*events, read[0], replace(read[0], poll=later)], log) == CLEAN | {back: 1}


@given(clean(), st.sampled_from((Kind.ASSIGNED, Kind.REVOKED)))
def test_reading_again_after_a_rebalance_is_tolerated(made: tuple[list[Event], Log], kind: Kind) -> None:
    """What is read again by a member that was given its partition anew is Kafka's design, and counted as repeated alone."""
    events, log = made
    again = [
        one
        for one in events
        if one.who == "reader" and one.partition == 0 and one.kind in (Kind.READ, Kind.EFFECT)
    ]
    events = [*events, Event(200, "reader", kind, 0), *again]
    assert anomalies(events, log) == CLEAN
    assert processed(events, log)["repeated"] == len(log[0])


@given(clean())
def test_record_that_nobody_processed_is_skipped(made: tuple[list[Event], Log]) -> None:
    """A record of the log without an effect is skipped, also where it was read."""
    events, log = made
    first = log[0][0]
    events = [one for one in events if one.kind is not Kind.EFFECT or one.number != first.number]
    assert processed(events, log)["skipped"] == 1


@given(clean())
def test_effects_are_counted_by_record(made: tuple[list[Event], Log]) -> None:
    """A record that had its effect twice is repeated, one that had none is skipped, wherever and how often they stand."""
    _, log = made
    log = log | {9: log[0]}  # each record of a partition once more
    first, *others = sorted({stood.number for found in log.values() for stood in found})
    assert counted([*others, others[0]], log) == {"repeated": 1, "skipped": 1}
    assert counted([first, *others], log) == {"repeated": 0, "skipped": 0}


def test_record_of_a_killed_producer_is_of_unknown_outcome() -> None:
    """A record of which nothing was heard is neither acknowledged nor failed."""
    sent = [Event(0, "writer", Kind.SEND, 0, number=number) for number in range(3)]
    found = outcomes(
        [*sent, Event(1, "writer", Kind.ACK, 0, 0, 0), Event(1, "writer", Kind.FAIL, 0, number=1)]
    )
    assert found == {"sent": 3, "acked": 1, "failed": 1, "unknown": 1}


@given(clean())
def test_events_are_read_as_they_were_written(made: tuple[list[Event], Log]) -> None:
    """A line of the history holds all of an event."""
    assert [history.read(history.line(one)) for one in made[0]] == made[0]


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[0,"w","nothing",0,0,0,0,""]', "null", "hello"])
def test_other_lines_are_no_events(text: str) -> None:
    """What a client's library prints is not taken for an event."""
    with pytest.raises(ValueError, match=r".*"):
        history.read(text)


GUARANTEE = Cell("acks all", "nothing is lost", {"lost-write": NONE, "repeated": ANY})
CONTROL = Cell("acks 1", "may lose", {"lost-write": SOME}, control=True)


@pytest.mark.parametrize(
    ("cell", "measured", "verdict", "severity"),
    [
        (GUARANTEE, {"lost-write": 0, "repeated": 7}, Verdict.HELD, Severity.OK),
        (GUARANTEE, {"lost-write": 1, "repeated": 0}, Verdict.BROKEN, Severity.CRIT),
        (GUARANTEE, {"lost-write": 0}, Verdict.NOT_MEASURED, Severity.UNKNOWN),
        (CONTROL, {"lost-write": 3}, Verdict.SHOWN, Severity.OK),
        (CONTROL, {"lost-write": 0}, Verdict.NOT_SHOWN, Severity.CRIT),
        (
            replace(CONTROL, allowed={"lost-write": SOME, "duplicate": NONE}),
            {"lost-write": 3, "duplicate": 1},
            Verdict.BROKEN,
            Severity.CRIT,
        ),
        (
            Cell("batch", "so many at most", {"repeated": Allowed(1, 10)}, control=True),
            {"repeated": 11},
            Verdict.BROKEN,
            Severity.CRIT,
        ),
    ],
)
def test_verdict_follows_from_the_counts(
    cell: Cell, measured: dict[str, int], verdict: Verdict, severity: Severity
) -> None:
    """A drill fails where a guarantee broke, where a control did not show its anomaly, and where nothing was measured."""
    row = Row(cell, Client.CONFLUENT, "", measured)
    table = Table("acks", "", 1, 10, (row,))
    assert (row.verdict, table.report("lab").verdict) == (verdict, severity)


def test_control_that_needs_nothing_is_refused() -> None:
    """A negative control that nothing could turn red is a mistake in the drill."""
    with pytest.raises(ValueError, match="at least one"):
        Cell("acks 1", "", {"lost-write": ANY}, control=True)
