"""The check of many clusters in one run."""

import os
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from . import several as _several  # noqa: F401  # lets the task take several words
from .boundary import task
from .chain import CHAIN, here

if TYPE_CHECKING:
    from kafab.checks.smoke import Baseline, Compared
    from kafab.inventory.fleet import Files, Member
    from kafab.model import Cluster
    from kafab.ops.check.smoke import Limits, Smoked
    from kafab.wiring import Session

MOST = 64
"""How many clusters at once: beyond, a run is slower, and at last the process has no descriptors left."""


@task(
    positional=["inventories"],
    iterable=["inventories"],
    help={
        "inventories": "files, names as `on` takes them, and folders of which every inventory is meant; several words",
        "jobs": "how many clusters at once: 8 if it is left out, at most 64",
        "deadline": "how long all may take, 90s or 5m: 10m if it is left out; what is not checked by then is UNKNOWN",
        "only_new": "fail only for problems that this file has not: what an earlier run printed with --json",
        "json": "print one JSON document on stdout",
        "junit": "also write every finding to this file, as JUnit XML, a test suite a cluster",
    },
)
def smoke(
    _context: Context,
    inventories: list[str],
    *,
    jobs: str | None = None,
    deadline: str | None = None,
    only_new: str | None = None,
    json: bool = False,
    junit: str | None = None,
) -> int:
    """Verify many clusters side by side, without writing to them: a line each, the worst last.

    The exit code is the worst cluster's. A run that meets the same run at work ends with 6. After Ctrl-C and at the deadline
    it shows what it has found; what was not checked is UNKNOWN.
    """
    from kafab.checks.smoke import compare, exit_code
    from kafab.errors import Interrupted
    from kafab.folders import state_folder
    from kafab.inventory import fleet
    from kafab.ops.alone import alone
    from kafab.ops.check import smoke as running
    from kafab.screens import smoke as screen

    limits = _limits(jobs, deadline)
    baseline = _baseline(Path(only_new)) if only_new else None
    files = fleet.files(inventories, os.environ, here())
    at = datetime.now(timezone.utc)
    words = {(here() / os.path.expanduser(word)).resolve() for word in inventories}  # noqa: PTH111
    with alone(state_folder(os.environ), "smoke", words, _owner(at)):
        members = fleet.members(files.inventories)
        _warn(files, members)
        console = CHAIN.console(json=json)
        run = running.smoke(members, lambda cluster: closing(_session(cluster)), limits, console.emit)
        CHAIN.left_at_work = bool(run.unfinished)
        compared = compare(run.clusters, baseline) if baseline else None
        screen.show(console, run, _said(at), compared, baseline.at if baseline else "")
        if junit:
            _junit(Path(junit), run, compared)
    if run.interrupted:
        raise Interrupted(
            f"interrupted: {len(run.unfinished)} of {len(run.clusters)} clusters were not checked",
            hint="run the same command again; nothing was changed",
        )
    return exit_code(run.clusters, compared)


def _limits(jobs: str | None, deadline: str | None) -> "Limits":
    from kafab.errors import UsageError
    from kafab.ops.check import smoke as running

    from .options import count, span

    chosen = count("jobs", jobs, 1, running.JOBS)
    if chosen > MOST:
        raise UsageError(f"found --jobs {jobs}; expected a number from 1 to {MOST}")
    return running.Limits(chosen, span("deadline", deadline, running.DEADLINE))


def _baseline(file: Path) -> "Baseline":
    """Read an earlier run. Raises UsageError where the file is none."""
    from json import loads

    from kafab.checks.smoke import baseline
    from kafab.errors import UsageError

    hint = f"`fab smoke ... --json > {file}` writes one; write the next into another file, a shell empties it first"
    try:
        return baseline(loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"the baseline {file} cannot be read: {error.strerror}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        why = "it is empty" if not file.stat().st_size else str(error)
        raise UsageError(f"{file} is no baseline: {why}", hint=hint) from error


def _warn(files: "Files", members: "tuple[Member, ...]") -> None:
    """Tell what is passed over, and what is asked twice."""
    from kafab.inventory.fleet import same_nodes
    from kafab.words import few, shown

    console = CHAIN.console()
    if files.passed_over:
        names = few(shown(str(path)) for path in files.passed_over)
        console.warn(f"passed over, as they have neither hosts: nor kafka: {names}")
    for path in dict.fromkeys(files.again):
        console.warn(f"{shown(str(path))} was named more than once, and is checked once")
    for several in same_nodes(members):
        console.warn(f"the same broker is in {few(several)}: each is checked")


def _session(cluster: "Cluster") -> "Session":
    """Return connections of a cluster that tell nothing and ask nobody: lines of many clusters would be mixed."""
    from kafab.events import silent
    from kafab.wiring import Session

    return Session(cluster, silent, sudo_password=CHAIN.sudo_password, before_asking=_ask_nobody)


def _ask_nobody() -> None:
    from kafab.errors import UsageError

    raise UsageError(
        "a secret of the inventory is asked for at the terminal, and smoke asks nobody",
        hint="use ${env:NAME}, ${file:PATH} or ${cmd:COMMAND}",
    )


def _junit(file: Path, run: "Smoked", compared: "Compared | None") -> None:
    from kafab.checks.junit import Suite, junit_of

    from .verify import write_text

    known = compared.known if compared else {}
    suites = [
        Suite(
            one.report,
            one.seconds or 0.0,
            frozenset((found.check, found.subject) for found in known.get(one.name, ())),
        )
        for one in run.clusters
    ]
    write_text(file, junit_of(suites, "kafab.smoke"))


def _owner(at: datetime) -> str:
    import getpass
    import platform

    return f"{getpass.getuser()} on {platform.node()} (pid {os.getpid()}) since {_said(at)}"


def _said(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
