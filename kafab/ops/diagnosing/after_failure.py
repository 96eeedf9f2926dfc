"""What is gathered by itself after a command that failed: about which errors, where it is kept, and how much of it."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kafab.errors import Failed, KafabError, NotTold, OutcomeUnknown
from kafab.model import Cluster
from kafab.ops.diagnosing.diagnose import ENDING, Diagnosed, diagnose, name
from kafab.ops.world import World
from kafab.references import Kind, Reference

SECONDS = 10.0
"""The longest that a command which has failed takes for it."""
KEPT = 5
"""How many archives the folder has; the oldest goes."""
VARIABLE = "KAFAB_DIAGNOSE"
"""``no`` leaves it out."""


def wanted(error: KafabError, cluster: Cluster, environ: Mapping[str, str]) -> bool:
    """Return whether an error is one of nodes: something was tried there and failed, and a host is named.

    A refusal, a wrong word on the command line, another operator's lock and Ctrl-C are none; neither is a host that does not
    answer, of which nothing could be gathered.
    """
    tried = isinstance(error, Failed | OutcomeUnknown) and not isinstance(error, NotTold)
    names = "|".join(re.escape(host.name) for host in cluster.hosts)
    named = re.search(rf"(?<![\w.-])(?:{names})(?![\w-])", error.message)
    return tried and named is not None and environ.get(VARIABLE, "").lower() != "no" and not _asks(cluster)


def _asks(cluster: Cluster) -> bool:
    """Return whether kafab asks its operator for the password of its own login: nobody waits at a terminal for that now."""
    password = cluster.security.operator_password if cluster.security else None
    return password is not None and Reference.parse(password).kind is Kind.PROMPT


def record(cluster: Cluster, world: World, folder: Path, error: KafabError) -> Diagnosed:
    """Gather into this folder, and keep the last archives there. Raises a KafabError where none can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise Failed(f"{folder}: {fault.strerror}") from fault
    called = name(cluster, world.operator("diagnose").at)
    done = diagnose(cluster, None, world, folder / f"{called}-{os.getpid()}{ENDING}", error=error)
    for old in sorted(folder.glob(f"diagnosis-*{ENDING}"), key=_written)[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return done


def clear(folder: Path) -> None:
    """Take away what this process has begun to write there and will not end."""
    for part in folder.glob(f".diagnosis-*-{os.getpid()}{ENDING}.*.part"):
        with suppress(OSError):
            part.unlink()


def _written(file: Path) -> tuple[float, str]:
    try:
        return file.stat().st_mtime, file.name
    except OSError:
        return 0.0, file.name
