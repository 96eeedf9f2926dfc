"""The verdict over many clusters: their order, the exit code, and what is new against an earlier run.

Invariant: a problem is known only where the earlier run found the same or worse, and gone only where this run has looked
and found it well. What was not checked, or could not be told, is never either of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from kafab.findings import Finding, Report, Severity

SCHEMA = "kafab.smoke/1"
FAILING = (Severity.UNKNOWN, Severity.CRIT)
"""The severities that fail a run, as they fail `verify`."""
UNUSABLE, UNVERIFIED, UNFINISHED = "smoke.inventory", "smoke.verify", "smoke.finished"
"""The checks of a cluster that was not verified: its inventory, an error in its way, the end of the run before its own."""
INSTEAD = (UNUSABLE, UNVERIFIED, UNFINISHED)
"""Those that stand in place of the findings of `verify`."""

_T = TypeVar("_T")

Key: TypeAlias = tuple[str, str]
"""A problem's check and subject, within a cluster."""


@dataclass(frozen=True)
class Checked:
    """What a run has found out about one inventory; ``name`` tells it from all others of the run."""

    name: str
    source: str
    """The path of its inventory."""
    report: Report
    seconds: float | None
    """How long its verification took; None where it did not come to its end."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that fail, the worst first, those that follow from others behind them."""
        failing = (finding for finding in self.report.findings if finding.severity in FAILING)
        return tuple(sorted(failing, key=lambda found: (-found.severity, bool(found.caused_by))))

    @property
    def verified(self) -> bool:
        """True where `verify` came to its end."""
        return not any(finding.check in INSTEAD for finding in self.report.findings)


@dataclass(frozen=True)
class Known:
    """A finding of an earlier run that was not OK."""

    check: str
    subject: str
    severity: Severity
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """What an earlier run has found that was not OK, by the clusters' names; ``at`` is when, in words."""

    at: str
    clusters: Mapping[str, Mapping[Key, Known]]


@dataclass(frozen=True)
class Compared:
    """A run beside an earlier one, by the clusters' names; only clusters with something to tell are in each part."""

    new: Mapping[str, tuple[Finding, ...]]
    known: Mapping[str, tuple[Finding, ...]]
    gone: Mapping[str, tuple[Known, ...]]
    elsewhere: tuple[str, ...]
    """The clusters of the earlier run that are not in this one."""


def worst_last(clusters: Iterable[Checked], compared: Compared | None = None) -> tuple[Checked, ...]:
    """Return the clusters by verdict, in their own order where it is the same; with a comparison those with the worst new problem last."""
    new = compared.new if compared else {}
    return tuple(
        sorted(clusters, key=lambda one: (_worst(new.get(one.name, ())), one.report.verdict)),
    )


def exit_code(clusters: Sequence[Checked], compared: Compared | None = None) -> int:
    """Return 1 where a cluster is CRIT, else 5 where one could not be told, else 0; with a comparison for new problems alone."""
    if compared is None:
        worst = max((one.report.verdict for one in clusters), default=Severity.UNKNOWN)
    else:
        worst = max(map(_worst, compared.new.values()), default=Severity.OK)
    return {Severity.CRIT: 1, Severity.UNKNOWN: 5}.get(worst, 0)


def compare(clusters: Sequence[Checked], baseline: Baseline) -> Compared:
    """Return what fails now and did not then, what still fails, and what is well again."""
    new: dict[str, tuple[Finding, ...]] = {}
    known: dict[str, tuple[Finding, ...]] = {}
    gone: dict[str, tuple[Known, ...]] = {}
    for one in clusters:
        before = baseline.clusters.get(one.name, {})
        old = tuple(found for found in one.problems if _is_known(found, before))
        new[one.name] = tuple(found for found in one.problems if found not in old)
        known[one.name] = old
        gone[one.name] = _gone(one, before)
    here = {one.name for one in clusters}
    return Compared(
        _told(new), _told(known), _told(gone), tuple(name for name in baseline.clusters if name not in here)
    )


def baseline(document: object) -> Baseline:
    """Return the baseline of a JSON document of `smoke`, ``kafab.smoke/1``. Raises ValueError with what is wrong with it."""
    top = _mapping(document, "the document")
    if top.get("schema") != SCHEMA:
        raise ValueError(f"found schema {top.get('schema')!r}; expected {SCHEMA}")
    clusters: dict[str, dict[Key, Known]] = {}
    for each in _list(top, "clusters"):
        cluster = _mapping(each, "a cluster")
        found = [_known(_mapping(item, "a finding")) for item in _list(cluster, "findings")]
        found.sort(key=lambda one: one.severity)  # of several with the same key the worst stays
        clusters[_text(cluster, "cluster")] = {(one.check, one.subject): one for one in found}
    return Baseline(_text(top, "at"), clusters)


def _is_known(found: Finding, before: Mapping[Key, Known]) -> bool:
    """Tell whether the earlier run had this problem: as bad as now, and of no fewer things than now."""
    known = before.get((found.check, found.subject))
    if known is None or found.check == UNFINISHED or known.severity < found.severity:
        return False
    # What could not be read now is no worse than what was broken then, and names nothing.
    return known.severity != found.severity or not _grown(known.evidence, found.evidence)


def _grown(before: Mapping[str, object], now: Mapping[str, object]) -> bool:
    """Tell whether a finding about several things (partitions, strangers, log directories) is about other or more ones than before."""
    earlier, these = _things(before), _things(now)
    if _count(now, these) > _count(before, earlier):
        return True
    # Where only some names were shown, another one may have been among the others.
    return len(earlier) >= _count(before, earlier) and not these <= earlier


def _things(evidence: Mapping[str, object]) -> frozenset[str]:
    names, strangers, folders = (evidence.get(key) for key in ("names", "strangers", "log_dirs"))
    if isinstance(folders, Mapping):
        return frozenset(str(path) for path, error in folders.items() if error is not None)
    found = names if isinstance(names, list | tuple) else strangers
    return frozenset(map(str, found)) if isinstance(found, list | tuple | Mapping) else frozenset()


def _count(evidence: Mapping[str, object], things: Collection[str]) -> int:
    count = evidence.get("count")
    return count if isinstance(count, int) else len(things)


def _gone(one: Checked, before: Mapping[Key, Known]) -> tuple[Known, ...]:
    """Return which problems of the earlier run are none any more."""
    now: dict[Key, Severity] = {}
    for found in one.report.findings:
        key = (found.check, found.subject)
        now[key] = max(found.severity, now.get(key, Severity.OK))
    # A check that is not made any more (a node that left the inventory) proves nothing while others are unknown, as
    # where the cluster was not verified.
    left_out = Severity.UNKNOWN if Severity.UNKNOWN in now.values() else Severity.OK
    return tuple(
        known
        for key, known in before.items()
        if known.severity in FAILING and now.get(key, left_out) not in FAILING
    )


def _told(parts: Mapping[str, tuple[_T, ...]]) -> dict[str, tuple[_T, ...]]:
    return {name: found for name, found in parts.items() if found}


def _worst(findings: Iterable[Finding]) -> Severity:
    return max((finding.severity for finding in findings), default=Severity.OK)


def _known(item: Mapping[str, object]) -> Known:
    severity = _text(item, "severity")
    if severity not in Severity.__members__:
        raise ValueError(f"found severity {severity!r}; expected {', '.join(Severity.__members__)}")
    evidence = _mapping(item.get("evidence") or {}, "evidence")
    return Known(
        _text(item, "check"), _text(item, "subject"), Severity[severity], _text(item, "detail"), evidence
    )


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no JSON object")  # noqa: TRY004  # all that is wrong with the text of a file
    return value


def _list(of: Mapping[str, object], key: str) -> Sequence[object]:
    value = of.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{key} is no list")  # noqa: TRY004
    return value


def _text(of: Mapping[str, object], key: str) -> str:
    value = of.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")  # noqa: TRY004
    return value
