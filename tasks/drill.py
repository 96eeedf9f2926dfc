"""Drills: drill.list, drill.run."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .reporting import REPORT_TO, reported

if TYPE_CHECKING:
    from kafab.records.settings import Client

_JSON = "print one JSON document on stdout"


@task(name="list", help={"json": _JSON})
def list_(_context: Context, json: bool = False) -> int:
    """Print the drills, and what each shows."""
    from kafab.ops.drills.running import DRILLS
    from kafab.screens.drills import show_list

    show_list(CHAIN.console(json=json), DRILLS)
    return 0


@task(
    positional=["name"],
    help={
        "name": "a drill of drill.list, or all",
        "client": "kafka-python, confluent or both",
        "seed": "the seed of when faults are put; without it a new one",
        "records": "records of each cell, from 100 on",
        "json": _JSON,
        "junit": "also write the rows to this file, as JUnit XML",
        "report": REPORT_TO,
    },
)
def run(  # noqa: PLR0917  # Invoke makes a flag of each
    _context: Context,
    name: str,
    client: str = "both",
    seed: str | None = None,
    records: str | None = None,
    json: bool = False,
    junit: str | None = None,
    report: str | None = None,
) -> int:
    """Measure what clients really guarantee on this cluster, with topics of its own, which it removes again.

    The drill of duplicates starts a Redis server of its own: it needs redis-server, and `pip install 'kafab[drills]'`.
    Exit 1 where a guarantee broke or a negative control did not show its anomaly, 5 where a cell could not be measured.
    """
    import secrets
    from datetime import datetime, timezone

    from kafab.drills.rows import worst
    from kafab.ops.drills import running
    from kafab.ops.reporting.draft import client_version
    from kafab.screens import drills as screen

    from .options import count
    from .verify import write_junit

    drills, clients = running.chosen(name), _clients(client)
    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    with reported(report, "drill", session) as draft:
        draft.clients = {each.value: client_version(each.value) for each in clients}
        draft.tables = tables = running.run(
            cluster,
            session,
            drills,
            clients,
            seed=count("seed", seed, 0, secrets.randbelow(1_000_000)),
            records=count("records", records, 100, running.RECORDS),
        )
        console.data(
            screen.document(cluster, tables, draft.clients, datetime.now(timezone.utc)),
            screen.text(cluster.name, tables, console.paint),
        )
        findings = worst(cluster.name, tables)
        draft.exit_code = findings.exit_code
        if junit:
            write_junit(Path(junit), findings, "kafab.drill")
    return draft.exit_code


def _clients(text: str) -> "tuple[Client, ...]":
    from kafab.errors import UsageError
    from kafab.records.settings import Client

    if text == "both":
        return tuple(Client)
    try:
        return (Client(text),)
    except ValueError as error:
        raise UsageError(f"found --client {text}; expected kafka-python, confluent or both") from error
