"""First deploys that are cut off, on hosts like servers: the next one converges (rows 1-5 and 7 of the faults).

| fault | here | elsewhere |
|---|---|---|
| Ctrl-C in a deploy | the fate of every host | in a stop: test_faults |
| kill -9 | at each step, at random moments; owners, modes and units included | tests/e2e/test_interruptions.py, test_distribution.py |
| connection lost, black hole in an upload | sshd killed, dropped packets | in a start: test_cut_off_starts; behind a bastion: tests/contract/test_gateway.py |
| hosts down before the start | killed and frozen ones | in preflight: test_preflight |
| disk full, no inodes, read-only | where the release goes | where the configuration goes: test_faults |
"""

import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.docker_faults import (
    ENABLE,
    FROM_PART,
    TO_PART,
    end,
    gate,
    listen,
    must_soon,
    needs_packet_filter,
    network,
    waits,
)
from tests.docker_hosts import DockerLab, docker
from tests.fab import Fab
from tests.shelves import NAME, many_files

pytestmark = pytest.mark.e2e
HOSTS = ("node1", "node2", "node3")
SEED = 20241
_RANDOM = random.Random(SEED)
MOMENTS = tuple(round(_RANDOM.uniform(0.15, 1), 3) for _ in range(3))
"""Shares of an undisturbed deploy's time."""

FRESH = """\
systemctl disable --quiet kafka-broker@broker.service kafka-zookeeper@zookeeper.service 2>/dev/null || :
rm -rf /opt/kafka /etc/kafka /var/lib/kafka /var/log/kafka /etc/profile.d/kafab* /etc/systemd/system/kafka-*
systemctl daemon-reload
! id -u kafka >/dev/null 2>&1 || userdel kafka
"""
TREE = """\
cd /
all='opt/kafka etc/kafka var/lib/kafka var/log/kafka etc/profile.d etc/systemd/system home/ops/.ssh'
find $all ! -path '*/run/history*' -printf '%p %y %m %u:%g %l\\n' | sort
find $all -type f ! -path '*/run/history*' -print0 | sort -z | xargs -0 sha256sum
getent passwd kafka | cut -d: -f5-
"""
LEFT = """\
find /opt/kafka /etc /var/lib -name '*.kafab-new*' -o -path '*/.incoming/*'
find /opt/kafka -maxdepth 1 -name 'kafka_*'
grep -h kafab-transfer /home/ops/.ssh/* || :
"""


class WithAStore(Fab):
    """A `fab` with a store of releases of its own."""

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment, with the store beside the labs."""
        return super().environment | {"XDG_CACHE_HOME": str(self.home / "cache")}


@pytest.fixture(scope="module")
def made(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three hosts of this module's own, and a release of 9 MB: nothing is started, and each test deploys it twice."""
    folder = tmp_path_factory.mktemp("killed")
    lab = DockerLab(WithAStore(folder / "home"))
    release = folder / f"{NAME}.tgz"
    release.write_bytes(many_files())
    try:
        lab.fab.must("lab.up", "--kind", "docker", "releases.add", "--file", str(release))
        yield lab
    finally:
        lab.fab("lab.down")


@pytest.fixture
def lab(made: DockerLab) -> DockerLab:
    """The hosts as if nothing had ever been deployed on them."""
    everywhere(made, FRESH)
    return made


@pytest.fixture(scope="module")
def undisturbed(made: DockerLab) -> tuple[str, float]:
    """What a deploy that nobody disturbs makes of the hosts, and in how many seconds."""
    everywhere(made, FRESH)
    begun = time.monotonic()
    made.fab.must("deploy")
    return tree(made), time.monotonic() - begun


def tree(lab: DockerLab) -> str:
    """Return kind, mode, owner, target and content of all that a deploy may touch."""
    return "".join(everywhere(lab, TREE))


def everywhere(lab: DockerLab, script: str) -> list[str]:
    """Run a script on all hosts side by side; return what each printed, behind its name."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return list(pool.map(lambda host: f"{host}: {lab.on(host, script)}", HOSTS))


def difference(now: str, wanted: str) -> list[str]:
    """Return the lines that only one of two trees has."""
    return sorted(set(now.splitlines()) ^ set(wanted.splitlines()))


def converged(lab: DockerLab, undisturbed: tuple[str, float]) -> list[str]:
    """Deploy, which must succeed; return where the tree is not the undisturbed one's.

    Scripts of the deploy that was cut off may still be at work: they have a minute to end.
    """
    must_soon(lab.fab, "deploy")
    deadline = time.monotonic() + 60
    while (left := difference(tree(lab), undisturbed[0])) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


@pytest.mark.parametrize(
    ("host", "step", "only"),
    [
        ("node1", "cat", TO_PART),
        ("node1", "sha256sum", FROM_PART),
        ("node2", "ssh", ":"),
        ("node2", "tar", ":"),
        ("node1", "useradd", ":"),
        ("node3", "chown", ":"),
        ("node1", "systemctl", ENABLE),
    ],
    ids=lambda word: word if word.isalnum() else "",
)
def test_deploy_killed_at_a_step(
    host: str, step: str, only: str, undisturbed: tuple[str, float], lab: DockerLab
) -> None:
    """After kill -9 in the middle of a step the next deploy gives the undisturbed tree (fault 2)."""
    with gate(lab, host, step, only) as reached, lab.fab.start("deploy") as killed:
        reached()
        end(killed, signal.SIGKILL)
    assert converged(lab, undisturbed) == []


@pytest.mark.parametrize("share", MOMENTS)
def test_deploy_killed_at_a_random_moment(
    share: float, undisturbed: tuple[str, float], lab: DockerLab
) -> None:
    """After kill -9 wherever it falls the next deploy gives the undisturbed tree (fault 2)."""
    with lab.fab.start("deploy") as process:
        try:
            process.communicate(timeout=share * undisturbed[1])
        except subprocess.TimeoutExpired:
            end(process, signal.SIGKILL)
    assert converged(lab, undisturbed) == []


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_deploy_tells_every_host(
    times: int, undisturbed: tuple[str, float], lab: DockerLab
) -> None:
    """Ctrl-C, once what has begun is over or at once with another one, ends with 130, each host's fate and how to go on (fault 1)."""
    with lab.fab.start("deploy") as process:
        with gate(lab, "node2", "useradd") as reached:
            reached()
            err = waits(process, signal.SIGINT)
            if times > 1:
                err += end(process, signal.SIGINT)[1]
        err += process.communicate(timeout=120)[1] if times == 1 else ""
    told = [host for host in HOSTS if f"  {host}: UNKNOWN: interrupted in the configuration" in err]
    assert (process.returncode, told, "the same command again" in err) == (130, list(HOSTS), True), err
    assert converged(lab, undisturbed) == []


def test_black_hole_in_an_upload(undisturbed: tuple[str, float], lab: DockerLab) -> None:
    """The host is UNKNOWN within 30 s while the others are served; the next deploy converges (fault 4)."""
    needs_packet_filter()
    with gate(lab, "node1", "cat", TO_PART) as reached, lab.fab.start("deploy") as process:
        reached()
        with network(lab, "node1", "DROP"):
            told = listen(process)
            released = lab.on("node1", "find /opt/kafka -maxdepth 1 -name 'kafka_*'")
    installed = (
        told.first("node2  release", "installed") < told.ended > told.first("node3  release", "installed")
    )
    silent, table = told.first("node1  UNKNOWN: "), told.first("  node1: UNKNOWN: ")
    assert (process.returncode, silent < 30, table <= told.ended, installed, released) == (
        5,
        True,
        True,
        True,
        "",
    ), told
    assert converged(lab, undisturbed) == []


def test_black_hole_between_the_look_and_the_change(undisturbed: tuple[str, float], lab: DockerLab) -> None:
    """A host that has answered and is silent under the lock ends the deploy within 30 s, before any change (fault 4)."""
    needs_packet_filter()
    with ExitStack() as closed:
        reached = closed.enter_context(gate(lab, "node1", "flock"))
        with lab.fab.start("deploy") as process:
            reached()
            with network(lab, "node3", "DROP"):
                closed.close()
                told = listen(process)
    touched = everywhere(lab, "ls -d /opt/kafka /etc/kafka 2>/dev/null || :")
    assert (process.returncode, told.first("  node3: ") < 30, told.ended < 30, touched) == (
        4,
        True,
        True,
        [f"{host}: " for host in HOSTS],
    ), told
    assert converged(lab, undisturbed) == []


def test_connection_lost_in_an_upload(undisturbed: tuple[str, float], lab: DockerLab) -> None:
    """The host is UNKNOWN, the others get their release elsewhere, and the next deploy converges (fault 3)."""
    with gate(lab, "node1", "cat", TO_PART) as reached, lab.fab.start("deploy") as process:
        reached()
        lab.on("node1", "pkill -KILL -u ops sshd")
        _, err = process.communicate(timeout=120)
        released = lab.on("node1", "find /opt/kafka -maxdepth 1 -name 'kafka_*'")
    installed = [host for host in ("node2", "node3") if re.search(rf"(?m)^{host}  release .* installed", err)]
    assert (process.returncode, "  node1: UNKNOWN" in err, installed, released) == (
        5,
        True,
        ["node2", "node3"],
        "",
    ), err
    assert converged(lab, undisturbed) == []


def test_hosts_down_are_named_at_once(lab: DockerLab) -> None:
    """One host is off and one is frozen: both are named within half a minute, and the third is not touched (fault 5)."""
    docker("kill", lab.container("node2"))
    docker("pause", lab.container("node3"))
    try:
        begun = time.monotonic()
        done = lab.fab("deploy")
        seconds = time.monotonic() - begun
        touched = lab.on("node1", "ls -d /opt/kafka /etc/kafka /var/lib/kafka 2>/dev/null || :")
    finally:
        lab.fab.must("lab.up", "--kind", "docker")
    named = [host for host in HOSTS if f"\n  {host}: " in done.err]
    assert (done.code, named, touched, seconds < 30) == (4, ["node2", "node3"], "", True), (
        f"{seconds:.1f} s\n{done.err}"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("mount -t tmpfs -o mode=755,size=3m tmpfs /opt/kafka", "No space left on device"),
        ("mount -t tmpfs -o mode=755,nr_inodes=60 tmpfs /opt/kafka", "No space left on device"),
        ("mount -t tmpfs -o mode=755,ro tmpfs /opt/kafka", "Read-only file system"),
    ],
    ids=["disk full", "no inodes", "read-only"],
)
def test_release_has_no_room(fault: str, words: str, undisturbed: tuple[str, float], lab: DockerLab) -> None:
    """The host and the reason are told, no temporary file stays, and with room the next deploy converges (fault 7)."""
    lab.on("node1", f"mkdir /opt/kafka; {fault}")
    try:
        done = lab.fab("deploy", "--skip-preflight")
        left = lab.on("node1", LEFT)
    finally:
        lab.on("node1", "umount /opt/kafka; rmdir /opt/kafka")
    told = [line for line in done.err.splitlines() if line.startswith("  node1: failed: ") and words in line]
    assert (done.code, len(told), left) == (1, 1, ""), f"{done.err}\n{left}"
    assert converged(lab, undisturbed) == []
