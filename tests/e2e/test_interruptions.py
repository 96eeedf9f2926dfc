"""kill -9 of a deploy at any moment: the next one converges to the tree of an undisturbed run (fault 2, invariant 2)."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kafab.inventory import load
from kafab.shell.layout import HISTORY, OLDER
from tests.fab import Fab

pytestmark = pytest.mark.e2e
SEED = 20240
MOMENTS = 10


def tree(roots: list[Path]) -> dict[str, str]:
    """Return what stands below the hosts' roots: path -> kind, mode, and content or target."""
    found = {}
    for root in roots:
        for path in root.rglob("*"):
            mode = oct(path.lstat().st_mode)
            if path.parent.name == "run" and path.name in (HISTORY, OLDER):
                continue  # what was done there differs
            if path.is_symlink():
                found[str(path)] = f"{mode} -> {path.readlink()}"
            elif path.is_file():
                found[str(path)] = f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            else:
                found[str(path)] = mode
    return found


def emptied(roots: list[Path]) -> None:
    """Make the hosts as fresh as lab.up left them."""
    for root in roots:
        for child in root.iterdir():
            shutil.rmtree(child)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Fab, list[Path]]]:
    """Yield `fab` with three fresh hosts, and the hosts' root folders."""
    fab = Fab(tmp_path)
    fab.must("lab.up", "releases.fetch")
    cluster, _ = load(tmp_path / "labs" / "lab" / "cluster.yaml")
    try:
        yield fab, [Path(host.paths.releases).parent for host in cluster.hosts]
    finally:
        fab("lab.down")


def killed_after(fab: Fab, seconds: float) -> None:
    """Start a deploy and kill it, and all it started here, after so long."""
    with fab.start("deploy") as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def settled(roots: list[Path]) -> None:
    """Wait until scripts that the killed deploy has sent are through: two equal looks, half a second apart."""
    before: set[tuple[str, int, int]] = set()
    deadline = time.monotonic() + 60
    # Sizes and times, as the content of 300 MB takes a second to read.
    while (now := _stamps(roots)) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.5)


def _stamps(roots: list[Path]) -> set[tuple[str, int, int]]:
    found = set()
    for root in roots:
        for path in root.rglob("*"):
            with suppress(FileNotFoundError):
                stat = path.lstat()
                found.add((str(path), stat.st_size, stat.st_ctime_ns))
    return found


@pytest.mark.timeout(600)
def test_killed_deploys_converge(lab: tuple[Fab, list[Path]]) -> None:
    """Ten deploys killed at random moments, each followed by one that is not, give one and the same tree."""
    fab, roots = lab
    begun = time.monotonic()
    fab.must("deploy")
    duration = time.monotonic() - begun
    undisturbed = tree(roots)
    moments = random.Random(SEED)
    differences = {}
    for _ in range(MOMENTS):
        emptied(roots)
        seconds = moments.uniform(0.2, duration)
        killed_after(fab, seconds)
        fab.must("deploy")
        settled(roots)
        now = tree(roots)
        if now != undisturbed:
            differences[seconds] = sorted(set(now.items()) ^ set(undisturbed.items()))[:6]
    assert differences == {}
