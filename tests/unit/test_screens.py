"""Tables, figures, and text of others as they are shown."""

from datetime import timedelta

import pytest

from kafab.command import Unknown
from kafab.screens import duration, safe, size, table


def test_table_aligns_and_never_cuts() -> None:
    """Numbers stand to the right, None is a dash, Unknown says why, and long cells stay whole."""
    long = "x" * 300
    assert table(("A", "N", "B"), [("a", 5, None), ("bb", 10, Unknown("timeout")), ("c", 0, long)]) == (
        f"A    N  B\na    5  -\nbb  10  unknown (timeout)\nc    0  {long}"
    )


def test_table_wraps_its_last_column_on_a_terminal() -> None:
    """A narrow terminal wraps the last column below itself, and no word is lost."""
    text = table(("NODE", "DETAIL"), [("node1", "one two three four five six")], columns_wide=30)
    assert text == "NODE   DETAIL\nnode1  one two three four five\n       six"


@pytest.mark.parametrize("columns", [1, 5, 20, 40])
def test_tables_survive_narrow_terminals(columns: int) -> None:
    """However narrow the terminal is, every word of the table is there."""
    words = ["alpha", "beta", "gamma", "delta"]
    text = table(("A", "B"), [("some-node", " ".join(words))], columns_wide=columns)
    assert [word for word in text.split() if word in words] == words


def test_table_measures_wide_characters() -> None:
    """Characters that take two columns do not push the next column out of line."""
    assert table(("A", "B"), [("日本", "x"), ("abcd", "y")]).splitlines() == ["A     B", "日本  x", "abcd  y"]


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\x85", "\\x85"),
        ("\x9b", "\\x9b"),
        ("\u061c", "\\u061c"),
        ("\u200f", "\\u200f"),
        ("\u2028", "\\u2028"),
        ("\u202e", "\\u202e"),
        ("\u2066", "\\u2066"),
        ("\u2069", "\\u2069"),
    ],
)
def test_hosts_cannot_turn_a_line_around(character: str, shown: str) -> None:
    """Marks that turn the order of what follows, C1 controls and line separators are shown like other controls."""
    assert safe(f"a{character}b") == f"a{shown}b"


def test_letters_that_join_are_left_alone() -> None:
    """A joiner within a word of Persian, and text that runs from right to left by itself, are text."""
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u05e9\u05dc\u05d5\u05dd"
    assert safe(text) == text


def test_hosts_cannot_steer_the_terminal() -> None:
    """Control characters from a host are shown, not sent, and colour codes go with the colours."""
    assert safe("a\x1b[2Jb\x07\x9bc\r\n\td") == "a\\x1b[2Jb\\x07\\x9bc\\x0d\n\td"
    assert safe("\x1b[31mred\x1b[0m") == "\\x1b[31mred\\x1b[0m"
    assert safe("\x1b[31mred\x1b[0m\x1b[H", keep_colour=True) == "\x1b[31mred\x1b[0m\\x1b[H"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (56_000_000, "56.0 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    """Bytes are shown in decimal units."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (60, "60 s"),
        (200, "3 min 20 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are shown as people say them."""
    assert duration(timedelta(seconds=seconds)) == text
