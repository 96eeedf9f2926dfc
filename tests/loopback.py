"""Hosts on loopback with an sshd each, and what their scripts are asked and answer."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from kafab.adapters.machine.localhost import Localhost
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Outcome, Result, Script
from kafab.model import Host
from kafab.unknown import Unknown

HOSTS = 12


BARE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"}


SSHD = "$(cut -d' ' -f4 /proc/$PPID/stat)"
"""In a script, the pid of the sshd that serves it: between the two stands the shell that frames it."""


class NoJava(Localhost):
    """This machine, for hosts that run no Kafka."""

    def tools(self) -> None:
        """Nothing is missing."""

    def java_home(self) -> Path | None:
        """Nobody looks for it."""
        return None


def script(text: str, seconds: float = 60) -> Script:
    """Return a script and its timeout."""
    return Script(text, timedelta(seconds=seconds))


def result(outcome: Outcome) -> Result:
    """Return an outcome that has to be a Result."""
    assert isinstance(outcome, Result), outcome
    return outcome


def reason(outcome: Outcome) -> str:
    """Return the reason of an outcome that has to be Unknown."""
    assert isinstance(outcome, Unknown), outcome
    return outcome.reason


IN = Result(0, b"in\n", "")


def ran(host: Host, text: str = "echo in") -> Outcome:
    """Run a script on one host, over a connection of its own."""
    with closing(SshFleet([host])) as fleet:
        return fleet.run({host.name: script(text)})[host.name]
