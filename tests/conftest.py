"""What all tests share: clusters rooted in a temporary folder, and a real POSIX shell to run scripts in."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NoReturn

import pytest

from kafab.command import Result, Script
from kafab.model import Cluster, Host, Node, Paths, Role, Version


def cannot_run(reason: str) -> NoReturn:
    """Skip, and say why; where everything must run (CI=true), fail instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"cannot run here: {reason}", pytrace=False)
    pytest.skip(reason)


def cluster_in(root: Path, hosts: int = 1) -> Cluster:
    """Return a cluster of so many hosts, a ZooKeeper server and a broker each, with every path below ``root``."""
    made, nodes = [], []
    for number in range(1, hosts + 1):
        base = PurePosixPath(root) / f"node{number}"
        folders = Paths(base / "opt", base / "etc", base / "data", base / "log", base / "run")
        host = Host(f"node{number}", "127.0.0.1", paths=folders)
        made.append(host)
        nodes.append(
            Node(
                host,
                Role.ZOOKEEPER,
                number,
                24000 + number,
                "64m",
                (folders.data / "zookeeper",),
                quorum_port=24100 + number,
                election_port=24200 + number,
            )
        )
        nodes.append(Node(host, Role.BROKER, number, 24300 + number, "256m", (folders.data / "broker",)))
    return Cluster("small", Version(3, 9, 2), tuple(made), tuple(nodes), lab=True)


@pytest.fixture
def small(tmp_path: Path) -> Cluster:
    """One host with a ZooKeeper server and a broker, all of it below a temporary folder."""
    return cluster_in(tmp_path)


@pytest.fixture
def shell() -> Callable[[Script], Result]:
    """Run a script the way a host would: whole, from stdin, in a bare environment."""

    def run(script: Script, stdin: bytes | None = None) -> Result:
        bare = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "sh", "-eu"]
        if stdin is None:
            done = subprocess.run(
                bare, input=f"{{\n{script.text}}}\n".encode(), capture_output=True, check=False
            )
        else:
            done = subprocess.run([*bare, "-c", script.text], input=stdin, capture_output=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run
