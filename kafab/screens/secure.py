"""Certificates on the screen: what was made, asked for and installed, and how each is judged."""

from datetime import datetime
from pathlib import Path

from kafab.findings import Severity
from kafab.model import Cluster
from kafab.ops.secure.check import Checked, Row
from kafab.ops.secure.install import Installed
from kafab.ops.secure.issue import Issued
from kafab.ops.secure.requests import Asked
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.unknown import Unknown
from kafab.words import few, plural

COLUMNS = ("OF", "SUBJECT", "NAMES", "ISSUER", "NOT AFTER (UTC)", "DAYS LEFT", "JUDGED")


def show_checked(console: Console, checked: Checked) -> None:
    """Write a table of the certificates, then what is not OK with what to do, then the counts."""
    report = checked.report
    rows = [_row(console, row, checked.at) for row in (checked.authority, *checked.rows)]
    parts = [console.table(COLUMNS, rows)]
    hints: dict[str, None] = {}
    for item in sorted(report.findings, key=lambda item: item.severity):
        if item.severity is not Severity.OK:
            severity = layout.severity_text(item.severity, console.paint)
            parts.append(f"{severity}  {item.subject}  {item.check}: {layout.one_line(item.detail)}")
            hints |= {item.hint: None} if item.hint else {}
    parts += [f"hint: {hint}" for hint in hints]
    verdict = layout.severity_text(report.verdict, console.paint)
    parts.append(f"{report.cluster}: {verdict} ({layout.counts(report)})")
    certificates = [_document(row, checked.at) for row in checked.rows]
    document = {
        **layout.report_document(report),
        "schema": "kafab.secure-check/1",
        "authority": _document(checked.authority, checked.at),
        "certificates": certificates,
    }
    console.data(document, "\n".join(parts))


def show_issued(console: Console, cluster: Cluster, issued: Issued, folder: Path) -> None:
    """Write whose certificates were made."""
    document = {
        "schema": "kafab.secure-issue/1",
        "cluster": cluster.name,
        "folder": str(folder),
        "new_authority": issued.authority is not None,
        "made": list(issued.made),
        "kept": list(issued.kept),
    }
    lines = [f"{cluster.name}: a new CA, {issued.authority}"] if issued.authority else []
    lines += [f"{cluster.name}: made {plural(len(issued.made), 'certificate')} ({few(issued.made)})"] * bool(
        issued.made
    )
    lines += [f"{cluster.name}: {plural(len(issued.kept), 'certificate')} good and kept"] * bool(issued.kept)
    console.data(document, "\n".join([*lines, f"in {folder}"]))


def show_asked(console: Console, cluster: Cluster, asked: Asked) -> None:
    """Write where each request is."""
    document = {
        "schema": "kafab.secure-csr/1",
        "cluster": cluster.name,
        "requests": {owner: str(file) for owner, file in asked.files.items()},
        "new_keys": list(asked.new_keys),
    }
    lines = [f"{owner}: {file}" for owner, file in asked.files.items()]
    told = f"{cluster.name}: {plural(len(lines), 'request')}, {plural(len(asked.new_keys), 'new key')}"
    then = "then, with what the CA has signed in a folder: fab secure.install DIR --ca FILE"
    console.data(document, "\n".join([*lines, told, then]))


def show_installed(console: Console, done: Installed) -> None:
    """Write what was found, and what was copied."""
    report = done.report
    text = layout.report(report, console.paint)
    copied = plural(len(done.copied), "certificate")
    told = (
        f"{report.cluster}: {copied} installed ({few(done.copied)})"
        if done.copied
        else "nothing was installed"
    )
    document = {
        **layout.report_document(report),
        "schema": "kafab.secure-install/1",
        "installed": list(done.copied),
    }
    console.data(document, f"{text}\n{told}")


def _row(console: Console, row: Row, now: datetime) -> tuple[object, ...]:
    worst = layout.severity_text(max(item.severity for item in row.findings), console.paint)
    if isinstance(row.said, Unknown):
        return (row.owner, None, None, None, None, None, worst)
    what = row.said
    return (
        row.owner,
        layout.one_line(what.subject),
        list(map(layout.one_line, what.alternatives)) or None,
        layout.one_line(what.issuer),
        f"{what.end:%Y-%m-%d %H:%M}",
        (what.end - now).days,
        worst,
    )


def _document(row: Row, now: datetime) -> dict[str, object]:
    if isinstance(row.said, Unknown):
        return {"of": row.owner, "file": row.file, "unknown": row.said.reason}
    what = row.said
    return {
        "of": row.owner,
        "file": row.file,
        "subject": what.subject,
        "issuer": what.issuer,
        "serial": f"{what.serial:x}",
        "names": list(what.alternatives),
        "usages": None if what.usages is None else sorted(map(str, what.usages)),
        "not_before": what.begin.isoformat(),
        "not_after": what.end.isoformat(),
        "days_left": (what.end - now).days,
    }
