"""The docker lab itself: real containers with systemd, sshd and sudo."""

import grp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import cannot_run
from tests.docker_hosts import DockerLab, docker, until
from tests.fab import CHECKOUT, LIMIT, Done, Fab

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("docker_lab")]  # one lab for both modules
HOSTS = ("node1", "node2", "node3")


def _of_lab(home: Path) -> list[str]:
    """Return the containers and networks that carry the label of a lab below ``home``."""
    label = f"label=kafab.lab={home / 'labs' / 'lab'}"
    containers = docker("ps", "--all", "--filter", label, "--format", "{{.Names}}")
    networks = docker("network", "ls", "--filter", label, "--format", "{{.Name}}")
    return [*containers.stdout.split(), *networks.stdout.split()]


def _at_rest(home: Path) -> str:
    """Say `at rest` where two looks, a second apart, see the same of a lab."""
    before = _of_lab(home)
    time.sleep(1)
    return "at rest" if _of_lab(home) == before else "being made"


@pytest.mark.parametrize("host", HOSTS)
def test_host_is_as_an_administrator_expects(docker_lab: DockerLab, host: str) -> None:
    """The service manager runs without a failed unit, sudo asks nothing, and Java is there."""
    done = docker_lab.ssh(
        host, "systemctl is-system-running; sudo -n id -un; hostname; java -version 2>&1 | head -n 1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["running", "root", host]
    assert 'version "17' in done.stdout


def test_hosts_have_identities_of_their_own(docker_lab: DockerLab) -> None:
    """No two hosts share a machine id or a host key: nothing of the image's is left."""
    script = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; cat /var/lib/dbus/machine-id"
    told = [docker_lab.on(host, script).splitlines() for host in HOSTS]
    assert [len({lines[place] for lines in told}) for place in range(3)] == [3, 3, 3]
    assert all(len(lines[0]) == 32 for lines in told)


def test_hosts_find_each_other_by_name(docker_lab: DockerLab) -> None:
    """A host's name resolves to the address of the inventory on every other host."""
    cluster = docker_lab.cluster
    expected = [cluster.host(host).address for host in HOSTS]
    found = docker_lab.on("node1", f"getent ahostsv4 {' '.join(HOSTS)} | awk '/STREAM/ {{print $1}}'")
    assert found.split() == expected


def test_container_has_no_privileges_it_does_not_need(docker_lab: DockerLab) -> None:
    """The hosts run without --privileged: two capabilities are added, and no device."""
    inspected = "{{.HostConfig.Privileged}} {{.HostConfig.CapAdd}} {{.HostConfig.Devices}}"
    done = docker("inspect", "--format", inspected, docker_lab.container("node1"))
    assert done.stdout.replace("CAP_", "").strip() == "false [SYS_ADMIN SYS_PTRACE] []"


def test_restarted_host_keeps_what_it_is(docker_lab: DockerLab) -> None:
    """`docker restart` is a reboot: the same address, host key, machine id and files, and lab.up finds nothing to do."""
    script = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /var/lib/kept; hostname --ip-address"
    docker_lab.on("node3", "echo kept >/var/lib/kept")
    before = docker_lab.on("node3", script)
    assert docker("restart", "--time", "60", docker_lab.container("node3"), limit=90).returncode == 0
    assert "is up already" in docker_lab.fab.must("lab.up").err  # it waits for the host
    assert docker_lab.on("node3", f"{script}; rm /var/lib/kept") == before
    assert docker_lab.ssh("node3", "true").returncode == 0


@pytest.mark.parametrize("how", [("kill",), ("pause",), ("rm", "--force")])
def test_up_brings_a_lost_host_back(docker_lab: DockerLab, how: tuple[str, ...]) -> None:
    """A host that was killed, frozen or removed is up again after lab.up, and OpenSSH itself believes its key."""
    assert docker(*how, docker_lab.container("node2")).returncode == 0
    assert "node2" in docker_lab.fab.must("lab.up").err
    done = docker_lab.ssh("node2", "hostname")
    assert (done.returncode, done.stdout) == (0, "node2\n"), done.stderr


def test_status_shows_a_host_that_is_down(docker_lab: DockerLab) -> None:
    """A stopped container is shown as such, and its nodes as unknown."""
    container = docker_lab.container("node1")
    docker("kill", container)
    try:
        hosts = docker_lab.fab.must("lab.status", "--json").document["hosts"]
        assert [(each["state"], each["running"]) for each in hosts] == [
            ("exited", None),
            ("running", 0),
            ("running", 0),
        ]
    finally:
        docker_lab.fab.must("lab.up")


def test_up_killed_anywhere_leaves_nothing_in_the_way(docker_here: None, tmp_path: Path) -> None:
    """After kill -9 of lab.up at several moments, another lab.up comes up whole and lab.down leaves nothing."""
    fab = Fab(tmp_path / "home")
    try:
        for delay in (0.6, 0.9, 1.3, 1.8):
            killed = fab.start("lab.up", "--kind", "docker", "--hosts", "2")
            # The moment is the point here: wherever it falls, the next run has to cope.
            time.sleep(delay)
            os.killpg(killed.pid, signal.SIGKILL)
            killed.communicate()
        # What a killed one had asked of the daemon, the daemon may still be doing.
        assert until(lambda: _at_rest(fab.home), "at rest", 60) == "at rest"
        fab.must("lab.up", "--kind", "docker", "--hosts", "2")
        hosts = fab.must("lab.status", "--json").document["hosts"]
        assert [each["state"] for each in hosts] == ["running", "running"]
    finally:
        fab("lab.down")
    assert _of_lab(fab.home) == []


def test_down_leaves_another_lab_alone(
    docker_lab: DockerLab, new_docker_lab: Callable[..., DockerLab]
) -> None:
    """Two labs of one name in two homes: the end of one takes its containers and network, and no other."""
    mine = _of_lab(docker_lab.fab.home)
    other = new_docker_lab("--hosts", "1")
    assert len(_of_lab(other.fab.home)) == 2
    other.fab.must("lab.down")
    assert (_of_lab(other.fab.home), _of_lab(docker_lab.fab.home)) == ([], mine)
    assert not (other.fab.home / "labs" / "lab").exists()


def test_lab_of_another_kind_is_refused(docker_lab: DockerLab) -> None:
    """The name is taken: exit code 2, and how to free it."""
    done = docker_lab.fab("lab.up", "--kind", "local")
    assert (done.code, "of kind docker already" in done.err, "lab.down" in done.err) == (2, True, True)


class Nobody(Fab):
    """`fab` as a user who is not root, in a group of his own choice."""

    def __init__(self, home: Path, group: int) -> None:
        super().__init__(home)
        # He may read this checkout and its Python wherever they are, but nothing opens him a socket.
        reading = ("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "+dac_read_search")
        self._become = ("setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups", *reading)

    def __call__(self, *words: str) -> Done:
        """Run it to its end."""
        done = subprocess.run(
            [*self._become, sys.executable, "-m", "fabric", *words],
            cwd=CHECKOUT,
            env={**self.environment, "HOME": str(self.home), "USER": "nobody", "LOGNAME": "nobody"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def home_of_nobody(docker_here: None, tmp_path: Path) -> Iterator[Path]:
    """A folder that belongs to nobody, which only root can make."""
    if os.geteuid() != 0:
        cannot_run("only root can become another user")
    home = Path("/tmp") / f"kafab-nobody-{os.getpid()}"  # pytest's own folders are closed to others
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    yield home
    subprocess.run(["rm", "-rf", str(home)], check=True)


def test_user_of_the_docker_group_has_a_lab(home_of_nobody: Path) -> None:
    """No root is needed: membership of the group that owns Docker's socket suffices."""
    group = Path("/var/run/docker.sock").stat().st_gid
    if group == 0:
        cannot_run("Docker's socket belongs to root's own group")
    fab = Nobody(home_of_nobody, group)
    try:
        fab.must("lab.up", "--kind", "docker", "--hosts", "1")
        assert "running" in fab.must("lab.status").out
    finally:
        down = fab("lab.down")
    assert (down.code, _of_lab(home_of_nobody)) == (0, []), down.err


def test_user_outside_of_the_group_is_told_its_name(home_of_nobody: Path) -> None:
    """Permission denied is told with the group that would help, and nothing is left behind."""
    done = Nobody(home_of_nobody, 65534)("lab.up", "--kind", "docker")
    group = grp.getgrgid(Path("/var/run/docker.sock").stat().st_gid).gr_name
    assert (done.code, f"the group {group}" in done.err, f"usermod -aG {group} nobody" in done.err) == (
        1,
        True,
        True,
    ), done.err
    assert not (home_of_nobody / "labs" / "lab").exists()


def test_daemon_that_does_not_run_is_told(
    docker_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing listens on Docker's socket the command says so, exit code 1, without a traceback."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")
    done = Fab(tmp_path / "home")("lab.up", "--kind", "docker")
    assert (done.code, "does not answer" in done.err, "Traceback" in done.err) == (1, True, False), done.err
