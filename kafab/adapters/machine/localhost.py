"""This machine for a lab: its programs, ports and processes (Linux: the process table is read from /proc)."""

import fcntl
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kafab.errors import Failed
from kafab.lab.machine import PortTaken, Process

HOSTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH that kafab's scripts have on a host."""
SSHD_SECONDS = 10.0
_TOOLS = {
    "sshd": "openssh-server (Debian: apt-get install openssh-server, Fedora: dnf install openssh-server)",
    "ssh-keygen": "openssh-client (Debian), openssh (Fedora)",
    "java": "a Java runtime, version 11 or 17 (Debian: apt-get install default-jre-headless)",
}


class Localhost:
    """The machine kafab runs on."""

    def user(self) -> str:
        """Return the login name of the invoking user."""
        return getpass.getuser()

    def tools(self) -> None:
        """Raise Failed naming every missing program and what to install."""
        missing = [name for name in _TOOLS if not _found(name)]
        if missing:
            raise Failed(
                f"a lab needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not on this machine",
                hint="install " + "; ".join(_TOOLS[name] for name in missing),
            )

    def java_home(self) -> Path | None:
        """Return JAVA_HOME if it is set, or the home of a java that only this user's PATH finds."""
        if (home := os.environ.get("JAVA_HOME")) and Path(home, "bin/java").is_file():
            return Path(home).resolve()
        if shutil.which("java", path=HOSTS_PATH) or any(Path("/usr/lib/jvm").glob("*/bin/java")):
            return None
        found = shutil.which("java")
        return Path(found).resolve().parent.parent if found else None

    def make_key(self, file: Path, comment: str) -> str:
        """Make a key pair with ssh-keygen; return the public key's line. Raises Failed with what ssh-keygen said."""
        done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
            [_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"ssh-keygen made no key in {file}: {(done.stderr or done.stdout).strip()}")
        return Path(f"{file}.pub").read_text(encoding="utf-8").strip()

    def free(self, ports: Iterable[int]) -> bool:
        """Tell whether each port can be bound, the way a server binds it."""
        return all(map(_bindable, ports))

    def start_sshd(self, config: Path, log: Path, pid_file: Path) -> Process:
        """Start an sshd, which detaches itself, and wait for its pid file: it is written once the port is bound.

        Raises PortTaken where another process listens there, Failed where it does not come up for another reason.
        """
        pid_file.unlink(missing_ok=True)
        log.touch(mode=0o600)
        seen = log.stat().st_size
        _launch(config, log)
        deadline = time.monotonic() + SSHD_SECONDS
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError, ValueError):
                process = _process(int(pid_file.read_text(encoding="utf-8")))
                if process:
                    return process
            said = log.read_text(encoding="utf-8", errors="replace")[seen:]
            if re.search(r"fatal|Cannot bind|already in use", said):
                break
            time.sleep(0.01)
        said = log.read_text(encoding="utf-8", errors="replace")[seen:].strip() or "it said nothing"
        kind = PortTaken if "already in use" in said else Failed
        raise kind(f"sshd with {config} did not come up within {SSHD_SECONDS:g} s: {said}")

    def start(self, program: str, words: Sequence[str], log: Path) -> Process | None:
        """Start it in a session of its own: Ctrl-C is for us alone."""
        if shutil.which(program) is None:
            return None
        text = 'nohup "$@" >> "$0" 2>&1 < /dev/null & echo "$!"'
        done = subprocess.run(  # noqa: S603  # words of kafab's own, and a folder
            ["/bin/sh", "-c", text, str(log), program, *words],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            check=True,
        )
        process = _process(int(done.stdout))
        if process is None:
            raise Failed(
                f"{program} ended at once: {log.read_text(encoding='utf-8', errors='replace')[-500:]}"
            )
        return process

    def processes(self) -> Sequence[Process]:
        """Read /proc."""
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
        return [process for pid in pids if (process := _process(pid))]

    def signal(self, process: Process, name: str) -> None:
        """Send a signal if the pid still is that process."""
        now = _process(process.pid)
        if now and now.start == process.start:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.Signals[f"SIG{name}"])

    @contextmanager
    def locked(self, file: Path, waiting: Callable[[], None]) -> Generator[None, None, None]:
        """Hold an flock, which the kernel lets go when this process ends."""
        with file.open("w", encoding="utf-8") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _found(name: str) -> str | None:
    if name == "java" and (home := os.environ.get("JAVA_HOME")):
        java = shutil.which("java", path=f"{home}/bin")
        if java:
            return java
    # sbin is not on the PATH of a plain user
    found = shutil.which(name) or shutil.which(name, path=HOSTS_PATH)
    if not found and name == "java":
        found = next(map(str, Path("/usr/lib/jvm").glob("*/bin/java")), None)
    return found


def _program(name: str) -> str:
    found = _found(name)
    if found is None:
        raise Failed(f"{name} is not on this machine", hint=f"install {_TOOLS[name]}")
    return os.path.abspath(found)  # noqa: PTH100  # sshd executes itself again by this name: absolute, links kept


def _launch(config: Path, log: Path) -> None:
    command = [_program("sshd"), "-f", str(config), "-E", str(log)]
    if _root_account_is_locked():
        # Without PAM sshd refuses an account whose password field begins with "!"; with it, keys are enough.
        command += ["-o", "UsePAM=yes"]
    for attempt in (1, 2):
        done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # It outlives kafab, and would keep what the operator has in variables: secrets, too.
            env={"PATH": HOSTS_PATH},
        )
        if done.returncode == 0:
            return
        said = f"{done.stderr}{log.read_text(encoding='utf-8', errors='replace')}".strip()
        # Run by root, sshd wants an empty folder of its own, which its service would have made at boot.
        folder = re.search(r"Missing privilege separation directory: (\S+)", said)
        if attempt == 1 and folder and os.geteuid() == 0:
            Path(folder[1]).mkdir(mode=0o755, parents=True, exist_ok=True)
            continue
        raise Failed(f"sshd with {config} did not start: {said}")


def _root_account_is_locked() -> bool:
    if os.geteuid() != 0:
        return False
    with suppress(OSError):
        for line in Path("/etc/shadow").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, rest = line.partition(":")
            if name == "root":
                return rest.startswith("!")
    return False


def _bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier process that are still in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _process(pid: int) -> Process | None:
    """Read one process (proc(5)); None if there is none, or only its exit status is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second field, the program's name in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    state, parent, start = fields[0], int(fields[1]), int(fields[19])
    if state in "ZX":
        return None
    words = command.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", errors="replace")
    return Process(pid, start, parent, words)
