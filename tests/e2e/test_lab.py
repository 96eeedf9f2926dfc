import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from kafab.adapters.machine.clock import SystemClock
from kafab.adapters.machine.localhost import Localhost
from kafab.errors import Failed, UsageError
from kafab.events import silent
from kafab.inventory import load
from kafab.lab.local import LocalLab
from kafab.lab.shape import Controllers, Wish
from kafab.model import Version

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Poll until something is true; False when it did not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def below(folder: Path) -> list[str]:
    """Return the command lines of all processes that name a folder."""
    return [process.command for process in Localhost().processes() if str(folder) in process.command]


def only_sshds(folder: Path) -> bool:
    """Tell whether nothing but sshds names a folder, the same ones in two looks."""
    before = below(folder)
    time.sleep(0.3)
    return before == below(folder) and all("sshd" in command.split()[0] for command in before)


def made(labs: Path, name: str = "lab") -> LocalLab:
    """Return a lab with the real machine under it, not yet up."""
    return LocalLab(name, labs, machine=Localhost(), clock=SystemClock(), emit=silent)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    """A lab that is gone after the test, whatever happened in it."""
    lab = made(tmp_path / "labs")
    yield lab
    lab.down()


def _fab(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fabric", *words],
        cwd=ROOT,
        env={**os.environ, "KAFAB_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_lab_is_an_inventory_like_any_other(lab: LocalLab) -> None:
    """The inventory loads without a warning and has a ZooKeeper server and a broker on each of three hosts."""
    assert lab.up() is True
    cluster, warnings = load(lab.inventory)
    assert warnings == ()
    assert (cluster.name, cluster.lab, cluster.version) == ("lab", True, Version(3, 9, 2))
    assert (len(cluster.hosts), len(cluster.zookeepers), len(cluster.brokers)) == (3, 3, 3)


@pytest.mark.parametrize("controllers", [*Controllers])
def test_kraft_lab_is_an_inventory_like_any_other(lab: LocalLab, controllers: Controllers) -> None:
    """The inventory loads without a warning; controllers share the brokers' processes only where that was asked for."""
    lab.up(Wish(controllers=controllers))
    cluster, warnings = load(lab.inventory)
    combined = [node.name for node in cluster.controllers if node in cluster.brokers]
    assert (warnings, cluster.version, cluster.zookeepers) == ((), Version(4, 3, 1), ())
    assert (len(cluster.controllers), len(combined)) == (3, 3 if controllers is Controllers.COMBINED else 0)


def test_openssh_itself_can_log_in(lab: LocalLab) -> None:
    """The hosts are real ones: ssh logs in with the lab's key and its pinned host keys, and asks nothing."""
    lab.up(Wish(1))
    host = load(lab.inventory)[0].hosts[0]
    command = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    command += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={host.ssh.known_hosts}"]
    command += ["-i", str(host.ssh.identity), "-p", str(host.ssh.port), f"{host.ssh.user}@127.0.0.1"]
    done = subprocess.run([*command, "echo in"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


def test_up_twice_changes_nothing(lab: LocalLab) -> None:
    """A lab that is up stays as it is: same files, same sshds."""
    lab.up(Wish(2))
    before = {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")}
    sshds = [host.sshd for host in lab.status()]
    assert lab.up() is False
    assert {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")} == before
    assert [host.sshd for host in lab.status()] == sshds


def test_up_starts_an_sshd_that_died(lab: LocalLab) -> None:
    """The lab is mended in place: the dead sshd comes back on its port, the others are left alone."""
    lab.up(Wish(2))
    first, second = lab.status()
    assert second.sshd is not None
    os.kill(second.sshd, signal.SIGKILL)
    assert until(lambda: lab.status()[1].sshd is None)
    lab.up()
    again = lab.status()
    assert again[0] == first
    assert (again[1].port, again[1].sshd is not None) == (second.port, True)


@pytest.mark.parametrize(
    ("hosts", "version", "said"), [(3, None, "2 hosts"), (None, Version(2, 4, 1), "3.9.2")]
)
def test_up_refuses_another_shape(
    lab: LocalLab, hosts: int | None, version: Version | None, said: str
) -> None:
    """A lab of another size or version is not changed under its user; the message says what is up."""
    lab.up(Wish(2))
    with pytest.raises(UsageError, match=said):
        lab.up(Wish(hosts, version))


@pytest.mark.parametrize("missing", ["cluster.yaml", "known_hosts", "lab.json", "hosts/node2/sshd.process"])
def test_up_makes_an_interrupted_one_good(lab: LocalLab, missing: str) -> None:
    """A lab.up that was killed leaves no cluster.yaml: the next one ends its sshds and begins anew."""
    lab.up(Wish(2))
    old = {host.sshd for host in lab.status()}
    lab.inventory.unlink(missing_ok=True)
    (lab.folder / missing).unlink(missing_ok=True)
    assert lab.up(Wish(3)) is True
    assert [host.sshd is not None for host in lab.status()] == [True] * 3
    assert not {process.pid for process in Localhost().processes()} & old


def test_up_killed_anywhere_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """After kill -9 of lab.up at several moments, another lab.up comes up whole and lab.down leaves nothing."""
    home = tmp_path / "home"
    lab = made(home / "labs")
    command = [sys.executable, "-m", "fabric", "lab.up"]
    try:
        for delay in (0.4, 0.5, 0.6, 0.7, 0.9):
            killed = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "KAFAB_HOME": str(home)})
            with killed:
                # The moment is the point here: wherever it falls, the next run has to cope.
                time.sleep(delay)
                killed.kill()
        assert until(lambda: only_sshds(home)), below(home)  # what the last one had started ends by itself
        lab.up()
        assert [host.sshd is not None for host in lab.status()] == [True] * 3
    finally:
        lab.down()
    assert until(lambda: below(home) == []), below(home)


def test_two_labs_stand_side_by_side(tmp_path: Path) -> None:
    """Labs of two names share no port, and the end of one leaves the other as it is."""
    one, two = made(tmp_path, "one"), made(tmp_path, "two")
    try:
        one.up(Wish(2))
        two.up(Wish(2))
        ports = [
            port
            for lab in (one, two)
            for node in load(lab.inventory)[0].nodes
            for port in (*node.ports.values(), node.host.ssh.port)
        ]
        assert len({*ports}) == len(ports) - 2  # the two hosts with both roles name their sshd's port twice
        one.down()
        assert [host.sshd is not None for host in two.status()] == [True, True]
    finally:
        one.down()
        two.down()


def test_taken_port_moves_the_lab(lab: LocalLab) -> None:
    """A port in use is not chosen: the lab takes the next free block."""
    lab.up(Wish(1))
    wanted = lab.status()[0].port
    lab.down()
    with socket.create_server(("127.0.0.1", wanted + 4)):
        lab.up(Wish(1))
        assert lab.status()[0].port != wanted


JVM = """
import pathlib, signal, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
run = pathlib.Path(sys.argv[1])
run.mkdir(parents=True)
import os
(run / "process.new").write_text(f"{os.getpid()} {fields[19]} release digest")
(run / "process.new").rename(run / "process")
time.sleep(600)
"""


def _node(lab: LocalLab, host: str, instance: str, how: str = "") -> subprocess.Popen[bytes]:
    """Start a stand-in for a node: a process with a run record, as the supervisor writes it."""
    run = lab.folder / "hosts" / host / "root" / "run" / instance
    process = subprocess.Popen([sys.executable, "-c", JVM, run, how])
    assert until((run / "process").exists)
    return process


def test_down_ends_the_nodes_and_the_sshds(lab: LocalLab) -> None:
    """Whatever has a run record is ended, a frozen process too; nothing that names the lab is left."""
    lab.up(Wish(2))
    nodes = [_node(lab, "node1", "zookeeper"), _node(lab, "node1", "broker"), _node(lab, "node2", "broker")]
    nodes[2].send_signal(signal.SIGSTOP)
    assert [(host.running, host.recorded) for host in lab.status()] == [(2, 2), (1, 1)]
    lab.down()
    assert [node.wait(timeout=60) for node in nodes] == [-signal.SIGTERM] * 3
    assert (lab.folder.exists(), below(lab.folder)) == (False, [])


def test_down_leaves_a_reused_pid_alone(lab: LocalLab) -> None:
    """A record whose start time is another process's says nothing about the process that has the pid now."""
    lab.up(Wish(1))
    with _node(lab, "node1", "broker") as bystander:
        record = lab.folder / "hosts" / "node1" / "root" / "run" / "broker" / "process"
        record.write_text(f"{bystander.pid} 1 release digest")
        lab.down()
        assert bystander.poll() is None
        bystander.kill()


def test_down_without_a_lab_is_no_error(lab: LocalLab) -> None:
    """There is nothing to do, twice."""
    assert (lab.down(), lab.down()) == (False, False)


def test_down_ends_sessions_that_are_open(lab: LocalLab) -> None:
    """A login that is still open, and what runs in it, ends with the lab."""
    lab.up(Wish(1))
    host = load(lab.inventory)[0].hosts[0]
    command = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={host.ssh.known_hosts}"]
    command += ["-i", str(host.ssh.identity), "-p", str(host.ssh.port), f"{host.ssh.user}@127.0.0.1"]
    with subprocess.Popen([*command, "echo $$; sleep 600; true"], stdout=subprocess.PIPE) as login:
        assert login.stdout is not None
        pid = int(login.stdout.readline())
        lab.down()
        login.wait(timeout=60)
    assert until(lambda: pid not in {process.pid for process in Localhost().processes()})


def test_folder_that_sshd_could_not_name_is_refused(tmp_path: Path) -> None:
    """A space in the path would break sshd_config and Kafka's own: the hint says what to set."""
    with pytest.raises(UsageError, match="cannot live in") as refused:
        made(tmp_path / "with space").up()
    assert "KAFAB_HOME" in (refused.value.hint or "")


def test_missing_programs_are_named_with_their_packages(
    lab: LocalLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without sshd nothing is begun; the hint says what to install."""
    monkeypatch.setattr(
        "kafab.adapters.machine.localhost._found", lambda name: None if name == "sshd" else name
    )
    with pytest.raises(Failed, match="a lab needs sshd") as refused:
        lab.up()
    assert "openssh-server" in (refused.value.hint or "")
    assert not lab.folder.exists()


def test_sshd_that_cannot_start_is_shown_with_its_log(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sshd said is in the message, and nothing of the lab is left."""
    monkeypatch.setattr("kafab.lab.local.sshd_config", lambda _host: "Port 21999\nNonsense yes\n")
    with pytest.raises(Failed, match="Nonsense"):
        lab.up(Wish(1))
    assert not lab.folder.exists()


def test_commands_chain(tmp_path: Path) -> None:
    """lab.up, the new inventory and lab.down work in one command line; the second lab.down finds nothing."""
    done = _fab(
        "lab.up", "--hosts", "1", "inventory.check", "lab.status", "--json", "lab.down", home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
    assert (status["schema"], status["up"], len(status["hosts"])) == ("kafab.lab/1", True, 1)
    again = _fab("lab.down", home=tmp_path)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--hosts", "0"),
        ("--hosts", "x"),
        ("--version", "3.10.0"),
        ("--mode", "raft"),
        ("--mode", "kraft", "--version", "2.4.1"),
        ("--name", "a/b"),
    ],
)
def test_wrong_options_are_usage_errors(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A value that cannot be is told with what was expected, exit code 2."""
    done = _fab("lab.up", *words, home=tmp_path)
    assert (done.returncode, "expected" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


class Crowded(Localhost):
    """This machine, where another lab takes each port that was found free, just behind the look, until ``others`` have."""

    def __init__(self, others: int) -> None:
        self.others = others
        self.held: list[socket.socket] = []

    def free(self, ports: Iterable[int]) -> bool:
        """Look, and let another one take the first port."""
        ports = list(ports)
        found = super().free(ports)
        if found and len(self.held) < self.others:
            self.held.append(socket.create_server(("127.0.0.1", ports[0])))
        return found


@pytest.mark.parametrize(("others", "up"), [(2, True), (3, False)])
def test_lab_whose_ports_are_taken_takes_others(tmp_path: Path, others: int, up: bool) -> None:
    """A lab that loses its ports to one that comes up at the same moment takes others, three times at most."""
    machine = Crowded(others)
    lab = LocalLab("lab", tmp_path / "labs", machine=machine, clock=SystemClock(), emit=silent)
    try:
        if up:
            assert lab.up()
            assert all(host.sshd for host in lab.status())
        else:
            with pytest.raises(Failed, match="already in use"):
                lab.up()
            assert not lab.folder.exists()
    finally:
        lab.down()
        for each in machine.held:
            each.close()
