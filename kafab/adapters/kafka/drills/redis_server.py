"""A Redis server of a drill's own: in a new folder that goes with it, behind a socket of that folder, without a port.

Nothing of a Redis that the machine has is read or touched. The server is the child of a worker, which ends with its stdin, and so
does the server; where the worker itself is killed, Linux kills the server.
"""

import ctypes
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

PROGRAM = "redis-server"
_START_LIMIT = 10.0
_LOOK_EVERY = 0.02
_LONGEST = 90
"""Bytes of a folder's path: that of a socket may have 104 on macOS, 108 on Linux."""
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_LAST_WORDS = 300


def lacking() -> tuple[str, str] | None:
    """Return what is not installed that a Redis server of a drill needs, and the command that installs it."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed", f"apt install {PROGRAM}"
    if find_spec("redis") is None:
        return "the Python package redis is not installed", "pip install 'kafab[drills]'"
    return None


def keep(ended: Callable[[], bool], ready: Callable[[str, int], object], *, appends: bool) -> None:
    """Keep a server until ``ended``: start it, call ``ready`` with its socket and pid, and start it again where it ends.

    ``appends``: it has an append-only file, synced with every write; otherwise it keeps nothing.
    Raises RuntimeError with its last words where it cannot be started.
    """
    with _folder() as folder:
        while not ended():
            with _started(folder, appends=appends) as server:
                ready(str(_socket(folder)), server.pid)
                while server.poll() is None and not ended():
                    time.sleep(_LOOK_EVERY)


@contextmanager
def _folder() -> Iterator[Path]:
    made = tempfile.mkdtemp(prefix="kafab-redis-")
    if len(made) > _LONGEST:
        shutil.rmtree(made)
        made = tempfile.mkdtemp(prefix="kafab-redis-", dir="/tmp")  # a name of its own, for this user alone
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _socket(folder: Path) -> Path:
    return folder / "redis.sock"


@contextmanager
def _started(folder: Path, *, appends: bool) -> Iterator[subprocess.Popen[bytes]]:
    words = [PROGRAM, "--port", "0", "--unixsocket", str(_socket(folder)), "--unixsocketperm", "600"]
    words += ["--dir", str(folder), "--save", "", "--daemonize", "no"]
    words += ["--appendonly", "yes" if appends else "no", "--appendfsync", "always"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603  # a program of the machine's, arguments our own
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # one call of the kernel's, nothing that a thread could hold
        )
    try:
        _await(server, folder)
        yield server
    finally:
        server.kill()
        server.wait()


_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _PRCTL is not None:
        _PRCTL(_DIES_WITH_PARENT, signal.SIGKILL)


def _await(server: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until it answers: with an append-only file it first reads that."""
    from redis import Redis
    from redis.exceptions import RedisError

    deadline = time.monotonic() + _START_LIMIT
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(RedisError, OSError), Redis(unix_socket_path=str(_socket(folder))) as asked:
            if asked.ping():
                return
        time.sleep(_LOOK_EVERY)
    words = (folder / "log").read_text(errors="replace")[-_LAST_WORDS:].strip()
    raise RuntimeError(f"{PROGRAM} did not start: {words or f'no answer within {_START_LIMIT:g} s'}")
