"""The books of records that were written."""

from pathlib import Path
from typing import Any

import pytest

from kafab.errors import UsageError
from kafab.records.sources import keyed, lines, made, opened
from kafab.records.writing import Record, Tally


def test_percentiles_are_by_nearest_rank() -> None:
    """Of a hundred latencies the median is the fiftieth, p99 the ninety-ninth."""
    tally = Tally()
    for number in range(100, 0, -1):
        tally.ack(0, float(number))
    found = tally.written(2.0)
    assert (found.p50, found.p99, found.slowest, found.per_second) == (50, 99, 100, 50)


def test_nothing_acknowledged_has_no_latency() -> None:
    """Without an acknowledgement there is no percentile, and no division by zero."""
    found = Tally().written(0.0)
    assert (found.acked, found.p50, found.slowest, found.per_second) == (0, None, None, 0)


@pytest.mark.parametrize(
    "name", ["MSG_TIMED_OUT", "KafkaTimeoutError", "NOT_LEADER_FOR_PARTITION", "NotLeaderForPartitionError"]
)
def test_what_may_be_in_the_log_is_of_unknown_outcome(name: str) -> None:
    """A record that timed out may be in the log, and one that waited for the followers of a leader that gave up: neither has failed."""
    tally = Tally()
    tally.refuse(name)
    assert (tally.written(1.0).failed, tally.written(1.0).unknown) == ({}, {name: 1})


def test_a_refusal_is_counted_by_its_kind() -> None:
    """What the broker refused is in no log."""
    tally = Tally()
    tally.refuse("MSG_SIZE_TOO_LARGE", 2)
    assert tally.written(1.0).failed == {"MSG_SIZE_TOO_LARGE": 2}


def test_a_record_that_nobody_was_asked_about_is_not_acknowledged() -> None:
    """With acks=0 the client says "sent" for what no broker has answered to, and kafka-python makes up an offset."""
    tally = Tally(asked=False)
    tally.ack(0, 0.1)
    assert (tally.written(1.0).acked, tally.written(1.0).unasked, tally.told) == (0, 1, 1)


def test_no_error_is_no_line() -> None:
    """A flush that leaves nothing behind makes no kind of error with the count 0."""
    tally = Tally()
    tally.refuse("MSG_TIMED_OUT", 0)
    assert tally.written(1.0).unknown == {}


def test_keys_come_in_turn() -> None:
    """Three records of two keys repeat the first."""
    assert list(made(3, keyed(None, 2), size=1, value=None, partition=None)) == [
        Record(b"key-0", b"x"),
        Record(b"key-1", b"x"),
        Record(b"key-0", b"x"),
    ]


def test_lines_are_records_as_they_are(tmp_path: Path) -> None:
    """Each line is a record without its end, whatever its bytes; ``most`` ends it."""
    file = tmp_path / "file"
    file.write_bytes(b"one\r\n\xff\xfe\n\nlast")
    with opened(str(file)) as read:
        every = list(lines(read, "file", [None], partition=None, most=None))
    with opened(str(file)) as read:
        some = list(lines(read, "file", [b"k"], partition=1, most=1))
    assert ([record.value for record in every], some) == (
        [b"one", b"\xff\xfe", b"", b"last"],
        [Record(b"k", b"one", 1)],
    )


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": -1}, {"partition": -1}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    """A negative count, size or partition is an error before anything is sent."""
    asked: dict[str, Any] = {"size": 1, "partition": None, "count": 1, **wrong}
    with pytest.raises(UsageError, match="expected a number"):
        made(asked.pop("count"), [None], value=None, **asked)


def test_keys_that_cannot_be_are_refused() -> None:
    """No key at all is left out, and one of your own is not one of several."""
    with pytest.raises(UsageError, match="--keys 0"):
        keyed(None, 0)
    with pytest.raises(UsageError, match="exclude each other"):
        keyed("mine", 2)
