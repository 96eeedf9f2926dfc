"""Many clusters on one screen: a line each, the worst last; and the document, which is a baseline for later runs."""

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kafab.checks.smoke import FAILING, INSTEAD, SCHEMA, Checked, Compared, Known, exit_code, worst_last
from kafab.findings import Finding, Severity
from kafab.ops.check.smoke import Smoked
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.words import few, plural

COLUMNS = ("VERDICT", "CLUSTER", "SECONDS", "FINDING")


def show(console: Console, run: Smoked, at: str, compared: Compared | None = None, since: str = "") -> None:
    """Write the run; ``at`` is its beginning, ``since`` that of the run that it is compared with."""
    clusters = worst_last(run.clusters, compared)
    rows = [
        (
            layout.severity_text(one.report.verdict, console.paint),
            one.name,
            "-" if one.seconds is None else f"{one.seconds:.1f}",
            _finding(one, compared),
        )
        for one in clusters
    ]
    text = [console.table(COLUMNS, rows)]
    if compared:
        text += [
            f"gone since {since}: {name}: {_told(known)} ({known.severity})"
            for name, gone in compared.gone.items()
            for known in gone
        ]
        if compared.elsewhere:
            text.append(f"in the baseline and not in this run: {few(compared.elsewhere)}")
    failing = clusters[-1] if clusters and exit_code(clusters, compared) else None
    if failing and failing.verified:
        text.append(
            f"hint: `fab on {shlex.quote(failing.source)} verify --read-only` tells all of {failing.name}"
        )
    elif failing:
        text += [f"hint: {found.hint}" for found in failing.problems if found.hint]
    text.append(_summary(console, run, compared, since))
    console.data(document(run, at, compared), "\n".join(text))


def document(run: Smoked, at: str, compared: Compared | None = None) -> dict[str, Any]:
    """Return a run as a JSON document, ``kafab.smoke/1``: of each cluster the findings that are not OK, the worst cluster last."""
    clusters = worst_last(run.clusters, compared)
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "at": at,
        "seconds": round(run.seconds, 1),
        "exit_code": exit_code(clusters, compared),
        "interrupted": run.interrupted,
        "clusters": [_cluster(one, compared) for one in clusters],
    }
    if compared:
        told["gone"] = [
            {
                "cluster": name,
                "check": known.check,
                "subject": known.subject,
                "severity": str(known.severity),
                "detail": known.detail,
            }
            for name, gone in compared.gone.items()
            for known in gone
        ]
        told["not_in_this_run"] = list(compared.elsewhere)
    return told


def _cluster(one: Checked, compared: Compared | None) -> dict[str, object]:
    whole = layout.report_document(one.report)
    findings: Any = whole["findings"]
    new = {(found.check, found.subject) for found in compared.new.get(one.name, ())} if compared else set()
    not_ok = [item for item in findings if item["severity"] != str(Severity.OK)]
    if compared:
        failing = [str(severity) for severity in FAILING]
        for item in not_ok:
            if item["severity"] in failing:
                item["new"] = (item["check"], item["subject"]) in new
    return {
        "cluster": one.name,
        "inventory": one.source,
        "verdict": whole["verdict"],
        "checked": one.verified,
        "seconds": None if one.seconds is None else round(one.seconds, 2),
        "counts": whole["counts"],
        "findings": not_ok,
    }


def _finding(one: Checked, compared: Compared | None) -> str:
    """Return the cell of one line: the worst finding, and how many there are besides."""
    findings = one.report.findings
    if not compared:
        shown = one.problems or tuple(found for found in findings if found.severity is Severity.WARN)
        return _first(shown) if shown else plural(len(findings), "finding") + ", all OK"
    new, known = compared.new.get(one.name, ()), compared.known.get(one.name, ())
    if new:
        beside = f", {len(known)} known" if known else ""
        return f"new: {_first(new)}{beside}"
    if known:
        return f"known: {_first(known)}"
    return f"nothing new in {plural(len(findings), 'finding')}"


def _first(findings: Sequence[Finding]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{_told(findings[0])}{more}"


def _told(found: Finding | Known) -> str:
    # The subject of these is the cluster, whose name stands before it anyway.
    subject = "" if found.check in INSTEAD else f" {found.subject}"
    return f"{found.check}{subject}: {layout.one_line(found.detail)}"


def _summary(console: Console, run: Smoked, compared: Compared | None, since: str) -> str:
    took = layout.duration(timedelta(seconds=run.seconds))
    whole = f"smoke: {plural(len(run.clusters), 'cluster')} in {took}"
    left = f", {len(run.unfinished)} of them not checked" if run.unfinished else ""
    if compared:
        new, known, gone = (
            sum(map(len, part.values())) for part in (compared.new, compared.known, compared.gone)
        )
        where = f" in {plural(len(compared.new), 'cluster')}" if new else ""
        return f"{whole}{left}: {plural(new, 'new problem')}{where} since {since}, {known} known, {gone} gone"
    counted = Counter(one.report.verdict for one in run.clusters)
    each = ", ".join(f"{counted[one]} {one}" for one in sorted(Severity, reverse=True) if counted[one])
    worst = max((one.report.verdict for one in run.clusters), default=Severity.UNKNOWN)
    return f"{whole}{left}: {layout.severity_text(worst, console.paint)} ({each})"
