"""Which reports of a wait become lines where there is no terminal."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.events import Waiting
from kafab.screens.waits import AGAIN, APART, FIRST, Waits


def lines(reports: Iterable[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Return those of (second, subject, text) that become lines; each wait began at second 0."""
    waits = Waits()
    limit = timedelta(minutes=10)
    return [
        (at, subject, what)
        for at, subject, what in reports
        if waits.worth(Waiting(subject, what, timedelta(seconds=at), limit), at)
    ]


def seconds(reports: Iterable[tuple[float, str, str]]) -> list[float]:
    """Return when lines were due."""
    return [at for at, _, _ in lines(reports)]


def test_short_wait_has_no_line() -> None:
    """What is over within a second was no wait."""
    assert lines((tenth / 10, "node1", "registered") for tenth in range(10)) == []


def test_same_text_is_told_every_ten_seconds() -> None:
    """A wait that says the same for half a minute has three lines."""
    assert seconds((tenth / 10, "node1", "registered") for tenth in range(300)) == [1, 11, 21]


def test_counter_that_ticks_is_no_change() -> None:
    """A download that counts its files twice a second for 12 s has two lines, and not one each count."""
    texts = ((half / 2, "maven", f"mvn to end, {3 * half} files downloaded") for half in range(24))
    assert seconds(texts) == [1, 11]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("brokers to serve: not registered", "brokers to serve: knows no controller yet"),
        ("safe to stop: orders-0 lacks node2", "safe to stop: orders-0 lacks node3"),
    ],
)
def test_change_of_the_words_is_told(before: str, after: str) -> None:
    """Another state, or another name, is told when it comes, and not only after ten seconds."""
    reports = [(tenth / 10, "node1", before if tenth < 50 else after) for tenth in range(80)]
    assert lines(reports) == [(1, "node1", before), (5, "node1", after)]


def test_change_soon_after_a_line_is_told_a_little_later() -> None:
    """Half a second after a line a change waits until two seconds have passed, and is told as it is then."""
    texts = ["a"] * 15 + ["b"] * 10 + ["c"] * 20
    assert lines((at / 10, "node1", text) for at, text in enumerate(texts)) == [
        (1, "node1", "a"),
        (3, "node1", "c"),
    ]


def test_states_that_take_turns_are_told_once_each() -> None:
    """A text that goes to and fro for 10 s is two lines."""
    texts = ((tenth / 10, "node1", "leading" if tenth % 10 < 5 else "following") for tenth in range(110))
    assert [what for _, _, what in lines(texts)] == ["leading", "following"]


def test_hundred_nodes_fill_no_log() -> None:
    """While a hundred nodes come up one after the other there is a line every two seconds, each of another node."""
    reports = [(tenth / 10, f"node{tenth}/broker", "not registered") for tenth in range(100)]
    found = lines(reports)
    assert (len(found), len({subject for _, subject, _ in found})) == (5, 5)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.text("xy 12", max_size=3)), max_size=300),
    st.integers(1, 20),
)
def test_every_wait_has_a_line_at_least_as_often_as_it_should(
    reports: list[tuple[str, str]], per_second: int
) -> None:
    """Lines are two seconds apart; a report without one comes early, or so soon after a line, or its words were told."""
    timed = [(at / per_second, subject, what) for at, (subject, what) in enumerate(reports)]
    told = lines(timed)
    assert all(later[0] - line[0] >= APART for line, later in pairwise(told))
    for report in timed:
        at, subject, what = report
        before = [line for line in told if line[0] <= at]
        assert (
            report in before
            or at < FIRST
            or any(at - line[0] < APART for line in before)
            or any(
                line[1] == subject and at - line[0] < AGAIN and _letters(line[2]) == _letters(what)
                for line in before
            )
        )


def _letters(text: str) -> list[str]:
    return [word for word in text.split() if set(word) & set("xy")]
