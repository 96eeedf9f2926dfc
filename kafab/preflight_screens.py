"""A preflight on the screen: a table of host x check, then what is not OK with its remedy, then the counts."""

from collections import Counter
from collections.abc import Mapping, Sequence

from kafab.console import Console
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster
from kafab.screens import one_line, report_document

COLUMNS: Mapping[str, frozenset[str]] = {
    "LOGIN": frozenset({"ssh.reachable", "ssh.hostkey", "ssh.login", "sudo"}),
    "SYSTEM": frozenset({"os", "systemd"}),
    "JAVA": frozenset({"java"}),
    "MEMORY": frozenset({"memory", "swap", "map-count", "huge-pages"}),
    "DISK": frozenset({"disk", "filesystem", "mount"}),
    "DATA": frozenset({"data"}),
    "PORTS": frozenset({"port", "bind"}),
    "NETWORK": frozenset({"names", "network"}),
    "CLOCK": frozenset({"clock"}),
    "LIMITS": frozenset({"limits"}),
}
ROWS = 20
"""With more hosts only those are shown that have something to say."""
STYLES = {Severity.OK: "green", Severity.WARN: "yellow", Severity.UNKNOWN: "magenta", Severity.CRIT: "red"}


def show_preflight(console: Console, cluster: Cluster, report: Report) -> None:
    """Write the report to stdout; as JSON every finding is in it, with what was found and wanted."""
    hosts = [
        host.name for host in cluster.hosts if any(host.name in _hosts(item) for item in report.findings)
    ]
    bad = [finding for finding in report.findings if finding.severity is not Severity.OK]
    told = {name for finding in bad for name in _hosts(finding)}
    rows = hosts if len(hosts) <= ROWS else [name for name in hosts if name in told]
    parts = []
    if rows:
        cells = [
            [name, *(_cell(console, report.findings, name, checks) for checks in COLUMNS.values())]
            for name in rows
        ]
        parts.append(console.table(("HOST", *COLUMNS), cells))
    for finding in sorted(bad, key=lambda finding: -finding.severity):
        severity = console.paint(str(finding.severity), STYLES[finding.severity])
        parts.append(f"{severity}  {finding.subject}  {finding.check}: {one_line(finding.detail)}")
        if finding.hint:
            parts.append(f"    {finding.hint}")
    # What is no fault and still has something to choose.
    for finding in (found for found in report.findings if found.severity is Severity.OK and found.hint):
        parts += [
            f"note  {finding.subject}  {finding.check}: {one_line(finding.detail)}",
            f"    {finding.hint}",
        ]
    counted = Counter(finding.severity for finding in report.findings)
    counts = ", ".join(
        f"{counted[severity]} {severity}" for severity in sorted(Severity, reverse=True) if counted[severity]
    )
    verdict = console.paint(str(report.verdict), STYLES[report.verdict])
    parts.append(f"{report.cluster}: {verdict}, {len(hosts)} hosts ({counts or 'nothing was checked'})")
    console.data({**report_document(report), "schema": "kafab.preflight/1"}, "\n".join(parts))


def _hosts(finding: Finding) -> tuple[str, ...]:
    """Return the hosts a finding is about: one as a rule, several for a name that they cannot resolve."""
    several = finding.evidence.get("hosts")
    if isinstance(several, (list, tuple)):
        return tuple(str(name) for name in several)
    return (str(finding.evidence.get("host", finding.subject)),)


def _cell(console: Console, findings: Sequence[Finding], host: str, checks: frozenset[str]) -> str:
    worst = max(
        (item.severity for item in findings if item.check in checks and host in _hosts(item)), default=None
    )
    return "-" if worst is None else console.paint(str(worst), STYLES[worst])
