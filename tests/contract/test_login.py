"""The way to a host over real SSH: keys, names, gateways, ssh_config."""

import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.machine.localhost import Localhost
from kafab.adapters.ssh import link as sshlink
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Result
from kafab.lab.local import LocalLab
from kafab.model import Host, Ssh
from tests.loopback import reason, result, script
from tests.sshds import sshd


def test_silent_peer_is_unknown(hosts: Mapping[str, Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that accepts connections and never says a word is given up, with its address in the message."""
    import socket

    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        host = replace(hosts["node1"], ssh=replace(hosts["node1"].ssh, port=port))
        with closing(SshFleet([host])) as fleet:
            assert f"127.0.0.1 port {port}" in reason(fleet.run({"node1": script("true")})["node1"])


def test_unresolvable_name_is_unknown(hosts: Mapping[str, Host]) -> None:
    """A name without an address is told as such."""
    host = replace(hosts["node1"], address="nowhere.invalid")
    with closing(SshFleet([host])) as fleet:
        assert "does not resolve" in reason(fleet.run({"node1": script("true")})["node1"])


def _with(host: Host, **ssh: object) -> Host:
    values = {
        name: getattr(host.ssh, name) for name in ("user", "port", "identity", "gateway", "known_hosts")
    }
    return replace(host, ssh=Ssh(**(values | ssh)))


def _said_of(host: Host) -> str:
    with closing(SshFleet([host])) as fleet:
        return reason(fleet.run({host.name: script("true")})[host.name])


def test_unknown_host_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A host that is in no known_hosts file is not talked to; the message says how to accept it."""
    empty = tmp_path / "known_hosts"
    empty.touch()
    host = _with(hosts["node1"], known_hosts=empty)
    said = _said_of(host)
    assert "host key unknown" in said
    assert f"ssh-keyscan -p {host.ssh.port} 127.0.0.1 >> {empty}" in said


def test_unknown_host_key_is_shown_as_openssh_shows_it(
    hosts: Mapping[str, Host], lab: LocalLab, tmp_path: Path
) -> None:
    """The fingerprint in the message is the one that ssh-keygen prints on the host."""
    shown = subprocess.run(
        ["ssh-keygen", "-lf", lab.folder / "hosts" / "node1" / "host_key.pub"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[1] in _said_of(_with(hosts["node1"], known_hosts=tmp_path / "none"))


def test_changed_host_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """Another key than the known one closes the door, and the message names the line that knew better."""
    known = hosts["node1"].ssh.known_hosts
    assert known is not None
    key = known.read_text().splitlines()[1].split(" ", 1)[1]
    changed = tmp_path / "known_hosts"
    changed.write_text(f"# pinned\n[127.0.0.1]:{hosts['node1'].ssh.port} {key}\n")
    said = _said_of(_with(hosts["node1"], known_hosts=changed))
    assert "host key changed" in said
    assert f"{changed}:2" in said


def test_refused_key_names_user_and_key(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A login that sshd refuses says as whom and with which key it was tried."""
    stranger = tmp_path / "stranger"
    Localhost().make_key(stranger, "a key nobody knows")
    said = _said_of(_with(hosts["node1"], identity=stranger))
    assert f"user {hosts['node1'].ssh.user} at 127.0.0.1" in said
    assert f"public key refused; tried {stranger}" in said


def test_missing_identity_is_named(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A key file that is not there is told before anything is tried."""
    assert f"{tmp_path / 'none'} cannot be read" in _said_of(
        _with(hosts["node1"], identity=tmp_path / "none")
    )


def test_forty_connections_to_one_sshd_all_succeed(hosts: Mapping[str, Host]) -> None:
    """Past ten that have not logged in sshd drops at random (MaxStartups): set-up is paced, and tried again."""
    many = [replace(hosts["node5"], name=f"alias{number}") for number in range(40)]
    with closing(SshFleet(many)) as fleet:
        outcomes = fleet.run({host.name: script("true") for host in many})
    assert [outcome for outcome in outcomes.values() if not isinstance(outcome, Result)] == []


def test_hosts_behind_a_gateway_share_its_connection(hosts: Mapping[str, Host]) -> None:
    """The gateway is logged in to once; each host sees the gateway's sshd as its client."""
    bastion = hosts["node6"].ssh
    behind = [
        _with(hosts[name], gateway=f"{bastion.user}@127.0.0.1:{bastion.port}")
        for name in ("node7", "node8", "node9")
    ]
    with closing(SshFleet(behind)) as fleet:
        outcomes = fleet.run({host.name: script("echo through") for host in behind})
        assert [result(outcome).text for outcome in outcomes.values()] == ["through\n"] * 3
        assert len(fleet._dialer._gateways) == 1


def test_gateway_with_an_unknown_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A bastion is checked like any host, and named in the reason."""
    known = hosts["node7"].ssh.known_hosts
    assert known is not None
    only = tmp_path / "known_hosts"
    port = hosts["node7"].ssh.port
    only.write_text(
        "".join(
            f"{line}\n" for line in known.read_text().splitlines() if line.startswith(f"[127.0.0.1]:{port} ")
        )
    )
    bastion = hosts["node6"].ssh
    said = _said_of(
        _with(hosts["node7"], known_hosts=only, gateway=f"{bastion.user}@127.0.0.1:{bastion.port}")
    )
    assert "gateway 127.0.0.1: host key unknown" in said


def test_ssh_config_is_read(
    hosts: Mapping[str, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User, port and key come from ~/.ssh/config where the inventory says nothing."""
    ssh = hosts["node1"].ssh
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "config").write_text(
        f"Host short\n  HostName 127.0.0.1\n  Port {ssh.port}\n  User {ssh.user}\n  IdentityFile {ssh.identity}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    host = Host("node1", "short", Ssh(known_hosts=ssh.known_hosts))
    with closing(SshFleet([host])) as fleet:
        assert result(fleet.run({"node1": script("echo in")})["node1"]).text == "in\n"


@pytest.mark.parametrize("most", [0, 1])
def test_too_few_sessions_are_told_by_their_option(tmp_path: Path, most: int) -> None:
    """An sshd that lets no second session in, as beside a lock, is told with the line of its configuration."""
    with (
        sshd(tmp_path / "sshd", f"MaxSessions {most}") as one,
        closing(SshFleet([one.host])) as fleet,
        fleet.hold("node1", script("echo held; cat >/dev/null")),
    ):
        said = reason(fleet.run({"node1": script("true")})["node1"])
    assert "MaxSessions of sshd_config has to be 2 or more" in said
