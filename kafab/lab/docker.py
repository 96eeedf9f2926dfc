"""A lab of containers that behave like servers: systemd, sshd, sudo and Java, each with an address of its own.

Docker is asked what belongs to a lab, by a label that has the lab's folder; the folder holds only the login key, the
pinned host keys and the inventory. `cluster.yaml` is written last and removed first, so a lab that has it is whole, and
an interrupted `lab.up` or `lab.down` is made good by the next one.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kafab.errors import Failed
from kafab.events import Emit, Note, Waiting
from kafab.lab.containers import (
    SETTLE,
    UNITS,
    addresses,
    counted,
    free_subnet,
    image_name,
    inventory,
    settled,
)
from kafab.lab.engine import Container, Engine, Found
from kafab.lab.kinds import Kind
from kafab.lab.machine import Machine
from kafab.lab.named import NamedLab, write
from kafab.lab.shape import ANY, Shape, Wish
from kafab.ports import Clock
from kafab.words import plural

BASE_IMAGE = "debian:bookworm-slim"
BUILD_PATIENCE = timedelta(minutes=15)
PATIENCE = timedelta(seconds=90)
_ANSWER = timedelta(seconds=20)
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class ContainerStatus:
    """A host of the lab as it is now: its container and state in Docker's words, and how many of its nodes run."""

    name: str
    address: str
    container: str
    state: str
    running: int | None
    """Units of nodes that are active; None where the host could not be asked."""
    recorded: int | None
    """Units of nodes that systemd knows of, active or not."""

    @property
    def cells(self) -> Mapping[str, object]:
        """The host as a row of a table."""
        nodes = "unknown" if self.running is None else f"{self.running} running"
        ended = (self.recorded or 0) - (self.running or 0)
        return {
            "HOST": self.name,
            "ADDRESS": self.address,
            "CONTAINER": self.container,
            "STATE": self.state,
            "NODES": nodes + (f", {ended} ended" if ended else ""),
        }


class DockerLab(NamedLab):
    """A lab of containers; ``recipe`` is the folder of the host image."""

    def __init__(
        self,
        name: str,
        labs: Path,
        recipe: Path,
        *,
        engine: Engine,
        machine: Machine,
        clock: Clock,
        emit: Emit,
    ) -> None:
        super().__init__(name, labs, machine=machine, clock=clock, emit=emit)
        self._label = str(self.folder)
        # Names are shared by everybody who uses this daemon; labs of one name may belong to several.
        self._prefix = f"kafab-{name}-{hashlib.sha256(self._label.encode()).hexdigest()[:6]}"
        self._engine = engine
        self._recipe = recipe

    def up(self, wish: Wish = ANY) -> bool:
        """Make the lab, or mend the one there is.

        Returns False if it was up already. Raises UsageError where another size, version or mode is up, Failed with
        what is missing on this machine or with the host that did not come up; a lab that was never whole leaves nothing
        behind.
        """
        shape = Shape.of(wish)
        with self._alone():
            self._engine.check()
            if self.inventory.exists():
                self._refuse_other(wish)
                self._mend()
                return False
            self._remove()  # what an interrupted lab.up or lab.down left
            try:
                self._make(shape)
            except BaseException:
                self._remove()
                raise
            return True

    def status(self) -> tuple[ContainerStatus, ...]:
        """Return the hosts of the lab in their order; none where it is not up."""
        if not (self.folder / "lab.json").exists():
            return ()
        containers = self._containers()
        running = {each.name: UNITS for each in containers.values() if each.running}
        units = self._engine.execute(running, stdin=b"", timeout=_ANSWER)
        return tuple(
            ContainerStatus(
                host,
                str(address),
                self._container_name(host),
                containers[host].state if host in containers else "missing",
                *counted(units.get(self._container_name(host))),
            )
            for host, address in self._addresses().items()
        )

    def down(self) -> bool:
        """Remove the containers, their network and the folder; the image stays. Returns False if there was nothing."""
        if not self.folder.exists():
            return False
        with self._alone():
            self._engine.check()
            self._remove()
        self._emit(Note(self.name, "is down; nothing of it is left but the image"))
        return True

    # making

    def _make(self, shape: Shape) -> None:
        image = self._image()
        subnet = free_subnet(self._engine.taken(), self._label)
        self.folder.mkdir(mode=0o700, parents=True)
        self._keep(shape, kind=Kind.DOCKER.value, subnet=str(subnet), image=image)
        self._machine.make_key(self.folder / "id_ed25519", f"kafab lab {self.name}")
        self._engine.make_network(self._prefix, subnet, self._label)
        self._create(list(self._addresses()))
        self._settle()
        write(self.inventory, inventory(self._addresses(), shape))
        count = shape.hosts
        first, *_, last = [*self._addresses().values()] * 2
        self._emit(Note(self.name, f"{plural(count, 'host')} up, {first} to {last}, in {self.folder}"))

    def _mend(self) -> None:
        if not self._engine.networks(self._label):
            raise Failed(
                f"the network of {self.name} is gone", hint=f"`fab lab.down{self._name_flag}` and up again"
            )
        containers = self._containers()
        missing = [host for host in self._addresses() if host not in containers]
        if missing:
            self._image()  # it may have been removed as well
            self._create(missing)
        ended = [each for each in containers.values() if not each.running]
        if ended:
            self._engine.start([each.name for each in ended])
        self._settle()
        for host in missing:
            self._emit(Note(host, "its container was gone: made anew, empty"))
        for each in ended:
            self._emit(Note(each.host, f"its container was {each.state}: started again"))
        if not missing and not ended:
            self._emit(Note(self.name, f"is up already, in {self.folder}"))

    def _create(self, hosts: Sequence[str]) -> None:
        image, addresses = self._record["image"], self._addresses()
        self._engine.create(
            [
                Container(
                    self._container_name(host),
                    host,
                    addresses[host],
                    self._prefix,
                    image,
                    self._label,
                )
                for host in hosts
            ]
        )

    def _image(self) -> str:
        """Return the name of the host image, built if this recipe has not been yet."""
        image = image_name(self._recipe)
        if self._engine.has_image(image):
            return image
        self._base_image()
        started = self._clock.now()
        self._emit(Note(self.name, f"building the host image {image}: about a minute, once"))

        def said(line: str) -> None:
            del line  # docker's own words matter only where it fails, and are in that error
            elapsed = timedelta(seconds=self._clock.now() - started)
            self._emit(Waiting(self.name, "the host image to be built", elapsed, BUILD_PATIENCE))

        self._engine.build(image, self._recipe, said)
        return image

    def _base_image(self) -> None:
        if self._engine.has_image(BASE_IMAGE):
            return
        self._emit(Note(self.name, f"pulling {BASE_IMAGE}"))
        try:
            self._engine.pull(BASE_IMAGE)
        except Failed as error:
            raise Failed(
                f"there is no image {BASE_IMAGE}, and no registry gave one: {error.message}",
                hint="`sudo scripts/base-image` (in kafab's source) makes it from Debian's packages",
            ) from error

    def _settle(self) -> None:
        """Wait until every host is up and sshd answers, give it the login key, and pin its host keys."""
        started = self._clock.now()
        key = (self.folder / "id_ed25519.pub").read_bytes()
        waiting = {self._container_name(host): host for host in self._addresses()}
        keys: dict[str, str] = {}
        while waiting:
            outcomes = self._engine.execute(dict.fromkeys(waiting, SETTLE), stdin=key, timeout=_ANSWER)
            unsettled = {}
            for container, outcome in outcomes.items():
                host = waiting[container]
                state, keys[host] = settled(outcome)
                if keys[host] and not (self._engine.greeting(self._addresses()[host]) or "").startswith(
                    "SSH-"
                ):
                    state, keys[host] = f"{state}, but sshd on {self._addresses()[host]}:22 says nothing", ""
                if not keys[host]:
                    unsettled[container] = state
            waiting = {container: waiting[container] for container in unsettled}
            if waiting:
                self._refuse_ended(waiting)
                self._wait(started, {waiting[each]: state for each, state in unsettled.items()})
        self._pin(keys)

    def _refuse_ended(self, waiting: Mapping[str, str]) -> None:
        for container in self._containers().values():
            if container.name in waiting and not container.running:
                said = self._engine.log(container.name) or "it said nothing"
                raise Failed(f"{container.host}: its container is {container.state}: {said}")

    def _wait(self, started: float, states: Mapping[str, str]) -> None:
        elapsed = timedelta(seconds=self._clock.now() - started)
        if elapsed >= PATIENCE:
            lines = "".join(f"\n  {host}: {state}" for host, state in states.items())
            raise Failed(
                f"{len(states)} host{'s were' if len(states) > 1 else ' was'} not up within {PATIENCE.total_seconds():g} s:{lines}",
                hint=_NOT_UP,
            )
        for host in states:
            self._emit(Waiting(host, "the host to come up", elapsed, PATIENCE))
        self._clock.sleep(_POLL_SECONDS)

    def _pin(self, keys: Mapping[str, str]) -> None:
        """Write known_hosts: the keys were read inside the hosts, so nobody on the network had a say in them."""
        addresses = self._addresses()
        lines = [
            f"{addresses[host]} {' '.join(line.split()[:2])}\n"
            for host in addresses
            for line in keys[host].splitlines()
        ]
        file, content = self.folder / "known_hosts", "".join(lines)
        if not file.exists() or file.read_text() != content:
            write(file, content)

    # what there is

    def _addresses(self) -> dict[str, IPv4Address]:
        record = self._record
        return addresses(IPv4Network(record["subnet"]), record["hosts"])

    def _containers(self) -> dict[str, Found]:
        """Return host -> container of this lab."""
        return {each.host: each for each in self._engine.containers(self._label)}

    def _container_name(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _remove(self) -> None:
        self.inventory.unlink(missing_ok=True)
        containers = [each.name for each in self._engine.containers(self._label)]
        self._engine.remove(containers, self._engine.networks(self._label))
        if self.folder.exists():
            shutil.rmtree(self.folder)


_NOT_UP = (
    "the containers' addresses can be reached only where the Docker daemon runs on this very Linux machine; "
    "past about 17 hosts systemd wants `sysctl fs.inotify.max_user_instances=1024`"
)
