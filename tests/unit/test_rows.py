"""Many findings in few rows: each is counted once, and nothing that is not OK is hidden."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.findings import Finding, Severity
from kafab.screens.rows import named, rows

# Of lists, as text that fits a regular expression takes ten times as long to draw.
_NUMBERS = [*map(str, range(20)), *(f"0{digit}" for digit in range(10)), "98", "99", "100"]
_ENDS = ["", "", "/c", "/d", *(f"/{letter}-{digit}" for letter in "cd" for digit in range(10))]
NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["a", "b", "a-", "b-"]),
    st.sampled_from(_NUMBERS),
    st.sampled_from(_ENDS),
)
DETAILS = st.lists(
    st.sampled_from(
        ["pid", "12", "9", "3.5 GB", "as deployed", "10.0.0.1:9092", "10.0.0.2:9092", "a1", "b1/c"]
    ),
    max_size=4,
).map(" ".join)
FINDINGS = st.builds(
    Finding,
    st.sampled_from(["process", "java"]),
    NAMES,
    st.sampled_from(Severity),
    DETAILS,
    hint=st.sampled_from([None, "fab start", "fab logs a1"]),
)


def expanded(text: str) -> list[str]:
    """Return the names of a text in which nothing is left out, each range as its names."""
    found = []
    for part in text.split(", "):
        first, _, last = part.partition(" to ")
        found.append(first)
        while last and found[-1] != last:
            found.append(_next(found[-1], last))
            assert len(found) < 10_000, f"{last} does not follow {first}"
    return found


def _next(name: str, last: str) -> str:
    """Return the name with those of its numbers one higher that are not yet those of the last."""
    return "".join(
        str(int(part) + 1).zfill(len(part)) if part.isdigit() and part != end else part
        for part, end in zip(re.split(r"(\d+)", name), re.split(r"(\d+)", last), strict=True)
    )


def nodes(*details: str, severity: Severity = Severity.OK, **more: str) -> list[Finding]:
    """Return a finding for each detail, about node1/broker, node2/broker and so on."""
    return [
        Finding("process", f"node{at}/broker", severity, detail, hint=more.get("hint", "").format(at) or None)
        for at, detail in enumerate(details, 1)
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["h1"], "h1"),
        (["h1", "h2"], "h1, h2"),
        (["h1", "h2", "h3"], "h1 to h3"),
        (["h1", "h2", "h4"], "h1, h2, h4"),
        (["h10", "h9", "h11"], "h9 to h11"),
        (["h08", "h09", "h10"], "h08 to h10"),
        (["h8", "h09", "h10"], "h8, h09, h10"),
        (["h1/broker", "h1/zookeeper", "h2/broker", "h2/zookeeper", "h3/broker"],
         "h1/broker to h3/broker, h1/zookeeper, h2/zookeeper"),
        (["h1/broker-1", "h2/broker-2", "h3/broker-3"], "h1/broker-1 to h3/broker-3"),
        (["h1/broker-1", "h2/broker-2", "h3/broker-2"], "h1/broker-1, h2/broker-2, h3/broker-2"),
        (["h1", "h2", "h3", "x"], "h1 to h3, x"),
    ],
)  # fmt: skip
def test_names_as_ranges(names: list[str], text: str) -> None:
    """Three and more names that follow each other are a range, also where several numbers go up at once."""
    assert named(names) == text


def test_names_left_out_are_counted() -> None:
    """Where only some parts are told, the rest is a number of names and not of parts."""
    assert named(["a1", "a2", "a3", "b", "c1", "c2", "c3", "d"], 2) == "a1 to a3, b and 4 more"


def test_a_last_name_is_told_rather_than_counted() -> None:
    """No name gives way to the words "and 1 more"."""
    assert named(["a", "b", "c"], 2) == "a, b, c"


@given(st.lists(NAMES, min_size=1, max_size=40))
def test_ranges_hold_the_names_and_no_other(names: list[str]) -> None:
    """A range has exactly the names that were given: none is missing, and none was made up."""
    found = expanded(named(names))
    assert (set(found), len(found)) == (set(names), len(set(names)))


@given(st.lists(FINDINGS, max_size=40), st.booleans())
def test_every_finding_is_in_one_row(findings: list[Finding], each: bool) -> None:
    """The rows together are the findings, each once."""
    shown = [id(finding) for row in rows(findings, each=each) for finding in row.findings]
    assert Counter(shown) == Counter(map(id, findings))


@given(st.lists(FINDINGS, max_size=40))
def test_a_row_is_of_one_kind(findings: list[Finding]) -> None:
    """A row never hides another check, another severity or a hint of another wording behind its own."""
    kinds = [
        {(finding.check, finding.severity, (finding.hint or "")[:8]) for finding in row.findings}
        for row in rows(findings)
    ]
    assert all(len(kind) == 1 for kind in kinds)


@given(st.lists(FINDINGS, max_size=40))
def test_worst_is_last(findings: list[Finding]) -> None:
    """What is not OK stands at the end, next to the verdict."""
    severities = [row.severity for row in rows(findings)]
    assert severities == sorted(severities)


@given(st.lists(FINDINGS, max_size=40))
def test_everybody_who_is_not_ok_is_named(findings: list[Finding]) -> None:
    """From the rows that are not OK every such node can be read, and no node that is well."""
    named_bad = {
        (row.check, row.severity, name)
        for row in rows(findings)
        if row.severity is not Severity.OK
        for name in expanded(re.sub(r" \(.*", "", row.subject))
    }
    assert named_bad == {
        (finding.check, finding.severity, finding.subject)
        for finding in findings
        if finding.severity is not Severity.OK
    }


@given(st.lists(FINDINGS, max_size=40))
def test_words_of_a_detail_are_in_its_row(findings: list[Finding]) -> None:
    """What is neither a number nor an address nor a node's own name stands in the row as it was said."""
    for row in rows(findings):
        told = row.detail.split()
        for finding in row.findings:
            words = [word for word in finding.detail.split() if word.isalpha()]
            assert not Counter(words) - Counter(told)


@given(st.lists(FINDINGS, max_size=40))
def test_each_finding_as_it_was_made(findings: list[Finding]) -> None:
    """With a row each, subject, detail and hint are the finding's own."""
    shown = Counter((row.subject, row.detail, row.hint) for row in rows(findings, each=True))
    assert shown == Counter((finding.subject, finding.detail, finding.hint) for finding in findings)


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (["running"] * 3, "running"),
        (["pid 812, as deployed", "pid 97, as deployed", "pid 1044, as deployed"], "pid 97 to 1044, as deployed"),
        (["id 1 at 10.0.0.1:9092", "id 2 at 10.0.0.2:9092", "id 3 at 10.0.0.3:9092"],
         "id 1 to 3 at 10.0.0.1:9092 to 10.0.0.3:9092"),
        (["at [::1]:9092", "at [::7]:9092"], "at [::1]:9092, [::7]:9092"),
        (["/: 40.5 GB free (81 %)", "/: 9.5 GB free (19 %)"], "/: 9.5 to 40.5 GB free (19 to 81 %)"),
        (["k1.example.org:9092: connection refused", "k7.example.org:9092: connection refused"],
         "k1.example.org:9092, k7.example.org:9092: connection refused"),
        (["node1: no answer within 10 s", "node2: no answer within 10 s"], "node1, node2: no answer within 10 s"),
    ],
)  # fmt: skip
def test_what_varies_is_a_range(details: list[str], text: str) -> None:
    """Numbers are told from the least to the most, addresses and a node's own name as names."""
    (row,) = rows(nodes(*details))
    assert row.detail == text


@pytest.mark.parametrize(
    "details",
    [
        ["Java 17.0.15 at /usr/lib/jvm/17", "Java 17.0.9 at /usr/lib/jvm/17"],
        ["leader, ZooKeeper 3.8.4", "follower, ZooKeeper 3.8.4"],
        ["/data1 lies on xfs", "/data2 lies on xfs"],
        ["waits for node3", "waits for node4"],
        ["999 MB free", "1.2 GB free"],
    ],
)
def test_another_text_is_another_row(details: list[str]) -> None:
    """A version, a path, a state, a unit or somebody else's name is never folded away."""
    assert [row.detail for row in rows(nodes(*details))] == details


@pytest.mark.parametrize(
    ("severity", "subject"),
    [(Severity.OK, "a1, b2, c3 and 3 more (6 of 6 hosts)"), (Severity.CRIT, "a1, b2, c3, d4, e5, f6 (6 of 6 hosts)")],
)  # fmt: skip
def test_names_are_left_out_only_where_all_is_well(severity: Severity, subject: str) -> None:
    """Of healthy hosts without consecutive names three are told; of others every one."""
    names = ("a1", "b2", "c3", "d4", "e5", "f6")
    (row,) = rows([Finding("java", name, severity, "Java 17", {"host": name}) for name in names])
    assert row.subject == subject


def test_subjects_of_the_check_are_counted() -> None:
    """Those that say something else count as well: two of three nodes run, and the cluster is no node."""
    findings = [
        *nodes("running", "running"),
        Finding("process", "node3/broker", Severity.CRIT, "stopped"),
        Finding("process", "lab", Severity.OK, "running"),
    ]
    assert [row.subject for row in rows(findings)] == [
        "node1/broker, node2/broker (2 of 3 nodes)",
        "lab",
        "node3/broker",
    ]


def test_hint_is_one_that_can_be_typed() -> None:
    """Of hints that differ in the node's name the first is told whole, and for how many more it goes."""
    (row,) = rows(nodes(*["stale"] * 4, severity=Severity.WARN, hint="fab restart --limit node{}/broker"))
    assert row.hint == "fab restart --limit node1/broker (and so on, for 3 more)"


def test_address_of_a_host_is_its_own() -> None:
    """A host's address may be a name without a number, and stand in quotation marks: it is no other finding for that."""
    (row,) = rows(
        Finding("ssh", host, Severity.CRIT, f"{address}: refused", {"host": host, "address": address}, f"`ssh {address}`")
        for host, address in (("h1", "red.example.org"), ("h2", "blue.example.org"))
    )  # fmt: skip
    assert (row.detail, row.hint) == (
        "blue.example.org, red.example.org: refused",
        "`ssh red.example.org` (and so on, for 1 more)",
    )


def test_numbers_without_end_are_words() -> None:
    """A host may answer with a number of any length, and the screen shows it."""
    details = ["9" * 5000, f"{'9' * 5000}.5"]
    assert [row.detail for row in rows(nodes(*details))] == details
