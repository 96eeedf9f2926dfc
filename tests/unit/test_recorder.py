"""What is gathered by itself after a command that failed: about what, for how long, and how much of it is kept."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Outcome, Script
from kafab.errors import (
    Failed,
    Interrupted,
    KafabError,
    Locked,
    NotTold,
    OutcomeUnknown,
    Unreachable,
    Unsafe,
    UsageError,
)
from kafab.model import Cluster, Security
from kafab.ops.diagnosing import after_failure
from kafab.unknown import Unknown
from tasks.chain import CHAIN
from tasks.recorder import record
from tests.command_line import FakeSession
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

ERROR = Failed("node2/broker: the process exited")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return three hosts."""
    return cluster_in(tmp_path, 3)


@pytest.fixture
def cosmos(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cosmos:
    """Return a cluster that a task has selected, with a state folder of its own."""
    cosmos = Cosmos(cluster).up()
    monkeypatch.setattr(CHAIN, "_session", FakeSession(cluster, cosmos.world))
    monkeypatch.setattr(CHAIN, "_console", None)
    monkeypatch.setattr(CHAIN, "left_at_work", False)
    monkeypatch.setenv("KAFAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(after_failure.VARIABLE, raising=False)
    return cosmos


def kept(tmp_path: Path) -> list[Path]:
    """Return what lies in the folder of archives."""
    folder = tmp_path / "home" / "diagnoses"
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ERROR, True),
        (OutcomeUnknown("node1 was told to start, and has not answered"), True),
        (Failed("the release cannot be fetched from node11.example.org"), False),
        (NotTold("node1 was not asked"), False),
        (UsageError("node1"), False),
        (Unsafe("node1"), False),
        (Locked("node1"), False),
        (Interrupted("node1"), False),
        (Unreachable({"node1": "no route"}), False),
        (KafabError("a mistake in kafab: node1"), False),
    ],
)
def test_only_a_failure_on_nodes_is_a_reason(error: KafabError, expected: bool, cluster: Cluster) -> None:
    """A refusal, a wrong word, Ctrl-C and what names no host have nothing to gather; no more has whoever says no."""
    assert after_failure.wanted(error, cluster, {}) is expected
    assert not after_failure.wanted(error, cluster, {after_failure.VARIABLE: "no"})


@pytest.mark.parametrize(("password", "expected"), [("${prompt:kafab}", False), ("${env:KAFAB}", True)])
def test_nobody_is_asked_for_a_password(password: str, expected: bool, cluster: Cluster) -> None:
    """Where kafab's own login would ask at the terminal, nothing is gathered by itself."""
    secured = replace(cluster, security=Security(operator_password=password))
    assert after_failure.wanted(ERROR, secured, {}) is expected


def test_archive_is_kept_and_named(
    cosmos: Cosmos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the state folder, and stderr says where, behind the likely cause."""
    cosmos.kill("node2/broker")
    record(ERROR)
    (archive,) = kept(tmp_path)
    said = capsys.readouterr()
    assert (said.out, f"gathered: {archive}" in said.err, "likely cause: node2/broker: " in said.err) == (
        "",
        True,
        True,
    )


def test_folder_keeps_the_last_ones(cosmos: Cosmos, tmp_path: Path) -> None:
    """Older archives go, files of another name stay."""
    folder = tmp_path / "home" / "diagnoses"
    folder.mkdir(parents=True)
    for number in range(8):
        old = folder / f"diagnosis-c-{number}.tar.gz"
        old.write_text("")
        os.utime(old, (number, number))
    (folder / "notes.txt").write_text("mine")
    record(ERROR)
    names = [file.name for file in kept(tmp_path)]
    assert (len(names), names[:4], "notes.txt" in names) == (
        after_failure.KEPT + 1,
        [f"diagnosis-c-{number}.tar.gz" for number in range(4, 8)],
        True,
    )


def test_what_takes_too_long_is_given_up(
    cosmos: Cosmos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host that hangs holds up the end of a command for no longer than is said; nothing half is left."""
    over = threading.Event()

    def hangs(_script: Script) -> Outcome:
        over.wait(20)
        return Unknown("it was given up")

    monkeypatch.setattr(after_failure, "SECONDS", 0.1)
    cosmos.fleet.hosts["node1"] = hangs
    try:
        record(ERROR)
        assert (CHAIN.left_at_work, kept(tmp_path)) == (True, [])
        assert "not gathered in that time: `fab diagnose`" in capsys.readouterr().err
    finally:
        over.set()
        for thread in threading.enumerate():
            if thread.name == "kafab-recorder":
                thread.join(20)


def test_folder_that_cannot_be_made_is_told(
    cosmos: Cosmos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of the command was told already; that nothing was gathered is a line, and no error of its own."""
    (tmp_path / "home").write_text("a file")
    record(ERROR)
    assert "nothing was gathered: " in capsys.readouterr().err
