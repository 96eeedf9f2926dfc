"""The books of records that were written."""

import pytest

from kafab.errors import UsageError
from kafab.records.writing import Record, Tally, made


def test_percentiles_are_by_nearest_rank() -> None:
    """Of a hundred latencies the median is the fiftieth, p99 the ninety-ninth."""
    tally = Tally()
    for number in range(100, 0, -1):
        tally.ack(0, number, float(number))
    found = tally.written(2.0)
    assert (found.p50, found.p99, found.slowest, found.per_second) == (50, 99, 100, 50)


def test_nothing_acknowledged_has_no_latency() -> None:
    """Without an acknowledgement there is no percentile, and no division by zero."""
    found = Tally().written(0.0)
    assert (found.acked, found.p50, found.slowest, found.per_second) == (0, None, None, 0)


@pytest.mark.parametrize("name", ["MSG_TIMED_OUT", "KafkaTimeoutError"])
def test_a_timeout_is_an_unknown_outcome(name: str) -> None:
    """A record that timed out may be in the log, so it is not counted as failed."""
    tally = Tally()
    tally.refuse(name)
    assert (tally.written(1.0).failed, tally.written(1.0).unknown) == ({}, {name: 1})


def test_a_refusal_is_counted_by_its_kind() -> None:
    """What the broker refused is in no log."""
    tally = Tally()
    tally.refuse("MSG_SIZE_TOO_LARGE", 2)
    assert tally.written(1.0).failed == {"MSG_SIZE_TOO_LARGE": 2}


def test_a_record_without_an_offset_is_not_acknowledged() -> None:
    """With acks=0 the client says "sent" for what no broker has answered to."""
    tally = Tally()
    tally.ack(0, -1, 0.1)
    assert (tally.written(1.0).acked, tally.written(1.0).unasked, tally.told) == (0, 1, 1)


def test_an_offset_that_nobody_asked_for_is_not_believed() -> None:
    """With acks=0 kafka-python makes up an offset; the record is still one that no broker has answered to."""
    tally = Tally(asked=False)
    tally.ack(0, 7, 0.1)
    assert (tally.written(1.0).acked, tally.written(1.0).unasked) == (0, 1)


def test_no_error_is_no_line() -> None:
    """A flush that leaves nothing behind makes no kind of error with the count 0."""
    tally = Tally()
    tally.refuse("MSG_TIMED_OUT", 0)
    assert tally.written(1.0).unknown == {}


def test_keys_come_in_turn() -> None:
    """Three records of two keys repeat the first."""
    assert list(made(3, size=1, keys=2)) == [
        Record(b"key-0", b"x"),
        Record(b"key-1", b"x"),
        Record(b"key-0", b"x"),
    ]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": -1}, {"keys": 0}, {"partition": -1}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    """A negative count, size or partition is an error before anything is sent."""
    with pytest.raises(UsageError, match="expected a number"):
        made(**{"count": 1, "size": 1, **wrong})
