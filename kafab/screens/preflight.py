"""A preflight on the screen: a table of host x check, then what is not OK with its remedy, then the counts."""

from collections.abc import Iterator, Mapping, Sequence

from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster
from kafab.screens.console import Console
from kafab.screens.layout import counts, in_column, one_line, report_document, severity_text
from kafab.screens.rows import NAMES_SHOWN, named, rows

COLUMNS: Mapping[str, frozenset[str]] = {
    "LOGIN": frozenset({"ssh.reachable", "ssh.hostkey", "ssh.login", "ssh.shell", "sudo"}),
    "SYSTEM": frozenset({"os", "systemd", "systemd.unit"}),
    "JAVA": frozenset({"java"}),
    "MEMORY": frozenset({"memory", "swap", "map-count", "huge-pages"}),
    "DISK": frozenset({"disk", "filesystem", "mount"}),
    "DATA": frozenset({"data", "held", "access", "machine"}),
    "PORTS": frozenset({"port", "bind"}),
    "NETWORK": frozenset({"names", "network", "ssh.forwarding"}),
    "CLOCK": frozenset({"clock"}),
    "LIMITS": frozenset({"limits"}),
}
_NAMES_WIDE = 40


def show_preflight(console: Console, cluster: Cluster, report: Report, *, each: bool = False) -> None:
    """Write the report to stdout; as JSON every finding is in it, with what was found and wanted.

    Hosts with the same cells are one row of the table, and findings that say the same one line (see `kafab.screens.rows`);
    ``each`` gives every host and every finding its own.
    """
    cells = _cells(cluster, report)
    parts = [console.table(("HOST", *COLUMNS), _table(console, cells, each=each))] if cells else []
    for row in rows(report.findings, each=each):
        if row.severity is not Severity.OK:
            severity = severity_text(row.severity, console.paint)
            parts.append(f"{severity}  {row.subject}  {row.check}: {one_line(row.detail)}")
            parts += [f"    {row.hint}"] if row.hint else []
        elif row.hint:
            # What is no fault and still has something to choose.
            parts += [f"note  {row.subject}  {row.check}: {one_line(row.detail)}", f"    {row.hint}"]
    verdict = severity_text(report.verdict, console.paint)
    parts.append(f"{report.cluster}: {verdict}, {len(cells)} hosts ({counts(report)})")
    console.data({**report_document(report), "schema": "kafab.preflight/1"}, "\n".join(parts))


def _cells(cluster: Cluster, report: Report) -> dict[str, tuple[Severity | None, ...]]:
    """Return host name -> the worst finding of each column, None where there is none; only hosts with any."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        for name in _hosts(finding):
            found.setdefault(name, []).append(finding)
    return {
        host.name: tuple(
            max((finding.severity for finding in found[host.name] if finding.check in checks), default=None)
            for checks in COLUMNS.values()
        )
        for host in cluster.hosts
        if host.name in found
    }


def _table(
    console: Console, cells: Mapping[str, Sequence[Severity | None]], *, each: bool
) -> Iterator[list[object]]:
    """Yield a row for the hosts that have the same cells, the worst last."""
    alike: dict[object, list[str]] = {}
    for name, row in cells.items():
        alike.setdefault(name if each else row, []).append(name)
    for names in sorted(alike.values(), key=lambda names: _worst(cells[names[0]])):
        row = cells[names[0]]
        shown = in_column(named(names, None if _worst(row) else NAMES_SHOWN), _NAMES_WIDE)
        yield [shown, *(cell if cell is None else severity_text(cell, console.paint) for cell in row)]


def _worst(row: Sequence[Severity | None]) -> Severity:
    return max((cell for cell in row if cell is not None), default=Severity.OK)


def _hosts(finding: Finding) -> tuple[str, ...]:
    """Return the hosts a finding is about: one as a rule, several for a name that they cannot resolve."""
    several = finding.evidence.get("hosts")
    if isinstance(several, (list, tuple)):
        return tuple(str(name) for name in several)
    return (str(finding.evidence.get("host", finding.subject)),)
