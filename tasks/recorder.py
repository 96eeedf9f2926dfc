"""The flight recorder: after a command that failed on nodes, what an expert would ask for is gathered by itself, in a few seconds."""

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .chain import CHAIN

if TYPE_CHECKING:
    from pathlib import Path

    from kafab.errors import KafabError
    from kafab.wiring import Session


def record(error: "KafabError") -> None:
    """Gather into the state folder after this error, which was told already, and say where; its exit code stays what it is.

    Whatever goes wrong with it is told in a line. What takes longer than `after_failure.SECONDS`, and Ctrl-C, give it up: the process then
    ends without waiting for threads.
    """
    from kafab.folders import state_folder
    from kafab.ops.diagnosing import after_failure

    session = CHAIN.opened
    if session is None or not after_failure.wanted(error, session.cluster, os.environ):
        return
    limit, folder = after_failure.SECONDS, state_folder(os.environ) / "diagnoses"
    CHAIN.console().note(
        f"gathering what an expert would ask for, for {limit:g} s at most; {after_failure.VARIABLE}=no leaves it out"
    )
    told: list[str] = []
    work = threading.Thread(
        target=lambda: told.extend(_gathered(session, folder, error)), name="kafab-recorder", daemon=True
    )
    work.start()
    with suppress(KeyboardInterrupt):
        work.join(limit)
    if work.is_alive():
        CHAIN.left_at_work = True
        after_failure.clear(folder)
        told = ["not gathered in that time: `fab diagnose` takes what it needs"]
    for line in told:
        CHAIN.console().note(line)


def _gathered(session: "Session", folder: "Path", error: "KafabError") -> list[str]:
    """Gather, and return what is to be told of it."""
    from kafab.errors import KafabError
    from kafab.ops.diagnosing import after_failure

    try:
        done = after_failure.record(session.cluster, session, folder, error)
    except KafabError as fault:
        return [f"nothing was gathered: {fault.message}"]
    except Exception as fault:  # noqa: BLE001  # the command has failed already, and was told why
        return [f"nothing was gathered: a mistake in kafab: {fault!r}"]
    kept = f"gathered: {done.file} (for you alone; secrets are hidden, nothing was sent anywhere)"
    return [*done.diagnosis.first, kept]
