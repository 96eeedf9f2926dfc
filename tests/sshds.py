"""Real sshds on loopback, each with a configuration of its own, and what a test needs to log in to them."""

import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafab.model import Host, Ssh
from tests.conftest import cannot_run
from tests.ports import ADDRESS, free_ports

_START = 60  # seconds, on a machine that is busy


@dataclass(frozen=True)
class Sshd:
    """One that runs: ``host`` is how to reach it."""

    host: Host
    folder: Path
    pid: int

    @property
    def log(self) -> str:
        """What it has logged so far, at level VERBOSE."""
        return (self.folder / "sshd.log").read_text()


def make_key(path: Path, *options: str) -> str:
    """Make an ed25519 key without a passphrase; return its public line."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.with_name(f"{path.name}.pub").read_text().strip()


@contextmanager
def sshd(folder: Path, *lines: str, user: str | None = None, name: str = "node1") -> Iterator[Sshd]:
    """Run an sshd for the block; ``lines`` come first in its configuration, where the first value wins.

    ``user`` logs in, with a key in ``folder``; another than oneself needs root.
    """
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    port, user = free_ports(1)[0], user or getpass.getuser()
    public = make_key(folder / "host_key")
    (folder / "authorized_keys").write_text(make_key(folder / "id") + "\n")
    (folder / "known_hosts").write_text(f"[{ADDRESS}]:{port} {' '.join(public.split()[:2])}\n")
    own = [
        f"Port {port}", f"ListenAddress {ADDRESS}", f"HostKey {folder}/host_key", f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/authorized_keys", f"AllowUsers {user}", "UsePAM no", "StrictModes no",
        "PasswordAuthentication no", "LogLevel VERBOSE",
    ]  # fmt: skip
    (folder / "sshd_config").write_text("\n".join([*lines, *own, ""]))
    program = "/usr/sbin/sshd"
    if not Path(program).exists():
        cannot_run("there is no sshd")
    with subprocess.Popen(
        [program, "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"], stdin=subprocess.DEVNULL
    ) as process:
        try:
            _await(port, process)
            ssh = Ssh(user, port, folder / "id", known_hosts=folder / "known_hosts")
            yield Sshd(Host(name, ADDRESS, ssh), folder, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("sshd did not start")


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Poll until something is true; False when it did not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
