"""What a host is asked when a node fails, by a real shell, and how its answer is read."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kafab.command import Cmd, Result, Script
from kafab.diagnosis import asking
from kafab.diagnosis.asking import Answer, Part, questions, read, threads
from kafab.model import Node
from tests.conftest import cluster_in

Shell = Callable[[Script], Result]
CANARY = "can4rys3cret"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a broker of this machine that was deployed and has not run yet."""
    made = cluster_in(tmp_path, 1).brokers[0]
    for folder in (made.config, made.logs, made.run, *made.data):
        Path(folder).mkdir(parents=True)
    Path(made.config, "server.properties").write_text("broker.id=1\n")
    return made


@contextmanager
def running(node: Node, *words: str) -> Iterator[int]:
    """Let a process run as the node's, for the length of the block."""
    environment = {**os.environ, "OF_ENVIRONMENT": CANARY}
    with (
        Path(node.logs, "stdout.log").open("w") as output,
        subprocess.Popen(words, stdout=output, env=environment) as process,
    ):
        start = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[19]
        Path(node.run, "process").write_text(f"{process.pid} {start} kafka_2.13-3.9.2 digest\n")
        try:
            yield process.pid
        finally:
            process.kill()


def parts(answer: Answer) -> dict[str, str]:
    """Return what was told, by the part's name."""
    return {part.name: part.text for part in answer.parts}


def asked(node: Node, shell: Shell) -> Answer:
    """Return what a real shell tells of the node."""
    return read(shell(questions(node.host, [node])).out)


def test_answer_has_what_an_expert_asks_for(node: Node, shell: Shell) -> None:
    """Machine, ports, process, files, log and folders are told, each with its time, and the clock before all."""
    Path(node.logs, "server.log").write_text("one\n| two\npart x y\nend\n")
    begun = time.time()
    with running(node, "sleep", "60") as pid:
        found = asked(node, shell)
    told = parts(found)
    assert (
        found.whole,
        abs((found.clock or 0) - begun) < 60,
        all(part.seconds is not None for part in found.parts),
    ) == (True, True, True)
    assert {
        "machine",
        "memory",
        "kernel",
        "ports",
        "process",
        "config/server.properties",
        "files",
        "folders",
    } <= told.keys()
    assert told["log"] == "one\n| two\npart x y\nend\n"
    assert (told["process"].startswith(f"pid {pid}\n"), "Max open files" in told["process"]) == (True, True)
    assert f"room {node.data[0]}: " in told["folders"]


def test_keys_and_environments_are_not_told(node: Node, shell: Shell) -> None:
    """No key store, no file of another kind and no environment of a process is in the answer; a link leads nowhere."""
    for name in ("keystore.p12", "keystore.pem", "digest-key", "notes"):
        Path(node.config, name).write_text(CANARY)
    outside = Path(node.config).parent / "outside"
    outside.write_text(CANARY)
    Path(node.config, "link.properties").symlink_to(outside)
    Path(node.logs, "server.log").symlink_to(outside)
    with running(node, "sleep", "60"):
        found = shell(questions(node.host, [node]))
    assert (CANARY.encode() in found.out, b"keystore.p12" in found.out) == (False, True)


def test_log_begins_with_the_process(node: Node, shell: Shell) -> None:
    """What stands there of the processes before it is no reason for its end."""
    Path(node.logs, "server.log").write_text("before\nafter\n")
    Path(node.run, "logged").write_text("7\n")
    assert parts(asked(node, shell))["log"] == "after\n"


def test_folder_that_is_closed_is_told(node: Node, shell: Shell) -> None:
    """What is not there, or cannot be read, is said and stops nothing."""
    Path(node.data[0]).rmdir()
    found = asked(node, shell)
    assert (found.whole, "No such file" in parts(found)["folders"]) == (True, True)


def test_lines_and_parts_are_bounded(node: Node, shell: Shell) -> None:
    """A log of long lines does not fill the archive."""
    Path(node.logs, "server.log").write_text(f"{'x' * 9000}\n" * 600)
    text = parts(asked(node, shell))["log"]
    assert (max(map(len, text.splitlines())) <= 4000, len(text) <= asking.PART_LIMIT) == (True, True)


def test_threads_come_where_output_goes_without_a_jdk(node: Node, shell: Shell) -> None:
    """Where no jcmd is beside the Java, a process that takes SIGQUIT prints its threads into its own output, and goes on."""
    loop = "trap 'echo Full thread dump' QUIT; while :; do sleep 0.1; done"
    # A shell sets no trap for what its parent had it ignore, as shells do with what they put into the background.
    with running(node, "env", "--default-signal=QUIT", "sh", "-c", loop) as pid:
        until_it_takes(pid)
        found = read(shell(threads(node.host, [node])).out)
        alive = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    assert (parts(found)["threads"], alive in "SR") == ("Full thread dump\n", True)


def test_process_that_takes_no_sigquit_is_left_alone(node: Node, shell: Shell) -> None:
    """Its default would end it: a JVM with -Xrs, or any other process."""
    with running(node, "sleep", "60") as pid:
        found = read(shell(threads(node.host, [node])).out)
        assert Path(f"/proc/{pid}").exists()
    assert parts(found)["threads"] == f"not read: pid {pid} takes no SIGQUIT, which would end it\n"


def until_it_takes(pid: int) -> None:
    """Wait until a shell has set its trap."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        caught = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line
        )
        if int(caught.split()[1], 16) & 4:
            return
        time.sleep(0.01)
    pytest.fail("the trap was not set")


def test_half_an_answer_is_kept() -> None:
    """Of a host that fell silent what it said is there, and that its end is missing."""
    found = read(b"clock 5.5\npart - machine\n| a\n\ntook 1.0 1.5\npart broker log\n| b\n| c")
    assert found == Answer(
        (Part("-", "machine", "a\n", 0.5), Part("broker", "log", "b\nc\n", None)), 5.5, whole=False
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "config/../../x", "a/b/c", "config/..", "config/.", "/etc/x"]
)
def test_part_whose_name_leads_elsewhere_is_left_out(name: str) -> None:
    """A host does not choose where in the archive, or outside of it, something lies."""
    assert read(f"part broker {name}\n| x\n\ntook 1.0 1.0\nend\n".encode()).parts == ()


def test_values_are_words(node: Node) -> None:
    """Paths reach the host as words of calls."""
    calls = questions(node.host, [node]).called("settings")
    assert calls == (Cmd("settings", node.instance, node.config),)
