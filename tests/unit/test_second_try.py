"""What scripts/test makes of end-to-end tests that fail: a few get a second try, alone."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.groups import Record

ROOT = Path(__file__).resolve().parents[2]
PYTEST = """#!/bin/sh
case " $* " in
*' not e2e '*) ! [ -e fast ] ;;
*' -n 0 '*) for name; do :; done; printf '%s\\n' "$name" >>again; case $name in *steady*) ;; *) exit 1 ;; esac ;;
*) cp failing "$KAFAB_FAILED"; ! [ -s failing ] ;;
esac
"""
"""pytest as the script sees it: a test whose name has "steady" in it passes when it is alone."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which nothing is real but scripts/test."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
    commands = {
        "scripts/bootstrap": "#!/bin/sh\n",
        ".venv/bin/python": PYTEST,
        ".venv/bin/fab": "#!/bin/sh\n",
    }
    for name, text in commands.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    return tmp_path


def run(checkout: Path, failing: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run scripts/test where these end-to-end tests fail beside others."""
    (checkout / "failing").write_text("".join(f"{name}\n" for name in failing))
    return subprocess.run(
        ["scripts/test", "tests/x"], cwd=checkout, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        ([], 0),
        (["steady[a b]"], 0),
        (["steady 1", "steady 2", "steady 3"], 0),
        (["steady 1", "broken"], 1),
        (["steady 1", "steady 2", "steady 3", "steady 4"], 1),
    ],
    ids=["none", "one", "three", "one that fails again", "four"],
)
def test_only_a_few_that_pass_alone_are_forgiven(checkout: Path, failing: Sequence[str], code: int) -> None:
    """Up to three tests that pass alone do not fail the run; a fourth one, and one that fails again, does."""
    assert run(checkout, failing).returncode == code


def test_forgiven_one_is_named_at_the_end(checkout: Path) -> None:
    """A test that failed once is the last that the run says."""
    assert run(checkout, ["steady[a b]"]).stdout.endswith("steady[a b]\n")


def test_failed_fast_test_is_not_forgiven(checkout: Path) -> None:
    """A second try of an end-to-end test mends nothing of the fast ones."""
    (checkout / "fast").touch()
    assert run(checkout, ["steady"]).returncode == 1


def test_names_of_failed_tests_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that KAFAB_FAILED names has each failed test once, without its group."""
    kept = tmp_path / "failed"
    monkeypatch.setenv("KAFAB_FAILED", str(kept))
    found = Record()
    for when in ("call", "teardown"):
        place = ("tests/e2e/test_x.py", 1, "test_x")
        report = pytest.TestReport("tests/e2e/test_x.py::test_x[a]@lab", place, {}, "failed", "why", when)
        found.pytest_runtest_logreport(report)
    found.keep_failed()
    assert kept.read_text() == "tests/e2e/test_x.py::test_x[a]\n"
