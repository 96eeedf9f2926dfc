"""Throwaway clusters to measure on, each in a KAFAB_HOME of its own."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from kafab.adapters.machine.clock import SystemClock
from kafab.adapters.machine.docker import DockerCli
from kafab.adapters.machine.localhost import Localhost
from kafab.command import Cmd, Result
from kafab.events import silent
from kafab.inventory import load
from kafab.inventory.selection import find_inventory
from kafab.lab.docker import DockerLab
from kafab.lab.shape import Wish
from kafab.model import Cluster, Host, Version
from scripts.benches.measuring import DEADLINE, ROOT, VERSION

VENV = ROOT / ".venv"
# kafab asks a host for no Python. Ansible does, so these hosts have it for all sides.
PYTHON = """
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
"""


class Lab:
    """A lab of its own, in a temporary KAFAB_HOME."""

    def __init__(self, home: Path) -> None:
        # Byte code is kept, as for everybody who has run kafab once before.
        left_out = ("KAFAB_", "PYTHONDONTWRITEBYTECODE")
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        self._environ |= {"KAFAB_HOME": str(home), "NO_COLOR": "1"}

    def fab(self, *words: str) -> float:
        """Run `fab WORDS` and return the seconds of the whole process; a failure ends the bench."""
        started = time.monotonic()
        done = subprocess.run(
            [VENV / "bin" / "fab", *words],
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        seconds = time.monotonic() - started
        if done.returncode:
            sys.exit(
                f"fab {shlex.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return seconds

    @property
    def cluster(self) -> Cluster:
        """The lab's cluster, as every command reads it."""
        return load(find_inventory(None, self._environ, ROOT))[0]


class Servers(Lab):
    """A lab of containers that behave like servers."""

    def __init__(self, home: Path, servers: DockerLab) -> None:
        super().__init__(home)
        self._engine = DockerCli()
        self._label = str(servers.folder)

    def clear(self) -> None:
        """Make the hosts as empty as they were, past SSH; what was written stands on the disk, so no side pays for another."""
        done = self._engine.execute(
            {each.name: self._cleared(each.host) for each in self._engine.containers(self._label)},
            stdin=b"",
            timeout=timedelta(seconds=DEADLINE),
        )
        for name, outcome in done.items():
            if not isinstance(outcome, Result) or outcome.code:
                sys.exit(f"{name} could not be cleared: {outcome}")
        os.sync()

    def _cleared(self, host: str) -> str:
        paths = self.cluster.host(host).paths
        folders = Cmd("rm", "-rf", "--", paths.releases, paths.config, paths.data, paths.logs, paths.run).sh
        units = "/etc/systemd/system"
        account = Cmd(str(self.cluster.host(host).user)).sh
        return (
            f"{folders}\nrm -rf {units}/kafka-* {units}/multi-user.target.wants/kafka-*\nsystemctl daemon-reload\n"
            f"if id -u {account} >/dev/null 2>&1; then userdel {account}; fi\n"
        )

    @property
    def sent(self) -> int:
        """Bytes that this machine has put on the lab's network so far; what its hosts tell each other does not count."""
        (network,) = self._engine.networks(self._label)
        found = subprocess.run(
            ["docker", "network", "inspect", "--format", "{{.Id}}", network],
            capture_output=True,
            text=True,
            check=True,
            timeout=DEADLINE,
        )
        bridge = f"br-{found.stdout.strip()[:12]}"
        return int(Path(f"/sys/class/net/{bridge}/statistics/tx_bytes").read_text(encoding="ascii"))


@contextmanager
def lab(hosts: int, version: str = VERSION, *more: str) -> Iterator[Lab]:
    """Bring a lab up in a temporary folder; take it down whatever happens. ``more`` are options of `lab.up`."""
    with tempfile.TemporaryDirectory(prefix="kafab-bench-", ignore_cleanup_errors=True) as folder:
        found = Lab(Path(folder))
        try:
            found.fab("lab.up", "--hosts", str(hosts), "--version", version, *more)
            yield found
        finally:
            found.fab("lab.down")


@contextmanager
def servers(hosts: int) -> Iterator[Servers]:
    """Bring a docker lab up in a temporary folder, with Python on its hosts; take it down whatever happens."""
    with tempfile.TemporaryDirectory(prefix="kafab-bench-", ignore_cleanup_errors=True) as folder:
        recipe = Path(folder, "recipe")
        shutil.copytree(ROOT / "templates" / "docker", recipe)
        with (recipe / "Dockerfile").open("a", encoding="utf-8") as dockerfile:
            dockerfile.write(PYTHON)
        found = DockerLab(
            "lab",
            Path(folder, "labs"),
            recipe,
            engine=DockerCli(),
            machine=Localhost(),
            clock=SystemClock(),
            emit=silent,
        )
        try:
            found.up(Wish(hosts, Version.parse(VERSION)))
            yield Servers(Path(folder), found)
        finally:
            found.down()


def ssh(host: Host) -> list[str]:
    """Return the options with which OpenSSH reaches a lab host, without the user's own configuration."""
    words = ["-F", "none", "-o", "BatchMode=yes", "-o", f"Port={host.ssh.port or 22}"]
    if host.ssh.user:
        words += ["-o", f"User={host.ssh.user}"]
    if host.ssh.identity:
        words += ["-o", "IdentitiesOnly=yes", "-i", str(host.ssh.identity)]
    if host.ssh.known_hosts:
        words += ["-o", f"UserKnownHostsFile={host.ssh.known_hosts}"]
    return words
