"""What hosts said to exec, push and pull, as JSON documents."""

from collections.abc import Mapping
from pathlib import Path

from kafab.command import Outcome
from kafab.ops.hosts.outputs import Kept
from kafab.unknown import Unknown


def exec_document(command: str, outcomes: Mapping[str, Outcome], kept: Kept) -> dict[str, object]:
    """Return ``kafab.exec/1``."""
    hosts = [_said(host, outcome, kept) for host, outcome in outcomes.items()]
    return {"schema": "kafab.exec/1", "command": command, "hosts": hosts}


def pull_document(outcomes: Mapping[str, Outcome], files: Mapping[str, Path]) -> dict[str, object]:
    """Return ``kafab.pull/1``; ``file`` is null where a host's file did not come whole."""
    hosts = [
        {**_fate(host, outcome), "file": str(files[host]) if host in files else None}
        for host, outcome in outcomes.items()
    ]
    return {"schema": "kafab.pull/1", "hosts": hosts}


def _fate(host: str, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Unknown):
        return {"host": host, "exit_code": None, "unknown": outcome.reason}
    return {"host": host, "exit_code": outcome.code, "unknown": None}


def _said(host: str, outcome: Outcome, kept: Kept) -> dict[str, object]:
    """Return what a host said, null where nothing is known; ``…_cut`` are the bytes behind those that are there."""
    out, err = kept.streams[host]
    nothing = isinstance(outcome, Unknown) and not (out.text or err.text)
    return {
        **_fate(host, outcome),
        "stdout": None if nothing else out.text,
        "stderr": None if nothing else err.text,
        "stdout_cut": out.cut,
        "stderr_cut": err.cut,
    }
