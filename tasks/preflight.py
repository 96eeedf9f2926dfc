"""The check of hosts before anything is put on them."""

from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

if TYPE_CHECKING:
    from kafab.ops.check.preflight import Preflight


@task(
    help={
        "limit": "Only these hosts and nodes, comma-separated: node1,node2/broker.",
        "all": "Give every host a row, and every finding that is not OK a line of its own.",
        "json": "Print one JSON document with every check.",
        "fix": "Write the sysctl drop-in where swappiness or max_map_count are wrong; asks first.",
        "yes": "Do not ask before --fix writes.",
    }
)
def preflight(
    _context: Context,
    limit: str | None = None,
    all: bool = False,  # noqa: A002  # it is the name of the flag
    json: bool = False,
    fix: bool = False,
    yes: bool = False,
) -> int:
    """Check hosts before a deploy: login, Java, disks, ports, names, network, clocks, limits, kernel."""
    from kafab.ops.check import preflight as checks
    from kafab.screens.preflight import show_preflight

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = checks.preflight(session.cluster, limit, session)
    refused: tuple[str, ...] = ()
    if fix and _agreed(found, yes=yes, json=json):
        refused = checks.fix(found.fixes, session)
        found = checks.preflight(session.cluster, limit, session)
    show_preflight(console, session.cluster, found.report, each=all)
    return found.exit_code or int(bool(refused))


def _agreed(found: "Preflight", *, yes: bool, json: bool) -> bool:
    """Show what would be written, and ask. Returns False where there is nothing to do."""
    from kafab.checks.preflight.sysctl import FILE
    from kafab.errors import UsageError
    from kafab.model import Supervisor

    session, console = CHAIN.session(), CHAIN.console(json=json)
    if session.cluster.supervisor is not Supervisor.SYSTEMD:
        raise UsageError(
            "--fix needs root on the hosts, which `supervisor: process` does not have",
            hint=f"as root on each host: write {FILE}, then `sysctl --system`; docs/preflight.md has its lines",
        )
    if not found.fixes:
        console.warn("--fix: nothing to do, no host would gain by it")
        return False
    for name, drop_in in found.fixes.items():
        console.warn(f"{name}: --fix would write {FILE} and apply it:\n{drop_in}".rstrip())
    hosts = ", ".join(found.fixes)
    console.confirm(f"Write {FILE} on {hosts}?", yes=yes, lab=session.cluster.lab)
    return True
