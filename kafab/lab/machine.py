"""What a lab needs of the machine it runs on, as a Protocol; `adapters.localhost` is the real one."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kafab.errors import Failed


@dataclass(frozen=True)
class Process:
    """A process of this machine: pid and start time (clock ticks since boot) are its identity."""

    pid: int
    start: int
    parent: int
    command: str


class PortTaken(Failed):
    """A port that was free when it was chosen has a listener now: another lab came up at that moment."""


class Machine(Protocol):
    """This machine: its programs, ports and processes."""

    def user(self) -> str:
        """Return the login name of the invoking user."""

    def tools(self) -> None:
        """Raise Failed naming every program that a lab needs and that is not here, and what to install."""

    def java_home(self) -> Path | None:
        """Return the Java home to write into the inventory; None where the hosts find Java by themselves."""

    def make_key(self, file: Path, comment: str) -> str:
        """Make an ed25519 key pair (``file``, ``file``.pub) without a passphrase; return its public line. Raises Failed."""

    def free(self, ports: Iterable[int]) -> bool:
        """Tell whether nothing listens on any of these ports of 127.0.0.1."""

    def start_sshd(self, config: Path, log: Path, pid_file: Path) -> Process:
        """Start an sshd and return when it listens. Raises Failed with the last lines of its log, PortTaken for its port."""

    def start(self, program: str, words: Sequence[str], log: Path) -> Process | None:
        """Start a program that outlives us, its output in ``log``; None where it is not on the PATH. Raises Failed where it ends at once."""

    def processes(self) -> Sequence[Process]:
        """Return what runs now, as far as this user may see; what has ended and was not collected yet is left out."""

    def signal(self, process: Process, name: str) -> None:
        """Send TERM, CONT or KILL to that very process; nothing happens if it has ended since."""

    def locked(self, file: Path, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold a lock for the block, as long as this process lives; ``waiting`` is called once if it is taken."""
