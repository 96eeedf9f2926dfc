"""A report in one HTML file: report; and what --report does beside other commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

if TYPE_CHECKING:
    from kafab.ops.reporting.draft import Draft
    from kafab.ops.reporting.writing import ReportFile
    from kafab.wiring import Session

REPORT_TO = "also write a report to this file: one HTML page without scripts, which needs no network"


@task(
    help={
        "out": "The file; report-CLUSTER.html in this folder unless it is given. A report that is there is replaced.",
        "json": "Print one JSON document: what the page shows.",
    }
)
def report(_context: Context, out: str | None = None, json: bool = False) -> int:
    """Write a report of the cluster as it is: verdict, findings, map, history, in one HTML file without scripts.

    The cluster is only read. A cluster that does not answer has a report, too: it says so. Exit as `verify` does: 0 in order
    (warnings allowed), 1 broken, 5 unknown.
    """
    from kafab.ops.check.verify import check
    from kafab.ops.reporting.draft import begun
    from kafab.ops.reporting.pages import page
    from kafab.ops.reporting.writing import ReportFile
    from kafab.reporting.render import render
    from kafab.screens.reporting import show_report

    session, console = CHAIN.session(), CHAIN.console(json=json)
    with ReportFile(out or f"report-{session.cluster.name}.html") as file:
        draft = begun("report", session.cluster, session)
        draft.checked = check(session.cluster, session, probe=False)
        draft.exit_code = draft.checked.report.exit_code
        draft.complete(session)
        found = page(draft)
        file.write(render(found))
    show_report(console, found, file.path)
    return draft.exit_code


@contextmanager
def reported(name: str | None, kind: str, session: "Session") -> Iterator["Draft"]:
    """Yield a draft for the block to fill, and write it to this file, if one is named, after it, also where it fails.

    The file is claimed first: where it cannot be written nothing is begun. What goes wrong with it later is told, and
    changes neither the end nor the exit code of what was done.
    """
    from contextlib import nullcontext

    from kafab.errors import KafabError, UsageError
    from kafab.ops.reporting.draft import begun
    from kafab.ops.reporting.writing import ReportFile

    with ReportFile(name) if name else nullcontext() as file:
        draft = begun(kind, session.cluster, session)
        try:
            yield draft
        except KafabError as error:
            draft.error, draft.exit_code = error, error.exit_code
            if file and not isinstance(error, UsageError):
                _written(file, draft, session)
            raise
        if file:
            _written(file, draft, session)


def _written(file: "ReportFile", draft: "Draft", session: "Session") -> None:
    from kafab.errors import KafabError
    from kafab.events import Note
    from kafab.ops.reporting.pages import page
    from kafab.reporting.render import render

    try:
        draft.complete(session)
        file.write(render(page(draft)))
    except KafabError as error:
        session.emit(Note(session.cluster.name, f"no report was written: {error.message}"))
    except Exception as error:  # noqa: BLE001  # what was done is done, whatever is wrong with its report
        session.emit(Note(session.cluster.name, f"no report was written: a mistake in kafab: {error!r}"))
    else:
        session.emit(Note(session.cluster.name, f"report: {file.path}"))
