"""Releases of a few bytes, and sources that have them or have not."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

from kafab.errors import Failed
from kafab.events import Emit
from kafab.model import Version
from kafab.releases.names import ReleaseName, release_for

NAME = release_for(Version(3, 9, 2))


OLD = release_for(Version(2, 4, 1))


def archive(name: ReleaseName = NAME, content: bytes = b"jar", *more: tarfile.TarInfo) -> bytes:
    """Return the bytes of a small release as a .tgz that is the same at each call."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        jar = tarfile.TarInfo(f"{name}/libs/kafka-clients-{name.version}.jar")
        jar.size = len(content)
        tar.addfile(jar, io.BytesIO(content))
        for info in more:
            tar.addfile(info)
    return gzip.compress(buffer.getvalue(), mtime=0)


def many_files(name: ReleaseName = NAME, files: int = 150, size: int = 60_000) -> bytes:
    """Return the bytes of a release of some megabytes that do not compress, as a .tgz that is the same at each call."""
    noise, buffer = random.Random(str(name)), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(files):
            kind = f"kafka-clients-{name.version}" if number == 0 else f"library-{number}"
            jar = tarfile.TarInfo(f"{name}/libs/{kind}.jar")
            jar.size = size
            tar.addfile(jar, io.BytesIO(noise.randbytes(size)))
    return gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0)


class Shelf:
    """A source that has these bytes, and counts how often it was asked."""

    name = "shelf"

    def __init__(self, content: bytes, before: Callable[[Path], None] | None = None) -> None:
        self.content = content
        self.asked = 0
        self._before = before

    def get(self, release: ReleaseName, into: Path, emit: Emit) -> Path:
        """Put the bytes there, whatever was asked for."""
        self.asked += 1
        file = into / "x"
        file.write_bytes(self.content)
        if self._before:
            self._before(into)
        return file


class Closed:
    """A source that has nothing."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def get(self, release: ReleaseName, into: Path, emit: Emit) -> Path:
        """Say why not."""
        raise Failed(self._reason)


def names(folder: Path) -> list[str]:
    """Return everything in the store, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
