"""Docker through its command line client, which knows contexts, DOCKER_HOST and credentials by itself."""

import getpass
import grp
import json
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from kafab.command import Outcome, Result
from kafab.errors import Failed
from kafab.lab.engine import Container, Found
from kafab.unknown import Unknown

T = TypeVar("T")

SECONDS = 60.0
PULL_SECONDS = 300.0
BUILD_SECONDS = 900.0
LABEL = "kafab.lab"
SIDE_BY_SIDE = 4
"""More at once make the daemon slower, not quicker."""
_SOCKET = Path("/var/run/docker.sock")
_LAST_LINES = 15

# What systemd needs of a container, short of --privileged: to mount (its units' sandboxes), to see every process,
# and the system calls and files that Docker's default profiles keep from it.
_LIKE_A_HOST = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),  # noqa: S108  # the container's own
    *("--env", "container=docker", "--stop-timeout", "60"),
)
# How systemd gets at its control groups. Of version 2 a container has a tree of its own, which Docker mounts read-only.
_CGROUPS = {
    "1": (("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"), ("/sbin/init",)),
    "2": (
        ("--cgroupns", "private"),
        ("sh", "-c", "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"),
    ),
}


class DockerCli:
    """The Docker daemon that the ``docker`` command talks to."""

    def check(self) -> None:
        """Ask the daemon for its version."""
        self._run("version", "--format", "{{.Server.Version}}")

    def has_image(self, image: str) -> bool:
        """List the image by its name: asking for it would be an error where it is missing."""
        return bool(self._run("image", "ls", "--quiet", image).strip())

    def pull(self, image: str) -> None:
        """Pull, which can take long over a slow line."""
        self._run("pull", "--quiet", image, seconds=PULL_SECONDS)

    def build(self, image: str, folder: Path, said: Callable[[str], None]) -> None:
        """Build with this machine's own network, whose proxies and names are known to work."""
        command = [_docker(), "build", "--network", "host", "--tag", image, str(folder)]
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with subprocess.Popen(  # noqa: S603  # a program found on the PATH, arguments our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as build:
            late = threading.Timer(BUILD_SECONDS, build.kill)
            late.start()
            try:
                for line in build.stdout or ():
                    if text := _plain(line):
                        last.append(text)
                        said(text)
                code = build.wait()
            except BaseException:
                build.kill()
                raise
            finally:
                late.cancel()
        if code:
            within = f"was not done within {BUILD_SECONDS:g} s" if code < 0 else f"ended with {code}"
            shown = "".join(f"\n  {line}" for line in last)
            raise Failed(
                f"`{' '.join(command)}` {within}:{shown}", hint="run that command to see all it says"
            )

    def taken(self) -> Sequence[IPv4Network]:
        """Read the subnets of all networks, and /proc/net/route where there is one."""
        docker = [
            IPv4Network(config["Subnet"], strict=False)
            for network in self._bridges()
            for config in network["IPAM"]["Config"] or ()
            if ":" not in config.get("Subnet", ":")
        ]
        return [*docker, *_routes()]

    def _bridges(self) -> Sequence[dict[str, Any]]:
        """Read all bridge networks, without those of a lab that goes down between the list and the look."""
        names = self._bridge_ids()
        try:
            return self._json("network", "inspect", *names) if names else []
        except Failed:
            if set(names) <= set(self._bridge_ids()):
                raise
        return self._bridges()

    def _bridge_ids(self) -> list[str]:
        return self._run("network", "ls", "--quiet", "--filter", "driver=bridge").split()

    def networks(self, lab: str) -> Sequence[str]:
        """List by label."""
        return self._run(
            "network", "ls", "--filter", f"label={LABEL}={lab}", "--format", "{{.Name}}"
        ).splitlines()

    def make_network(self, name: str, subnet: IPv4Network, lab: str) -> None:
        """Make a bridge network."""
        gateway = str(next(subnet.hosts()))
        self._run(
            *("network", "create", "--driver", "bridge", "--label", f"{LABEL}={lab}"),
            *("--subnet", str(subnet), "--gateway", gateway, name),
        )

    def containers(self, lab: str) -> Sequence[Found]:
        """List by label; `docker ps` alone does not tell host names."""
        ids = self._run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={lab}").split()
        found = self._json("inspect", *ids) if ids else []
        return sorted(
            (
                Found(each["Name"].lstrip("/"), each["Config"]["Hostname"], each["State"]["Status"])
                for each in found
            ),
            key=lambda each: each.name,
        )

    def create(self, containers: Sequence[Container]) -> None:
        """Run each in the background."""
        version = self._run("info", "--format", "{{.CgroupVersion}}").strip()
        options, command = _CGROUPS["2" if version == "2" else "1"]
        _side_by_side(lambda each: self._create(each, options, command), containers)

    def _create(self, container: Container, options: Sequence[str], command: Sequence[str]) -> None:
        self._run(
            *("run", "--detach", "--name", container.name, "--hostname", container.host),
            *("--label", f"{LABEL}={container.lab}", "--network", container.network),
            *("--ip", str(container.address), "--network-alias", container.host),
            *_LIKE_A_HOST,
            *options,
            container.image,
            *command,
        )

    def start(self, names: Sequence[str]) -> None:
        """Start or, where it is paused, thaw."""
        states = {each["Name"].lstrip("/"): each["State"] for each in self._json("inspect", *names)}
        _side_by_side(
            lambda name: self._run("unpause" if states[name].get("Paused") else "start", name), names
        )

    def execute(self, scripts: Mapping[str, str], *, stdin: bytes, timeout: timedelta) -> dict[str, Outcome]:
        """Run `docker exec`; the script is an argument of sh, so it must hold no secret."""
        outcomes = _side_by_side(
            lambda item: self._execute(item[0], item[1], stdin, timeout), list(scripts.items())
        )
        return dict(zip(scripts, outcomes, strict=True))

    def _execute(self, name: str, script: str, stdin: bytes, timeout: timedelta) -> Outcome:
        command = [_docker(), "exec", "--interactive", name, "sh", "-eu", "-c", script]
        try:
            done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
                command, input=stdin, capture_output=True, check=False, timeout=timeout.total_seconds()
            )
        except subprocess.TimeoutExpired:
            return Unknown(f"no answer within {timeout.total_seconds():g} s (docker exec {name})")
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def log(self, container: str) -> str:
        """Read both of its streams, without colours."""
        command = [_docker(), "logs", "--tail", str(_LAST_LINES), container]
        done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
        return "\n".join(map(_plain, done.stdout.splitlines())).strip()

    def greeting(self, address: IPv4Address) -> str | None:
        """Connect as a client would and read one line."""
        with suppress(OSError), socket.create_connection((str(address), 22), timeout=1) as peer:
            line = peer.recv(256).decode(errors="replace").strip()
            return line or None
        return None

    def remove(self, containers: Sequence[str], networks: Sequence[str]) -> None:
        """Kill and remove, with the containers' own volumes."""
        _side_by_side(lambda name: self._gone("rm", "--force", "--volumes", name), containers)
        for name in networks:
            self._gone("network", "rm", name)

    def _gone(self, *words: str) -> None:
        try:
            self._run(*words)
        except Failed as error:
            if not re.search(r"no such|not found|already in progress", error.message, re.IGNORECASE):
                raise

    def _json(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._run(*words))
        return found

    def _run(self, *words: str, seconds: float = SECONDS) -> str:
        """Return what docker printed. Raises Failed with what it said, and a hint where one is known."""
        try:
            done = subprocess.run(  # noqa: S603  # a program found on the PATH, arguments our own
                [_docker(), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(
                f"`docker {' '.join(words[:2])}` gave no answer within {seconds:g} s",
                hint="`docker info` shows whether the daemon answers at all",
            ) from error
        if done.returncode:
            raise _refused(words, (done.stderr or done.stdout).strip())
        return done.stdout


def _refused(words: Sequence[str], said: str) -> Failed:
    """Return docker's refusal as an error: those that everybody meets once come with the way out."""
    if "permission denied" in said and "connect" in said:
        group = _socket_group()
        return Failed(
            f"{getpass.getuser()} may not talk to the Docker daemon: its socket belongs to the group {group}",
            hint=f"`sudo usermod -aG {group} {getpass.getuser()}`, then log in again (that group is as good as root)",
        )
    if re.search(
        r"Cannot connect to the Docker daemon|Is the docker daemon running|error during connect", said
    ):
        return Failed(
            f"the Docker daemon does not answer: {said}",
            hint="`sudo systemctl start docker`, or `docker context ls` if it is elsewhere",
        )
    return Failed(f"`docker {' '.join(words[:2])}` failed: {said}")


def _socket_group() -> str:
    with suppress(OSError, KeyError):
        return grp.getgrgid(_SOCKET.stat().st_gid).gr_name
    return "docker"


def _docker() -> str:
    found = shutil.which("docker")
    if found is None:
        raise Failed(
            "a lab of kind docker needs docker, which is not on this machine",
            hint="install Docker (Debian: apt-get install docker.io), or take the kind that needs none: --kind local",
        )
    return found


def _plain(line: str) -> str:
    """Return a line of a build without colours and what a progress bar overwrote."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line.rstrip().rpartition("\r")[2]).strip()


def _routes() -> Iterator[IPv4Network]:
    """Yield where this machine sends packets to, but for the default route (proc(5): addresses are in host order)."""
    with suppress(OSError):
        for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            target, mask = (struct.pack("=L", int(fields[place], 16)) for place in (1, 7))
            if mask != bytes(4):
                yield IPv4Network((target, IPv4Address(mask).__str__()), strict=False)


def _side_by_side(call: Callable[..., T], items: Sequence[object]) -> list[T]:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(call, items))
