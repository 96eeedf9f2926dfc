"""The releases on this machine: ``<folder>/<sha256>/<release>.tgz|.tar`` and ``artifact.json`` beside it.

A release appears by one rename of a folder that is complete, so a kill at any moment leaves it whole or absent.
What begins with ``.`` or ends with ``.part`` is work in progress.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from kafab.adapters.store import agents
from kafab.errors import Failed, UsageError
from kafab.events import Emit, Note, Waiting, silent
from kafab.model import AgentFile
from kafab.releases.archive import MAX_BYTES, Content, Refused, container
from kafab.releases.names import APACHE_ARCHIVE, BY_HAND, Agent, Artifact, ReleaseName, by_hand, parse_sha512
from kafab.unknown import Unknown

if TYPE_CHECKING:  # a deploy with nothing to do must not pay for urllib and tarfile
    from kafab.adapters.store.sources import Source
    from kafab.adapters.store.tarballs import Digests

_RECORD = "artifact.json"
_STALE = timedelta(days=1)
_LOCKED = timedelta(hours=1)  # as long as one download may take
_UNREADABLE = f"unknown: its {_RECORD} cannot be read"


@dataclass(frozen=True)
class _Entry:
    artifact: Artifact
    added: str
    """UTC, ISO 8601: sorts as time."""


class ReleaseStore:
    """Implements `kafab.ports.Store` on a folder that any number of processes may share."""

    def __init__(self, folder: Path, sources: "Sequence[Source] | None" = None) -> None:
        """Without ``sources``: Apache's archive (KAFAB_ARCHIVE names a mirror of it), then Maven."""
        self._folder = folder
        self._given = sources

    def find(self, name: ReleaseName) -> Artifact | None:
        """Return the newest stored artifact of a release, or None. No digest is computed.

        One whose file has another size than was recorded, or whose record is lost, does not count.
        """
        found = [entry for entry in self._entries(name) if _intact(entry.artifact)]
        return max(found, key=lambda entry: entry.added).artifact if found else None

    def all(self) -> Sequence[Artifact]:
        """Return every stored artifact, by name and then by age, damaged ones included."""
        entries = sorted(self._entries(), key=lambda entry: (entry.artifact.name, entry.added))
        return [entry.artifact for entry in entries]

    def fetch(self, name: ReleaseName, emit: Emit) -> Artifact:
        """Return the stored artifact, or get it from the first source that has it; see ``Store.fetch``."""
        if found := self.find(name):
            return found
        with self._writing(), self._lock(name, emit):
            return self.find(name) or self._fetched(name, emit)

    def agent(self, wanted: AgentFile, emit: Emit) -> Agent:
        """Return Prometheus' agent for JMX; see ``Store.agent``."""
        if wanted.file:
            return agents.own(wanted, wanted.file)
        if found := agents.kept(wanted, self._folder):
            return found
        with self._writing(), self._staging() as staging:
            return agents.fetched(wanted, self._folder, staging, emit)

    def add(self, file: Path, name: ReleaseName | None, sha512: str | None, emit: Emit) -> Artifact:
        """Check a file and keep a copy of it; see ``Store.add``. The newest of one release is the one in use.

        ``sha512`` is hex, or the text of a published ``.sha512`` file. Raises UsageError if it is neither.
        """
        from kafab.adapters.store.tarballs import digests

        wanted = _wanted_digest(sha512)
        _check_given(file)
        with self._writing(), self._staging() as staging:
            copy = staging / "given"
            found = digests(file, emit, copy_to=copy)
            if wanted and found.sha512 != wanted:
                raise Failed(
                    f"{file}: wrong sha512: its {found.size} bytes have {found.sha512[:16]}…, wanted is {wanted[:16]}…",
                    hint="get the file again: it is damaged, or not the one the digest was published for",
                )
            if wanted is None:
                emit(Note("store", f"{file.name}: no --sha512 given, so its origin is not proven"))
            try:
                return self._keep(copy, found, name, BY_HAND, emit)
            except Refused as reason:
                raise Failed(f"{file}: {reason}", hint=_refused_hint(sha512)) from reason

    def verify(self, artifact: Artifact | Agent) -> str | None:
        """Compute the artifact's digest again; None if it is what it was, else what is wrong."""
        from kafab.adapters.store.tarballs import digests

        if isinstance(artifact, Artifact) and artifact.source == _UNREADABLE:
            return f"its {_RECORD} cannot be read"
        try:
            found = digests(artifact.file, silent)
        except OSError as fault:
            return f"it cannot be read: {fault.strerror}"
        if found.size != artifact.size:
            return f"it has {found.size} bytes and had {artifact.size}"
        if found.sha256 != artifact.sha256:
            return f"its sha256 is {found.sha256[:16]}… and was {artifact.sha256[:16]}…"
        return None

    def contents(self, artifact: Artifact) -> Sequence[Content] | Unknown:
        """Return what an artifact's files are, by digest; Unknown where it is not what it was."""
        from kafab.adapters.store.tarballs import contents

        if fault := self.verify(artifact):
            return Unknown(f"its archive here is damaged: {fault}")
        try:
            return contents(artifact.file)
        except OSError as error:
            return Unknown(f"its archive here cannot be read: {error.strerror}")

    def _fetched(self, name: ReleaseName, emit: Emit) -> Artifact:
        from kafab.adapters.store.tarballs import digests

        reasons = {"store": f"nothing in {self._folder}"}
        for source in self._sources():
            try:
                with self._staging() as staging:
                    file = source.get(name, staging, emit)
                    return self._keep(file, digests(file, emit), name, source.name, emit)
            except Refused as reason:
                reasons[source.name] = f"what came was refused: {reason}"
            except Failed as fault:
                reasons[source.name] = fault.message
            emit(Note(source.name, reasons[source.name]))
        lines = "".join(f"\n  {source}: {reason}" for source, reason in reasons.items())
        raise Failed(f"no source has {name}:{lines}", hint=by_hand(name))

    def _sources(self) -> "Sequence[Source]":
        if self._given is not None:
            return self._given
        from kafab.adapters.store.maven import MavenClient
        from kafab.adapters.store.sources import ApacheArchive

        return (ApacheArchive(os.environ.get("KAFAB_ARCHIVE") or APACHE_ARCHIVE, self._folder), MavenClient())

    def _keep(
        self, file: Path, found: "Digests", name: ReleaseName | None, source: str, emit: Emit
    ) -> Artifact:
        """Judge a file that lies in a staging folder and move it to its place. Raises Refused."""
        from kafab.adapters.store.tarballs import inspect

        release = inspect(file, emit)
        if name is not None and release != name:
            raise Refused(f"it is {release}, wanted was {name}")
        place = self._folder / found.sha256
        with file.open("rb") as content:
            target = f"{release}.{container(content.read(512))}"
            os.fsync(content.fileno())
        artifact = Artifact(release, place / target, found.sha256, found.size, source)
        entry = file.parent / "entry"
        entry.mkdir()
        file.rename(entry / target)
        _write_record(entry, artifact)
        self._place(entry, artifact, file.parent)
        emit(Note("store", f"{release} kept as {artifact.file}"))
        return artifact

    def _place(self, entry: Path, artifact: Artifact, staging: Path) -> None:
        place = artifact.file.parent
        if place.exists():
            if self.verify(artifact) is None:
                # The same bytes were here; from now on they are the newest of their release.
                (entry / _RECORD).replace(place / _RECORD)
                return
            place.rename(staging / "broken")
        try:
            entry.rename(place)
        except OSError as fault:
            # Another process has put the same bytes there a moment ago.
            if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def _entries(self, name: ReleaseName | None = None) -> Iterator[_Entry]:
        """Yield what is stored, of one release or at all; nothing where there is no store yet."""
        try:
            folders = [
                folder for folder in self._folder.iterdir() if re.fullmatch(r"[0-9a-f]{64}", folder.name)
            ]
        except OSError:
            return
        for folder in folders:
            # A record is only read where the file's name says that it is wanted.
            if name is None or any((folder / f"{name}.{kind}").exists() for kind in ("tgz", "tar")):
                entry = _read(folder)
                if entry:
                    yield entry

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Make the folder, clean up after runs that were killed, and tell the disk's faults as ours."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _clean(self._folder)
            yield
        except OSError as fault:
            where = f" ({fault.filename})" if fault.filename else ""
            raise Failed(
                f"the store of releases {self._folder} cannot be written: {fault.strerror or fault}{where}",
                hint="it needs about 300 MB a release; XDG_CACHE_HOME moves it",
            ) from fault

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(
            prefix=".new-", dir=self._folder, ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)

    @contextlib.contextmanager
    def _lock(self, name: ReleaseName, emit: Emit) -> Iterator[None]:
        """Let one process at a time fetch a release; the lock dies with the process that holds it."""
        file = self._folder / f".lock-{name}"
        started = time.monotonic()
        while (held := _locked(file)) is None:
            elapsed = timedelta(seconds=time.monotonic() - started)
            if elapsed > _LOCKED:
                raise Failed(f"another kafab has been fetching {name} for more than {_LOCKED} ({file})")
            emit(Waiting("store", f"another kafab to fetch {name}", elapsed, _LOCKED))
            time.sleep(0.2)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
            os.close(held)


def _wanted_digest(sha512: str | None) -> str | None:
    if sha512 is None:
        return None
    if not sha512.strip():
        raise UsageError(
            "--sha512 is empty: was the variable set, or the file found, that it came from?",
            hint="give the published digest, or leave --sha512 out to keep a file whose origin is not proven",
        )
    try:
        return parse_sha512(sha512)
    except ValueError as fault:
        raise UsageError(
            f"--sha512: {fault}", hint="give the 128 hex digits, or the text of the published .sha512 file"
        ) from fault


def _check_given(file: Path) -> None:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Failed(f"{file}: it is no file")
        if status.st_size > MAX_BYTES:
            raise Failed(f"{file}: it has {status.st_size} bytes, a release has less than {MAX_BYTES}")
        with file.open("rb") as content:
            container(content.read(512))
    except OSError as fault:
        raise Failed(
            f"{file}: {fault.strerror}", hint="give the path of a release, a .tgz or a .tar"
        ) from fault
    except Refused as reason:
        raise Failed(f"{file}: {reason}", hint=_refused_hint(None)) from reason


def _refused_hint(sha512: str | None) -> str:
    if sha512:
        return "its sha512 is as given: the file was packed like that"
    return f"get it again from {APACHE_ARCHIVE} and give the published digest with --sha512"


def _read(folder: Path) -> _Entry | None:
    """Return what a folder of the store holds; where its record is lost, what its file's name says."""
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        name = ReleaseName.parse(record["release"])
        file = folder / f"{name}.{record['container']}"
        artifact = Artifact(name, file, folder.name, int(record["size"]), str(record["source"]))
        return _Entry(artifact, str(record["added"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for file in folder.glob("kafka_*.t*"):
        with contextlib.suppress(ValueError, OSError):
            name = ReleaseName.parse(file.stem)
            return _Entry(Artifact(name, file, folder.name, file.stat().st_size, _UNREADABLE), "")
    return None


def _write_record(folder: Path, artifact: Artifact) -> None:
    record = {
        "release": str(artifact.name),
        "container": artifact.file.suffix.removeprefix("."),
        "size": artifact.size,
        "sha256": artifact.sha256,
        "source": artifact.source,
        "added": datetime.now(timezone.utc).isoformat(),
    }
    with (folder / _RECORD).open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def _intact(artifact: Artifact) -> bool:
    try:
        return artifact.source != _UNREADABLE and artifact.file.stat().st_size == artifact.size
    except OSError:
        return False


def _clean(folder: Path) -> None:
    """Remove what a killed run left more than a day ago."""
    now = time.time()
    for left in (*folder.glob(".new-*"), *folder.glob(".lock-*"), *folder.glob("*.part")):
        with contextlib.suppress(OSError):
            if now - left.stat().st_mtime > _STALE.total_seconds():
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _locked(file: Path) -> int | None:
    """Return a descriptor that holds the lock, or None while somebody else does."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.exists() and os.path.samestat(os.fstat(descriptor), file.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    # Held by another process, or removed by the one that held it: then this is no longer the lock.
    os.close(descriptor)
    return None
