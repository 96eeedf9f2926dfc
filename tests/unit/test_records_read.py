"""The books of a reading: what is taken, when it is over, and what members have."""

import pytest

from kafab.records.reading import Books, Commits, Found, Order


def found(partition: int, *offsets: int) -> list[Found]:
    """Return records of one partition."""
    return [Found(partition, offset, None, b"x") for offset in offsets]


def over(books: Books) -> bool:
    """Ask anew: mypy takes a property for what it was."""
    return books.over


def alone(stops: dict[int, int] | None, most: int | None = None) -> Books:
    """Return the books of a reading without a group, from the beginning of two partitions."""
    return Books(Order("orders", {0: 0, 1: 0}, stops, most, shown=2))


def test_reading_is_over_at_the_stops_of_all_partitions() -> None:
    """One partition at its stop is not enough, and markers behind the last record count as read."""
    books = alone({0: 2, 1: 3})
    books.take(1, found(0, 0, 1), 1.0)
    books.at({0: 2})
    assert not over(books)
    books.take(1, found(1, 0), 2.0)
    books.at({1: 3})
    assert over(books)


def test_records_behind_a_stop_are_not_taken() -> None:
    """What was written after the reading began is not of it."""
    books = alone({0: 2, 1: 0})
    assert books.take(1, found(0, 1, 2, 3), 1.0) == found(0, 1)
    assert books.read(interrupted=False).count == 1


def test_count_ends_it_in_the_middle_of_a_poll() -> None:
    """No record beyond the count is taken, so none is committed."""
    books = alone(None, most=3)
    assert len(books.take(1, found(0, 0, 1), 1.0)) == 2
    assert not over(books)
    assert books.take(1, found(1, 0, 1), 2.5) == found(1, 0)
    assert over(books)
    read = books.read(interrupted=False)
    assert (read.count, dict(read.by_partition), read.seconds, len(read.records)) == (3, {0: 2, 1: 1}, 1.5, 2)


def test_reading_without_stops_is_never_over() -> None:
    """Following goes on at the end, until somebody ends it."""
    books = alone(None)
    books.at({0: 10, 1: 10})
    assert not over(books)


@pytest.mark.parametrize("second", [(), (1,)])
def test_group_is_steady_when_every_member_has_its_partitions(second: tuple[int, ...]) -> None:
    """A member without a partition has heard so; before that, what the others have may still be taken from them."""
    books = Books(Order("orders", None, {0: 0, 1: 0}, members=2, commits=Commits.BATCH))
    books.given(1, [0], 0.1)
    books.at({0: 0, 1: 0})
    assert (books.steady, books.over) == (False, False)
    books.given(2, second, 0.2)
    assert (books.steady, books.over) == (True, True)


def test_position_is_forgotten_with_the_partition() -> None:
    """Who has the partition next goes on at what is committed, which may be before what was read."""
    books = Books(Order("orders", None, {0: 5}, members=1))
    books.given(1, [0], 0.1)
    books.at({0: 5})
    assert over(books)
    books.taken(1, [0], 0.2)
    books.given(1, [0], 0.3)
    assert not over(books)
    changes = books.read(interrupted=False).changes
    assert [(one.given, one.partitions) for one in changes] == [(True, (0,)), (False, (0,)), (True, (0,))]


def test_group_whose_partitions_others_have_is_over() -> None:
    """Members that are given nothing have nothing to wait for."""
    books = Books(Order("orders", None, {0: 5}, members=1))
    books.given(1, [], 0.1)
    assert over(books)


def test_trouble_ends_it() -> None:
    """What the client cannot mend is no end of the log: it is told."""
    books = alone({0: 1, 1: 1})
    books.trouble = "TOPIC_AUTHORIZATION_FAILED"
    assert over(books)
    assert books.read(interrupted=False).trouble == "TOPIC_AUTHORIZATION_FAILED"
