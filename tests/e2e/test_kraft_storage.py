"""Formatting that is cut off, and a laptop that is lost behind it: one cluster id in the end, and a quorum (fault 2)."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.inventory import load
from kafab.model import Cluster
from tests.docker_faults import must_soon
from tests.fab import Fab

pytestmark = pytest.mark.e2e
SEED = 20242
MOMENTS = 4
KEPT = ("cluster.yaml", "id_ed25519", "known_hosts")
"""What an operator has elsewhere, too: the inventory, and how to log in."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Fab, Cluster]]:
    """Yield `fab` with three hosts in KRaft mode, deployed, with isolated controllers: six nodes to format."""
    fab = Fab(tmp_path / "home")
    try:
        fab.must("lab.up", "--version", "4.3.1", "--controllers", "isolated", "deploy")
        yield fab, load(tmp_path / "home" / "labs" / "lab" / "cluster.yaml")[0]
    finally:
        fab("lab.down")


def data(cluster: Cluster) -> list[Path]:
    """Return every data directory."""
    return [Path(path) for node in cluster.nodes for path in node.data]


def emptied(cluster: Cluster) -> None:
    """Make the storage as bare as it was before it was formatted."""
    for path in data(cluster):
        shutil.rmtree(path)
        path.mkdir(mode=0o750)


def killed_after(fab: Fab, seconds: float) -> None:
    """Start a deploy and kill it, and all it started here, after so long."""
    with fab.start("deploy") as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def ids(cluster: Cluster) -> list[str]:
    """Return the cluster id of every data directory."""
    files = [path / "meta.properties" for path in data(cluster)]
    return [file.read_text().split("cluster.id=")[1].split()[0] for file in files]


@pytest.mark.timeout(600)
def test_killed_formatting_converges(
    lab: tuple[Fab, Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any moment of the storage stage, the next deploy ends with one id; another laptop starts the quorum."""
    fab, cluster = lab
    emptied(cluster)
    begun = time.monotonic()
    fab.must("deploy")
    duration = time.monotonic() - begun
    moments = random.Random(SEED)
    found = {}
    for _ in range(MOMENTS):
        emptied(cluster)
        seconds = moments.uniform(0.4, 0.9) * duration
        killed_after(fab, seconds)
        must_soon(fab, "deploy")
        found[seconds] = (len(ids(cluster)), len(set(ids(cluster))))
    assert set(found.values()) == {(6, 1)}, found
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in KEPT:
        shutil.copy2(fab.home / "labs" / "lab" / name, elsewhere / name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = Fab(tmp_path / "other", str(elsewhere / "cluster.yaml")).must("start", "verify", "--read-only")
    assert "started node1/controller" in done.out
