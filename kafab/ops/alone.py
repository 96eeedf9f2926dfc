"""One run at a time on this machine of what a timer begins again and again: the next one does not wait, it ends."""

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafab.errors import Failed, Locked

_STATED = 400
"""Bytes of what the holder of the lock says of itself."""


@contextmanager
def alone(folder: Path, what: str, words: Collection[Path], owner: str) -> Iterator[None]:
    """Let one run of ``what``, a command's name, over the same folders and files be at work at a time.

    The kernel ends the lock with its process. Raises Locked with who holds it, Failed where there can be no lock.
    """
    named = b"\0".join(sorted(os.fsencode(path) for path in words))
    file = folder / what / f"{hashlib.sha256(named).hexdigest()[:16]}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(
            f"{error.filename or file} cannot be made: {error.strerror}",
            hint="set KAFAB_HOME to a folder that you may write to",
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, _STATED, 0).decode("utf-8", "replace").strip() or "somebody"
            raise Locked(
                f"the same {what} is at work: {holder}",
                hint="wait for its end; with a --deadline below the time between two runs none meets the one before",
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, owner.encode("utf-8", "replace")[:_STATED], 0)
        yield
    finally:
        os.close(lock)
