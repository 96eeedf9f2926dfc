"""The docker client, as a program of a few lines plays it."""

import stat
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kafab.adapters.machine.docker import DockerCli
from kafab.errors import Failed
from kafab.unknown import Unknown

DENIED = (
    "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)


DENIED_NEWER = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)


DEAD = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DockerCli]:
    """Put a program called docker on the PATH, alone there; its text is that of a shell script."""

    def install(script: str) -> DockerCli:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        if script:
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(program.parent))
        return DockerCli()

    return install


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("", "docker, which is not on this machine", "docker.io"),
        (f"echo '{DENIED}: dial unix' >&2; exit 1", "may not talk to the Docker daemon", "usermod -aG"),
        (f"echo '{DENIED_NEWER}: dial unix' >&2; exit 1", "may not talk to the Docker daemon", "usermod -aG"),
        (f"echo '{DEAD}' >&2; exit 1", "does not answer", "systemctl start docker"),
        ("echo 'something new' >&2; exit 1", "`docker version --format` failed: something new", None),
    ],
)
def test_docker_that_cannot_be_used_is_told(
    docker: Callable[[str], DockerCli], script: str, message: str, hint: str | None
) -> None:
    """No program, no permission, no daemon: each with what to do; the rest in Docker's own words."""
    with pytest.raises(Failed, match=message) as failed:
        docker(script).check()
    assert (hint or "") in (failed.value.hint or "")


def test_failed_build_shows_its_last_lines(docker: Callable[[str], DockerCli], tmp_path: Path) -> None:
    """The last lines of the build are in the message, without colours, and every line was told as it came."""
    said: list[str] = []
    engine = docker(r"printf 'Step 1/2\n\033[91mE: no package\033[0m\n'; exit 100")
    with pytest.raises(Failed, match=r"ended with 100:\n  Step 1/2\n  E: no package$"):
        engine.build("image", tmp_path, said.append)
    assert said == ["Step 1/2", "E: no package"]


@pytest.mark.parametrize(
    "said", ["Error: No such container: x", "removal of container x is already in progress"]
)
def test_removing_what_is_gone_is_no_fault(docker: Callable[[str], DockerCli], said: str) -> None:
    """Two ends at once, or a hand that was quicker."""
    docker(f"echo '{said}' >&2; exit 1").remove(["x"], [])


def test_removing_what_stays_is_told(docker: Callable[[str], DockerCli]) -> None:
    """A network that somebody else's container uses is not removed, and that is said."""
    with pytest.raises(Failed, match="active endpoints"):
        docker("echo 'network x has active endpoints' >&2; exit 1").remove([], ["x"])


def test_silent_exec_is_unknown(docker: Callable[[str], DockerCli]) -> None:
    """A container that gives no answer in time is Unknown, not empty."""
    slow = docker("exec /bin/sleep 30")
    outcome = slow.execute({"x": "true"}, stdin=b"", timeout=timedelta(seconds=0.2))["x"]
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("listed", "fails"),
    [("second", False), ("first second", True)],
    ids=["its network has gone", "it is there and cannot be read"],
)
def test_lab_that_goes_between_two_looks_is_no_fault(
    docker: Callable[[str], DockerCli], tmp_path: Path, listed: str, fails: bool
) -> None:
    """The networks are listed and then read: of one that has gone meanwhile nothing is asked, another fault is told."""
    engine = docker(
        f"""case "$2 $3" in
          'ls --quiet') [ -e {tmp_path}/seen ] && echo {listed} || echo first second ;;
          'inspect first') : > {tmp_path}/seen; echo 'network first not found' >&2; exit 1 ;;
          *) echo '[{{"IPAM": {{"Config": [{{"Subnet": "10.9.8.0/24"}}]}}}}]' ;;
        esac"""
    )
    if fails:
        with pytest.raises(Failed, match="network first not found"):
            engine.taken()
    else:
        assert IPv4Network("10.9.8.0/24") in engine.taken()
