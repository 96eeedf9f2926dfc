"""Release archives as files: their digests, their members for `kafab.releases.archive` to judge, and the making of one.

Nothing is ever unpacked on this machine.
"""

import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from kafab.adapters.store.progress import Progress
from kafab.events import Emit
from kafab.releases import launchers
from kafab.releases.archive import MAX_BYTES, Content, Kind, Member, Refused, container, judge
from kafab.releases.names import FIRST_LOG4J2, ReleaseName

_CHUNK = 1 << 20  # bytes
_BLOCK = 512  # bytes; tar's unit
_QUIET = 1.0  # seconds of work that need no progress

_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.FOLDER,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.CHRTYPE: Kind.DEVICE,
    tarfile.BLKTYPE: Kind.DEVICE,
    tarfile.FIFOTYPE: Kind.FIFO,
}


@dataclass(frozen=True)
class Digests:
    """A file's digests in lower-case hex and its size in bytes."""

    sha256: str
    sha512: str
    size: int


def digests(file: Path, emit: Emit, *, copy_to: Path | None = None) -> Digests:
    """Read a file once, for both digests and, if asked, for a copy. Raises OSError."""
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    with file.open("rb") as source:
        progress = Progress(emit, "store", f"reading {file.name}", file.stat().st_size, after=_QUIET)
        copy = copy_to.open("wb") if copy_to else None
        try:
            while chunk := source.read(_CHUNK):
                sha256.update(chunk)
                sha512.update(chunk)
                if copy:
                    copy.write(chunk)
                progress.add(len(chunk))
        finally:
            if copy:
                copy.close()
    progress.finish()
    return Digests(sha256.hexdigest(), sha512.hexdigest(), progress.done)


def inspect(file: Path, emit: Emit) -> ReleaseName:
    """Read an archive to its last byte and return the release it holds.

    Raises Refused with the reason: hostile or foreign members (`kafab.releases.archive`), damage, truncation.
    """
    with file.open("rb") as raw:
        packed = container(raw.read(_BLOCK)) == "tgz"
        raw.seek(0)
        progress = Progress(emit, "store", f"checking {file.name}", file.stat().st_size, after=_QUIET)
        plain = cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb")) if packed else raw
        try:
            name = _judged(_Forward(plain, raw, progress))
        except Refused:
            raise
        except EOFError:
            raise Refused(
                f"it is truncated: its compressed data ends in the middle, after {raw.tell()} bytes"
            ) from None
        except (
            tarfile.TarError,
            zlib.error,
            ValueError,
            OverflowError,
            RecursionError,
            gzip.BadGzipFile,
        ) as fault:
            raise Refused(f"it is damaged: {fault}") from fault
    progress.finish()
    return name


def contents(file: Path) -> tuple[Content, ...]:
    """Return the files and links of an archive that was inspected, with their digests. Raises OSError, tarfile.TarError."""
    found: dict[str, Content] = {}
    with tarfile.open(file) as tar:
        for info in tar:
            path = info.name.partition("/")[2]
            if info.issym():
                found[info.name] = Content(path, target=info.linkname)
            elif info.islnk():
                found[info.name] = Content(path, sha256=found[info.linkname].sha256)
            elif info.isreg() and (member := tar.extractfile(info)):
                digest = hashlib.sha256()
                while chunk := member.read(_CHUNK):
                    digest.update(chunk)
                found[info.name] = Content(path, sha256=digest.hexdigest())
    return tuple(found.values())


def assemble(jars: Sequence[Path], name: ReleaseName, target: Path) -> None:
    """Write jars as ``<release>/libs/*.jar``, with launchers of their tools, into an uncompressed tar that any ``tar`` reads.

    The same jars always give the same bytes: sorted names, no times, no owners. Raises Refused for a file that
    is no jar, OSError.
    """
    ordered = sorted(jars, key=lambda path: path.name)
    classes = {found for jar in ordered for found in _classes(jar)}
    made = launchers.files(classes, log4j2=name.version >= FIRST_LOG4J2)
    folders = dict.fromkeys(["libs", *(path.partition("/")[0] for path in made)])
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in (f"{name}", *(f"{name}/{folder}" for folder in folders)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, text in sorted(made.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(content), 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(entry, io.BytesIO(content))
        for jar in ordered:
            entry = tarfile.TarInfo(f"{name}/libs/{jar.name}")
            entry.size, entry.mode = jar.stat().st_size, 0o644
            with jar.open("rb") as file:
                tar.addfile(entry, file)


def _classes(jar: Path) -> list[str]:
    """Return the names of the classes in a jar. Raises Refused for a file that is none."""
    try:
        with zipfile.ZipFile(jar) as content:
            names = content.namelist()
    except zipfile.BadZipFile as fault:
        raise Refused(f"{jar.name} is no jar: {fault}") from fault
    if jar.suffix != ".jar" or not names:
        raise Refused(f"{jar.name} is no jar")
    return [name.removesuffix(".class").replace("/", ".") for name in names if name.endswith(".class")]


class _Forward:
    """What tarfile reads through: forward only, never much at once, and it remembers the last header block.

    A header can claim a long name of gigabytes, which tarfile would read into memory.
    """

    def __init__(self, plain: IO[bytes], raw: BinaryIO, progress: Progress) -> None:
        self.last = b""
        self._plain = plain
        self._raw = raw
        self._progress = progress
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self._take(size)
        return self.last

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.ReadError(f"a member that ends before it begins, at byte {self._at}")
        while position > self._at:
            if not self._take(min(_CHUNK, position - self._at)):
                return

    def drain(self) -> None:
        """Read what follows the end mark, which also checks the compression's own checksum."""
        while rest := self._take(_CHUNK):
            if rest.strip(b"\0"):
                raise Refused(f"it has more data after its end, at byte {self._at - len(rest)}")

    def _take(self, size: int) -> bytes:
        data = self._plain.read(size)
        self._at += len(data)
        self._progress.add(self._raw.tell() - self._progress.done)
        # The sum of the members is judged elsewhere; this ends streams of headers or of zeros.
        if self._at > MAX_BYTES + MAX_BYTES // 8:
            raise Refused(f"it unpacks to more than {self._at >> 20} MiB")
        return data


def _judged(stream: _Forward) -> ReleaseName:
    tar = tarfile.TarFile(fileobj=cast("IO[bytes]", stream), mode="r", errors="surrogateescape")
    name = judge(_members(tar, stream))
    stream.drain()
    return name


def _members(tar: tarfile.TarFile, stream: _Forward) -> Iterator[Member]:
    for info in tar:
        yield Member(
            name=info.name,
            kind=Kind.SPARSE if info.issparse() else _KINDS.get(info.type, Kind.OTHER),
            size=info.size,
            mode=info.mode,
            target=info.linkname if info.issym() or info.islnk() else "",
            renamed=bool({"path", "linkpath", "size"} & info.pax_headers.keys()),
        )
    # tarfile takes a damaged header in the middle for the end, without a word.
    if len(stream.last) < _BLOCK:
        raise Refused(f"it is truncated: it ends without an end mark, after {stream.tell()} bytes")
    if stream.last.strip(b"\0"):
        raise Refused(f"it is damaged: no header and no end mark at byte {stream.tell() - _BLOCK}")
