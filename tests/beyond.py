"""A network of its own on this machine, to which there is one way: a bastion with OpenSSH's own limits.

Hosts in it have loopback addresses. Here nobody listens at those, so that a direct connection is refused as by a firewall.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import cannot_run
from tests.fab import Fab
from tests.labs import Lab, LocalLab
from tests.sshds import make_key, until

PORT = 2222


class InsideFab(Fab):
    """Runs `fab` inside the network, to make its hosts."""

    def __init__(self, home: Path, network: str) -> None:
        super().__init__(home)
        self._network = network

    @property
    def command(self) -> list[str]:
        """The words that start it there."""
        return [*_inside(self._network), *super().command]


@dataclass(frozen=True)
class Beyond:
    """The network: its name, the bastion's address, and the folder of its keys."""

    name: str
    bastion: str
    folder: Path

    def drop_logins(self) -> int:
        """Cut every connection to the bastion; return how many there were."""
        bastion = int((self.folder / "pid").read_text())
        children = [child for child, parent in _parents() if parent == bastion]
        for child in children:
            os.kill(child, signal.SIGKILL)
        return len(children)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Have a bastion that takes connections and says nothing, for the length of the block."""
        bastion = int((self.folder / "pid").read_text())
        os.kill(bastion, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(bastion, signal.SIGCONT)


class FarLab(LocalLab):
    """A lab in the network, and the `fab` of an operator outside of it."""

    @contextmanager
    def forbidding(self, host: str) -> Iterator[None]:
        """Have a host's sshd forward nothing, for the length of the block."""
        folder = self.inventory.parent / "hosts" / host
        config, before = folder / "sshd_config", (folder / "sshd_config").read_text()
        for text in (f"AllowTcpForwarding no\n{before}", before):
            config.write_text(text)
            os.kill(int((folder / "sshd.pid").read_text()), signal.SIGHUP)
            assert until((folder / "sshd.pid").exists)
            if text != before:
                yield


def _parents() -> Iterator[tuple[int, int]]:
    """Yield the pid of each process with its parent's."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, _, rest = stat.read_text().partition(" (")
            yield int(pid), int(rest.rpartition(") ")[2].split()[1])


def _inside(name: str) -> list[str]:
    return ["ip", "netns", "exec", name]


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        cannot_run(f"no network can be made here: ip {' '.join(words)}: {done.stderr.strip()}")


@contextmanager
def beyond(folder: Path, number: int) -> Iterator[Beyond]:
    """Have a network for hosts for the length of the block, with its bastion; ``number`` tells several of one run apart."""
    with _network(number) as (name, _, theirs), _bastion(Beyond(name, theirs, folder), _inside(name)) as made:
        yield made


@contextmanager
def confined(folder: Path, number: int) -> Iterator[Beyond]:
    """Have a network for an operator, who comes to nothing but a bastion: that stands outside, and reaches what this machine does."""
    with _network(number) as (name, ours, _), _bastion(Beyond(name, ours, folder), []) as made:
        yield made


@contextmanager
def _network(number: int) -> Iterator[tuple[str, str, str]]:
    """Yield a network's name, and the addresses of the line to it: the end here, and the one there."""
    if os.geteuid() or not shutil.which("ip"):
        cannot_run("only root can make a network, with ip; on Debian: apt-get install iproute2")
    name, mine = f"kafab-{os.getpid()}-{number}", os.getpid() % 100000
    here, there = f"k{mine}h{number}", f"k{mine}t{number}"
    ours, theirs = (f"10.231.{os.getpid() % 256}.{4 * number + at}" for at in (1, 2))
    try:
        _ip("netns", "add", name)
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("addr", "add", f"{ours}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{theirs}/30", "dev", there)
        _ip("-n", name, "link", "set", there, "up")
        yield name, ours, theirs
    finally:
        subprocess.run(["ip", "link", "del", here], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def _bastion(network: Beyond, where: list[str]) -> Iterator[Beyond]:
    """Run the bastion by the words of ``where``."""
    folder = network.folder
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    public = make_key(folder / "host_key")
    (folder / "known_hosts").write_text(f"[{network.bastion}]:{PORT} {' '.join(public.split()[:2])}\n")
    (folder / "authorized_keys").touch()
    lines = (
        f"Port {PORT}", f"ListenAddress {network.bastion}", f"HostKey {folder}/host_key", f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/authorized_keys", "UsePAM no", "StrictModes no", "PasswordAuthentication no",
        "MaxStartups 10:30:100", "MaxSessions 10", "LogLevel VERBOSE", "UseDNS no",
    )  # fmt: skip
    (folder / "sshd_config").write_text("\n".join([*lines, ""]))
    program = ["/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    with subprocess.Popen([*where, *program], stdin=subprocess.DEVNULL) as process:
        try:
            assert until((folder / "pid").exists)
            yield network
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)


def lead_through(network: Beyond, lab: Lab, **ssh: Any) -> None:
    """Have a lab's inventory lead through the bastion; ``ssh`` are more keys of its ssh:."""
    folder = lab.inventory.parent
    with (network.folder / "authorized_keys").open("a") as keys:
        keys.write((folder / "id_ed25519.pub").read_text())
    with (folder / "known_hosts").open("a") as known:
        known.write((network.folder / "known_hosts").read_text())
    document = yaml.safe_load(lab.inventory.read_text())
    document["ssh"] |= {"gateway": f"root@{network.bastion}:{PORT}"} | ssh
    lab.inventory.write_text(yaml.safe_dump(document, sort_keys=False))


@contextmanager
def far_lab(network: Beyond, home: Path, *words: str, **ssh: Any) -> Iterator[FarLab]:
    """Have a lab of local hosts in the network, whose inventory leads through the bastion; ``ssh`` are keys of its ssh:."""
    inside = InsideFab(home, network.name)
    lab = FarLab(Fab(home))
    try:
        inside.must("lab.up", *words)
        lead_through(network, lab, **ssh)
        yield lab
    finally:
        inside.down()
