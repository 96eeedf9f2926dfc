"""What a lab of virtual machines needs of Vagrant, as a Protocol, and the readers of what Vagrant prints.

`adapters.vagrant` is the real one. The formats are Vagrant's own: its machine-readable output
(developer.hashicorp.com/vagrant/docs/cli/machine-readable) and the ssh_config(5) of `vagrant ssh-config`.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Box:
    """A machine of a Vagrantfile: its name, its state in Vagrant's words, the provider that has it (or would)."""

    name: str
    state: str
    provider: str = ""

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self.state == "running"


@dataclass(frozen=True)
class Login:
    """How Vagrant itself logs in to a machine."""

    user: str
    identity: Path


class Boxes(Protocol):
    """The ``vagrant`` command. ``folder`` is the one with the Vagrantfile. Every method raises Failed with Vagrant's words."""

    def check(self) -> None:
        """Raise Failed with what to install where there is no vagrant."""

    def states(self, folder: Path) -> Sequence[Box]:
        """Return the machines in the order of the Vagrantfile, made or not."""

    def up(self, folder: Path, said: Callable[[str], None]) -> None:
        """Make and start what is not running; ``said`` gets each line that Vagrant prints, as it comes."""

    def ssh_config(self, folder: Path) -> str:
        """Return what ``vagrant ssh-config`` prints for all machines."""

    def run(self, folder: Path, machine: str, command: str) -> str:
        """Run a command on a machine through Vagrant's own login; return its output."""

    def destroy(self, folder: Path) -> None:
        """Remove every machine of the Vagrantfile, and its disks. What is gone already is no fault."""


def parse_states(text: str) -> tuple[Box, ...]:
    """Read ``vagrant status --machine-readable``: lines of time, machine, kind, data."""
    states: dict[str, str] = {}
    providers: dict[str, str] = {}
    for line in text.splitlines():
        _, machine, kind, data = [*line.split(",", 3), "", "", ""][:4]
        if machine and kind == "state":
            states[machine] = data
        elif machine and kind == "provider-name":
            providers[machine] = data
    return tuple(Box(name, state, providers.get(name, "")) for name, state in states.items())


def parse_ssh_config(text: str) -> dict[str, Login]:
    """Read ``vagrant ssh-config``: machine -> its login. A machine without a user or a key is left out."""
    logins: dict[str, Login] = {}
    machine, user = "", ""
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword == "Host":
            machine, user = value, ""
        elif keyword == "User":
            user = value
        elif keyword == "IdentityFile" and machine and user and machine not in logins:
            logins[machine] = Login(user, Path(_unquoted(value)))
    return logins


def _unquoted(value: str) -> str:
    # Vagrant puts a path with a space in it between quotes, or escapes the space.
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value


def progress(line: str) -> tuple[str, str] | None:
    """Read a line of ``vagrant up`` that tells a step: (machine, step); None for what a step itself prints."""
    found = re.match(r"==> ([^:\s]+): (\S.*)", line)
    return (found[1], found[2].rstrip()) if found else None
