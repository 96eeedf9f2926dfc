import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.adapters.store.maven import MavenClient
from kafab.adapters.store.tarballs import inspect
from kafab.errors import Failed
from kafab.events import Event, Note, Waiting, silent
from kafab.model import Version
from kafab.releases.names import release_for

NAME = release_for(Version(3, 9, 2))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Return the folder where the release is wanted."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script called mvn on the PATH, with a real jar to copy beside it."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    with zipfile.ZipFile(bin_folder / "a.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "")
    program = bin_folder / "mvn"
    program.write_text(f"#!/bin/sh\nhere=${{0%/*}}\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")


COPIES = 'mkdir libs && cp "$here/a.jar" libs/kafka-clients-3.9.2.jar'


def test_release_is_put_together(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven's jars become an archive that passes for a release, and the pom names what the version needs."""
    stand_in(tmp_path, f'cp pom.xml "$here"; echo "$@" > "$here/words"; {COPIES}', monkeypatch)
    told: list[Event] = []
    file = MavenClient().get(NAME, into, told.append)
    assert inspect(file, silent) == NAME
    pom = (tmp_path / "bin" / "pom.xml").read_text(encoding="utf-8")
    assert "<artifactId>kafka-tools</artifactId><version>3.9.2</version>" in pom
    assert (tmp_path / "bin" / "words").read_text(encoding="utf-8").split() == [
        "-B",
        "dependency:copy-dependencies",
        "-DoutputDirectory=libs",
        "-DincludeScope=runtime",
    ]
    assert [event.subject for event in told if isinstance(event, Note)] == ["maven"]


def test_missing_client_is_a_reason(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most machines have no Maven: that is said, and nothing is tried."""
    monkeypatch.setenv("PATH", str(into))
    with pytest.raises(Failed, match="no mvn on the PATH"):
        MavenClient().get(NAME, into, silent)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            r"printf '[INFO] x\n\033[1m[ERROR] Could not find artifact k:1 -> [Help 1]\n[ERROR] more\n'; exit 1",
            r"exit code 1: Could not find artifact k:1$",
        ),
        ("echo 'JAVA_HOME is not set' >&2; exit 3", "exit code 3: JAVA_HOME is not set"),
        ("exit 2", "exit code 2: it printed nothing"),
        ("exit 0", "ended well, but .*No such file"),
        ("mkdir libs; echo '<html>' > libs/a.jar", r"ended well, but a\.jar is no jar"),
    ],
)
def test_failure_of_maven_is_told_in_its_words(
    script: str, reason: str, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first error line, or else the last line, is the reason."""
    stand_in(tmp_path, script, monkeypatch)
    with pytest.raises(Failed, match=reason):
        MavenClient().get(NAME, into, silent)


def test_program_that_cannot_run_is_a_reason(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken installation of Maven is Maven's fault, not the store's."""
    stand_in(tmp_path, "", monkeypatch)
    (tmp_path / "bin" / "mvn").write_bytes(b"#!/no/such/interpreter\n")
    with pytest.raises(Failed, match="mvn cannot be run"):
        MavenClient().get(NAME, into, silent)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


HANGS = 'echo "Downloaded from central: x"; echo $$ > "$here/pid.new"; mv "$here/pid.new" "$here/pid"; exec sleep 300'


def test_interruption_ends_maven(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while Maven works leaves no process behind; until then it is told what Maven does."""
    stand_in(tmp_path, HANGS, monkeypatch)
    told = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Waiting) and (tmp_path / "bin" / "pid").exists():
            told.append(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MavenClient(limit=timedelta(seconds=60)).get(NAME, into, interrupt)
    assert told[0].what == "mvn to end, 1 file downloaded"
    assert not _alive(int((tmp_path / "bin" / "pid").read_text(encoding="utf-8")))


def test_maven_has_a_deadline(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for ever is ended, and the limit is in the message."""
    stand_in(tmp_path, HANGS, monkeypatch)
    with pytest.raises(Failed, match=r"not done after 0:00:01: Downloaded from central"):
        MavenClient(limit=timedelta(seconds=1)).get(NAME, into, silent)
    assert not _alive(int((tmp_path / "bin" / "pid").read_text(encoding="utf-8")))
