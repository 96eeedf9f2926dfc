"""The store of releases: what is kept, what is refused, and what survives an interruption."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.adapters.store.sources import Source
from kafab.adapters.store.store import ReleaseStore
from kafab.errors import Failed, UsageError
from kafab.events import Event, Note, Waiting, silent
from kafab.model import Version
from kafab.releases.names import Artifact, ReleaseName, release_for
from tests.shelves import NAME, OLD, Closed, Shelf, archive, names

DEADLINE = 30.0  # seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the store is; it does not exist yet."""
    return tmp_path / "cache" / "releases"


@pytest.fixture
def given(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes as a file that somebody hands over."""

    def write(content: bytes) -> Path:
        file = tmp_path / "given.tgz"
        file.write_bytes(content)
        return file

    return write


def test_empty_store_has_nothing_and_makes_nothing(folder: Path) -> None:
    """Looking into a store that does not exist leaves the disk as it is."""
    store = ReleaseStore(folder, [])
    assert (store.find(NAME), store.all()) == (None, [])
    assert not folder.exists()


def test_fetched_release_is_kept_under_its_digest(folder: Path) -> None:
    """The file, its record and nothing else; the record says what and where from."""
    content = archive()
    artifact = ReleaseStore(folder, [Shelf(content)]).fetch(NAME, silent)
    sha256 = hashlib.sha256(content).hexdigest()
    assert artifact == Artifact(NAME, folder / sha256 / f"{NAME}.tgz", sha256, len(content), "shelf")
    assert artifact.file.read_bytes() == content
    assert names(folder) == sorted([sha256, f"{sha256}/artifact.json", f"{sha256}/{NAME}.tgz"])
    record = json.loads((artifact.file.parent / "artifact.json").read_text(encoding="utf-8"))
    assert record.pop("added").endswith("+00:00")
    assert record == {
        "release": str(NAME),
        "container": "tgz",
        "size": len(content),
        "sha256": sha256,
        "source": "shelf",
    }


def test_second_fetch_asks_nobody(folder: Path) -> None:
    """What is stored is found again, also by another process's store, and the disk is not touched."""
    shelf = Shelf(archive())
    first = ReleaseStore(folder, [shelf]).fetch(NAME, silent)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = ReleaseStore(folder, [shelf])
    assert again.fetch(NAME, silent) == again.find(NAME) == first
    assert shelf.asked == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_sources_are_asked_in_order(folder: Path) -> None:
    """The first source that has the release wins; the failed one before it is told."""
    later = Shelf(archive())
    told: list[Event] = []
    sources: list[Source] = [Closed("archive", "no route"), Shelf(archive()), later]
    assert ReleaseStore(folder, sources).fetch(NAME, told.append).source == "shelf"
    assert Note("archive", "no route") in told
    assert later.asked == 0


def test_failure_names_every_source_and_how_to_help(folder: Path) -> None:
    """One error with each source's reason; the hint has the download and the command for a site without network."""
    hostile = tarfile.TarInfo(f"{NAME}/../../x")
    sources: list[Source] = [
        Closed("archive", "Name or service not known"),
        Closed("maven", "no mvn on the PATH"),
        Shelf(archive(NAME, b"jar", hostile)),
    ]
    with pytest.raises(Failed) as caught:
        ReleaseStore(folder, sources).fetch(NAME, silent)
    first, *reasons = caught.value.message.splitlines()
    assert first == f"no source has {NAME}:"
    assert [line.strip().partition(": ")[0] for line in reasons] == ["store", "archive", "maven", "shelf"]
    assert "Name or service not known" in reasons[1]
    assert "no mvn on the PATH" in reasons[2]
    assert "'..' in its path" in reasons[3]
    assert f"fab releases.add {NAME}.tgz" in str(caught.value.hint)
    assert names(folder) == []


def test_source_with_another_release_is_refused(folder: Path) -> None:
    """What came is judged by its content, not by what was asked for."""
    with pytest.raises(Failed, match=f"it is {OLD}, wanted was {NAME}"):
        ReleaseStore(folder, [Shelf(archive(OLD))]).fetch(NAME, silent)


def test_added_file_is_kept_and_the_given_one_stays(folder: Path, given: Callable[[bytes], Path]) -> None:
    """The release is named by its content, whatever the file is called; a digest in published layout is checked."""
    content = archive()
    file = given(content)
    published = f"{NAME}.tgz: {hashlib.sha512(content).hexdigest().upper()}\n"
    artifact = ReleaseStore(folder, []).add(file, None, published, silent)
    assert (artifact.name, artifact.source) == (NAME, "added by hand")
    assert file.read_bytes() == content
    assert ReleaseStore(folder, []).fetch(NAME, silent) == artifact


def test_missing_digest_is_mentioned(folder: Path, given: Callable[[bytes], Path]) -> None:
    """Without a digest the content is judged, and it is said that the origin is not."""
    told: list[Event] = []
    ReleaseStore(folder, []).add(given(archive()), None, None, told.append)
    assert any(isinstance(event, Note) and "no --sha512 given" in event.text for event in told)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "it is an HTML page"),
        (archive()[:-20], "it is truncated"),
        (archive(NAME, b"jar", tarfile.TarInfo("/etc/x")), "member '/etc/x' has an absolute path"),
        (archive(ReleaseName(Version(3, 9, 2), "2.12")), "it is kafka_2.12-3.9.2, wanted was"),
    ],
    ids=["empty", "html", "truncated", "hostile", "another release"],
)
def test_bad_file_is_refused_and_leaves_nothing(
    folder: Path, given: Callable[[bytes], Path], content: bytes, reason: str
) -> None:
    """The reason has the file's path; the store is as it was."""
    file = given(content)
    with pytest.raises(Failed) as caught:
        ReleaseStore(folder, []).add(file, NAME, None, silent)
    assert caught.value.message.startswith(f"{file}: {reason}")
    assert not folder.exists() or names(folder) == []


def test_wrong_digest_is_refused(folder: Path, given: Callable[[bytes], Path]) -> None:
    """A sound archive that is not the published one is refused, with both digests."""
    with pytest.raises(Failed, match=r"wrong sha512: its \d+ bytes have [0-9a-f]{16}…, wanted is 0000"):
        ReleaseStore(folder, []).add(given(archive()), None, "0" * 128, silent)
    assert names(folder) == []


def test_odd_digest_is_a_usage_error(folder: Path, given: Callable[[bytes], Path]) -> None:
    """A digest of another kind is told before anything is read."""
    with pytest.raises(UsageError, match="--sha512: no sha512 digest"):
        ReleaseStore(folder, []).add(given(archive()), None, "d41d8cd98f00b204e9800998ecf8427e", silent)


def test_missing_file_and_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    """What is no file gets a sentence with its path."""
    store = ReleaseStore(folder, [])
    with pytest.raises(Failed, match=r"/nothing: No such file"):
        store.add(tmp_path / "nothing", None, None, silent)
    with pytest.raises(Failed, match="it is no file"):
        store.add(tmp_path, None, None, silent)


def test_newest_artifact_of_a_release_is_the_one_in_use(folder: Path, given: Callable[[bytes], Path]) -> None:
    """A patched build takes over when it is added, and the first one when it is added again."""
    store = ReleaseStore(folder, [])
    first = store.add(given(archive(content=b"one")), None, None, silent)
    second = store.add(given(archive(content=b"two")), None, None, silent)
    assert store.find(NAME) == second
    assert store.add(given(archive(content=b"one")), None, None, silent) == first
    assert store.find(NAME) == first
    assert list(store.all()) == [second, first]


def test_all_lists_by_name(folder: Path, given: Callable[[bytes], Path]) -> None:
    """Older versions first; find tells them apart."""
    store = ReleaseStore(folder, [])
    store.add(given(archive(NAME)), None, None, silent)
    store.add(given(archive(OLD)), None, None, silent)
    assert [artifact.name for artifact in store.all()] == [OLD, NAME]
    assert [found and found.name for found in (store.find(NAME), store.find(OLD))] == [NAME, OLD]


def _flip(artifact: Artifact) -> None:
    artifact.file.write_bytes(artifact.file.read_bytes()[:-1] + b"x")


def _cut(artifact: Artifact) -> None:
    os.truncate(artifact.file, 10)


def _lose_record(artifact: Artifact) -> None:
    (artifact.file.parent / "artifact.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_flip, r"its sha256 is .{17} and was"),
        (_cut, "it has 10 bytes and had"),
        (lambda artifact: artifact.file.unlink(), "cannot be read: No such file"),
        (_lose_record, r"its artifact\.json cannot be read"),
    ],
    ids=["flipped byte", "truncated", "file lost", "record lost"],
)
def test_damage_is_found_listed_and_mended(
    folder: Path, given: Callable[[bytes], Path], damage: Callable[[Artifact], None], fault: str
) -> None:
    """Verify says what is wrong, and adding the good file again puts it right."""
    store = ReleaseStore(folder, [])
    good = store.add(given(archive()), None, None, silent)
    assert store.verify(good) is None
    damage(good)
    (listed,) = store.all()
    found = store.verify(listed)
    assert re.search(fault, found or "nothing wrong")
    mended = store.add(given(archive()), None, None, silent)
    assert store.verify(mended) is None
    assert [store.verify(artifact) for artifact in store.all()] == [None]


@pytest.mark.parametrize("damage", [_cut, lambda artifact: artifact.file.unlink(), _lose_record])
def test_visibly_damaged_artifact_is_not_used(folder: Path, damage: Callable[[Artifact], None]) -> None:
    """What a look at the folder shows to be broken is fetched again."""
    shelf = Shelf(archive())
    store = ReleaseStore(folder, [shelf])
    damage(store.fetch(NAME, silent))
    assert store.find(NAME) is None
    assert store.verify(store.fetch(NAME, silent)) is None
    assert shelf.asked == 2


def test_two_at_once_fetch_once(folder: Path) -> None:
    """The second waits, says so, and takes what the first has brought."""
    waiting = threading.Event()
    shelf = Shelf(archive(), lambda _: None if waiting.wait(DEADLINE) else pytest.fail("nobody waits"))
    found: list[Artifact] = []

    def emit(event: Event) -> None:
        if isinstance(event, Waiting):
            waiting.set()

    threads = [
        threading.Thread(target=lambda: found.append(ReleaseStore(folder, [shelf]).fetch(NAME, emit)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert shelf.asked == 1
    assert len(found) == 2
    assert found[0] == found[1]
    assert len(names(folder)) == 3


def test_interruption_leaves_nothing(folder: Path) -> None:
    """Ctrl-C while a source works takes its files away again."""

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ReleaseStore(folder, [Shelf(archive(), interrupt)]).fetch(NAME, silent)
    assert names(folder) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from kafab.adapters.store.store import ReleaseStore
from kafab.events import silent
from kafab.model import Version
from kafab.releases.names import release_for

class Killer:
    name = "killer"
    def get(self, release, into, emit):
        (into / "half").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

ReleaseStore(Path(sys.argv[1]), [Killer()]).fetch(release_for(Version(3, 9, 2)), silent)
"""


def test_kill_half_way_is_survived_and_cleaned_up_later(folder: Path) -> None:
    """After kill -9 nothing is found, the next fetch works, and a day later the leftovers go."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = [name for name in names(folder) if name.startswith(".new-")]
    assert left
    store = ReleaseStore(folder, [Shelf(archive()), Shelf(archive(OLD))])
    assert store.find(NAME) is None
    artifact = store.fetch(NAME, silent)
    part = folder / "kafka_2.13-3.8.0.tgz.part"
    part.write_bytes(b"x")
    assert set(left) < set(names(folder))
    for path in (*folder.glob(".*"), part):
        os.utime(path, (time.time() - 90_000,) * 2)
    with pytest.raises(Failed):
        store.fetch(release_for(Version(3, 7, 0)), silent)
    sha256 = artifact.sha256
    assert names(folder) == sorted([sha256, f"{sha256}/artifact.json", f"{sha256}/{NAME}.tgz"])


def test_fresh_part_is_kept(folder: Path) -> None:
    """An unfinished download of today is there for the next attempt."""
    folder.mkdir(parents=True)
    part = folder / f"{NAME}.tgz.part"
    part.write_bytes(b"x")
    ReleaseStore(folder, [Shelf(archive())]).fetch(NAME, silent)
    assert part.exists()


def test_store_that_cannot_be_written_is_told(folder: Path) -> None:
    """A file where the folder should be: the path, the system's reason, and how to move the store."""
    folder.parent.mkdir()
    folder.write_text("in the way", encoding="utf-8")
    with pytest.raises(Failed, match=r"releases cannot be written: File exists") as caught:
        ReleaseStore(folder, [Shelf(archive())]).fetch(NAME, silent)
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


def test_default_sources_are_the_archive_and_maven(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any source at hand both are named with their reasons; KAFAB_ARCHIVE says where the first one is."""
    monkeypatch.setenv("KAFAB_ARCHIVE", "http://127.0.0.1:9/kafka")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed) as caught:
        ReleaseStore(folder).fetch(NAME, silent)
    assert f"archive: http://127.0.0.1:9/kafka/3.9.2/{NAME}.tgz.sha512: " in caught.value.message
    assert "maven: no mvn on the PATH" in caught.value.message


def test_finding_costs_no_heavy_imports(folder: Path) -> None:
    """A deploy with nothing to do pays for a look into a folder, not for urllib and tarfile."""
    ReleaseStore(folder, [Shelf(archive())]).fetch(NAME, silent)
    look = (
        "import sys; from pathlib import Path; from kafab.adapters.store.store import ReleaseStore\n"
        "from kafab.releases.names import release_for; from kafab.model import Version\n"
        f"assert ReleaseStore(Path({str(folder)!r})).find(release_for(Version(3, 9, 2)))\n"
        "print([name for name in ('urllib.request', 'tarfile', 'subprocess') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("sha512", ["", "  ", "\n"])
def test_empty_digest_is_refused(folder: Path, given: Callable[[bytes], Path], sha512: str) -> None:
    """A variable that is not set is no digest: nothing is kept as if none had been wanted."""
    with pytest.raises(UsageError, match="--sha512 is empty"):
        ReleaseStore(folder, []).add(given(archive()), None, sha512, silent)
    assert not folder.exists()
