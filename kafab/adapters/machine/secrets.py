"""Secrets by reference, from this machine: its environment, files, commands, and the operator at the terminal."""

import getpass
import os
import selectors
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from kafab.command import Ends, Secret
from kafab.errors import Failed, KafabError, UsageError
from kafab.events import Emit, Waiting, silent
from kafab.references import Kind, Reference
from kafab.words import plural, shown

LIMIT = timedelta(seconds=60)
"""The time that a command may take."""
MOST = 64 * 1024
"""Bytes of a secret: far above any key, far below what hurts this machine."""
_TICK = 0.2
_SAID = 300
"""Characters of what a failed command said."""
_TERMINAL = "/dev/tty"


class MachineSecrets:
    """`ports.Secrets`. Relative paths, and commands, count from ``folder``. Each reference is read once, also by several threads.

    What could not be read stays so: a command that hangs, hangs once.
    """

    def __init__(
        self,
        folder: Path,
        emit: Emit = silent,
        *,
        environ: Mapping[str, str] = os.environ,
        before_asking: Callable[[], object] = lambda: None,
        limit: timedelta = LIMIT,
    ) -> None:
        self._folder = folder
        self._emit = emit
        self._environ = environ
        self._before_asking = before_asking
        """Leaves the terminal to the question."""
        self._limit = limit
        self._guard = threading.Lock()
        self._locks: dict[Reference, threading.Lock] = {}
        self._asking = threading.Lock()
        self._read: dict[Reference, Secret | KafabError] = {}

    def read(self, reference: Reference, *, lines: bool = False) -> Secret:
        """Return the value: one line, or with ``lines`` a whole text."""
        with self._guard:
            lock = self._locks.setdefault(reference, threading.Lock())
        with lock:
            if reference not in self._read:
                self._read[reference] = self._found(reference)
            found = self._read[reference]
        if isinstance(found, KafabError):
            raise found
        if not lines:
            _one_line(reference, found.value)
        return found

    def _found(self, reference: Reference) -> Secret | KafabError:
        try:
            match reference.kind:
                case Kind.ENV:
                    return _text(reference, self._variable(reference))
                case Kind.FILE:
                    return _text(reference, _without_end(self._file(reference)))
                case Kind.CMD:
                    return _text(reference, _without_end(self._printed(reference)))
                case Kind.PROMPT:
                    return _text(reference, self._typed(reference))
        except KafabError as error:
            return error

    def _variable(self, reference: Reference) -> bytes:
        name = reference.argument
        value = self._environ.get(name)
        if not value:
            how = "empty" if value is not None else "not set"
            raise UsageError(
                f"{reference}: the environment variable {name} is {how}",
                hint=f"`read -rs {name} && export {name}` sets it and leaves it out of the shell's history",
            )
        return os.fsencode(value)

    def _file(self, reference: Reference) -> bytes:
        path = self._folder / os.path.expanduser(reference.argument)  # noqa: PTH111  # Path.expanduser raises where a home is unknown
        try:
            # A pipe that nobody writes to would be waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"{reference}: {path} cannot be read: {error.strerror}",
                hint="a relative path counts from the inventory's folder",
            ) from None
        try:
            _private(reference, path, os.fstat(descriptor).st_mode)
            return os.read(descriptor, MOST + 1)
        finally:
            os.close(descriptor)

    def _typed(self, reference: Reference) -> bytes:
        with self._asking:
            try:
                os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
            except OSError:
                raise UsageError(
                    f"{reference}: there is no terminal to ask on",
                    hint="run it on a terminal, or use ${env:NAME}, ${file:PATH} or ${cmd:COMMAND}",
                ) from None
            self._before_asking()
            try:
                return getpass.getpass(f"{shown(reference.argument)}: ").encode("utf-8", "surrogateescape")
            except EOFError:
                raise UsageError(
                    f"{reference}: nothing was typed", hint="run the same command again"
                ) from None

    def _printed(self, reference: Reference) -> bytes:
        """Run the command in a session of its own: it can ask no terminal, and all of it can be ended."""
        process = subprocess.Popen(  # noqa: S603  # what the inventory asks for is a shell's command
            ["/bin/sh", "-c", reference.argument],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            start_new_session=True,
        )
        with process:
            try:
                out, errors = self._heard(reference, process)
            except BaseException:
                # Not waited for before, so the group's number is still its own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if code := process.returncode:
            how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
            said = _last_line(errors, out)
            raise Failed(
                f"{reference}: the command {how}, and said {said or 'nothing'}",
                hint="run it by hand; it is run by sh in the inventory's folder, without a terminal",
            )
        return out

    def _heard(self, reference: Reference, process: "subprocess.Popen[bytes]") -> tuple[bytes, str]:
        """Return what it prints, and the ends of what it says beside. Raises Failed at the limit of time or size."""
        begun = time.monotonic()
        out, errors = bytearray(), Ends()
        with selectors.DefaultSelector() as open_streams:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    open_streams.register(stream, selectors.EVENT_READ)
            while True:
                for key, _ in open_streams.select(_TICK) if open_streams.get_map() else ():
                    piece = os.read(key.fd, MOST)
                    if not piece:
                        open_streams.unregister(key.fileobj)
                    elif key.fileobj is process.stdout:
                        out += piece
                    else:
                        errors.add(piece)
                if len(out) > MOST:
                    raise Failed(
                        f"{reference}: the command printed more than {MOST >> 10} KiB, which is no secret; it was ended",
                        hint="let it print the secret alone",
                    )
                elapsed = timedelta(seconds=time.monotonic() - begun)
                if elapsed > self._limit:
                    raise Failed(
                        f"{reference}: the command did not end within {self._limit.total_seconds():g} s; it was ended",
                        hint="run it by hand; it has no terminal and no input, so it can ask nobody",
                    )
                if not open_streams.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_TICK)
                        return bytes(out), errors.text
                self._emit(Waiting(str(reference), "the command's answer", elapsed, self._limit))


def _private(reference: Reference, path: Path, mode: int) -> None:
    """Raise UsageError where this is no file, or where others than its owner may open it."""
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{reference}: {path} is not a regular file", hint="name a file that holds the secret"
        )
    if mode & 0o077:
        who = "everybody" if mode & 0o007 else "its group"
        raise UsageError(
            f"{reference}: {path} is open to {who}: its mode is {stat.S_IMODE(mode):04o}",
            hint=f"`chmod 600 {path}`",
        )


def _without_end(value: bytes) -> bytes:
    """Return a text without the one end of line that a file or a command's output has."""
    return value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value


def _text(reference: Reference, value: bytes) -> Secret:
    """Return the value as text. No error here has any of it, not even as its cause."""
    if not value:
        raise UsageError(f"{reference} is empty", hint="an empty secret is refused: give it a value")
    if len(value) > MOST:
        raise UsageError(
            f"{reference} has more than {MOST >> 10} KiB", hint="name what holds the secret alone"
        )
    text = value.decode("utf-8", "replace")
    if text.encode() != value or "\0" in text:
        raise UsageError(f"{reference} is no text in UTF-8", hint="keys in a binary format are not taken")
    return Secret(text)


def _one_line(reference: Reference, value: str) -> None:
    count = len(value.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    if count > 1:
        raise UsageError(
            f"{reference} has {plural(count, 'line')}; a password is one",
            hint="only one end of line at the end is left out",
        )


def _last_line(errors: str, out: bytes) -> str:
    """Return the last line that a command said, without what it printed: `set -x` would repeat the secret."""
    line = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    for printed in out.decode("utf-8", "replace").splitlines():
        if secret := printed.strip():
            line = line.replace(secret, "***")
    return shown(line)[:_SAID]
