"""Where releases come from: what a source is, and Apache's archive (or a mirror of it)."""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from kafab import __version__
from kafab.adapters.store.progress import Progress
from kafab.errors import Failed, UsageError
from kafab.events import Emit, Note
from kafab.releases.archive import MAX_BYTES
from kafab.releases.names import ReleaseName, archive_path, parse_sha512

_CHUNK = 1 << 16  # bytes
_MAX_DIGEST = 1 << 16  # bytes; a digest file has about 200
_CUTS = 5  # connections that may break without a single new byte


class Source(Protocol):
    """A place that may have a release."""

    name: str
    """For people, and kept with the artifact."""

    def get(self, release: ReleaseName, into: Path, emit: Emit) -> Path:
        """Put the release's archive into the folder ``into`` and return its path. Raises Failed with the reason."""


class ApacheArchive:
    """The published archive, checked against the sha512 published beside it.

    What has arrived stays in ``parts`` as ``<release>.tgz.part``; the next attempt asks for the rest of it.
    """

    name = "archive"

    def __init__(
        self,
        base: str,
        parts: Path,
        *,
        timeout: timedelta = timedelta(seconds=20),
        limit: timedelta = timedelta(hours=1),
    ) -> None:
        """``timeout`` is for each answer of the server, ``limit`` for one file. Raises UsageError for an odd base."""
        url = urlsplit(base)
        if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
            raise UsageError(
                "KAFAB_ARCHIVE is not an http or https URL without a user name",
                hint="it is the folder that holds 3.9.2/kafka_2.13-3.9.2.tgz, like https://mirror.example.org/kafka",
            )
        self._base = base.rstrip("/")
        self._parts = parts
        self._timeout = timeout
        self._limit = limit

    def get(self, release: ReleaseName, into: Path, emit: Emit) -> Path:
        """Download, going on where an earlier attempt ended. Raises Failed; see ``Source.get``."""
        url = f"{self._base}/{archive_path(release)}"
        deadline = time.monotonic() + self._limit.total_seconds()
        wanted = self._published_digest(f"{url}.sha512", deadline)
        part = self._parts / f"{release}.tgz.part"
        resumed = _size(part)
        found = self._download(url, part, deadline, emit)
        if found != wanted and resumed:
            # What lay here was not the beginning of this file.
            emit(
                Note(
                    self.name,
                    f"the {resumed} bytes kept from an earlier attempt do not fit: from the beginning",
                )
            )
            part.unlink()
            found = self._download(url, part, deadline, emit)
        if found != wanted:
            size = _size(part)
            part.unlink()
            raise Failed(f"{url}: wrong sha512: {size} bytes have {found[:16]}…, published is {wanted[:16]}…")
        return part.replace(into / f"{release}.tgz")

    def _published_digest(self, url: str, deadline: float) -> str:
        try:
            with self._open(url) as response:
                text = b"".join(self._chunks(response, _MAX_DIGEST, deadline)).decode(
                    "ascii", errors="replace"
                )
            return parse_sha512(text)
        except (_Cut, ValueError) as fault:
            raise Failed(f"{url}: {fault}") from fault

    def _download(self, url: str, part: Path, deadline: float, emit: Emit) -> str:
        """Fill ``part`` and return its sha512."""
        cuts = 0
        while True:
            before = _size(part)
            try:
                self._receive(url, part, deadline, emit)
                return _sha512(part)
            except _Cut as cut:
                cuts = 0 if _size(part) > before else cuts + 1
                if cuts == _CUTS:
                    raise Failed(f"{url}: {cut}{_kept(part)}") from cut
            except Failed as fault:
                raise Failed(fault.message + _kept(part)) from fault

    def _receive(self, url: str, part: Path, deadline: float, emit: Emit) -> None:
        """Get the rest of ``part`` in one connection. Raises _Cut when it ends early."""
        have = _size(part)
        try:
            response = self._open(url, have)
        except _Nothing:
            part.unlink()
            response = self._open(url)
        with response:
            at = _start(response, _size(part))
            length = response.headers.get("Content-Length", "")
            total = at + int(length) if length.isdecimal() else None
            progress = Progress(emit, self.name, part.name.removesuffix(".part"), total, done=at)
            # A server without ranges sends all of it again.
            with part.open("r+b" if at else "wb") as file:
                file.seek(at)
                for chunk in self._chunks(response, MAX_BYTES, deadline):
                    file.write(chunk)
                    progress.add(len(chunk))
        if total is not None and progress.done < total:
            raise _Cut(f"the connection ended after {progress.done} of {total} bytes")
        progress.finish()

    def _open(self, url: str, start: int = 0) -> http.client.HTTPResponse:
        headers = {"User-Agent": f"kafab/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  # __init__ lets http and https pass
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310  # as above
                request, timeout=self._timeout.total_seconds()
            )
        except urllib.error.HTTPError as fault:
            fault.close()
            if fault.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                raise _Nothing from fault
            raise Failed(f"{url}: HTTP {fault.code} {fault.reason}") from fault
        except (OSError, http.client.HTTPException) as fault:
            raise Failed(f"{url}: {self._text(fault)}") from fault
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            response.close()
            raise Failed(f"{url}: an HTML page came instead of the file (a proxy's or a login page?)")
        return response

    def _chunks(self, response: http.client.HTTPResponse, most: int, deadline: float) -> Iterator[bytes]:
        got = 0
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as fault:
                raise _Cut(self._text(fault)) from fault
            if not chunk:
                return
            got += len(chunk)
            if got > most:
                raise Failed(f"{response.url}: more than {most} bytes")
            yield chunk
            if time.monotonic() > deadline:
                raise Failed(f"{response.url}: not complete after {self._limit}")

    def _text(self, fault: Exception) -> str:
        reason = getattr(fault, "reason", fault)
        if isinstance(reason, TimeoutError):
            return f"no answer within {self._timeout.total_seconds():g} s"
        return getattr(reason, "strerror", None) or str(reason)


class _Cut(Exception):
    """The connection ended before the file did."""


class _Nothing(Exception):
    """The server has no bytes after the ones that are here."""


def _start(response: http.client.HTTPResponse, have: int) -> int:
    """Return the offset in the file of the answer's first byte."""
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""), re.ASCII)
    if not found or int(found[1]) > have:
        raise Failed(f"{response.url}: asked for the rest from byte {have} on, and another part of it came")
    return int(found[1])


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _kept(part: Path) -> str:
    size = _size(part)
    return f" ({size} bytes are kept, the next attempt goes on there)" if size else ""


def _sha512(file: Path) -> str:
    digest = hashlib.sha512()
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
