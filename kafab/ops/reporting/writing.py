"""The file of a report: claimed before anything is done, and put in its place at once, whole, at the end."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from kafab.errors import Failed, UsageError
from kafab.reporting.render import MARKER

_HEAD = 1000
"""Bytes of a file that are looked through for the mark of a report."""


class ReportFile:
    """A file that is to be written; a context at whose end nothing is left of what was not.

    Raises UsageError where the name is a folder's, or that of a file which is no report: it would be overwritten. Raises
    Failed where nothing can be written there.
    """

    def __init__(self, name: str) -> None:
        # Path.expanduser raises where a home is unknown.
        self.path = Path(os.path.expanduser(name))  # noqa: PTH111
        _refuse_other(self.path)
        try:
            descriptor, beside = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent
            )
        except OSError as error:
            raise _cannot(self.path, error) from error
        self._beside = Path(beside)
        try:
            # As much as the report will take at least: a full disk is told before a roll begins.
            os.write(descriptor, bytes(1 << 20))
            os.ftruncate(descriptor, 0)
        except OSError as error:
            self._beside.unlink()
            raise _cannot(self.path, error) from error
        finally:
            os.close(descriptor)

    def __enter__(self) -> "ReportFile":  # noqa: PYI034  # nothing is derived from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Put the text in the file's place. Raises Failed; the file is then as it was."""
        try:
            with self._beside.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._beside.chmod(0o666 & ~_umask())
            self._beside.replace(self.path)
        except OSError as error:
            raise _cannot(self.path, error) from error


def _refuse_other(path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", hint=f"name a file in it: {path / 'report.html'}")
        if not path.exists():
            return
        if not path.is_file():
            raise UsageError(f"{path} is no file", hint="name a file that ends in .html")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise _cannot(path, error) from error
    if head and MARKER.encode() not in head:
        raise UsageError(
            f"{path} is there, and is no report of kafab", hint="name another file, or remove it"
        )


def _cannot(path: Path, error: OSError) -> Failed:
    return Failed(
        f"{path}: the report cannot be written: {error.strerror or error}",
        hint="name a file in a folder that you may write to, on a disk with room",
    )


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found
