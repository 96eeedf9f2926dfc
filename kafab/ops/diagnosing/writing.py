"""The file of an archive: claimed before a host is asked, whole at the end or not there; for its owner's eyes only."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from kafab.errors import Failed, UsageError


class ArchiveFile:
    """A file that is to be written; a context at whose end nothing is left of what was not, after Ctrl-C as well.

    Raises UsageError where there is such a file already: nothing is overwritten. Raises Failed where none can be written there.
    """

    def __init__(self, path: Path) -> None:
        # Path.expanduser raises where a home is unknown.
        self.path = Path(os.path.expanduser(path))  # noqa: PTH111
        _refuse(self.path)
        try:
            # 0600, whatever the umask says.
            self._descriptor, beside = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent
            )
        except OSError as error:
            raise _cannot(self.path, error) from error
        self._beside = Path(beside)

    def __enter__(self) -> "ArchiveFile":  # noqa: PYI034  # nothing is derived from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.close(self._descriptor)
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Put the content in the file's place. Raises Failed, and UsageError where another one is there by now."""
        try:
            with os.fdopen(os.dup(self._descriptor), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _refuse(self.path)
            self._beside.replace(self.path)
        except OSError as error:
            raise _cannot(self.path, error) from error


def _refuse(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"name a file in it: {path / 'diagnosis.tar.gz'}")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already", hint="name another file, or remove it")


def _cannot(path: Path, error: OSError) -> Failed:
    return Failed(
        f"{path}: the archive cannot be written: {error.strerror or error}",
        hint="name a file in a folder that you may write to, on a disk with room",
    )
