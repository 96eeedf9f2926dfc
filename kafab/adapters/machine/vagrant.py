"""Vagrant through its command, with the provider that it chooses (VAGRANT_DEFAULT_PROVIDER decides)."""

import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from kafab.errors import Failed
from kafab.lab.boxes import Box, parse_states

UP_SECONDS = 1800.0
SECONDS = 300.0
_LAST_LINES = 15
# Each would make Vagrant look elsewhere than in the lab's folder.
_ELSEWHERE = ("VAGRANT_VAGRANTFILE", "VAGRANT_DOTFILE_PATH", "VAGRANT_CWD")
_INSTALL = (
    "install Vagrant (developer.hashicorp.com/vagrant/install) and VirtualBox, or libvirt with vagrant-libvirt; "
    "--kind docker and --kind local need neither"
)
# How Vagrant says so (its templates/locales/en.yml, and VirtualBox' own detection).
_NO_PROVIDER = (
    "No usable default provider",
    "could not be found, but was requested",
    "is reporting that it",
    "could not detect VirtualBox",
)


class VagrantCli:
    """The ``vagrant`` on the PATH. It is slow to answer: two seconds and more for anything."""

    def check(self) -> None:
        """Look for the program; whether it has a provider it tells when it needs one."""
        _vagrant()

    def states(self, folder: Path) -> Sequence[Box]:
        """Ask for the state of all machines."""
        return parse_states(self._run(folder, "status", "--machine-readable"))

    def up(self, folder: Path, said: Callable[[str], None]) -> None:
        """Bring all machines up and provision those that are new; at most 30 minutes."""
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with subprocess.Popen(  # noqa: S603  # a program found on the PATH, arguments our own
            [_vagrant(), "up", "--no-color"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            late = threading.Timer(UP_SECONDS, process.terminate)
            late.start()
            try:
                for line in process.stdout or ():
                    last.append(line.rstrip())
                    said(line.rstrip())
            except BaseException:
                # Vagrant cleans up behind itself when it is asked to end.
                process.terminate()
                raise
            finally:
                expired = not late.is_alive()
                late.cancel()
        if expired:
            raise Failed(f"vagrant up did not end within {UP_SECONDS / 60:g} min:\n" + _indented(last))
        if process.returncode:
            raise _failure("up", process.returncode, "\n".join(last))

    def ssh_config(self, folder: Path) -> str:
        """Ask how all machines are logged in to."""
        return self._run(folder, "ssh-config")

    def run(self, folder: Path, machine: str, command: str) -> str:
        """Run it with ``vagrant ssh``, without a terminal."""
        return self._run(folder, "ssh", machine, "--no-tty", "-c", command)

    def destroy(self, folder: Path) -> None:
        """Remove all machines without asking."""
        self._run(folder, "destroy", "--force")

    def _run(self, folder: Path, *words: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
                [_vagrant(), *words],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"vagrant {words[0]} did not end within {SECONDS:g} s") from error
        if done.returncode:
            raise _failure(words[0], done.returncode, f"{done.stdout}\n{done.stderr}".strip())
        return done.stdout


def _vagrant() -> str:
    found = shutil.which("vagrant")
    if found is None:
        raise Failed("a lab of kind vagrant needs vagrant, which is not on this machine", hint=_INSTALL)
    return found


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}


def _failure(verb: str, code: int, said: str) -> Failed:
    if any(text in said for text in _NO_PROVIDER):
        return Failed(
            f"Vagrant has no provider that it can use:\n{_indented(said.splitlines())}", hint=_INSTALL
        )
    lines = said.splitlines()[-_LAST_LINES:]
    return Failed(f"vagrant {verb} ended with {code}:\n{_indented(lines)}")


def _indented(lines: Sequence[str] | deque[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
