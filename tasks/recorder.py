"""The flight recorder: after a command that failed on nodes, what an expert would ask for is gathered by itself, in a few seconds."""

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .chain import CHAIN

if TYPE_CHECKING:
    from kafab.errors import KafabError
    from kafab.ops.diagnosing.diagnose import Diagnosed


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
    console, folder = CHAIN.console(), state_folder(os.environ) / "diagnoses"
    found: list[Diagnosed] = []
    faults: list[Exception] = []

    def gather() -> None:
        try:
            found.append(after_failure.record(session.cluster, session, folder, error))
        except Exception as fault:  # noqa: BLE001  # the command has failed already, and was told why
            faults.append(fault)

    console.note(
        f"gathering what an expert would ask for, for {after_failure.SECONDS:g} s at most; {after_failure.VARIABLE}=no leaves it out"
    )
    thread = threading.Thread(target=gather, name="kafab-recorder", daemon=True)
    thread.start()
    with suppress(KeyboardInterrupt):
        thread.join(after_failure.SECONDS)
    if thread.is_alive():
        CHAIN.left_at_work = True
        after_failure.clear(folder)
        console.note("not gathered in that time: `fab diagnose` takes what it needs")
    for fault in faults:
        console.note(f"nothing was gathered: {fault}")
    for done in found:
        for line in done.diagnosis.first:
            console.note(line)
        console.note(f"gathered: {done.file} (for you alone; secrets are hidden, nothing was sent anywhere)")
