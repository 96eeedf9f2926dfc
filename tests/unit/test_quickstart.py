"""The first command of the README makes the cluster that was asked for."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tested import typed

ROOT = Path(__file__).resolve().parents[2]
STANDIN = '#!/bin/sh\nprintf "%s\\n" "$@" > fab.words\n'


@pytest.mark.parametrize(
    "options", [(), ("--mode", "kraft"), ("--mode", "kraft", "--version", "3.9.2"), ("--version", "2.4.1")]
)
def test_options_are_those_of_lab_up(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What quickstart is given goes to lab.up, which knows it; then the cluster is deployed, started and verified."""
    for name in ("scripts/bootstrap", ".venv/bin/fab"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(STANDIN)
        (tmp_path / name).chmod(0o755)
    script = shutil.copy(ROOT / "scripts" / "quickstart", tmp_path / "scripts")
    subprocess.run([script, *options], check=True, capture_output=True, timeout=60)
    words = (tmp_path / "fab.words").read_text().splitlines()
    assert words == ["lab.up", *options, "deploy", "start", "verify"]
    assert [command.name for command in typed(words)] == ["lab.up", "deploy", "start", "verify"]
