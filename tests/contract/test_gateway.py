"""Hosts behind a bastion, a ProxyCommand, an ssh_config: real sshds, reached the way OpenSSH would."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.ssh import link as sshlink
from kafab.adapters.ssh import wire as sshwire
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Outcome, Result
from kafab.events import silent
from kafab.model import Host, Ssh
from kafab.ports import Upload
from tests.loopback import IN, SSHD, ran, reason, script
from tests.ports import ADDRESS
from tests.sshds import Sshd, make_key, sshd, until

pytestmark = pytest.mark.e2e


HOSTS = 12


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd with OpenSSH's own limits, written out."""
    folder = tmp_path_factory.mktemp("sshds") / "bastion"
    with sshd(folder, "MaxStartups 10:30:100", "MaxSessions 10", name="bastion") as running:
        yield running


@pytest.fixture(scope="module")
def inner(bastion: Sshd) -> Iterator[Sequence[Sshd]]:
    """Twelve hosts."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(sshd(bastion.folder.parent / f"node{number}", name=f"node{number}"))
            for number in range(1, HOSTS + 1)
        ]


@pytest.fixture
def known(bastion: Sshd, inner: Sequence[Sshd], tmp_path: Path) -> Path:
    """The keys of all of them in one file."""
    file = tmp_path / "all-known"
    file.write_text("".join((each.folder / "known_hosts").read_text() for each in (bastion, *inner)))
    return file


@pytest.fixture
def behind(bastion: Sshd, inner: Sequence[Sshd], known: Path) -> Sequence[Host]:
    """The twelve hosts, each through the bastion; one key opens all of them."""
    for each in inner:
        with (each.folder / "authorized_keys").open("a") as keys:
            keys.write((bastion.folder / "authorized_keys").read_text())
    at = bastion.host.ssh
    gateway = f"{at.user}@{ADDRESS}:{at.port}"
    return [
        replace(
            each.host, ssh=replace(each.host.ssh, identity=at.identity, gateway=gateway, known_hosts=known)
        )
        for each in inner
    ]


def test_twelve_hosts_behind_a_bastion_with_openssh_s_limits(bastion: Sshd, behind: Sequence[Host]) -> None:
    """MaxStartups 10 and MaxSessions 10 are no limit for twelve hosts at once: the bastion sees a single login."""
    before = bastion.log.count("Accepted publickey")
    meet = bastion.folder / "meet"
    meet.mkdir()
    everyone = (
        f'touch {meet}/$$; tries=0; until set -- {meet}/*; [ "$#" -ge {HOSTS} ]; do '
        "tries=$((tries + 1)); [ $tries -lt 600 ] || exit 9; sleep 0.05; done"
    )
    with closing(SshFleet(behind)) as fleet:
        outcomes = fleet.run({host.name: script(everyone) for host in behind})
    assert set(outcomes.values()) == {Result(0, b"", "")}
    assert bastion.log.count("Accepted publickey") - before == 1


def _frozen(fleet: SshFleet, host: Host, then: str) -> tuple[Outcome, int]:
    """Stop the host's sshd, the bastion's connection to it alive: to us it is a network that has gone dark."""
    parent = fleet.run({host.name: script(f"echo {SSHD}")})[host.name]
    assert isinstance(parent, Result)
    return fleet.run({host.name: script(f"kill -STOP {SSHD}; {then}")})[host.name], int(parent.text)


def test_black_hole_behind_a_gateway_is_noticed(
    behind: Sequence[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that goes dark behind a live bastion is given up after its silence, long before the script's own timeout."""
    monkeypatch.setattr(sshwire, "KEEPALIVE_SECONDS", 0.5)
    monkeypatch.setattr(sshwire, "SILENCE_SECONDS", 5)
    flag = tmp_path / "test-goes-on"
    flag.touch()
    with closing(SshFleet(behind[:2])) as fleet:
        begun = time.monotonic()
        outcome, parent = _frozen(fleet, behind[0], f"while [ -e {flag} ]; do sleep 0.1; done")
        took = time.monotonic() - begun
        os.kill(parent, signal.SIGCONT)
        flag.unlink()
        assert reason(outcome) == f"the connection was lost while the script ran: {sshlink.WENT_SILENT}"
        assert took < 45  # the script has a minute
        assert fleet.run({"node2": script("echo in")})["node2"] == IN  # the gateway is still the first one


def test_quiet_host_behind_a_gateway_is_not_given_up(
    behind: Sequence[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that prints nothing for longer than the silence allowed is alive: its sshd answers."""
    monkeypatch.setattr(sshwire, "KEEPALIVE_SECONDS", 0.2)
    monkeypatch.setattr(sshwire, "SILENCE_SECONDS", 5)
    with closing(SshFleet(behind[:1])) as fleet:
        assert fleet.run({"node1": script("sleep 8; echo in")})["node1"] == IN


def test_black_hole_in_an_upload_behind_a_gateway_is_noticed(
    behind: Sequence[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that goes dark while it takes bytes is given up, though the sender waits for room."""
    monkeypatch.setattr(sshwire, "KEEPALIVE_SECONDS", 0.5)
    monkeypatch.setattr(sshwire, "SILENCE_SECONDS", 5)
    source, pid = tmp_path / "big", tmp_path / "pid"
    source.write_bytes(b"x" * 32_000_000)
    dark = script(f"echo {SSHD} > {pid}; head -c 1000000 >/dev/null; kill -STOP {SSHD}; cat >/dev/null")
    with closing(SshFleet(behind[:1])) as fleet:
        begun = time.monotonic()
        outcome = fleet.send({"node1": Upload(source, dark)}, silent)["node1"]
        took = time.monotonic() - begun
        os.kill(int(pid.read_text()), signal.SIGCONT)
    assert "connection was lost" in reason(outcome)
    assert took < 25  # an upload has 30 s without a byte taken


def test_gateway_that_refuses_is_told_for_every_host(behind: Sequence[Host], tmp_path: Path) -> None:
    """A bastion that does not let us in is the reason of all hosts behind it, asked once."""
    make_key(tmp_path / "stranger")
    hosts = [replace(host, ssh=replace(host.ssh, identity=tmp_path / "stranger")) for host in behind[:3]]
    with closing(SshFleet(hosts)) as fleet:
        outcomes = fleet.run({host.name: script("true") for host in hosts})
    assert {reason(outcome).split(":")[0] for outcome in outcomes.values()} == {f"gateway {ADDRESS}"}


def test_host_that_the_gateway_cannot_reach_is_named(behind: Sequence[Host]) -> None:
    """Behind a live bastion a dead address is the host's fault, not the bastion's."""
    host = replace(behind[0], ssh=replace(behind[0].ssh, port=1))
    assert "127.0.0.1 port 1 cannot be reached from the gateway" in reason(ran(host))


def test_gateway_that_forwards_nothing_is_told_by_the_line_to_change(
    behind: Sequence[Host], tmp_path: Path
) -> None:
    """A bastion that lets us in and forbids to go on has no trouble with its network."""
    with sshd(tmp_path / "strict", "AllowTcpForwarding no") as strict:
        at = strict.host.ssh
        (tmp_path / "known").write_text(
            "".join(
                file.read_text() for file in (behind[0].ssh.known_hosts, at.known_hosts) if file is not None
            )
        )
        ssh = replace(at, port=behind[0].ssh.port, gateway=f"{at.user}@{ADDRESS}:{at.port}")
        said = reason(ran(replace(behind[0], ssh=replace(ssh, known_hosts=tmp_path / "known"))))
    assert "(administratively prohibited); sshd of the gateway forbids it: AllowTcpForwarding" in said


def _at(running: Sshd) -> str:
    at = running.host.ssh
    return f"  HostName {ADDRESS}\n  Port {at.port}\n  User {at.user}\n  IdentityFile {at.identity}\n"


def _trust(home: Path, *running: Sshd) -> None:
    (home / "known_hosts").write_text("".join((each.folder / "known_hosts").read_text() for each in running))


def test_include_and_match_are_followed(home: Path, inner: Sequence[Sshd]) -> None:
    """What `ssh short` would do, kafab does: Include, Match and all."""
    (home / "more").write_text(f"Host short\n  User nobody-{os.getpid()}\n")
    (home / "config").write_text(f"Match originalhost short exec true\n{_at(inner[0])}\nInclude more\n")
    _trust(home, inner[0])
    assert ran(Host("node1", "short")) == IN


def test_inventory_wins_over_ssh_config(home: Path, inner: Sequence[Sshd]) -> None:
    """User, port and key of the inventory override what ssh_config says; what it leaves open is taken from there."""
    (home / "config").write_text(
        "Host short\n  HostName 127.0.0.1\n  User nobody\n  Port 1\n  IdentityFile /none\n"
    )
    _trust(home, inner[0])
    ssh = inner[0].host.ssh
    assert ran(Host("node1", "short", Ssh(ssh.user, ssh.port, ssh.identity))) == IN


def test_proxy_jump_of_ssh_config_is_taken(home: Path, bastion: Sshd, inner: Sequence[Sshd]) -> None:
    """A ProxyJump under `Host *` leads every host through the bastion, and the bastion not through itself."""
    (home / "config").write_text(
        f"Host bastion\n{_at(bastion)}Host short\n{_at(inner[0])}Host *\n  ProxyJump bastion\n"
    )
    _trust(home, bastion, inner[0])
    before = bastion.log.count("Accepted publickey")
    assert ran(Host("node1", "short")) == IN
    assert bastion.log.count("Accepted publickey") - before == 1


def test_proxy_jump_over_two_bastions(home: Path, bastion: Sshd, inner: Sequence[Sshd]) -> None:
    """`ProxyJump a,b` goes through a to b to the host."""
    (home / "config").write_text(
        f"Host a\n{_at(bastion)}Host b\n{_at(inner[1])}Host short\n{_at(inner[0])}  ProxyJump a,b\n"
    )
    _trust(home, bastion, *inner[:2])
    before = [each.log.count("Accepted publickey") for each in (bastion, inner[1])]
    assert ran(Host("node1", "short")) == IN
    after = [each.log.count("Accepted publickey") for each in (bastion, inner[1])]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1]


def test_gateways_in_a_circle_are_told(home: Path, bastion: Sshd) -> None:
    """A gateway that leads through itself is an error, not a wait."""
    (home / "config").write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    assert "through itself" in reason(ran(Host("node1", "a")))


PIPE = """exec python3 -c '
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536): s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536): os.write(1, data)
' "$@"
"""


def test_proxy_command_is_run(home: Path, inner: Sequence[Sshd]) -> None:
    """%h and %p are filled in, and the program ends with the connection."""
    program = home / "pipe"
    program.write_text(f"#!/bin/sh\necho $$ > {home}/pid\n{PIPE}")
    program.chmod(0o755)
    (home / "config").write_text(f"Host short\n{_at(inner[0])}  ProxyCommand {program} %h %p 2>/dev/null\n")
    _trust(home, inner[0])
    assert ran(Host("node1", "short")) == IN
    assert until(lambda: not Path(f"/proc/{(home / 'pid').read_text().strip()}").exists())


def test_proxy_command_that_ends_is_told_at_once(
    home: Path, inner: Sequence[Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ProxyCommand that fails is in the reason, and is not waited for."""
    (home / "config").write_text(f"Host short\n{_at(inner[0])}  ProxyCommand false\n")
    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 60)
    begun = time.monotonic()
    assert "through `false`" in reason(ran(Host("node1", "short")))
    assert time.monotonic() - begun < 45


def test_mistake_in_ssh_config_is_told(home: Path) -> None:
    """OpenSSH's own message, with file and line."""
    (home / "config").write_text("Host *\n  Port many\n")
    assert f"ssh_config cannot be used: {home}/config line 2" in reason(ran(Host("node1", "short")))


def test_identities_only_leaves_other_keys_of_the_agent_alone(
    home: Path, inner: Sequence[Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With IdentitiesOnly the agent gives the one key whose public half is named, and no other is shown to the host."""
    socket_path = home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket_path], stdout=subprocess.DEVNULL)
    try:
        assert until(socket_path.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        make_key(home / "other")
        key = inner[0].folder / "id"
        for each in (home / "other", key):
            subprocess.run(["ssh-add", "-q", each], check=True, capture_output=True)
        # Only the public half is on disk: the private one is in the agent.
        (home / "id.pub").write_text(key.with_name("id.pub").read_text())
        (home / "config").write_text(
            f"Host short\n  HostName {ADDRESS}\n  Port {inner[0].host.ssh.port}\n"
            f"  IdentitiesOnly yes\n  IdentityFile {home}/id\n"
        )
        _trust(home, inner[0])
        before = inner[0].log.count("Failed publickey")
        assert ran(Host("node1", "short", Ssh(inner[0].host.ssh.user))) == IN
        assert inner[0].log.count("Failed publickey") == before
    finally:
        agent.terminate()
        agent.wait(10)


def test_host_key_alias_and_user_known_hosts_file_are_taken(home: Path, inner: Sequence[Sshd]) -> None:
    """A key that another file has under another name is trusted as ssh would trust it."""
    key = (inner[0].folder / "host_key.pub").read_text().split()[1]
    (home / "elsewhere").write_text(f"kafka-one ssh-ed25519 {key}\n")
    (home / "config").write_text(
        f"Host short\n{_at(inner[0])}  HostKeyAlias kafka-one\n  UserKnownHostsFile {home}/elsewhere\n"
    )
    assert ran(Host("node1", "short")) == IN
