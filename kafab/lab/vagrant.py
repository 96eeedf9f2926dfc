"""A lab of virtual machines, by Vagrant: Debian servers with systemd and sudo, each with a fixed address.

Vagrant knows what it made from the lab's folder (``.vagrant``); `cluster.yaml` is written last and removed first. Making
machines takes minutes, so one that fails leaves the others standing: the next `lab.up` goes on from there.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kafab.errors import Failed, UsageError
from kafab.events import Emit, Note, Waiting
from kafab.inventory import texts
from kafab.lab.boxes import Box, Boxes, Login, parse_ssh_config, progress
from kafab.lab.files import document, processes, zookeepers
from kafab.lab.kinds import Kind
from kafab.lab.machine import Machine
from kafab.model import Version
from kafab.ports import Clock

DEFAULT_HOSTS = 3
DEFAULT_VERSION = Version(3, 9, 2)
FIRST_NETWORK, NETWORKS = 56, 8
"""192.168.56.0 to 192.168.63.255: the addresses that VirtualBox gives host-only networks without further leave."""
FIRST_ADDRESS = 11
"""node1 is .11, as in the Vagrantfile."""
PATIENCE = timedelta(minutes=30)
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"


@dataclass(frozen=True)
class BoxStatus:
    """A host of the lab as it is now, in Vagrant's words."""

    name: str
    address: str
    provider: str
    state: str

    @property
    def cells(self) -> Mapping[str, object]:
        """The host as a row of a table."""
        return {"HOST": self.name, "ADDRESS": self.address, "PROVIDER": self.provider, "STATE": self.state}


class VagrantLab:
    """One lab, by its name. ``labs`` is the folder of all labs of this user, ``vagrantfile`` the one to copy."""

    def __init__(
        self,
        name: str,
        labs: Path,
        vagrantfile: Path,
        *,
        boxes: Boxes,
        machine: Machine,
        clock: Clock,
        emit: Emit,
    ) -> None:
        try:
            texts.cluster_name(name)
        except ValueError as error:
            raise UsageError(f"found {name!r} as the lab's name; {error}") from error
        self.name = name
        self.folder = labs / name
        self._labs = labs
        self._vagrantfile = vagrantfile
        self._boxes = boxes
        self._machine = machine
        self._clock = clock
        self._emit = emit

    @property
    def inventory(self) -> Path:
        """The lab's inventory; where it exists the lab is up."""
        return self.folder / "cluster.yaml"

    def up(self, hosts: int | None = None, version: Version | None = None) -> bool:
        """Make the lab, or mend the one there is; None takes what it has, or 3 hosts and 3.9.2.

        Returns False if it was up already. Raises UsageError where another size or version is up, Failed with Vagrant's
        words otherwise; what was made until then stays, and the next `up` goes on.
        """
        with self._alone():
            self._boxes.check()
            if (self.folder / "lab.json").exists():
                self._refuse_other(hosts, version)
            else:
                self._begin(hosts or DEFAULT_HOSTS, version or DEFAULT_VERSION)
            whole = self.inventory.exists()
            idle = [box.name for box in self._boxes.states(self.folder) if not box.running]
            if idle or not whole:
                self._start(idle)
            if whole:
                self._emit(Note(self.name, f"is up{'' if idle else ' already'}, in {self.folder}"))
                return False
            self._pin_and_write()
            return True

    def status(self) -> tuple[BoxStatus, ...]:
        """Return the hosts of the lab in their order; none where it is not up."""
        if not (self.folder / "lab.json").exists():
            return ()
        addresses = self._addresses()
        return tuple(
            BoxStatus(box.name, addresses.get(box.name, "-"), box.provider or "-", box.state)
            for box in self._boxes.states(self.folder)
        )

    def down(self) -> bool:
        """Remove the machines with their disks, then the folder. Returns False if there was nothing."""
        if not self.folder.exists():
            return False
        with self._alone():
            self.inventory.unlink(missing_ok=True)
            if (self.folder / "Vagrantfile").exists():
                self._boxes.check()
                self._boxes.destroy(self.folder)
            shutil.rmtree(self.folder)
            self._emit(Note(self.name, "is down; nothing of it is left but Vagrant's box"))
        return True

    # making

    def _begin(self, count: int, version: Version) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        third = FIRST_NETWORK + hashlib.sha256(str(self.folder).encode()).digest()[0] % NETWORKS
        shape = {
            "kind": Kind.VAGRANT.value,
            "hosts": count,
            "version": str(version),
            "network": f"192.168.{third}",
        }
        shutil.copyfile(self._vagrantfile, self.folder / "Vagrantfile")
        _write(self.folder / "lab.json", json.dumps(shape))

    def _start(self, idle: Sequence[str]) -> None:
        begun = self._clock.now()
        self._emit(Note(self.name, f"vagrant up: {', '.join(idle) or 'nothing to start'}"))

        def said(line: str) -> None:
            if step := progress(line):
                elapsed = timedelta(seconds=self._clock.now() - begun)
                self._emit(Waiting(step[0], step[1], elapsed, PATIENCE))

        try:
            self._boxes.up(self.folder, said)
        except Failed as error:
            left = [box for box in self._boxes.states(self.folder) if not box.running]
            raise Failed(f"{_named(left)}{error.message}", hint=error.hint or self._hint) from error
        left = [box for box in self._boxes.states(self.folder) if not box.running]
        if left:
            raise Failed(f"{_named(left)}vagrant up said nothing about it", hint=self._hint)

    def _pin_and_write(self) -> None:
        addresses = self._addresses()
        logins = parse_ssh_config(self._boxes.ssh_config(self.folder))
        missing = [host for host in addresses if host not in logins]
        if missing:
            raise Failed(f"vagrant ssh-config tells no login for {', '.join(missing)}", hint=self._hint)
        known = "".join(self._pinned(host, address) for host, address in addresses.items())
        _write(self.folder / "known_hosts", known)
        _write(self.inventory, self._inventory(addresses, logins))
        first, *_, last = [*addresses.values()] * 2
        count = len(addresses)
        self._emit(
            Note(self.name, f"{count} host{'s' * (count > 1)} up, {first} to {last}, in {self.folder}")
        )

    def _pinned(self, host: str, address: str) -> str:
        """Ask a host for its keys over Vagrant's own channel; whoever answers at the address must have one of them."""
        said = self._boxes.run(self.folder, host, HOST_KEYS)
        keys = [line.split()[:2] for line in said.splitlines() if line.startswith(("ssh-", "ecdsa-"))]
        if not keys:
            raise Failed(f"{host} told no host key: {said.strip() or 'nothing'}", hint=self._hint)
        return "".join(f"{address} {' '.join(key)}\n" for key in keys)

    def _inventory(self, addresses: Mapping[str, str], logins: Mapping[str, Login]) -> str:
        """Return the lab's inventory, which has the shape of a production one: systemd, default ports and paths."""
        servers = zookeepers(len(addresses))
        hosts = {
            host: {
                "address": address,
                "ssh": {"user": logins[host].user, "identity": str(logins[host].identity)},
                **({"zookeeper": number} if number <= servers else {}),
                "broker": number,
            }
            for number, (host, address) in enumerate(addresses.items(), 1)
        }
        version = texts.version(str(self._shape["version"]))
        tree = {"lab": True, **processes(version), "ssh": {"known_hosts": "known_hosts"}, "hosts": hosts}
        return document(tree)

    def _refuse_other(self, hosts: int | None, version: Version | None) -> None:
        found = self._shape
        wrong = []
        if hosts not in (None, found["hosts"]):
            wrong.append(f"{found['hosts']} hosts")
        if version and str(version) != found["version"]:
            wrong.append(f"version {found['version']}")
        if wrong:
            raise UsageError(
                f"{self.name} is there already, with {' and '.join(wrong)}",
                hint=f"`fab lab.down{self._name_flag}` ends it, or give another one a --name of its own",
            )

    # reading

    @property
    def _shape(self) -> dict[str, object]:
        shape: dict[str, object] = json.loads((self.folder / "lab.json").read_text())
        return shape

    def _addresses(self) -> dict[str, str]:
        shape = self._shape
        count = int(str(shape["hosts"]))
        return {
            f"node{number}": f"{shape['network']}.{FIRST_ADDRESS - 1 + number}"
            for number in range(1, count + 1)
        }

    @property
    def _name_flag(self) -> str:
        return "" if self.name == "lab" else f" --name {self.name}"

    @property
    def _hint(self) -> str:
        again = f"fab lab.up --kind {Kind.VAGRANT.value}{self._name_flag}"
        return f"`{again}` goes on; `vagrant up` in {self.folder} shows all of it; `fab lab.down{self._name_flag}` ends it"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._labs.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting = Note(self.name, "waiting for another lab command to finish")
        with self._machine.locked(self._labs / ".lock", lambda: self._emit(waiting)):
            yield


def _named(boxes: Sequence[Box]) -> str:
    states = ", ".join(f"{box.name} ({box.state})" for box in boxes)
    return f"not up: {states}\n" if states else ""


def _write(file: Path, content: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(content)
    new.replace(file)
