import hashlib
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest

from kafab.adapters.store.sources import ApacheArchive
from kafab.errors import Failed, UsageError
from kafab.events import Event, Note, Transfer, silent
from kafab.model import Version
from kafab.releases.names import release_for

NAME = release_for(Version(3, 9, 2))
PATH = "/kafka/3.9.2/kafka_2.13-3.9.2.tgz"
CONTENT = bytes(range(256)) * 2000  # 512 kB: several chunks
SHA512 = hashlib.sha512(CONTENT).hexdigest()


@dataclass
class Site:
    """What a loopback web server answers, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    kind: str = "application/octet-stream"
    lengths: bool = True
    cuts: list[int] = field(default_factory=list)
    """Bytes of the release to send before the connection ends, one number an answer."""
    resets: bool = False
    """A cut is a reset, not an orderly end."""
    stalls: bool = False
    """A cut leaves the connection open, and silent."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def archive(self, parts: Path, **limits: timedelta) -> ApacheArchive:
        """Return the source under test, pointed here."""
        return ApacheArchive(f"http://127.0.0.1:{self.port}/kafka/", parts, **limits)


class _Server(ThreadingHTTPServer):
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        site = self.server.site
        wanted = self.headers["Range"]
        site.asked.append((self.path, wanted))
        if self.path not in site.files:
            self.send_error(404)
            return
        content, start = site.files[self.path], 0
        if site.ranges and wanted:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", site.kind)
        if site.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if site.cuts and self.path == PATH:
            self.wfile.write(rest[: site.cuts.pop(0)])
            self.wfile.flush()
            if site.stalls:
                site.over.wait(30)
            if site.resets:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.wfile.write(rest)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server on loopback that has the release and its digest."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Site({PATH: CONTENT, f"{PATH}.sha512": f"{SHA512}  {NAME}.tgz\n".encode()})
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.site = made
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.over.set()
        server.shutdown()
        thread.join(30)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Return the folder where the release is wanted."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """Return where an unfinished download is kept."""
    return tmp_path / f"{NAME}.tgz.part"


def test_release_is_downloaded_and_checked(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """The file arrives whole under its name, and no part stays."""
    file = site.archive(tmp_path).get(NAME, into, silent)
    assert file == into / f"{NAME}.tgz"
    assert file.read_bytes() == CONTENT
    assert not part.exists()


def test_progress_ends_with_the_whole_file(site: Site, tmp_path: Path, into: Path) -> None:
    """Bytes are counted up to the total that the server announced."""
    told: list[Event] = []
    site.archive(tmp_path).get(NAME, into, told.append)
    moves = [event for event in told if isinstance(event, Transfer)]
    assert {(move.subject, move.name, move.total) for move in moves} == {
        ("archive", f"{NAME}.tgz", len(CONTENT))
    }
    assert moves[-1].done == len(CONTENT)
    assert [move.done for move in moves] == sorted(move.done for move in moves)


@pytest.mark.parametrize("resets", [False, True], ids=["ends", "resets"])
def test_broken_connection_is_taken_up_again(site: Site, resets: bool, tmp_path: Path, into: Path) -> None:
    """After each break only the rest is asked for; resets too, and the file is whole in the end."""
    site.cuts, site.resets = [100_000, 200_000], resets
    file = site.archive(tmp_path).get(NAME, into, silent)
    assert file.read_bytes() == CONTENT
    starts = [asked for path, asked in site.asked if path == PATH]
    # A reset may discard bytes that were on their way; what matters is that nobody begins again.
    assert starts[0] is None
    assert len(starts) == 3
    assert starts[2] is not None


def test_part_of_an_earlier_attempt_is_used(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """The next process goes on where the last one ended."""
    part.write_bytes(CONTENT[:300_000])
    assert site.archive(tmp_path).get(NAME, into, silent).read_bytes() == CONTENT
    assert (PATH, "bytes=300000-") in site.asked


def test_interruption_leaves_the_part_and_nothing_else(
    site: Site, tmp_path: Path, into: Path, part: Path
) -> None:
    """Ctrl-C keeps what has arrived for the next time."""

    def interrupt(event: Event) -> None:
        assert isinstance(event, Transfer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.archive(tmp_path).get(NAME, into, interrupt)
    assert CONTENT.startswith(part.read_bytes())
    assert part.stat().st_size > 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["into", part.name]


def test_part_of_something_else_is_replaced(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """A part that does not fit costs one more download, never a wrong file."""
    part.write_bytes(b"something else" * 1000)
    told: list[Event] = []
    assert site.archive(tmp_path).get(NAME, into, told.append).read_bytes() == CONTENT
    assert any(isinstance(event, Note) and "do not fit" in event.text for event in told)


@pytest.mark.parametrize("size", [0, len(CONTENT), len(CONTENT) + 10])
def test_part_that_needs_no_more_bytes_is_handled(
    site: Site, size: int, tmp_path: Path, into: Path, part: Path
) -> None:
    """An empty part, a complete one and one that is too long all lead to the file."""
    part.write_bytes((CONTENT + b"0123456789")[:size])
    assert site.archive(tmp_path).get(NAME, into, silent).read_bytes() == CONTENT


def test_server_without_ranges_sends_all_again(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """An answer that ignores the range replaces the part."""
    site.ranges = False
    part.write_bytes(CONTENT[:1000])
    assert site.archive(tmp_path).get(NAME, into, silent).read_bytes() == CONTENT


def test_length_need_not_be_announced(site: Site, tmp_path: Path, into: Path) -> None:
    """Without a Content-Length the digest alone says whether the file is whole."""
    site.lengths = False
    assert site.archive(tmp_path).get(NAME, into, silent).read_bytes() == CONTENT


def test_wrong_digest_is_refused_and_not_kept(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """A file that is not the published one leaves nothing behind to resume from."""
    site.files[PATH] = CONTENT[:-1] + b"x"
    with pytest.raises(Failed, match=f"wrong sha512: {len(CONTENT)} bytes have .*published is {SHA512[:16]}"):
        site.archive(tmp_path).get(NAME, into, silent)
    assert not part.exists()
    assert list(into.iterdir()) == []


def test_truncated_file_is_refused_by_its_digest(site: Site, tmp_path: Path, into: Path) -> None:
    """A mirror that has half of the file, and announces half of it, is found out."""
    site.files[PATH] = CONTENT[: len(CONTENT) // 2]
    with pytest.raises(Failed, match="wrong sha512"):
        site.archive(tmp_path).get(NAME, into, silent)


def test_connection_that_always_breaks_ends_with_a_reason(
    site: Site, tmp_path: Path, into: Path, part: Path
) -> None:
    """It stops after some attempts without a new byte, and says what is kept."""
    site.cuts = [1000] + [0] * 20
    with pytest.raises(Failed, match=rf"ended after 1000 of {len(CONTENT)} bytes \(1000 bytes are kept"):
        site.archive(tmp_path).get(NAME, into, silent)
    assert part.read_bytes() == CONTENT[:1000]


def test_silent_server_is_given_up(site: Site, tmp_path: Path, into: Path) -> None:
    """A server that stops answering in the middle costs a few timeouts, not for ever."""
    site.cuts, site.stalls = [1000] + [0] * 20, True
    with pytest.raises(Failed, match=r"no answer within 0\.1 s"):
        site.archive(tmp_path, timeout=timedelta(seconds=0.1)).get(NAME, into, silent)


def test_one_file_has_a_deadline(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """A server that drips is left when the time is over."""
    with pytest.raises(Failed, match="not complete after 0:00:00"):
        site.archive(tmp_path, limit=timedelta(0)).get(NAME, into, silent)


def test_html_page_is_refused(site: Site, tmp_path: Path, into: Path, part: Path) -> None:
    """A login page answers 200 to everything; it is told from a file by its type."""
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(Failed, match=r"\.sha512: an HTML page came instead of the file"):
        site.archive(tmp_path).get(NAME, into, silent)
    assert not part.exists()


@pytest.mark.parametrize(
    ("missing", "reason"),
    [(f"{PATH}.sha512", r"tgz\.sha512: HTTP 404"), (PATH, r"tgz: HTTP 404")],
)
def test_missing_file_is_named(site: Site, missing: str, reason: str, tmp_path: Path, into: Path) -> None:
    """The reason has the URL and the server's own answer."""
    del site.files[missing]
    with pytest.raises(Failed, match=reason):
        site.archive(tmp_path).get(NAME, into, silent)


@pytest.mark.parametrize("text", [b"", b"not a digest", b"\xff\xfe\x00", b"0" * 200_000])
def test_digest_file_without_a_digest_is_refused(site: Site, text: bytes, tmp_path: Path, into: Path) -> None:
    """Nothing is downloaded that could not be checked."""
    site.files[f"{PATH}.sha512"] = text
    with pytest.raises(Failed, match=r"\.sha512: (no sha512 digest|more than 65536 bytes)"):
        site.archive(tmp_path).get(NAME, into, silent)
    assert PATH not in [path for path, _ in site.asked]


def test_unreachable_archive_says_why(site: Site, tmp_path: Path, into: Path) -> None:
    """A refused connection is told in the system's words, with the URL."""
    with _Server(("127.0.0.1", 0), _Handler) as closed:
        port = closed.server_address[1]
    with pytest.raises(Failed, match=rf"127\.0\.0\.1:{port}/.*\.sha512: Connection refused"):
        ApacheArchive(f"http://127.0.0.1:{port}", tmp_path).get(NAME, into, silent)


@pytest.mark.parametrize(
    "base", ["", "mirror.example.org/kafka", "ftp://mirror/kafka", "file:///srv", "http://u:secret@mirror/"]
)
def test_odd_base_url_is_a_usage_error(base: str, tmp_path: Path) -> None:
    """KAFAB_ARCHIVE is an http or https URL, and a password in it is never repeated."""
    with pytest.raises(UsageError, match="KAFAB_ARCHIVE is not") as caught:
        ApacheArchive(base, tmp_path)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
