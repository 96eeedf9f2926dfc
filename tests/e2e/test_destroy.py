"""destroy on the lab: after a real cluster has run, and killed half-way."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.inventory import load
from tests.fab import Fab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SEED = 20241
MOMENTS = 5


def names(roots: list[Path]) -> list[str]:
    """Return what stands below the hosts' roots."""
    return sorted(str(path) for root in roots for path in root.rglob("*"))


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fab]:
    """Yield `fab` with three hosts."""
    fab = Fab(tmp_path_factory.mktemp("destroy"))
    try:
        fab.must("lab.up")
        yield fab
    finally:
        fab("lab.down")


@pytest.fixture
def lab(fab: Fab) -> tuple[Fab, list[Path]]:
    """Return `fab` with three deployed hosts, on which nothing runs, and the hosts' root folders."""
    fab.must("deploy")
    cluster, _ = load(fab.home / "labs" / "lab" / "cluster.yaml")
    return fab, [Path(host.paths.releases).parent for host in cluster.hosts]


def test_cluster_is_destroyed_and_deployed_again(lab: tuple[Fab, list[Path]]) -> None:
    """A running cluster is refused; a stopped one loses all but data and logs, and comes back with its records."""
    fab, roots = lab
    fab.must("start", "topics.create", "orders", "--partitions", "3")
    refused = fab("destroy")
    assert (refused.code, "node1/broker" in refused.err, "fab stop" in refused.err) == (3, True, True)
    fab.must("stop", "destroy")
    assert {path.name for root in roots for path in root.iterdir()} == {"data", "log"}
    again = fab.must("destroy", "--json").document
    assert (again["changed"], {kept["why"] for kept in again["kept"]}) == (False, {"data", "logs"})
    fab.must("deploy", "start")
    assert "orders" in fab.must("topics.list").out.split()
    fab.must("verify", "--read-only")
    fab.must("stop", "destroy", "--data", "lab")
    assert names(roots) == []


def test_data_needs_the_clusters_name(lab: tuple[Fab, list[Path]]) -> None:
    """Another name than the cluster's own is a usage error, and nothing is removed."""
    fab, roots = lab
    before = names(roots)
    done = fab("destroy", "--data", "prod")
    assert (done.code, "the name of the cluster" in done.err, names(roots)) == (2, True, before)


def test_killed_destroys_converge(lab: tuple[Fab, list[Path]]) -> None:
    """Killed at any moment, the next destroy leaves nothing (fault 2, invariant 2)."""
    fab, roots = lab
    moments = random.Random(SEED)
    left = []
    for _ in range(MOMENTS):
        fab.must("deploy")  # does nothing the first time
        with fab.start("destroy", "--data", "lab") as process:
            try:
                process.communicate(timeout=moments.uniform(0.3, 1.5))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        finished(fab, roots)
        left.append(names(roots))
    assert left == [[]] * MOMENTS


def finished(fab: Fab, roots: list[Path]) -> None:
    """Destroy until nothing is left, or nothing more to do: the killed one may still hold the lock, and its script still run."""
    deadline = time.monotonic() + 180
    while True:
        done = fab("destroy", "--data", "lab", "--json")
        if done.code == 0 and (not names(roots) or not json.loads(done.out)["changed"]):
            return
        assert time.monotonic() < deadline, done.err
