import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from kafab.adapters.store.maven import MavenClient
from kafab.adapters.store.store import ReleaseStore
from kafab.events import Event, Note, silent
from kafab.model import Version
from kafab.releases.names import release_for
from tests.conftest import cannot_run

pytestmark = pytest.mark.e2e
NAME = release_for(Version(2, 4, 1))


def test_maven_assembles_a_release_that_runs(tmp_path: Path) -> None:
    """The real client brings 2.4.1; it unpacks with plain tar, tells its version, and gives the same digest again."""
    for program in ("mvn", "java"):
        if shutil.which(program) is None:
            cannot_run(f"no {program} on the PATH")
    told: list[Event] = []
    artifact = ReleaseStore(tmp_path / "one", [MavenClient()]).fetch(NAME, told.append)
    assert (artifact.source, artifact.file.name) == ("maven", f"{NAME}.tar")
    assert [event.subject for event in told if isinstance(event, Note)] == ["maven", "store"]

    with tarfile.open(artifact.file) as tar:
        jars = [member.name for member in tar if member.name.endswith(".jar")]
    assert len(jars) == 35
    subprocess.run(["tar", "-xf", artifact.file, "-C", tmp_path], check=True)
    topics = tmp_path / str(NAME) / "bin" / "kafka-topics.sh"
    said = subprocess.run([topics, "--version"], capture_output=True, text=True, check=True, timeout=120)
    assert (said.stdout.startswith("2.4.1 "), said.stderr) == (True, "")

    again = ReleaseStore(tmp_path / "two", [MavenClient()]).fetch(NAME, silent)
    assert again.sha256 == artifact.sha256
