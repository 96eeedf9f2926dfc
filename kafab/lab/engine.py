"""What a lab of containers needs of Docker, as a Protocol; `adapters.docker` is the real one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Protocol

from kafab.command import Outcome


@dataclass(frozen=True)
class Container:
    """A container that behaves like a host. ``host`` is its host name, ``lab`` the label that tells whose it is."""

    name: str
    host: str
    address: IPv4Address
    network: str
    image: str
    lab: str


@dataclass(frozen=True)
class Found:
    """A container that Docker has: its name, its host name, and its state in Docker's words ("running", "exited")."""

    name: str
    host: str
    state: str

    @property
    def running(self) -> bool:
        """Whether its processes run (a paused one's are frozen)."""
        return self.state == "running"


class Engine(Protocol):
    """A Docker daemon. Every method raises Failed with Docker's own words where it says no."""

    def check(self) -> None:
        """Raise Failed with what to do about it when there is no docker, no daemon, or no permission to use it."""

    def has_image(self, image: str) -> bool:
        """Tell whether an image of that name is there."""

    def pull(self, image: str) -> None:
        """Get an image from its registry."""

    def build(self, image: str, folder: Path, said: Callable[[str], None]) -> None:
        """Build the Dockerfile of a folder; ``said`` gets each line that the build prints, as it comes."""

    def taken(self) -> Sequence[IPv4Network]:
        """Return what is no longer free for a new network: Docker's own networks, and this machine's routes."""

    def networks(self, lab: str) -> Sequence[str]:
        """Return the names of the networks with this label."""

    def make_network(self, name: str, subnet: IPv4Network, lab: str) -> None:
        """Make a bridge network; the first address of the subnet is this machine's own."""

    def containers(self, lab: str) -> Sequence[Found]:
        """Return the containers with this label, by name, running or not."""

    def create(self, containers: Sequence[Container]) -> None:
        """Make and start containers that run systemd, side by side."""

    def start(self, names: Sequence[str]) -> None:
        """Start containers that have stopped, and thaw those that are paused."""

    def execute(self, scripts: Mapping[str, str], *, stdin: bytes, timeout: timedelta) -> dict[str, Outcome]:
        """Run ``sh -eu`` as root in each container, side by side; the keys are containers' names."""

    def log(self, container: str) -> str:
        """Return the last lines that a container's first process printed."""

    def greeting(self, address: IPv4Address) -> str | None:
        """Return the first line that port 22 of an address says to this machine, None if there is none in a second."""

    def remove(self, containers: Sequence[str], networks: Sequence[str]) -> None:
        """End and remove these containers, then these networks. What is gone already is no fault."""
