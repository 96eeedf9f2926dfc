"""The test command makes what its tests need, and ends what it started."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STANDIN = """\
#!/bin/sh
case "$0 $*" in
*--collect-only*) for word do case $word in tests/*) echo "$word/test_it.py: 1" ;; esac; done; exit ;;
*'docker version') [ -e runs ]; exit ;;
esac
echo "${0##*/} $*" >> words
case "$0 $*" in
*docker-daemon\\ ) [ -e may-start ] ;;
*'-m e2e'*) exit "$(cat code)" ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A folder with the test command, and stand-ins for all that it calls."""

    folder: Path

    def has(self, name: str) -> None:
        """Put an empty file there: `runs`, a Docker daemon; `may-start`, the right to start one."""
        (self.folder / name).touch()

    def test(self, *words: str, code: int = 0) -> tuple[int, list[str]]:
        """Run the test command, its end-to-end tests ending with ``code``; return its exit code and its calls."""
        (self.folder / "code").write_text(str(code))
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        command = [str(self.folder / "scripts" / "test"), *words]
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=60, env={**os.environ, "PATH": path}
        )
        return done.returncode, (self.folder / "words").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A folder where neither a Docker daemon runs nor one may be started."""
    for name in (
        "scripts/bootstrap",
        "scripts/docker-daemon",
        ".venv/bin/python",
        ".venv/bin/fab",
        "bin/docker",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(STANDIN)
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
    return Checkout(tmp_path)


def daemon(calls: list[str]) -> list[str]:
    """Return what was asked of the daemon, and when the end-to-end tests ran."""
    wanted = [call for call in calls if "docker-daemon" in call or "-m e2e" in call]
    return ["tests" if "-m e2e" in call else call.partition(" ")[2] for call in wanted]


@pytest.mark.parametrize("code", [0, 1])
def test_daemon_that_was_started_is_ended(checkout: Checkout, code: int) -> None:
    """Where none runs and one may be started, the tests have one, and it ends with them, whatever they say."""
    checkout.has("may-start")
    ended, calls = checkout.test(code=code)
    assert (ended, daemon(calls)) == (code, ["", "tests", "--stop"])


def test_daemon_that_runs_is_left(checkout: Checkout) -> None:
    """A daemon that answers already is neither started nor ended."""
    checkout.has("runs")
    assert daemon(checkout.test()[1]) == ["tests"]


def test_tests_run_without_a_daemon(checkout: Checkout) -> None:
    """Where none can be had the tests run all the same, and nothing is ended."""
    assert daemon(checkout.test()[1]) == ["", "tests"]


@pytest.mark.parametrize(
    ("words", "calls"),
    [(["tests/unit"], []), (["tests/e2e"], ["fab"]), (["tests/e2e/docker"], ["fab", "docker-daemon"])],
)
def test_only_what_is_asked_for_is_made(checkout: Checkout, words: list[str], calls: list[str]) -> None:
    """Releases are fetched for tests that start Kafka, and a daemon is started for labs of kind docker."""
    names = [call.partition(" ")[0] for call in checkout.test(*words)[1]]
    assert [name for name in names if name in {"fab", "docker-daemon"}] == calls


def test_fast_tests_need_nothing(checkout: Checkout) -> None:
    """The fast tests are one run of pytest behind the set-up of the checkout."""
    names = [call.partition(" ")[0] for call in checkout.test("--fast")[1]]
    assert names == ["bootstrap", "python"]
