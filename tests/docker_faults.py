"""Faults put on the hosts of a docker lab, from inside them or from the network, and taken away again."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kafab.errors import Locked
from tests.conftest import cannot_run
from tests.docker_hosts import DockerLab, docker
from tests.fab import Done, Fab, succeeded

_GATE = """\
real=$(PATH=/usr/sbin:/usr/bin command -v {command})
mkdir /run/gate
cat > /usr/local/bin/{command} <<END
#!/bin/sh
{only}
[ ! -d /run/gate ] || : > /run/gate/reached
while [ -d /run/gate ]; do sleep 0.05; done
exec $real "\\$@"
END
chmod 755 /usr/local/bin/{command}
"""
_REACHED = """\
end=$(($(date +%s) + 120))
until [ -e /run/gate/reached ]; do [ "$(date +%s)" -lt "$end" ]; sleep 0.05; done
"""
TO_PART = 'case \\$(readlink "/proc/\\$\\$/fd/1") in *.part) ;; *) exec $real "\\$@" ;; esac'
FROM_PART = TO_PART.replace("fd/1", "fd/0")
"""Close a gate only where the command writes, or reads, what an upload brings."""
ENABLE = 'case \\$1 in enable) ;; *) exec $real "\\$@" ;; esac'


@contextmanager
def gate(lab: DockerLab, host: str, command: str, only: str = ":") -> Iterator[Callable[[], None]]:
    """Let a command wait on a host until the block ends; yields what waits until the command was reached.

    So the moment at which something happens is made, and not met.
    """
    lab.on(host, _GATE.format(command=command, only=only))
    try:
        yield lambda: _nothing(lab.on(host, _REACHED, limit=180))
    finally:
        lab.on(host, f"rm -r /run/gate /usr/local/bin/{command}")


def _nothing(_: str) -> None:
    return None


def needs_packet_filter() -> None:
    """Skip where the packets of this machine cannot be dropped."""
    if os.geteuid() != 0 or not shutil.which("iptables"):
        cannot_run("only root with iptables can drop this machine's packets")


@contextmanager
def network(lab: DockerLab, host: str, *what: str) -> Iterator[None]:
    """Treat every packet to and from a host as ``what`` says (DROP: a black hole) for the length of the block."""
    address = lab.cluster.host(host).address
    rules = [["OUTPUT", "-p", "tcp", "-d", address], ["INPUT", "-p", "tcp", "-s", address]]
    made = []
    try:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-I", *rule, "-j", *what], check=True)
            made.append(rule)
        yield
    finally:
        for rule in made:
            subprocess.run(["iptables", "-w", "-D", *rule, "-j", *what], check=True)


@contextmanager
def cut_off(lab: DockerLab, host: str) -> Iterator[None]:
    """Drop what goes between a host and the other hosts for the length of the block; this machine reaches all of them still."""
    process = docker("inspect", "--format", "{{.State.Pid}}", lab.container(host)).stdout.strip()
    others = [each.address for each in lab.cluster.hosts if each.name != host]
    rules = [rule for other in others for rule in (["INPUT", "-s", other], ["OUTPUT", "-d", other])]
    within = ["nsenter", "--target", process, "--net", "iptables", "-w"]
    made = []
    try:
        for rule in rules:
            subprocess.run([*within, "-I", *rule, "-j", "DROP"], check=True)
            made.append(rule)
        yield
    finally:
        for rule in made:
            subprocess.run([*within, "-D", *rule, "-j", "DROP"], check=True)


@contextmanager
def inventory(lab: DockerLab, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """Change the inventory's document for the length of the block."""
    before = lab.inventory.read_text()
    document = yaml.safe_load(before)
    change(document)
    lab.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
    try:
        yield
    finally:
        lab.inventory.write_text(before)


@contextmanager
def edited(file: Path, change: Callable[[str], str]) -> Iterator[None]:
    """Change a file of this machine for the length of the block."""
    before = file.read_text()
    file.write_text(change(before))
    try:
        yield
    finally:
        file.write_text(before)


def end(process: "subprocess.Popen[str]", sign: signal.Signals, limit: float = 120) -> tuple[str, str]:
    """Send a signal to a command and all that it has started here; return what it printed."""
    os.killpg(process.pid, sign)
    return process.communicate(timeout=limit)


def waits(process: "subprocess.Popen[str]", sign: signal.Signals) -> str:
    """Send a signal to a command, and return what it says until it waits for what has begun on the hosts."""
    os.killpg(process.pid, sign)
    assert process.stderr is not None
    told = ""
    while "another Ctrl-C ends at once" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    return told


@dataclass(frozen=True)
class Told:
    """What a command said on stderr from a moment on, each line with its second since then."""

    lines: tuple[tuple[float, str], ...]
    ended: float

    def first(self, *words: str) -> float:
        """Return the second of the first line with all these words; infinite where there is none."""
        return next((at for at, line in self.lines if all(word in line for word in words)), float("inf"))

    def __str__(self) -> str:
        return "".join(f"{at:5.1f} {line}" for at, line in self.lines) + f"{self.ended:5.1f} ended"


def listen(process: "subprocess.Popen[str]", limit: float = 120) -> Told:
    """Read what a command says until it ends; past the limit it is killed."""
    assert process.stderr is not None
    begun = time.monotonic()
    late = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
    late.start()
    try:
        lines = tuple((time.monotonic() - begun, line) for line in process.stderr)
        process.wait()
    finally:
        late.cancel()
    return Told(lines, time.monotonic() - begun)


def must_soon(fab: Fab, *words: str, seconds: float = 60) -> Done:
    """Run a command as `Fab.must`, and again for as long as a host has not noticed that the holder of the lock is gone."""
    deadline = time.monotonic() + seconds
    while (done := fab(*words)).code == Locked.exit_code and time.monotonic() < deadline:
        time.sleep(1)
    return succeeded(done, words)
