"""Hosts that behave like servers: a docker lab, and what tests do to its hosts past SSH."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.fab import Fab
from tests.labs import Lab


@dataclass(frozen=True)
class DockerLab(Lab):
    """A docker lab that is up, and the `fab` whose only cluster it is."""

    def container(self, host: str) -> str:
        """Return the name of a host's container, which it keeps for as long as the lab stands."""
        return self._containers[host]

    @cached_property
    def _containers(self) -> dict[str, str]:
        found = self.fab.must("lab.status", "--json").document["hosts"]
        return {each["name"]: each["container"] for each in found}

    def on(self, host: str, script: str, *, limit: float = 60) -> str:
        """Run a script as root on a host, past SSH; return what it printed. A non-zero exit fails the test."""
        done = docker("exec", "--interactive", self.container(host), "sh", "-eu", "-c", script, limit=limit)
        assert done.returncode == 0, f"on {host}: {script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ssh(self, host: str, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as the login user with OpenSSH's own client, which asks nothing."""
        folder, address = self.inventory.parent, self.cluster.host(host).address
        options = [
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-i",
            str(folder / "id_ed25519"),
        ]
        options += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
        return subprocess.run(
            ["ssh", *options, f"ops@{address}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def docker(*words: str, limit: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run the docker client."""
    return subprocess.run(
        ["docker", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=limit,
    )


def until(look: Callable[[], str], wanted: str, seconds: float) -> str:
    """Look until the answer is there, for so long at most; return the last answer."""
    deadline = time.monotonic() + seconds
    while (answer := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


@contextmanager
def docker_lab_in(folder: Path, *words: str) -> Iterator[DockerLab]:
    """Have a docker lab of three hosts, or as these words say, for the length of the block; its home is in the folder."""
    lab = DockerLab(Fab(folder / "home"))
    try:
        lab.fab.must("lab.up", "--kind", "docker", *words)
        yield lab
    finally:
        lab.fab("lab.down")
