"""A lab of virtual machines, by Vagrant: Debian servers with systemd and sudo, each with a fixed address.

Vagrant knows what it made from the lab's folder (``.vagrant``); `cluster.yaml` is written last and removed first. Making
machines takes minutes, so one that fails leaves the others standing: the next `lab.up` goes on from there.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kafab.errors import Failed
from kafab.events import Emit, Note, Waiting
from kafab.lab.boxes import Box, Boxes, Login, parse_ssh_config, progress
from kafab.lab.files import document, processes
from kafab.lab.kinds import Kind
from kafab.lab.machine import Machine
from kafab.lab.named import NamedLab, write
from kafab.lab.shape import ANY, Shape, Wish
from kafab.ports import Clock
from kafab.words import plural

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


class VagrantLab(NamedLab):
    """A lab of virtual machines; ``vagrantfile`` is the one to copy."""

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
        super().__init__(name, labs, machine=machine, clock=clock, emit=emit)
        self._vagrantfile = vagrantfile
        self._boxes = boxes

    def up(self, wish: Wish = ANY) -> bool:
        """Make the lab, or mend the one there is.

        Returns False if it was up already. Raises UsageError where another size, version or mode is up, Failed with
        Vagrant's words otherwise; what was made until then stays, and the next `up` goes on.
        """
        shape = Shape.of(wish)
        with self._alone():
            self._boxes.check()
            if (self.folder / "lab.json").exists():
                self._refuse_other(wish)
            else:
                self._begin(shape)
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

    def _begin(self, shape: Shape) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        third = FIRST_NETWORK + hashlib.sha256(str(self.folder).encode()).digest()[0] % NETWORKS
        shutil.copyfile(self._vagrantfile, self.folder / "Vagrantfile")
        self._keep(shape, kind=Kind.VAGRANT.value, network=f"192.168.{third}")

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
        write(self.folder / "known_hosts", known)
        write(self.inventory, self._inventory(addresses, logins))
        first, *_, last = [*addresses.values()] * 2
        count = len(addresses)
        self._emit(Note(self.name, f"{plural(count, 'host')} up, {first} to {last}, in {self.folder}"))

    def _pinned(self, host: str, address: str) -> str:
        """Ask a host for its keys over Vagrant's own channel; whoever answers at the address must have one of them."""
        said = self._boxes.run(self.folder, host, HOST_KEYS)
        keys = [line.split()[:2] for line in said.splitlines() if line.startswith(("ssh-", "ecdsa-"))]
        if not keys:
            raise Failed(f"{host} told no host key: {said.strip() or 'nothing'}", hint=self._hint)
        return "".join(f"{address} {' '.join(key)}\n" for key in keys)

    def _inventory(self, addresses: Mapping[str, str], logins: Mapping[str, Login]) -> str:
        """Return the lab's inventory, which has the shape of a production one: systemd, default ports and paths."""
        shape = Shape.read(self._record)
        hosts = {
            host: {
                "address": address,
                "ssh": {"user": logins[host].user, "identity": str(logins[host].identity)},
                **shape.roles(number),
            }
            for number, (host, address) in enumerate(addresses.items(), 1)
        }
        tree = {"lab": True, **processes(shape), "ssh": {"known_hosts": "known_hosts"}, "hosts": hosts}
        return document(tree)

    # reading

    def _addresses(self) -> dict[str, str]:
        record = self._record
        count = int(record["hosts"])
        return {
            f"node{number}": f"{record['network']}.{FIRST_ADDRESS - 1 + number}"
            for number in range(1, count + 1)
        }

    @property
    def _hint(self) -> str:
        again = f"fab lab.up --kind {Kind.VAGRANT.value}{self._name_flag}"
        return f"`{again}` goes on; `vagrant up` in {self.folder} shows all of it; `fab lab.down{self._name_flag}` ends it"


def _named(boxes: Sequence[Box]) -> str:
    states = ", ".join(f"{box.name} ({box.state})" for box in boxes)
    return f"not up: {states}\n" if states else ""
