"""Tables, figures, and text of others as they are shown."""

from datetime import timedelta

import pytest

from kafab.findings import Finding, Report, Severity
from kafab.screens.layout import duration, in_column, report, safe, table
from kafab.unknown import Unknown
from kafab.words import size


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


def _large(*silent: int) -> Report:
    """Return a report about three hundred brokers as `verify` makes it, some of which do not answer."""
    findings = []
    for at in range(1, 301):
        node, address = f"h{at}/broker", f"10.0.{at // 200}.{at % 200}:9092"
        refused = f"{address}: connection refused"
        bad = Severity.UNKNOWN if at in silent else Severity.OK
        said = f"is registered but does not answer: {refused}" if bad else f"at {address}"
        findings += [
            Finding("process", node, Severity.OK, f"pid {700 + at * 7919 % 30000}, as deployed"),
            Finding("broker.registered", node, bad, f"id {at} {said}"),
            Finding("controller.agreed", node, bad, f"not told: {refused}" if bad else "names broker 3"),
        ]
    return Report("big", (*findings, Finding("cluster.id", "big", Severity.OK, "x, the same everywhere")))


def test_healthy_large_cluster_is_a_few_lines() -> None:
    """What three hundred brokers say alike is one row a check."""
    lines = [" ".join(line.split()) for line in report(_large()).splitlines()]
    assert lines == [
        "SEVERITY CHECK SUBJECT DETAIL",
        "OK process h1/broker to h300/broker (300 of 300 nodes) pid 743 to 30575, as deployed",
        (
            "OK broker.registered h1/broker to h300/broker (300 of 300 nodes)"
            " id 1 to 300 at 10.0.0.1:9092 to 10.0.0.199:9092, 10.0.1.0:9092 to 10.0.1.100:9092"
        ),
        "OK controller.agreed h1/broker to h300/broker (300 of 300 nodes) names broker 3",
        "OK cluster.id big x, the same everywhere",
        "big: OK (901 OK)",
    ]


def test_what_is_wrong_stands_above_the_verdict() -> None:
    """The silent brokers of a large cluster are the last rows, with the number of them that there are."""
    lines = [" ".join(line.split()) for line in report(_large(17, 18, 19, 44)).splitlines()]
    assert lines[-3:] == [
        (
            "UNKNOWN controller.agreed h17/broker to h19/broker, h44/broker not told:"
            " 10.0.0.17:9092 to 10.0.0.19:9092, 10.0.0.44:9092: connection refused"
        ),
        "(4 of 300 nodes)",
        "big: UNKNOWN (8 UNKNOWN, 893 OK)",
    ]


@pytest.mark.parametrize("columns", [80, 100, 132, 200])
def test_names_leave_details_their_room(columns: int) -> None:
    """On a terminal no line of a report is wider than it, and the names and the details wrap side by side."""
    lines = report(_large(17, 18, 19, 44), columns_wide=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) <= 40


@pytest.mark.parametrize(
    ("wide", "lines"),
    [
        (50, ["node1/broker to node3/broker,", "node1/zookeeper to node3/zookeeper (6 of 6 nodes)"]),
        (34, ["node1/broker to node3/broker,", "node1/zookeeper to node3/zookeeper", "(6 of 6 nodes)"]),
        (
            15,
            [
                "node1/broker to",
                "node3/broker,",
                "node1/zookeeper",
                "to",
                "node3/zookeeper",
                "(6 of 6 nodes)",
            ],
        ),
    ],
)
def test_names_of_a_column_are_whole(wide: int, lines: list[str]) -> None:
    """Names that have no room in a line go on in the next one; a range is torn only where it has no line for itself."""
    names = "node1/broker to node3/broker, node1/zookeeper to node3/zookeeper (6 of 6 nodes)"
    assert in_column(names, wide) == lines


def test_lines_of_a_cell_stand_beside_a_wrapped_one() -> None:
    """A row is as high as the highest of its cells."""
    text = table(("WHO", "WHAT"), [(["a", "b"], "one two three four five six")], columns_wide=25)
    assert text == "WHO  WHAT\na    one two three four\nb    five six"
