"""Starts that are cut off, by the network or from here: each says how the host came out, and the next one goes on.

A silence is measured from the first dropped packet: row 4 of the faults gives half a minute to the line.
"""

import signal

import pytest

from tests.docker_faults import gate, listen, must_soon, needs_packet_filter, network, waits
from tests.docker_hosts import DockerLab

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("docker_host")]  # one host for both modules
START = 'case \\$1 in start) ;; *) exec $real "\\$@" ;; esac'
"""Close a gate only where a unit is started."""
END = 40
"""Seconds to the end of the command: its connections are closed and its threads have ended by then."""


@pytest.fixture(scope="module")
def lab(docker_host: DockerLab) -> DockerLab:
    """One deployed host."""
    docker_host.fab.must("deploy")
    return docker_host


@pytest.fixture
def stopped(lab: DockerLab) -> DockerLab:
    """The lab with its cluster stopped, and no lock left of the start before."""
    must_soon(lab.fab, "stop")
    return lab


def test_black_hole_in_a_start(stopped: DockerLab) -> None:
    """The node is UNKNOWN within 30 s (exit code 5), and the next start observes and goes on."""
    needs_packet_filter()
    with gate(stopped, "node1", "systemctl", START) as reached, stopped.fab.start("start") as process:
        reached()
        with network(stopped, "node1", "DROP"):
            told = listen(process)
    again = must_soon(stopped.fab, "start").err
    unknown = told.first("/zookeeper: UNKNOWN: ") < 30
    assert (process.returncode, unknown, told.ended < END, "1 broker registered" in again) == (
        5,
        True,
        True,
        True,
    ), f"{told}\n{again}"


@pytest.mark.parametrize("last", ["node1/zookeeper  started", "node1/broker  started"])
def test_black_hole_while_a_start_waits(last: str, stopped: DockerLab) -> None:
    """A host that goes silent after its process was started, while it is waited for, is UNKNOWN within 30 s, too."""
    needs_packet_filter()
    with stopped.fab.start("start") as process:
        assert process.stderr is not None
        while last not in (line := process.stderr.readline()):
            assert line
        with network(stopped, "node1", "DROP"):
            told = listen(process)
    again = must_soon(stopped.fab, "start").err
    unknown = told.first("node1", "UNKNOWN: ") < 30
    assert (process.returncode, unknown, told.ended < END, "1 broker registered" in again) == (
        5,
        True,
        True,
        True,
    ), f"{told}\n{again}"


def test_sigterm_is_an_orderly_end(stopped: DockerLab) -> None:
    """SIGTERM ends a start as Ctrl-C does, once what has begun is over: 130, where it was, how to go on, and the lock is free."""
    with stopped.fab.start("start") as process:
        with gate(stopped, "node1", "systemctl", START) as reached:
            reached()
            waits(process, signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    again = must_soon(stopped.fab, "start").err
    expected = {"asked to start: node1/zookeeper", "left as they were: node1/broker"}
    missing = expected - {line.strip() for line in err.splitlines()}
    assert (process.returncode, missing, "the same command again" in err, "1 broker registered" in again) == (
        130,
        set(),
        True,
        True,
    ), f"{err}\n{again}"
