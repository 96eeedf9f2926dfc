"""Connections through SSH against a real sshd: what a client has of them, and what is told where they do not come about."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.ssh.fleet import SshFleet
from kafab.adapters.ssh.reach import SshReach
from kafab.command import Result
from kafab.events import Event, Note
from kafab.hosts.ways import Passage
from kafab.listeners import Endpoint, Listener
from kafab.model import Cluster, Host, Node, Reach, Role, Ssh, Version
from kafab.ports import Passages
from kafab.testing.passages import FakePassages
from tests.far import echo, slow
from tests.loopback import SSHD, script
from tests.ports import ADDRESS, free_ports
from tests.sshds import Sshd, sshd

pytestmark = pytest.mark.e2e

LIMIT = 10.0
FORBIDDING = [("AllowTcpForwarding no",), ("DisableForwarding yes",), ("PermitOpen 127.0.0.1:1",)]
SILENCE_IS_TOLD = 30.0


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host."""
    with sshd(tmp_path_factory.mktemp("sshds") / "far", "MaxSessions 10") as running:
        yield running


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server there."""
    with echo() as found:
        yield found


def _cluster(host: Host, reach: Reach, *ports: int) -> Cluster:
    there = replace(host, ssh=replace(host.ssh, reach=reach))
    nodes = [
        Node(there, Role.BROKER, number, (Listener("PLAINTEXT", at, ADDRESS),), "1g", ())
        for number, at in enumerate(ports, 1)
    ]
    return Cluster("far", Version(3, 9, 2), (there,), tuple(nodes))


@contextmanager
def _reaching(
    host: Host, reach: Reach, *ports: int, told: list[Event] | None = None
) -> Iterator[tuple[SshReach, SshFleet]]:
    cluster = _cluster(host, reach, *ports)
    notes: list[Event] = [] if told is None else told
    with (
        closing(SshFleet(cluster.hosts)) as fleet,
        closing(SshReach(cluster, lambda: fleet.links, notes.append)) as ways,
    ):
        yield ways, fleet


def _said_back(made: socket.socket, data: bytes) -> bytes:
    """Send all of it, end, and return all that comes back."""
    made.settimeout(60)

    def send() -> None:
        made.sendall(data)
        made.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    heard = bytearray()
    while piece := made.recv(65536):
        heard += piece
    sender.join()
    return bytes(heard)


def test_a_client_has_a_socket_whose_ends_are_those_of_the_far_connection(far: Sshd, port: int) -> None:
    """More bytes than a window has come back as they went, the end of one side reaches the other, and nothing is left open."""
    data = os.urandom(5_000_000)
    with _reaching(far.host, Reach.SSH, port) as (ways, _):
        with ways.connect(ADDRESS, port, LIMIT) as made:
            assert _said_back(made, data) == data
        assert ways.through_ssh


def test_sixty_four_channels_at_once_over_one_login(far: Sshd, port: int) -> None:
    """Channels are no sessions: MaxSessions 10 is no limit for them, and one login serves all."""
    before = far.log.count("Accepted publickey")
    with _reaching(far.host, Reach.SSH, port) as (ways, _), ThreadPoolExecutor(64) as pool:
        made = [*pool.map(lambda _: ways.connect(ADDRESS, port, LIMIT), range(64))]
        data = [os.urandom(100_000) for _ in made]
        assert [*pool.map(_said_back, made, data)] == data
        for each in made:
            each.close()
    assert far.log.count("Accepted publickey") - before == 1


def test_a_client_that_does_not_read_holds_up_nobody_else(far: Sshd, port: int) -> None:
    """A channel whose client is stuck has its window closed, and the others go on."""
    with (
        _reaching(far.host, Reach.SSH, port) as (ways, _),
        ways.connect(ADDRESS, port, LIMIT) as stuck,
        ways.connect(ADDRESS, port, LIMIT) as lively,
    ):
        stuck.settimeout(0.5)
        with pytest.raises(TimeoutError):
            stuck.sendall(bytes(32_000_000))
        assert _said_back(lively, b"in") == b"in"


def test_a_far_port_that_refuses_is_refused_here(far: Sshd) -> None:
    """A node that is down is told as it always was."""
    (down,) = free_ports(1)
    with _reaching(far.host, Reach.SSH, down) as (ways, _), pytest.raises(ConnectionRefusedError):
        ways.connect(ADDRESS, down, LIMIT)


@pytest.mark.parametrize("lines", FORBIDDING)
def test_an_sshd_that_forwards_nothing_is_told_by_the_line_to_change(
    tmp_path: Path, port: int, lines: Sequence[str]
) -> None:
    """The error names AllowTcpForwarding, and the host."""
    with (
        sshd(tmp_path / "strict", *lines) as strict,
        _reaching(strict.host, Reach.SSH, port) as (ways, _),
        pytest.raises(OSError, match=r"sshd of node1 forbids it: AllowTcpForwarding"),
    ):
        ways.connect(ADDRESS, port, LIMIT)


@pytest.mark.parametrize("lines", FORBIDDING)
def test_an_sshd_that_forwards_nothing_is_found_before_anything_is_there(
    tmp_path: Path, port: int, lines: Sequence[str]
) -> None:
    """Of an address at which nobody listens sshd says that it forbids it; with `auto` the plain way is tried then, and only then."""
    (_, down) = free_ports(2)  # the sshd takes the first
    there, gone = Endpoint(ADDRESS, port), Endpoint(ADDRESS, down)
    refused = Passage(ssh=False, direct="connection refused", refused=True)
    expected: dict[Reach, dict[Endpoint, Passage]] = {
        Reach.SSH: {there: Passage(ssh=False), gone: Passage(ssh=False)},
        Reach.AUTO: {there: Passage(ssh=False, direct=""), gone: refused},
    }
    with sshd(tmp_path / "strict", *lines) as strict:
        for reach, met in expected.items():
            with _reaching(strict.host, reach, port, down) as (ways, _):
                asked: Sequence[Passages] = (ways, FakePassages(met))
                assert [one.tried([there, gone]) for one in asked] == [met, met]


def test_an_sshd_that_forwards_is_asked_and_nothing_else(
    far: Sshd, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anybody listens there is no matter of sshd's, and no plain connection is tried; one login serves all."""
    monkeypatch.delattr(SshReach, "_direct")
    asked = [Endpoint(ADDRESS, at) for at in (port, *free_ports(20))]
    before = far.log.count("Accepted publickey")
    with _reaching(far.host, Reach.AUTO, port) as (ways, _):
        assert set(ways.tried(asked).values()) == {Passage(ssh=True)}
    assert far.log.count("Accepted publickey") - before == 1


def test_where_forwarding_is_forbidden_the_own_port_is_tried(tmp_path: Path, port: int) -> None:
    """A host that forwards nothing is reached directly where that works; where it does not, both reasons are told."""
    _, down = free_ports(2)  # the sshd takes the first
    with (
        sshd(tmp_path / "strict", "AllowTcpForwarding no") as strict,
        _reaching(strict.host, Reach.AUTO, down, port) as (ways, _),
    ):
        with pytest.raises(
            OSError, match=r"^directly: connection refused; through SSH: .*AllowTcpForwarding"
        ):
            ways.connect(ADDRESS, down, LIMIT)
        with ways.connect(ADDRESS, port, LIMIT) as made:
            assert made.family == socket.AF_INET


def test_a_connection_that_dies_ends_all_sockets_at_once(tmp_path: Path, port: int) -> None:
    """A client sees the end of its socket when the SSH connection is gone, and the next one goes over a new login."""
    with sshd(tmp_path / "dying") as dying, _reaching(dying.host, Reach.SSH, port) as (ways, fleet):
        with ways.connect(ADDRESS, port, LIMIT) as made:
            found = fleet.run({"node1": script(f"echo {SSHD}")})["node1"]
            assert isinstance(found, Result)
            os.kill(int(found.text), signal.SIGKILL)
            made.settimeout(LIMIT)
            assert made.recv(1) == b""
        with ways.connect(ADDRESS, port, LIMIT) as anew:
            assert _said_back(anew, b"in") == b"in"


def test_a_host_that_goes_silent_is_told_in_time(tmp_path: Path, port: int) -> None:
    """Behind an sshd that hangs a client's socket ends within the time in which silence is told."""
    with (
        sshd(tmp_path / "hanging") as hanging,
        _reaching(hanging.host, Reach.SSH, port) as (ways, fleet),
        ways.connect(ADDRESS, port, LIMIT),
    ):
        found = fleet.run({"node1": script(f"echo {SSHD}")})["node1"]
        assert isinstance(found, Result)
        os.kill(int(found.text), signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(OSError, match=r"no answer within 5 s"):
                ways.connect(ADDRESS, port, 5)
            assert time.monotonic() - begun < SILENCE_IS_TOLD
        finally:
            os.kill(int(found.text), signal.SIGCONT)


def test_a_far_bastion_costs_a_question_no_more_than_its_own_way(far: Sshd, port: int) -> None:
    """With 300 ms of round trip the login has its own time: a question of two seconds is not over before it is asked."""
    with ExitStack() as stack:
        at = stack.enter_context(slow(far.host.ssh.port or 0, 0.15))
        known = far.folder / "known_slow"
        known.write_text(
            (far.folder / "known_hosts").read_text().replace(f":{far.host.ssh.port} ", f":{at} ")
        )
        host = replace(far.host, ssh=replace(far.host.ssh, port=at, known_hosts=known))
        ways, _ = stack.enter_context(_reaching(host, Reach.SSH, port))
        ways.ready(ADDRESS, port, 2)
        begun = time.monotonic()
        with ways.connect(ADDRESS, port, 2) as first:
            assert time.monotonic() - begun < 0.2  # it was made for it
            assert not ways.needs_login(ADDRESS, port)
            assert _said_back(first, b"in") == b"in"
        with ThreadPoolExecutor(64) as pool:
            begun = time.monotonic()
            made = [*pool.map(lambda _: ways.connect(ADDRESS, port, LIMIT), range(64))]
            assert time.monotonic() - begun < 64 * 0.3 / 2  # beside each other
            for each in made:
                each.close()


def test_the_direct_way_is_kept_where_it_works(far: Sshd, port: int) -> None:
    """With auto nobody logs in to a host whose port is reached directly, and nothing is said."""
    told: list[Event] = []
    before = far.log.count("Accepted publickey")
    with _reaching(far.host, Reach.AUTO, port, told=told) as (ways, _):
        ways.ready(ADDRESS, port, LIMIT)
        with ways.connect(ADDRESS, port, LIMIT) as made:
            assert _said_back(made, b"in") == b"in"
        assert not ways.through_ssh
    assert (told, far.log.count("Accepted publickey")) == ([], before)


def test_auto_takes_ssh_where_the_direct_way_is_closed_and_says_so_once(
    far: Sshd, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One note for all addresses, with the reason."""
    told: list[Event] = []
    (down,) = free_ports(1)

    def closed(at: Endpoint, _seconds: float) -> socket.socket:
        raise ConnectionRefusedError(111, f"Connection refused by {at}")

    monkeypatch.setattr(SshReach, "_direct", staticmethod(closed))
    with _reaching(far.host, Reach.AUTO, port, down, told=told) as (ways, _):
        for _ in range(2):
            with ways.connect(ADDRESS, port, LIMIT) as made:
                assert _said_back(made, b"in") == b"in"
        with pytest.raises(ConnectionRefusedError):
            ways.connect(ADDRESS, down, LIMIT)
    (note,) = told
    assert isinstance(note, Note)
    assert (
        f"reached through SSH: {ADDRESS}:{port} cannot be reached directly (connection refused" in note.text
    )


def test_a_host_without_a_login_is_told_with_both_reasons(tmp_path: Path) -> None:
    """Where nothing works the operator reads why the port is not reached, and why SSH is not."""
    (down, no_sshd) = free_ports(2)
    host = Host("node1", ADDRESS, Ssh("nobody", no_sshd, known_hosts=tmp_path / "none"))
    reason = rf"directly: connection refused; through SSH: {ADDRESS} port {no_sshd}: "
    with _reaching(host, Reach.AUTO, down) as (ways, _), pytest.raises(OSError, match=reason):
        ways.connect(ADDRESS, down, LIMIT)
