"""Findings as rows for people: what many nodes say alike is one row, with their names and what varies among them.

Every finding is in exactly one row. A row's findings are of one check and severity, and their texts differ in nothing
but numbers, addresses and the names of their own subjects.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from kafab.findings import Finding, Severity

# Bounded, as a host's words may be among them: Python refuses to make a number of thousands of digits.
_DIGITS = re.compile(r"([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}(:[0-9]+)?|\[[0-9a-fA-F:.]+\](:[0-9]+)?|[\w.-]+:[0-9]+")
_WORDS = re.compile(r"""[\s,;()`'"]+|[^\s,;()`'"]+""")
NAMES_SHOWN = 3
"""How many names or ranges of names stand for nodes that are well, and for what varies in a text."""


@dataclass(frozen=True)
class Row:
    """One or more findings that say the same. ``of`` is how many subjects of their kind the check looked at."""

    findings: tuple[Finding, ...]
    of: int

    @property
    def severity(self) -> Severity:
        """The severity of each finding."""
        return self.findings[0].severity

    @property
    def check(self) -> str:
        """The check of each finding."""
        return self.findings[0].check

    @property
    def subject(self) -> str:
        """Whom it is about: every name where something is not OK, the first ones where all is well."""
        names = list(dict.fromkeys(finding.subject for finding in self.findings))
        if len(names) == 1:
            return names[0]
        shown = NAMES_SHOWN if self.severity is Severity.OK else None
        count = f"{len(names)} of {self.of} {_kind(self.findings[0])}".rstrip()
        return f"{named(names, shown)} ({count})"

    @property
    def detail(self) -> str:
        """What was found, with ranges where it varies."""
        return _merged([_words(finding, finding.detail) for finding in self.findings])

    @property
    def hint(self) -> str | None:
        """What to do: the first finding's, as a hint is made to be typed."""
        hints = list(dict.fromkeys(finding.hint for finding in self.findings if finding.hint))
        more = f" (and so on, for {len(hints) - 1} more)" if len(hints) > 1 else ""
        return hints[0] + more if hints else None


def rows(
    findings: Iterable[Finding], *, each: bool = False, among: Iterable[Finding] = ()
) -> tuple[Row, ...]:
    """Return the findings as rows, the worst last; ``each`` gives every finding a row of its own.

    ``among``: all findings of the report, where these are a part of them; a row counts the subjects of all.
    """
    every = tuple(findings)
    groups: dict[object, list[Finding]] = {}
    subjects: dict[tuple[str, str], set[str]] = {}
    for at, finding in enumerate(every):
        groups.setdefault(at if each else _alike(finding), []).append(finding)
    for finding in among or every:
        subjects.setdefault((finding.check, _kind(finding)), set()).add(finding.subject)
    made = [Row(tuple(group), len(subjects[group[0].check, _kind(group[0])])) for group in groups.values()]
    return tuple(sorted(made, key=lambda row: row.severity))


def named(names: Iterable[str], shown: int | None = None) -> str:
    """Return the names, three and more consecutive ones as a range: ``node1/broker to node6/broker, node9/broker``.

    Consecutive names differ by one in a number, or in several numbers at once. With ``shown`` about so many names and
    ranges are told, and how many names there are besides.
    """
    parts = [
        text
        for run in _runs(sorted(set(names), key=_natural))
        for text in ([(f"{run[0]} to {run[-1]}", len(run))] if len(run) > 2 else [(name, 1) for name in run])
    ]
    # The place of the words "and 1 more" is better taken by that one.
    last = len(parts) if shown is None or len(parts) <= shown + 1 else shown
    told, rest = parts[:last], parts[last:]
    more = f" and {sum(count for _, count in rest)} more" if rest else ""
    return ", ".join(text for text, _ in told) + more


def _kind(finding: Finding) -> str:
    """Return what a finding's subject is one of, empty where that is neither a node nor a host."""
    if "/" in finding.subject:
        return "nodes"
    return "hosts" if finding.evidence.get("host") == finding.subject else ""


def _alike(finding: Finding) -> object:
    """Return what findings of one row have in common."""
    texts = [
        tuple(word if kind is None else kind for word, kind in _words(finding, text))
        for text in (finding.detail, finding.hint or "")
    ]
    return (finding.severity, finding.check, _kind(finding), *texts)


class _Kind:
    """What may vary among the findings of a row; compared by identity, so that no word of a text is taken for it."""


_A_NUMBER, _AN_ADDRESS, _AN_OWN_NAME = _Kind(), _Kind(), _Kind()


def _words(finding: Finding, text: str) -> list[tuple[str, _Kind | None]]:
    """Return the text as words and what is between them, each with what it may vary as."""
    own = {finding.subject, finding.subject.partition("/")[0], finding.evidence.get("address")}
    found: list[tuple[str, _Kind | None]] = []
    for piece in _WORDS.findall(text):
        word = piece.rstrip(":.")
        kind = None
        if word in own:
            kind = _AN_OWN_NAME
        elif _NUMBER.fullmatch(word):
            kind = _A_NUMBER
        elif _ADDRESS.fullmatch(word):
            kind = _AN_ADDRESS
        found += [(word, kind), (piece[len(word) :], None)]
    return found


def _merged(texts: Sequence[Sequence[tuple[str, _Kind | None]]]) -> str:
    """Return texts that are alike as one."""
    merged = []
    for words in zip(*texts, strict=True):
        kind = words[0][1]
        values = list(dict.fromkeys(word for word, _ in words))
        if len(values) == 1:
            merged.append(values[0])
        elif kind is _A_NUMBER:
            merged.append(f"{min(values, key=Decimal)} to {max(values, key=Decimal)}")
        else:
            merged.append(named(values, 1))
    return "".join(merged)


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Return the names, in their order, as runs in which the same numbers go up by one at each step."""
    runs: list[list[str]] = []
    step = None
    for name in names:
        now = _step(runs[-1][-1], name) if runs else None
        if now and (len(runs[-1]) == 1 or now == step):
            runs[-1].append(name)
        else:
            runs.append([name])
        step = now
    return runs


def _step(before: str, after: str) -> tuple[int, ...]:
    """Return at which places a name's numbers are one more than those of the other; none if anything else differs."""
    old, new = _DIGITS.split(before), _DIGITS.split(after)
    if len(old) != len(new):
        return ()
    places = tuple(at for at, part in enumerate(old) if part != new[at])
    # Every second part is a number. Leading zeros count: node09 is followed by node10, node9 by node10, too.
    right = (at % 2 and new[at] == str(int(old[at]) + 1).zfill(len(old[at])) for at in places)
    return places if all(right) else ()


def _natural(name: str) -> tuple[list[str], list[int], str]:
    """Sort by the text between the numbers, then by the numbers: node2 before node10, and brokers among themselves."""
    parts = _DIGITS.split(name)
    return parts[::2], [int(number) for number in parts[1::2]], name
