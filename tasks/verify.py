"""The check of a running cluster: as the inventory says, and doing what a Kafka cluster is for."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .reporting import REPORT_TO, reported

if TYPE_CHECKING:
    from kafab.findings import Report


@task(
    help={
        "read_only": "leave the cluster untouched: no probe topic",
        "election": "also move the controller and time it; asks outside a lab",
        "deep": "also compare the releases on the hosts, file by file, with their archives here",
        "yes": "do not ask before the election",
        "all": "give every finding a row of its own",
        "json": "print one JSON document on stdout",
        "junit": "also write the findings to this file, as JUnit XML",
        "report": REPORT_TO,
    }
)
def verify(
    _context: Context,
    read_only: bool = False,
    election: bool = False,
    deep: bool = False,
    *,
    yes: bool = False,
    all: bool = False,  # noqa: A002  # it is the name of the flag
    json: bool = False,
    junit: str | None = None,
    report: str | None = None,
) -> int:
    """Check the ensemble or quorum, brokers and partitions, and prove replication with records of its own."""
    from kafab.ops.check import verify as checks

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    if election:
        how = "Restart the controller that leads" if cluster.kraft else "Force a controller election in"
        console.confirm(f"{how} {cluster.name}?", yes=yes, lab=cluster.lab)
    with reported(report, "verify", session) as draft:
        checked = checks.check(cluster, session, probe=not read_only, election=election, deep=deep)
        draft.checked, draft.exit_code = checked, checked.report.exit_code
        draft.probed, draft.elected, draft.compared = not read_only, election, deep
        console.report(checked.report, schema="kafab.verify/1", each=all)
        if junit:
            write_junit(Path(junit), checked.report, "kafab.verify")
    return draft.exit_code


def write_junit(file: Path, report: "Report", suite: str) -> None:
    """Write findings as JUnit XML. Raises Failed where the file cannot be written."""
    from kafab.checks.junit import junit as junit_xml

    write_text(file, junit_xml(report, suite))


def write_text(file: Path, text: str) -> None:
    """Write a file that an option names. Raises Failed where it cannot be written."""
    from kafab.errors import Failed

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(
            f"{file}: {error.strerror}", hint="name a file in a folder that you may write to"
        ) from error
