"""A draft as a page: pure, what is said of a cluster and of what was done with it."""

from collections import Counter
from collections.abc import Iterator
from datetime import timezone

from kafab import __version__
from kafab.canary.figures import Counts, Figures
from kafab.canary.verdict import judge
from kafab.checks.brokers import without
from kafab.cluster.metadata import Metadata
from kafab.cluster.own_topics import is_own
from kafab.cluster.seen import Seen
from kafab.drills.rows import Row, Table, worst
from kafab.errors import Interrupted, KafabError, Locked, NotTold, OutcomeUnknown, Unreachable
from kafab.findings import Finding, Report, Severity
from kafab.hosts.history import Entry
from kafab.model import Cluster, Node, Role
from kafab.ops.check.status import leads_of
from kafab.ops.check.verify import partitions_view
from kafab.ops.reporting import times
from kafab.ops.reporting.draft import Draft, client_version
from kafab.ops.reporting.openness import open_questions
from kafab.reporting import page as pages
from kafab.reporting.page import Page
from kafab.unknown import Unknown
from kafab.words import few, plural

_CHANGES = ("restart", "finalize")
REASONS = 8
"""The most findings that the verdict names."""


def page(draft: Draft) -> Page:
    """Return the page of a draft; asks nothing."""
    cluster, checked, rolled = draft.cluster, draft.checked, draft.rolled
    operator = draft.operator
    known = None if isinstance(draft.history, Unknown) else draft.history
    return Page(
        kind=draft.kind,
        cluster=cluster.name,
        kafka=str(cluster.version),
        mode="KRaft" if cluster.kraft else "ZooKeeper",
        made=pages.Made(
            times.utc(operator.at), operator.user, operator.machine, operator.command, __version__
        ),
        verdict=_verdict(cluster, draft),
        lab=cluster.lab,
        nodes=tuple(_nodes(cluster, draft)),
        partitions=_partitions(cluster, checked.seen) if checked else None,
        findings=tuple(map(_found, checked.report.findings)) if checked else (),
        history=tuple(map(_command, known or ())),
        history_unknown=draft.history.reason if isinstance(draft.history, Unknown) else "",
        roll=_roll(draft),
        time=times.of_roll(cluster, draft) or times.of_canary(cluster, draft),
        canary=_canary(cluster, rolled.canary) if rolled.canary else None,
        clients=dict(draft.clients),
        drills=tuple(_drill(table, draft) for table in draft.tables),
        not_checked=tuple(open_questions(draft)),
    )


def _verdict(cluster: Cluster, draft: Draft) -> pages.Verdict:
    if draft.error is not None:
        first, *rest = draft.error.message.split("\n")
        told = [line.strip() for line in rest if line.strip()]
        hint = [f"next: {draft.error.hint}"] if draft.error.hint else []
        return pages.Verdict(_severity(draft.error), first, (*told, *hint), draft.error.exit_code)
    if draft.tables:
        return _of_drills(cluster, draft)
    if draft.rolled.course is not None or draft.versions or draft.kind in _CHANGES:
        return _of_roll(draft)
    if draft.rolled.canary is not None:
        return _of_canary(draft, draft.rolled.canary)
    report = draft.checked.report if draft.checked else Report(cluster.name, ())
    silent = _silent(cluster, report)
    # Where no host answers nothing else is a reason of its own.
    reasons = tuple(_reasons(Report(cluster.name, silent) if silent else report))
    text = f"the cluster does not answer: no host of {plural(len(cluster.hosts), 'host')} could be asked"
    return pages.Verdict(str(report.verdict), text if silent else _told(report), reasons, draft.exit_code)


def _silent(cluster: Cluster, report: Report) -> tuple[Finding, ...]:
    """Return what was found of the nodes' processes where no host has told anything of one; else nothing."""
    silent = tuple(f for f in report.findings if f.check == "process" and f.severity is Severity.UNKNOWN)
    return silent if len(silent) == len(cluster.nodes) else ()


def _severity(error: KafabError) -> str:
    if isinstance(error, Interrupted | Locked):
        return str(Severity.WARN)
    unknown = isinstance(error, OutcomeUnknown | Unreachable | NotTold)
    return str(Severity.UNKNOWN if unknown else Severity.CRIT)


def _told(report: Report) -> str:
    if not report.findings:
        return "nothing was looked at"
    counts = Counter(finding.severity for finding in report.findings)
    words = (
        (Severity.CRIT, "fault", ""),
        (Severity.UNKNOWN, "thing that is unknown", "things that are unknown"),
        (Severity.WARN, "warning", ""),
    )
    bad = [plural(counts[one], noun, many) for one, noun, many in words if counts[one]]
    looked = plural(len(report.findings), "thing")
    return f"{', '.join(bad)} among {looked} looked at" if bad else f"all of {looked} looked at are in order"


def _reasons(report: Report) -> Iterator[str]:
    """Yield the findings that no other one explains, the worst first."""
    bad = [one for one in report.findings if one.severity is not Severity.OK and not one.caused_by]
    bad.sort(key=lambda one: -one.severity)
    told = list(dict.fromkeys(f"{one.subject}: {one.detail}" for one in bad))
    yield from told[:REASONS]
    if len(told) > REASONS:
        yield f"and {len(told) - REASONS} more"


def _of_roll(draft: Draft) -> pages.Verdict:
    rolled = draft.rolled
    found = [draft.checked.report.verdict] if draft.checked else []
    raised = [f"{name} {before} → {after}" for name, (before, after) in draft.raised.items()]
    text = (
        f"{plural(len(rolled.nodes), 'node')} restarted in {rolled.seconds:.0f} s"
        if rolled.nodes
        else f"finalized: {', '.join(raised)}"
        if raised
        else "there was nothing to do"
    )
    if draft.versions:
        text = f"{' → '.join(draft.versions)}: {text}"
    reasons: list[str] = []
    if rolled.canary:
        verdict = judge(rolled.canary)
        found.append(verdict.severity)
        reasons += verdict.reasons
        text += f"; {_met(rolled.canary)}"
    if draft.checked:
        reasons += _reasons(draft.checked.report)
    reasons += _upgraded(draft)
    # What only the exit code knows counts, too: what an upgrade has lost.
    known = {1: Severity.CRIT, 5: Severity.UNKNOWN}.get(draft.exit_code, Severity.OK)
    severity = max([known, *found]) if found or known else Severity.UNKNOWN
    return pages.Verdict(str(severity), text, tuple(reasons), draft.exit_code)


def _of_canary(draft: Draft, canary: Figures) -> pages.Verdict:
    """Return what a canary with nothing beside it has met: an interruption counts, as it does in its exit code."""
    verdict = judge(canary, alone=True)
    return pages.Verdict(str(verdict.severity), _met(canary), verdict.reasons, draft.exit_code)


def _met(canary: Figures) -> str:
    total = canary.total
    gap = max(total.longest_gap, total.open_gap).total_seconds()
    lost = f"{total.lost or 'none'} lost" if canary.counted else "whether any is lost is unknown"
    return f"of {plural(total.acked, 'acknowledged record')} {lost}, longest gap {gap:.1f} s"


def _upgraded(draft: Draft) -> Iterator[str]:
    if draft.upgraded is None:
        return
    for one in draft.upgraded.compared:
        if one.unknown:
            yield f"{one.what}: whether all of them are there still is unknown: {one.unknown}"
        elif one.lost and one.changed:
            yield f"{one.what}: not as they were before: {few(one.changed)}"
    if draft.upgraded.left:
        yield f"not at the new version yet: {few(draft.upgraded.left)}"


def _of_drills(cluster: Cluster, draft: Draft) -> pages.Verdict:
    report = worst(cluster.name, draft.tables)
    bad = [one for one in report.findings if one.severity is not Severity.OK]
    cells = plural(len(report.findings), "cell")
    text = f"{len(bad)} of {cells} not as allowed" if bad else f"all of {cells} are as allowed"
    return pages.Verdict(str(report.verdict), text, tuple(_reasons(report)), draft.exit_code)


def _nodes(cluster: Cluster, draft: Draft) -> Iterator[pages.NodeState]:
    report = draft.checked.report if draft.checked else Report(cluster.name, ())
    seen = draft.checked.seen if draft.checked else None
    of_subject: dict[str, list[Finding]] = {}
    for finding in report.findings:
        of_subject.setdefault(finding.subject, []).append(finding)
    view = partitions_view(cluster, seen) if seen else Unknown("nothing was looked at")
    loads = _loads(view) if isinstance(view, Metadata) else None
    for node in cluster.nodes:
        own = of_subject.get(node.name, [])
        said = next((f.evidence for f in own if f.check == "process"), {})
        load = loads.get(node.id, (0, 0, 0)) if loads is not None and node.role is Role.BROKER else None
        uptime = said.get("uptime_seconds")
        yield pages.NodeState(
            host=node.host.name,
            rack=node.host.rack or "",
            name=node.name,
            role="broker and controller" if node.combined else str(node.role),
            id=node.id,
            severity=str(max((f.severity for f in own), default=Severity.UNKNOWN)),
            state=str(said.get("state") or ""),
            release=str(said.get("release") or ""),
            configuration=str(said.get("configuration") or ""),
            leads=_leads(cluster, node, seen, said.get("state")),
            uptime_s=float(uptime) if isinstance(uptime, int | float) else None,
            leaders=load[0] if load else None,
            replicas=load[1] if load else None,
            out_of_sync=load[2] if load else None,
        )


def _leads(cluster: Cluster, node: Node, seen: Seen | None, state: object) -> str:
    if seen is None or state != "running":
        return ""
    return ", ".join(leads_of(cluster, node, seen))


def _loads(view: Metadata) -> dict[int, tuple[int, int, int]]:
    """Return what each broker leads, has, and has out of sync."""
    leads = Counter(one.leader for one in view.partitions)
    has = Counter(broker for one in view.partitions for broker in one.replicas)
    out = Counter(broker for one in view.partitions for broker in one.replicas if broker not in one.isr)
    return {broker: (leads[broker], has[broker], out[broker]) for broker in {*view.brokers, *has}}


def _partitions(cluster: Cluster, seen: Seen) -> pages.Partitions | None:
    view = without(partitions_view(cluster, seen), is_own)
    if isinstance(view, Unknown):
        return None
    every = view.partitions
    return pages.Partitions(
        topics=len({one.topic for one in every}),
        partitions=len(every),
        leaderless=sum(one.leader is None for one in every),
        out_of_sync=sum(not set(one.replicas) <= set(one.isr) for one in every),
    )


def _found(finding: Finding) -> pages.Found:
    return pages.Found(
        finding.check,
        finding.subject,
        str(finding.severity),
        finding.detail,
        finding.hint or "",
        dict(finding.evidence),
        finding.caused_by,
    )


def _command(entry: Entry) -> pages.Command:
    return pages.Command(
        times.utc(entry.began.astimezone(timezone.utc)),
        entry.user,
        entry.machine,
        entry.command,
        None if entry.took is None else round(entry.took.total_seconds(), 1),
        entry.exit_code,
        entry.result,
        dict(entry.figures or {}),
        entry.hosts,
    )


def _roll(draft: Draft) -> pages.Roll | None:
    rolled = draft.rolled
    if rolled.course is None and not draft.versions:
        return None
    ended = rolled.course.ended - rolled.course.began if rolled.course else 0.0
    return pages.Roll(
        round(rolled.seconds or ended, 1),
        tuple(pages.Rolled(one.name, round(one.seconds, 1)) for one in rolled.nodes),
        rolled.before,
        draft.versions,
        len(rolled.leaders.moved) if rolled.leaders else None,
    )


def _canary(cluster: Cluster, found: Figures) -> pages.Canary:
    names = {node.id: node.name for node in cluster.brokers}
    each = [
        _figures(names.get(leader, str(leader)), counts, counted=found.counted)
        for leader, counts in zip(found.leaders, found.partitions, strict=True)
    ]
    return pages.Canary(
        found.topic,
        found.client,
        client_version(found.client),
        found.counted,
        round(found.lasted.total_seconds(), 1),
        found.every.total_seconds(),
        None if found.takeover is None else round(found.takeover.total_seconds(), 2),
        dict(found.total.retried),
        (*each, _figures("in total", found.total, counted=found.counted)),
    )


def _figures(subject: str, counts: Counts, *, counted: bool) -> pages.Figures:
    return pages.Figures(
        subject,
        counts.acked,
        counts.lost if counted or counts.lost else None,
        counts.unread,
        counts.duplicates if counted else None,
        counts.reordered if counted else None,
        round(max(counts.longest_gap, counts.open_gap).total_seconds(), 3),
        times.milliseconds(counts.p50),
        times.milliseconds(counts.p99),
        times.milliseconds(counts.slowest),
        sum(counts.refused.values()),
    )


def _drill(table: Table, draft: Draft) -> pages.Drill:
    found = table.report("").findings
    cells = (_cell(row, one.severity, draft) for row, one in zip(table.rows, found, strict=True))
    return pages.Drill(table.drill, table.shows, table.seed, table.records, tuple(cells))


def _cell(row: Row, severity: Severity, draft: Draft) -> pages.Cell:
    bounds = (pages.Bounds(name, each.least, each.most) for name, each in row.cell.allowed.items())
    return pages.Cell(
        row.cell.name,
        row.by,
        row.setting,
        row.cell.claimed,
        tuple(bounds),
        row.cell.control,
        dict(row.measured),
        dict(row.also),
        row.faults,
        row.verdict.value,
        str(severity),
        row.why,
        times.of_cell(row, draft),
    )
