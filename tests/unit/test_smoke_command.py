"""The command that checks many clusters: its words, its exit codes, its lock, its end at the deadline and at Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.context import Context

from tasks import boundary
from tasks.boundary import task
from tasks.chain import CHAIN
from tests.fab import CHECKOUT


@dataclass(frozen=True)
class Command:
    """`fab` in a process of its own, with a home and a folder of inventories."""

    home: Path

    @property
    def inventories(self) -> Path:
        """A folder of inventories that cannot be used: nothing is ever connected to."""
        folder = self.home / "inventories"
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a smoke."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFAB_")}
        return subprocess.Popen(
            [sys.executable, "-m", "fabric", "smoke", *words],
            cwd=CHECKOUT,
            env={**kept, "KAFAB_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=60)
            return process.returncode, out, err


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command with a home of the test's own."""
    return Command(tmp_path)


def test_command_takes_several_words_and_the_tasks_behind_them(command: Command) -> None:
    """Two files in one command line are two clusters; the word of a task begins that task."""
    for name in ("a.yaml", "b.yaml"):
        (command.inventories / name).write_text("kafka: {}\n")
    words = [str(command.inventories / name) for name in ("a.yaml", "b.yaml")]
    code, out, _ = command.ended(*words, "--json", "commands")
    assert (code, [one["cluster"] for one in json.loads(out)["clusters"]]) == (5, ["a", "b"])


def test_baseline_that_the_shell_emptied_is_told(command: Command) -> None:
    """`--only-new FILE > FILE` reads an empty file, and is told why."""
    file = command.home / "base.json"
    file.touch()
    (command.inventories / "a.yaml").touch()
    code, _, err = command.ended(str(command.inventories), "--only-new", str(file))
    assert (code, "it is empty" in err, "a shell empties it first" in err) == (2, True, True)


def test_document_of_a_run_is_a_baseline(command: Command) -> None:
    """What --json printed is taken by --only-new, and nothing of it fails again."""
    (command.inventories / "a.yaml").touch()
    _, out, _ = command.ended(str(command.inventories), "--json")
    (command.home / "base.json").write_text(out)
    code, out, _ = command.ended(str(command.inventories), "--only-new", str(command.home / "base.json"))
    assert (code, "0 new problems" in out, "1 known" in out) == (0, True, True)


@pytest.fixture
def hanging(command: Command) -> Iterator[Command]:
    """Beside a broken inventory a cluster whose only host takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent_host:
        port = silent_host.getsockname()[1]
        text = f"""
lab: true
kafka: {{version: 4.3.1}}
hosts:
  n1:
    address: 127.0.0.1
    ssh: {{port: {port}}}
    controller: {{id: 1, port: 1}}
    broker: {{id: 1, port: {port}}}
"""
        (command.inventories / "slow.yaml").write_text(text)
        (command.inventories / "bad.yaml").touch()
        yield command


def test_deadline_ends_the_command(hanging: Command) -> None:
    """What hangs is told as not checked, never as healthy; what was found is shown and written."""
    junit = hanging.home / "junit.xml"
    code, out, _ = hanging.ended(
        str(hanging.inventories), "--deadline", "1s", "--json", "--junit", str(junit)
    )
    told = {one["cluster"]: (one["verdict"], one["checked"]) for one in json.loads(out)["clusters"]}
    assert (code, told, junit.read_text().count("<testsuite ")) == (
        5,
        {"bad": ("UNKNOWN", False), "slow": ("UNKNOWN", False)},
        2,
    )


def test_second_run_ends_with_6_and_ctrl_c_shows_what_was_found(hanging: Command) -> None:
    """The lock is held as long as a run is at work, and a run that is interrupted tells how far it came."""
    with hanging.start(str(hanging.inventories)) as first:
        assert first.stderr is not None
        assert (
            "1 of 2 clusters checked" in first.stderr.readline()
        )  # progress without a terminal, after a second
        code, _, err = hanging.ended(str(hanging.inventories))
        first.send_signal(signal.SIGINT)
        out, end = first.communicate(timeout=60)
    assert (code, f"(pid {first.pid})" in err) == (6, True)
    assert (first.returncode, "1 of 2 clusters were not checked" in end, "smoke.finished" in out) == (
        130,
        True,
        True,
    )


@pytest.mark.usefixtures("signals_given_back")
def test_threads_that_are_left_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that leaves threads at work ends the process with its own exit code."""
    left: list[int] = []
    monkeypatch.setattr(boundary, "leave", left.append)
    monkeypatch.setattr(CHAIN, "left_at_work", False)

    def body(_context: Context) -> int:
        CHAIN.left_at_work = True
        return 0

    task(body)(Context())
    assert left == [0]
