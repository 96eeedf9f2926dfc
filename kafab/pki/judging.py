"""Judging certificates: each defect is one finding that names the file and the next command. Without I/O and without a clock.

A certificate without a defect has one finding, OK, WARN or CRIT by how long it is good for. The name of a finding's
check says what is wrong; `usable` says whether a certificate may be copied to a host.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kafab.findings import Finding, Severity
from kafab.pki import trust
from kafab.pki.making import belongs
from kafab.pki.reading import Said, covers, said, weakness
from kafab.pki.values import (
    EXPIRY_CRIT,
    EXPIRY_WARN,
    OPERATOR,
    Authority,
    Certificates,
    Found,
    Usage,
    Want,
)
from kafab.unknown import Unknown
from kafab.words import few, plural

READABLE = "certificate.readable"
KEY = "certificate.key"
MODE = "certificate.mode"
CHAIN = "certificate.chain"
NAMES = "certificate.names"
USAGE = "certificate.usage"
DATES = "certificate.dates"
CLOCK = "certificate.clock"
AUTHORITY = "certificate.authority"
STRENGTH = "certificate.strength"
EXPIRY = "certificate.expiry"
"""The check of a certificate that is good now."""

OTHERS = 0o077
"""What a mode gives to others than the owner."""
OWN = "`fab secure.issue` makes a new one"
ASK = "`fab secure.csr` makes the requests, `fab secure.install DIR` takes what the CA has signed"


def judged(
    found: Found, authority: Authority | Unknown, want: Want, now: datetime, host_now: datetime | None = None
) -> tuple[Finding, ...]:
    """Judge an owner's certificate and key. ``host_now`` is what the clock of its host says, where that was asked.

    At least one finding; of a certificate without a defect the only one is `EXPIRY`.
    """
    own = not isinstance(authority, Unknown) and authority.own
    return tuple(_Judge(found, want, now, OWN if own else ASK).findings(authority, host_now))


def judged_authority(
    authority: Authority | Unknown, cluster: str, file: str, now: datetime
) -> tuple[Finding, ...]:
    """Judge who is trusted: whether each is a CA, whether the key is the first one's, and until when they are."""
    if isinstance(authority, Unknown):
        return (Finding(AUTHORITY, cluster, Severity.CRIT, f"{file} {authority.reason}", hint=NO_AUTHORITY),)
    defects = list(_of_authority(authority, cluster, file, now))
    ends = min(one.not_valid_after_utc for one in authority.certificates)
    name = trust.shown(authority.certificate.subject)
    return tuple(
        defects or [_expiry(cluster, f"{file} ({name})", ends, now, again=REPLACED, check=AUTHORITY)]
    )


def usable(findings: Iterable[Finding]) -> bool:
    """Tell whether a certificate may be used: without a defect, however soon it ends."""
    return all(item.severity < Severity.UNKNOWN or item.check == EXPIRY for item in findings)


NO_AUTHORITY = (
    "`fab secure.issue` makes a CA of the cluster's own; `fab secure.install DIR --ca FILE` takes a company's"
)
REPLACED = "make or ask for a new CA before that: every certificate of it ends with it"


def _of_authority(authority: Authority, cluster: str, file: str, now: datetime) -> Iterator[Finding]:
    def defect(check: str, detail: str, hint: str = NO_AUTHORITY) -> Finding:
        return Finding(check, cluster, Severity.CRIT, f"{file} {detail}", hint=hint)

    for certificate in authority.certificates:
        name = trust.shown(certificate.subject)
        what = said(certificate)
        if isinstance(what, Unknown):
            yield defect(READABLE, f"({name}) {what.reason}")
        elif not what.authority:
            yield defect(AUTHORITY, f"({name}) is no CA: its basic constraints do not say so")
        elif weak := weakness(certificate):
            yield defect(STRENGTH, f"({name}) {weak}")
        elif when := _outside(what, now):
            yield defect(DATES, f"({name}) {when}")
    if authority.key is not None and not belongs(authority.key, authority.certificate):
        yield defect(KEY, "and the key beside it are no pair", "put back the key that was made with this CA")


class _Judge:
    """One owner's certificate, with what each finding says of it."""

    def __init__(self, found: Found, want: Want, now: datetime, again: str) -> None:
        self._found = found
        self._want = want
        self._now = now
        self._again = again
        """The next command, where another certificate is needed."""

    def findings(self, authority: Authority | Unknown, host_now: datetime | None) -> Iterator[Finding]:
        """Yield what is wrong, or how long it is good for."""
        certificates = self._found.certificates
        if isinstance(certificates, Unknown):
            yield self._defect(READABLE, certificates.reason)
            return
        leaf = certificates[0]
        what = said(leaf)
        if isinstance(what, Unknown):
            yield self._defect(READABLE, what.reason)
            return
        defects = [*self._of_key(certificates), *self._of_words(what), *self._of_dates(what, host_now)]
        if weak := weakness(leaf):
            defects.append(self._defect(STRENGTH, weak))
        if isinstance(authority, Unknown):
            defects.append(self._defect(CHAIN, f"cannot be judged: the CA {authority.reason}", NO_AUTHORITY))
        else:
            path = trust.path(leaf, certificates[1:], authority.certificates, self._now)
            defects += [self._defect(CHAIN, path)] if isinstance(path, str) else []
        yield from defects or [
            _expiry(self._want.owner, str(self._found.file), what.end, self._now, again=self._again)
        ]

    def _of_key(self, certificates: Certificates) -> Iterator[Finding]:
        key = self._found.key
        file = self._found.key_file
        if self._found.key_mode & OTHERS:
            detail = f"{file} has mode {self._found.key_mode:04o}: others than its owner may read or write it"
            yield self._finding(MODE, detail, f"chmod 600 {file}")
        if isinstance(key, Unknown):
            hint = "give its password: --key-password '${prompt:Password of the keys}'"
            yield self._finding(KEY, f"{file} {key.reason}", hint if "crypt" in key.reason else self._again)
        elif not belongs(key, certificates[0]):
            yield self._finding(
                KEY, f"{file} is not the key of {self._found.file}: the certificate is of another key"
            )

    def _of_words(self, what: Said) -> Iterator[Finding]:
        if what.authority:
            yield self._defect(
                AUTHORITY, "is a CA's: whoever has it could sign others, so no host may have it"
            )
        missing = [name for name in self._want.names if not any(covers(has, name) for has in what.names)]
        missing += [str(address) for address in self._want.addresses if address not in what.addresses]
        if missing:
            has = few(what.alternatives) or "nothing"
            yield self._defect(
                NAMES,
                f"has no subject alternative name for {', '.join(missing)}; it has {has}",
                missing=missing,
            )
        lacking = self._want.usages - (frozenset(Usage) if what.usages is None else what.usages)
        if lacking:
            words = " and ".join(sorted(map(str, lacking)))
            why = "" if self._want.owner == OPERATOR else ": a node is a server, and a client of the others"
            yield self._defect(USAGE, f"is not for use as {words} by its extended key usage{why}")

    def _of_dates(self, what: Said, host_now: datetime | None) -> Iterator[Finding]:
        if when := _outside(what, self._now):
            yield self._defect(DATES, when)
        elif host_now is not None and (there := _outside(what, host_now)):
            host = self._want.owner.partition("/")[0]
            yield self._defect(
                CLOCK,
                f"{there} by the clock of {host}, which says {host_now:%Y-%m-%d %H:%M} UTC",
                f"set the clock of {host}: `fab preflight` compares the clocks",
            )

    def _defect(self, check: str, detail: str, hint: str = "", **evidence: object) -> Finding:
        return self._finding(check, f"{self._found.file} {detail}", hint, **evidence)

    def _finding(self, check: str, detail: str, hint: str = "", **evidence: object) -> Finding:
        return Finding(check, self._want.owner, Severity.CRIT, detail, evidence, hint or self._again)


def _outside(what: Said, now: datetime) -> str | None:
    if now > what.end:
        return f"ended on {what.end:%Y-%m-%d %H:%M} UTC, {_days(now - what.end)} ago"
    if now < what.begin:
        return f"is not good before {what.begin:%Y-%m-%d %H:%M} UTC, in {_days(what.begin - now)}"
    return None


def _expiry(
    subject: str, what: str, end: datetime, now: datetime, *, again: str, check: str = EXPIRY
) -> Finding:
    left = end - now
    severity = Severity.OK
    if left < EXPIRY_WARN:
        severity = Severity.CRIT if left < EXPIRY_CRIT else Severity.WARN
    detail = f"{what} is good until {end:%Y-%m-%d %H:%M} UTC, for {_days(left)}"
    evidence = {"not_after": end.isoformat(), "days_left": left.days}
    return Finding(check, subject, severity, detail, evidence, None if severity is Severity.OK else again)


def _days(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return (
        plural(span.days, "day") if span.days else f"{hours} h {int(span.total_seconds() % 3600 // 60)} min"
    )
