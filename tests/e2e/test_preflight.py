"""Preflight on real hosts: the loopback lab, and the scripts of the network trial against real sockets."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kafab.checks.preflight import network
from kafab.checks.preflight.network import Answer, Listener, Target
from kafab.command import Result, Script
from kafab.inventory import load
from kafab.model import Endpoint, Node
from tests.conftest import cannot_run, cluster_in
from tests.fab import Fab

pytestmark = pytest.mark.e2e
Shell = Callable[..., Result]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fab]:
    """Two loopback hosts on which nothing was deployed."""
    fab = Fab(tmp_path_factory.mktemp("preflight"))
    try:
        fab.must("lab.up", "--hosts", "2")
        yield fab
    finally:
        fab("lab.down")


def first_broker(lab: Fab) -> Node:
    """Return the lab's first broker."""
    return load(lab.home / "labs" / "lab" / "cluster.yaml")[0].brokers[0]


def listening() -> socket.socket:
    """Return a socket that listens on a free port of loopback."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def target(node: Node, port: int) -> Target:
    """Return a port of loopback as something to reach."""
    return Target(node, "client", Endpoint("127.0.0.1", port))


@pytest.fixture
def broker(tmp_path: Path) -> Node:
    """A node to speak of."""
    return cluster_in(tmp_path).brokers[0]


def test_healthy_lab_is_all_green(lab: Fab) -> None:
    """Every check of every host is OK."""
    document = lab.must("preflight", "--json").document
    assert {finding["severity"] for finding in document["findings"]} == {"OK"}


def test_taken_port_is_named_with_its_holder(lab: Fab) -> None:
    """A stranger on a broker's port is one CRIT with the stranger's pid."""
    node = first_broker(lab)
    # A lab that was at these ports before may have left connections in TIME_WAIT: create_server does not mind them.
    with socket.create_server((node.host.address, node.endpoint.port)):
        done = lab("preflight", "--json")
    bad = [finding for finding in done.document["findings"] if finding["severity"] != "OK"]
    assert [(finding["check"], finding["subject"]) for finding in bad] == [("port", node.name)]
    assert f"client port {node.endpoint.port} is held by pid {os.getpid()}, " in bad[0]["detail"]
    assert done.code == 1


def test_limit_looks_at_those_hosts_only(lab: Fab) -> None:
    """Another host is neither asked nor told of."""
    document = lab.must("preflight", "--json", "--limit", "node2").document
    asked = {
        finding["subject"].partition("/")[0]
        for finding in document["findings"]
        if finding["check"] not in ("memory", "listening")
    }
    assert asked == {"node2"}


def test_fix_needs_root(lab: Fab) -> None:
    """Never on the local lab: the kernel is the operator's own."""
    done = lab("preflight", "--fix")
    assert (done.code, "--fix needs root" in done.err) == (2, True)


def test_host_that_is_down_is_one_line(lab: Fab) -> None:
    """Its sshd is gone: exit code 4, the other host judged as ever."""
    hosts = lab.must("lab.status", "--json").document["hosts"]
    os.kill(hosts[1]["sshd"], signal.SIGKILL)
    try:
        done = lab("preflight", "--json")
    finally:
        lab.must("lab.up")
    bad = [finding for finding in done.document["findings"] if finding["severity"] != "OK"]
    assert [(finding["check"], finding["subject"]) for finding in bad] == [("ssh.reachable", "node2")]
    assert done.code == 4


def test_listener_listens_until_it_is_hushed(shell: Shell) -> None:
    """A port that was refused is open, and refused again afterwards."""
    if not shutil.which("systemd-socket-activate"):
        cannot_run("systemd-socket-activate (Debian's systemd) is not on this machine")
    with closing(listening()) as server:
        port: int = server.getsockname()[1]
    answer = network.listening(shell(network.listen([port])))
    assert isinstance(answer, Listener)
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    finally:
        shell(network.hush(answer))
    assert _refused_in_time(port)


def _refused_in_time(port: int) -> bool:
    # It has been told to end; a connection that it took before that is reset.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with closing(socket.socket()) as client:
            if client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return True
    return False


@pytest.mark.parametrize("tool", ["bash", "ssh"])
def test_trial_tells_open_from_refused(tool: str, broker: Node, tmp_path: Path) -> None:
    """With either tool: an open port, a closed one and a name that does not resolve are told apart."""
    if not shutil.which(tool):
        cannot_run(f"{tool} is not on this machine")
    for name in ("sh", "timeout", "tail", "tr", "grep", tool):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    nowhere = Target(broker, "client", Endpoint("nosuch.invalid", 9))
    with closing(listening()) as server, closing(listening()) as closed:
        open_, shut = target(broker, server.getsockname()[1]), target(broker, closed.getsockname()[1])
        closed.close()
        found = network.reached(_run(network.reach([open_, shut, nowhere]), tmp_path))
    assert found == {
        open_.endpoint: Answer.OPEN,
        shut.endpoint: Answer.REFUSED,
        nowhere.endpoint: Answer.NO_NAME,
    }


def _run(script: Script, path: Path) -> Result:
    done = subprocess.run(
        ["/usr/bin/env", "-i", f"PATH={path}", "LC_ALL=C", "sh", "-eu"],
        input=f"{{\n{script.text}}} </dev/null\nexit\n".encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())
