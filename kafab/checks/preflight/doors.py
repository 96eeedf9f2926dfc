"""Hosts that let nobody in, and logins that talk: which door it was, and why."""

import re
from collections.abc import Iterator

from kafab.findings import Finding, Severity
from kafab.hosts.doors import REACHABLE, SHELL, door, quoted, without_hint
from kafab.model import Host
from kafab.unknown import Unknown

_REFUSED = (
    ("ssh.hostkey", re.compile(r"host key (changed|unknown|revoked)")),
    ("sudo", re.compile(r"\bsudo(ers)?\b|no root shell")),
)


def unreached(host: Host, unknown: Unknown) -> Finding:
    """Return the one finding about a host that could not be asked: which door was closed, and why."""
    evidence = {"host": host.name, "address": host.address, "reason": unknown.reason}
    if row := door(unknown.reason):
        return Finding(row.check, host.name, Severity.CRIT, without_hint(unknown.reason), evidence, row.hint)
    check = next((check for check, words in _REFUSED if words.search(unknown.reason)), REACHABLE)
    # An untrusted key and a missing right carry their own remedy in the reason.
    remedy = f"`ssh {host.address}` from here must work" if check == REACHABLE else None
    return Finding(check, host.name, Severity.CRIT, unknown.reason, evidence, remedy)


def greets(host: Host, greeting: str) -> Iterator[Finding]:
    """Return a finding about what a host's login prints before each script, if anything; it never becomes output."""
    if words := quoted(greeting):
        detail = f"a start-up file or a forced command prints {words} before each command; it is left out"
        evidence = {"host": host.name, "found": greeting, "wanted": None}
        hint = "scp, sftp and rsync take such a line for their own: let it be printed on a terminal only, `[ -t 1 ] && …`"
        yield Finding(SHELL, host.name, Severity.OK, detail, evidence, hint)
