"""A release put together from its Maven artifacts."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from kafab.adapters.store.tarballs import assemble
from kafab.errors import Failed
from kafab.events import Emit, Note, Waiting
from kafab.releases.archive import Refused
from kafab.releases.names import Coordinates, ReleaseName, maven_artifacts
from kafab.words import plural


class MavenClient:
    """The same program from its Maven artifacts, for places where a Maven client works and Apache's archive does not.

    The client's own configuration says where artifacts come from, and the client checks their digests.
    """

    name = "maven"

    def __init__(self, *, limit: timedelta = timedelta(minutes=10)) -> None:
        self._limit = limit

    def copy(self, wanted: Coordinates, into: Path, emit: Emit) -> Path:
        """Let Maven bring one jar into a folder below ``into`` and return its path. Raises Failed."""
        work = self._work(into, (wanted,))
        emit(Note(self.name, str(wanted)))
        self._run(work, emit)
        return work / "libs" / f"{wanted.artifact}-{wanted.version}.jar"

    def get(self, release: ReleaseName, into: Path, emit: Emit) -> Path:
        """Let Maven bring the jars and put them together. Raises Failed; see ``Source.get``."""
        wanted = maven_artifacts(release)
        work = self._work(into, wanted)
        emit(Note(self.name, f"{release} from {', '.join(map(str, wanted))}"))
        self._run(work, emit)
        archive = into / f"{release}.tar"
        try:
            assemble(list((work / "libs").iterdir()), release, archive)
        except (Refused, FileNotFoundError) as fault:
            raise Failed(f"mvn ended well, but {fault}") from fault
        return archive

    def _work(self, into: Path, wanted: Sequence[Coordinates]) -> Path:
        work = into / "maven"
        work.mkdir()
        (work / "pom.xml").write_text(_pom(wanted), encoding="utf-8")
        return work

    def _run(self, work: Path, emit: Emit) -> None:
        program = shutil.which("mvn")
        if program is None:
            raise Failed("no mvn on the PATH")
        command = [program, *_GOAL]
        log = work / "mvn.log"
        started = time.monotonic()
        # A session of its own: Ctrl-C reaches us alone, and we end the whole of it.
        with log.open("wb") as output, _started(command, work, output) as process:
            try:
                while (code := _exit_code(process)) is None:
                    elapsed = timedelta(seconds=time.monotonic() - started)
                    if elapsed > self._limit:
                        raise Failed(f"mvn was not done after {self._limit}: {_last(log)}")
                    emit(Waiting(self.name, _doing(log), elapsed, self._limit))
            finally:
                _end(process)
        if code != 0:
            raise Failed(f"mvn ended with exit code {code}: {_complaint(log)}")


# Without -q, so that the log tells of each download.
_GOAL = ("-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime")

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafab</groupId>
  <artifactId>release</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""


def _pom(wanted: Sequence[Coordinates]) -> str:
    return _POM.format(
        dependencies="\n".join(
            f"    <dependency><groupId>{item.group}</groupId><artifactId>{item.artifact}</artifactId>"
            f"<version>{item.version}</version></dependency>"
            for item in wanted
        )
    )


def _started(command: list[str], work: Path, output: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  # fixed words; the program is the user's own mvn
            command, cwd=work, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    except OSError as fault:
        raise Failed(f"{command[0]} cannot be run: {fault.strerror}") from fault


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def _lines(log: Path) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]


def _doing(log: Path) -> str:
    files = sum("Downloaded from" in line for line in _lines(log))
    return f"mvn to end, {plural(files, 'file')} downloaded" if files else "mvn to end"


def _last(log: Path) -> str:
    return (_lines(log) or ["it printed nothing"])[-1][:400]


def _complaint(log: Path) -> str:
    errors = [line.removeprefix("[ERROR]").strip() for line in _lines(log) if line.startswith("[ERROR]")]
    return re.sub(r" -> \[Help \d+\]$", "", errors[0])[:400] if errors else _last(log)
