"""The wheel: what a user gets who installs kafab and has no checkout."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks import namespace

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # a build, a venv and an installation


@dataclass(frozen=True)
class Installed:
    """A venv with the wheel and its dependencies, and an empty folder far from the checkout."""

    bin: Path
    folder: Path
    environ: Mapping[str, str]

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run an installed program in the empty folder."""
        return subprocess.run(
            [self.bin / program, *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel from this checkout and install it, with the dependencies that it names, in a fresh venv."""
    base = tmp_path_factory.mktemp("wheel")
    _checked(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", base / "dist", ROOT)
    venv.create(base / "venv", with_pip=True)
    (wheel,) = (base / "dist").glob("*.whl")
    pip = (base / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _checked(*pip, "--no-compile", wheel)
    folder = base / "elsewhere"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFAB", "PYTHON"))}
    return Installed(
        base / "venv" / "bin", folder, {**kept, "HOME": str(base), "KAFAB_HOME": str(base / "state")}
    )


def _checked(*words: object) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_installed_program_lists_the_commands_of_the_checkout(installed: Installed) -> None:
    """The wheel's kafab has every command that fab has in the checkout."""
    done = installed.run("kafab", "--list")
    listed = set(re.findall(r"^  (\S+)", done.stdout, re.MULTILINE))
    assert (done.returncode, done.stderr) == (0, "")
    assert listed == set(namespace.task_names)


def test_installed_program_writes_a_starter_that_it_accepts(installed: Installed) -> None:
    """In any folder, inventory.new writes a file and inventory.check finds nothing wrong with it."""
    written = installed.run("kafab", "inventory.new", "x")
    assert (written.returncode, (installed.folder / "inventory" / "x.yaml").is_file()) == (0, True), written
    checked = installed.run("kafab", "inventory.check", "--cluster", "x")
    assert checked.returncode == 0, checked


def test_wheel_carries_every_template(installed: Installed) -> None:
    """What reaches a node as a file is in the wheel."""
    where = "import kafab, pathlib; print(pathlib.Path(kafab.__file__).parent / 'templates')"
    shipped = Path(installed.run("python", "-c", where).stdout.strip())
    names = {file.name for file in (ROOT / "templates").iterdir() if file.is_file()}
    assert names
    assert {file.name for file in shipped.iterdir() if file.is_file()} == names


def test_wheel_carries_the_shell_of_the_hosts(installed: Installed) -> None:
    """What runs on a host is in the wheel, and composed of it there."""
    code = "from kafab.shell import library as shell; print(*(shell.library(f.stem) and f.name for f in shell.FOLDER.iterdir()))"
    done = installed.run("python", "-c", code)
    names = {file.name for file in (ROOT / "kafab" / "shell" / "sh").iterdir()}
    assert (done.stderr, set(done.stdout.split())) == ("", names)


def test_wheel_carries_the_page_of_a_report(installed: Installed) -> None:
    """A cluster that does not answer has a report, made by the installed program."""
    (installed.folder / "silent.yaml").write_text(
        "kafka: {version: 4.3.1}\nssh: {port: 1}\nhosts: {a: {address: 127.0.0.1, controller: 1, broker: 1}}\n"
    )
    done = installed.run("kafab", "on", "./silent.yaml", "report", "--out", "silent.html")
    page = (installed.folder / "silent.html").read_text(encoding="utf-8")
    assert (done.returncode in (1, 5), "the cluster does not answer" in page) == (True, True), done


def test_wheel_carries_the_catalogue(installed: Installed) -> None:
    """The installed program knows Kafka's own properties, and names the one that was meant."""
    (installed.folder / "misspelt.yaml").write_text(
        "kafka: {version: 3.9.2, properties: {num.partitons: 6}}\nhosts: {a: {zookeeper: 1, broker: 1}}\n"
    )
    checked = installed.run("kafab", "inventory.check", "--cluster", "./misspelt.yaml")
    assert (checked.returncode, "did you mean num.partitions?" in checked.stdout) == (2, True), checked
