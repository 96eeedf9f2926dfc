"""Judging the certificates that lie on this machine."""

from dataclasses import dataclass
from datetime import datetime, timezone

from kafab.findings import Finding, Report
from kafab.model import Cluster
from kafab.ops.secure.shelf import Shelf
from kafab.pki.judging import judged, judged_authority
from kafab.pki.reading import Said, said
from kafab.pki.values import Authority, Want
from kafab.pki.wants import wants
from kafab.plans.state import limited
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Row:
    """One owner's certificate: what it says, where it can be read, and what was found."""

    owner: str
    file: str
    said: Said | Unknown
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Checked:
    """Each owner's certificate, and who is trusted, judged at one moment."""

    cluster: str
    at: datetime
    authority: Row
    rows: tuple[Row, ...]

    @property
    def report(self) -> Report:
        """All findings."""
        return Report(
            self.cluster, tuple(item for row in (self.authority, *self.rows) for item in row.findings)
        )


def check(cluster: Cluster, limit: str | None, shelf: Shelf, now: datetime | None = None) -> Checked:
    """Judge the certificates of these nodes, or of all and of the operator. Raises UsageError for a bad limit."""
    at = now or datetime.now(timezone.utc)
    authority = shelf.authority()
    rows = tuple(_row(shelf, authority, want, at) for want in chosen(cluster, limit))
    file = str(shelf.authority_file)
    what = authority if isinstance(authority, Unknown) else said(authority.certificate)
    trusted = Row("CA", file, what, judged_authority(authority, cluster.name, file, at))
    return Checked(cluster.name, at, trusted, rows)


def chosen(cluster: Cluster, limit: str | None) -> tuple[Want, ...]:
    """Return what the certificates of these nodes must say; without a limit of all, and of the operator."""
    return wants(cluster) if limit is None else wants(cluster, limited(cluster, limit))


def _row(shelf: Shelf, authority: Authority | Unknown, want: Want, now: datetime) -> Row:
    found = shelf.found(want)
    what = found.certificates if isinstance(found.certificates, Unknown) else said(found.certificates[0])
    return Row(want.owner, str(found.file), what, judged(found, authority, want, now))
