"""From what was told to the files of an archive, pure: secrets are hidden first, and everything else is made of what is left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kafab import __version__
from kafab.diagnosis.asking import NOT_READ, OF_HOST, Part
from kafab.diagnosis.causes import causes, told
from kafab.diagnosis.evidence import Evidence, HostEvidence, NodeEvidence, Text
from kafab.diagnosis.redaction import Redactor
from kafab.diagnosis.result import Diagnosis, Gathered, OfHost, OfNode, readme
from kafab.findings import Finding, Severity
from kafab.model import Host, Node
from kafab.ops.diagnosing.gathering import Raw
from kafab.ops.reporting.draft import LAST, Draft
from kafab.ops.reporting.pages import page
from kafab.ops.reporting.times import utc
from kafab.reporting.page import Page, Verdict
from kafab.reporting.render import render
from kafab.unknown import Unknown

REPORT = "report.html"
_TEXTS = ("process", "unit")
"""Parts that set values besides the configuration's files."""
_MOST_NOT_READ = 5


@dataclass(frozen=True)
class Assembled:
    """What is shown, and the files of the archive by their paths in it."""

    diagnosis: Diagnosis
    files: Mapping[str, str]


def assemble(raw: Raw, draft: Draft) -> Assembled:
    """Return what was gathered without secrets, with what is likely to be wrong. ``draft`` is the report's, not filled in yet."""
    redactor = _taught(raw)
    files: dict[str, str] = {}
    of_nodes = {node: _of_node(raw, node, redactor, files) for node in raw.nodes}
    hosts = tuple(dict.fromkeys(node.host for node in raw.nodes))
    of_hosts = {host: _of_host(raw, host, redactor, files) for host in hosts}
    findings = () if isinstance(raw.checked, Unknown) else redactor.value(raw.checked.report.findings)
    evidence = Evidence(
        raw.cluster,
        tuple(_evidence(raw, node, one, files, redactor) for node, one in of_nodes.items()),
        tuple(
            HostEvidence(
                host.name,
                redactor.text(raw.silent.get(host.name, "")),
                raw.ahead.get(host.name),
                _texts(one.gathered, files),
            )
            for host, one in of_hosts.items()
        ),
        findings,
    )
    found = causes(evidence)
    shown = Diagnosis(
        cluster=raw.cluster.name,
        kafka=str(raw.cluster.version),
        mode="KRaft" if raw.cluster.kraft else "ZooKeeper",
        at=utc(draft.operator.at),
        kafab=__version__,
        failed=redactor.text(draft.error.message) if draft.error else "",
        causes=found,
        nodes=tuple(of_nodes.values()),
        hosts=tuple(of_hosts.values()),
        cluster_unknown=redactor.text(raw.checked.reason) if isinstance(raw.checked, Unknown) else "",
        timings=raw.timings,
        in_trouble=any(node.in_trouble for node in evidence.nodes),
    )
    files["findings.txt"] = "".join(map(_line, findings))
    files[REPORT] = render(redactor.value(_page(raw, draft, shown)))
    files["README.txt"] = readme(shown)
    return Assembled(shown, files)


def _taught(raw: Raw) -> Redactor:
    """Return what hides secrets, with the values that configurations and command lines set."""
    redactor = Redactor()
    for answer in raw.answers.values():
        for part in answer.parts:
            if part.name.startswith("config/") or part.name in _TEXTS:
                redactor.learn(part.text)
    return redactor


def _of_node(raw: Raw, node: Node, redactor: Redactor, files: dict[str, str]) -> OfNode:
    line = raw.lines[node]
    answer = raw.answers.get(node.host.name)
    own = [part for part in answer.parts if part.node == node.instance] if answer else []
    kept = _kept(f"nodes/{node.host.name}/{node.instance}", own, redactor, files)
    serves = redactor.text(line.lacks) or "yes" if line.state == "running" else ""
    if isinstance(raw.checked, Unknown) and line.state == "running":
        serves = "unknown"
    return OfNode(node.host.name, node.name, line.state, serves, kept, _not_read(kept, files))


def _of_host(raw: Raw, host: Host, redactor: Redactor, files: dict[str, str]) -> OfHost:
    answer = raw.answers.get(host.name)
    own = [part for part in answer.parts if part.node == OF_HOST] if answer else []
    kept = _kept(f"hosts/{host.name}", own, redactor, files)
    reason = redactor.text(raw.silent.get(host.name, ""))
    return OfHost(host.name, reason, raw.ahead.get(host.name), kept, _not_read(kept, files))


def _kept(
    folder: str, parts: Iterable[Part], redactor: Redactor, files: dict[str, str]
) -> tuple[Gathered, ...]:
    """Take parts into the files; one that has nothing to say is left out."""
    kept = []
    for part in parts:
        if not part.text.strip():
            continue
        # A file's own ending tells an editor what it is.
        path = f"{folder}/{part.name}" if part.name.startswith("config/") else f"{folder}/{part.name}.txt"
        text = redactor.text(part.text)
        files[path] = text
        kept.append(Gathered(part.name, path, len(text.encode("utf-8", errors="replace")), part.seconds))
    return tuple(kept)


def _not_read(kept: Iterable[Gathered], files: Mapping[str, str]) -> tuple[str, ...]:
    """Return what hosts say that they could not read, each once."""
    lines = (
        f"{one.name}: {line.removeprefix(NOT_READ)}"
        for one in kept
        for line in files[one.path].splitlines()
        if line.startswith(NOT_READ)
    )
    return tuple(dict.fromkeys(lines))[:_MOST_NOT_READ]


def _texts(kept: Iterable[Gathered], files: Mapping[str, str]) -> dict[str, Text]:
    return {one.name: Text(one.path, tuple(files[one.path].splitlines())) for one in kept}


def _evidence(
    raw: Raw, node: Node, one: OfNode, files: Mapping[str, str], redactor: Redactor
) -> NodeEvidence:
    line = raw.lines[node]
    return NodeEvidence(
        node,
        line.state,
        answers=line.answers,
        lacks=redactor.text(line.lacks),
        reason=redactor.text(line.reason),
        pid=raw.pids.get(node),
        up_s=line.uptime.total_seconds() if line.uptime else None,
        troubles=redactor.value(raw.troubles.get(node, ())),
        texts=_texts(one.gathered, files),
    )


def _page(raw: Raw, draft: Draft, found: Diagnosis) -> Page:
    """Return the page of the report, whose verdict is the likely cause."""
    draft.checked = None if isinstance(raw.checked, Unknown) else raw.checked
    draft.history = raw.history if isinstance(raw.history, Unknown) else raw.history[-LAST:]
    made = page(draft)
    if not found.causes:
        return made
    first, *rest = found.causes
    reasons = (
        *([f"the command that failed: {found.failed}"] if found.failed else []),
        f"evidence: {first.evidence}{f' ({first.place})' if first.place else ''}",
        f"next: {first.next}",
        *(f"also: {told(one)}" for one in rest),
    )
    severity = str(Severity.CRIT) if found.in_trouble else made.verdict.severity
    return replace(
        made, verdict=Verdict(severity, f"likely cause: {told(first)}", reasons, made.verdict.exit_code)
    )


def _line(finding: Finding) -> str:
    further = f"  next: {finding.hint}" if finding.hint else ""
    caused = f"  follows from {', '.join(finding.caused_by)}" if finding.caused_by else ""
    return f"{finding.severity!s:8}{finding.check:32}{finding.subject}: {finding.detail}{further}{caused}\n"
