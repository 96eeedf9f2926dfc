"""A docker lab for the tests of this folder."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from kafab.config.render import templates_folder
from kafab.lab.containers import image_name
from tests.conftest import cannot_run
from tests.docker_hosts import DockerLab, docker, docker_lab_in
from tests.fab import CHECKOUT, LIMIT, Fab

AGAIN_AFTER = "-Dzookeeper.fastleader.maxNotificationInterval=5000"
"""A server that lost all others looks for them again after so many ms, and not after up to a minute: tests cut hosts off."""


@pytest.fixture(scope="session")
def docker_here(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Docker answers on this machine and has the image of hosts; where it cannot be had, its tests cannot run."""
    if not shutil.which("docker"):
        cannot_run(
            "no docker on this machine; on Debian, as root: apt-get install docker.io (scripts/test does)"
        )
    done = docker("version")
    if done.returncode:
        cannot_run(
            f"Docker does not answer: {_line(done.stderr)}; as root: scripts/docker-daemon (scripts/test does),"
            " or usermod -aG docker USER"
        )
    # One worker makes the images, which takes a minute each, and the others wait for it.
    with (tmp_path_factory.getbasetemp().parent / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if docker("image", "inspect", image_name(templates_folder() / "docker")).returncode:
            base = subprocess.run(
                [CHECKOUT / "scripts" / "base-image"],
                capture_output=True,
                text=True,
                check=False,
                timeout=LIMIT,
            )
            if base.returncode:
                cannot_run(f"Docker has no image for its hosts: {_line(base.stderr)}")
            fab = Fab(tmp_path_factory.mktemp("image"))
            fab.must("lab.up", "--kind", "docker", "--hosts", "1", "lab.down")


def _line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="session")
def docker_lab(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three hosts for all tests of the session: what a test changes there it puts back."""
    with docker_lab_in(tmp_path_factory.mktemp("docker")) as lab:
        document = yaml.safe_load(lab.inventory.read_text())
        document["zookeeper"]["jvm"].append(AGAIN_AFTER)
        lab.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        yield lab


@pytest.fixture(scope="session")
def docker_host(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """One host for the modules of the group of that name, which deploy on it, each from what the one before has left."""
    with docker_lab_in(tmp_path_factory.mktemp("docker-host"), "--hosts", "1") as lab:
        yield lab


@pytest.fixture
def new_docker_lab(docker_here: None, tmp_path: Path) -> Iterator[Callable[..., DockerLab]]:
    """Make a lab that only this test has; it takes the options of lab.up after --kind docker."""
    made: list[DockerLab] = []

    def make(*options: str) -> DockerLab:
        lab = DockerLab(Fab(tmp_path / f"home{len(made)}"))
        made.append(lab)
        lab.fab.must("lab.up", "--kind", "docker", *options)
        return lab

    try:
        yield make
    finally:
        for lab in made:
            lab.fab("lab.down")
