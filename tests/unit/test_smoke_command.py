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

from kafab.errors import UsageError
from kafab.inventory import load
from kafab.references import Reference
from tasks import boundary
from tasks.boundary import task
from tasks.chain import CHAIN
from tasks.smoke import _session
from tests.command_line import run_alone
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


@pytest.mark.usefixtures("signals_given_back")
def test_command_takes_several_words_and_the_tasks_behind_them(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files in one command line are two clusters, and the word of a task begins that task."""
    for name in ("a.yaml", "b.yaml"):
        (command.inventories / name).write_text("kafka: {}\n")
    words = [str(command.inventories / name) for name in ("a.yaml", "b.yaml")]
    known = command.home / "known.json"
    known.write_text(run_alone(command.home, capsys, "smoke", *words, "--json").out)
    done = run_alone(command.home, capsys, "smoke", *words, "--only-new", str(known), "commands")
    assert (done.code, "2 known" in done.out, "What a command takes" in done.out) == (0, True, True)


@pytest.mark.usefixtures("signals_given_back")
def test_baseline_that_the_shell_emptied_is_told(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only-new FILE > FILE` reads an empty file, and is told why."""
    file = command.home / "base.json"
    file.touch()
    (command.inventories / "a.yaml").touch()
    done = run_alone(command.home, capsys, "smoke", str(command.inventories), "--only-new", str(file))
    assert (done.code, "it is empty" in done.err, "a shell empties it first" in done.err) == (2, True, True)


@pytest.mark.usefixtures("signals_given_back")
@pytest.mark.parametrize(
    ("words", "told"), [(["--jobs", "65"], "from 1 to 64"), (["--deadline", "0s"], "duration")]
)
def test_limits_that_cannot_be_are_refused(
    command: Command, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """A number out of range is a usage error before any inventory is read."""
    done = run_alone(command.home, capsys, "smoke", "none.yaml", *words)
    assert (done.code, told in done.err) == (2, True)


def test_nobody_is_asked_for_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that would be typed at the terminal is an error of its cluster, with what to use in its place."""
    monkeypatch.setattr("kafab.adapters.machine.secrets._TERMINAL", os.devnull)
    session = _session(load(CHECKOUT / "inventory" / "examples" / "three.yaml")[0])
    with pytest.raises(UsageError, match="smoke asks nobody"):
        session.secrets.read(Reference.parse("${prompt:the password}"))


@pytest.fixture
def hanging(command: Command) -> Iterator[Command]:
    """Beside a broken inventory a cluster whose only host takes connections and says nothing."""
    at = ("127.0.0.1", 0)
    with socket.create_server(at) as host, socket.create_server(at) as broker:
        ports = [server.getsockname()[1] for server in (host, broker)]
        text = f"""
lab: true
kafka: {{version: 4.3.1}}
hosts:
  n1:
    address: 127.0.0.1
    ssh: {{port: {ports[0]}}}
    controller: {{id: 1, port: 1}}
    broker: {{id: 1, port: {ports[1]}}}
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
    told = {
        one["cluster"]: [found["check"] for found in one["findings"]] for one in json.loads(out)["clusters"]
    }
    assert (code, told, junit.read_text().count("<testsuite ")) == (
        5,
        {"bad": ["smoke.inventory"], "slow": ["smoke.finished"]},
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
