"""A producer and a consumer of one's own for a while: canary."""

import re
from datetime import timedelta

from invoke.context import Context

from kafab.errors import UsageError

from .boundary import task
from .chain import CHAIN
from .reporting import REPORT_TO, reported

_UNITS = {"s": 1, "m": 60, "h": 3600}


@task(
    help={
        "for_": "How long: a number with s, m or h, from 1s to 24h.",
        "json": "Print one JSON document.",
        "report": f"{REPORT_TO[0].upper()}{REPORT_TO[1:]}.",
    }
)
def canary(_context: Context, for_: str = "60s", json: bool = False, report: str | None = None) -> int:
    """Write and read records of its own for a while and count: lost, duplicates, gaps between acknowledgements."""
    from kafab.canary.verdict import judge
    from kafab.ops.canary import alone, gist
    from kafab.ops.history import remembered
    from kafab.screens.canary import show_canary

    session, console = CHAIN.session(), CHAIN.console(json=json)
    how_long = span(for_)
    with reported(report, "canary", session) as draft:
        with remembered(session.cluster, session, "canary") as run:
            found, absent = alone(session.cluster, session, how_long)
            run.figures |= gist(found)
        draft.rolled.canary, draft.rolled.absent = found, absent
        show_canary(console, session.cluster, found, absent)
        draft.exit_code = judge(found, alone=True).exit_code
    return draft.exit_code


def span(text: str) -> timedelta:
    """Read ``--for``. Raises UsageError for anything but 1s to 24h."""
    read = re.fullmatch(r"(\d{1,5})([smh])", text, re.ASCII)
    found = timedelta(seconds=int(read[1]) * _UNITS[read[2]]) if read else timedelta()
    if not timedelta(seconds=1) <= found <= timedelta(hours=24):
        raise UsageError(f"found --for {text}; expected 1s to 24h, for example 90s or 5m")
    return found
