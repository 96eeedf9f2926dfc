"""Until when the certificates are good that the nodes show now."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from kafab.findings import Finding, Severity
from kafab.model import Node
from kafab.unknown import Unknown
from kafab.words import plural

EXPIRY = "certificate.expiry"
WARN, CRIT = timedelta(days=30), timedelta(days=7)
"""`kafab.pki.values` has the same limits for the files on this machine."""
_HINT = "`fab secure.issue` (or `secure.install`) for a new one, then `fab deploy restart --pending`"


def judge_expiry(ends: Mapping[Node, datetime | Unknown], now: datetime) -> tuple[Finding, ...]:
    """Return one finding for each node that shows a certificate."""
    return tuple(_judged(node, end, now) for node, end in ends.items())


def _judged(node: Node, end: datetime | Unknown, now: datetime) -> Finding:
    if isinstance(end, Unknown):
        return Finding(EXPIRY, node.name, Severity.UNKNOWN, f"its certificate was not seen: {end.reason}")
    left = end - now
    severity = Severity.CRIT if left < CRIT else Severity.WARN if left < WARN else Severity.OK
    evidence = {"not_after": end.isoformat(), "days_left": left.days}
    hint = None if severity is Severity.OK else _HINT
    return Finding(EXPIRY, node.name, severity, words(end, now), evidence, hint)


def words(end: datetime, now: datetime) -> str:
    """Return until when a certificate is good: ``good until 2027-12-29, 397 days``."""
    left = end - now
    if left < timedelta(0):
        return f"has expired on {end:%Y-%m-%d}"
    return f"good until {end:%Y-%m-%d}, {plural(left.days, 'day')}"


def next_expiry(ends: Mapping[Node, datetime | Unknown], now: datetime) -> str:
    """Return which certificate ends first, in one line; empty where none was seen."""
    known = {node: end for node, end in ends.items() if not isinstance(end, Unknown)}
    if not known:
        return ""
    node, end = min(known.items(), key=lambda item: item[1])
    few = ", `fab secure.issue` makes new ones" if end - now < WARN else ""
    return f"the certificate of {node.name} ends first: {words(end, now)}{few}"
