"""Why a host let nobody in, and what to do about it: the table, row by row."""

from pathlib import Path

import pytest

from kafab.hosts.doors import DOORS, door, quoted, told, without_hint

LINES = (Path(__file__).parents[1] / "cases" / "doors.tsv").read_text(encoding="utf-8").splitlines()[1:]
CASES = [tuple(line.split("\t")) for line in LINES]
NETWORK = "mend the network"


@pytest.mark.parametrize(("check", "cause", "hint"), CASES)
def test_what_was_seen_has_its_next_step(check: str, cause: str, hint: str) -> None:
    """Each way of being refused belongs to one check of preflight and has a step of its own."""
    row = door(cause)
    assert row is not None
    assert (row.check, row.hint[: len(hint)]) == (check, hint)


def test_each_row_is_met_by_a_case() -> None:
    """A row that no case reaches is shadowed by one above it, or was never tried."""
    assert [row for row in DOORS if row not in {door(cause) for _check, cause, _hint in CASES}] == []


def test_network_is_blamed_only_where_it_was_seen_to_fail() -> None:
    """A host that has answered anything at all has a network that works."""
    blamed = [cause for _check, cause, _hint in CASES if NETWORK in told(cause)]
    assert all("no answer" in cause or "no route" in cause for cause in blamed)


@pytest.mark.parametrize("cause", [cause for _check, cause, _hint in CASES])
def test_next_step_can_be_told_apart_again(cause: str) -> None:
    """A reason with the step behind it is of the same row, and gives its cause back; the step is not told twice."""
    reason = told(cause)
    assert (without_hint(reason), door(reason), told(reason)) == (cause, door(cause), reason)


def test_what_is_in_no_row_is_told_as_it_is() -> None:
    """Nothing is made up about what nobody has foreseen."""
    assert (told("something else"), door("something else")) == ("something else", None)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", ""),
        ("\n \n", ""),
        ("one\n\ntwo\nthree\nfour\n", '"two / three / four"'),
        ('say "hi"\x1b[31m\x07', "\"say 'hi' [31m\""),
        ("x" * 400, f'"…{"x" * 300}"'),
    ],
)
def test_words_of_a_host_are_quoted_in_bounds(said: str, words: str) -> None:
    """The last lines are what refuses; they hold no control characters and end where the quotation does."""
    assert quoted(said) == words
