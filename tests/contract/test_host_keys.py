"""Keys and certificates of hosts against real sshds: new ones, changed ones, signed ones."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.ssh.fleet import SshFleet
from kafab.events import Event, Note
from kafab.model import Host
from kafab.unknown import Unknown
from tests.loopback import IN, ran, reason, script
from tests.ports import ADDRESS
from tests.sshds import Sshd, make_key, sshd, until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Sshd]]:
    """One host."""
    with sshd(tmp_path_factory.mktemp("sshds") / "node1") as running:
        yield [running]


def _fleet(host: Host, events: list[Event], *, accept: bool) -> SshFleet:
    return SshFleet([host], accept_new_host_keys=accept, emit=events.append)


def test_new_host_key_is_accepted_on_demand(home: Path, inner: Sequence[Sshd]) -> None:
    """The key of an unknown host is written to the user's file, told, and trusted the next time without the flag."""
    at = inner[0].host.ssh
    host = Host("node1", ADDRESS, replace(at, known_hosts=None))
    events: list[Event] = []
    with closing(_fleet(host, events, accept=True)) as fleet:
        assert fleet.run({"node1": script("echo in")})["node1"] == IN
    key = (inner[0].folder / "host_key.pub").read_text().split()[1]
    assert (home / "known_hosts").read_text() == f"[{ADDRESS}]:{at.port} ssh-ed25519 {key}\n"
    assert (home / "known_hosts").stat().st_mode & 0o777 == 0o600
    assert [
        "new host key ssh-ed25519 SHA256:" in event.text for event in events if isinstance(event, Note)
    ] == [True]
    assert ran(host) == IN


def test_changed_host_key_is_never_accepted(home: Path, inner: Sequence[Sshd]) -> None:
    """Where the file has another key for the host, the flag opens nothing and writes nothing."""
    at = inner[0].host.ssh
    other = make_key(home / "other").split()[1]
    line = f"[{ADDRESS}]:{at.port} ssh-ed25519 {other}\n"
    (home / "known_hosts").write_text(line)
    with closing(_fleet(Host("node1", ADDRESS, replace(at, known_hosts=None)), [], accept=True)) as fleet:
        assert "host key changed" in reason(fleet.run({"node1": script("true")})["node1"])
    assert (home / "known_hosts").read_text() == line


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[tuple[Sshd, Path]]:
    """A host that has a certificate for 127.0.0.1, and the authority's key."""
    authority = tmp_path / "ca"
    make_key(authority)
    folder = tmp_path / "certified"
    folder.mkdir()
    make_key(folder / "shown")
    _sign(authority, folder / "shown", ADDRESS)
    lines = (f"HostKey {folder}/shown", f"HostCertificate {folder}/shown-cert.pub")
    with sshd(folder, *lines) as running:
        yield running, authority


def _sign(authority: Path, key: Path, names: str, *options: str) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "node1", "-h", "-n", names, *options, f"{key}.pub"],
        check=True,
        capture_output=True,
    )


def _trusting(running: Sshd, authority: Path) -> Host:
    key = authority.with_name(f"{authority.name}.pub").read_text().split()
    (running.folder / "known_hosts").write_text(f"@cert-authority [127.0.0.*]:* {key[0]} {key[1]}\n")
    return running.host


def test_certificate_of_a_trusted_authority_is_enough(certified: tuple[Sshd, Path]) -> None:
    """A host that no line knows is trusted for its certificate, as `ssh` trusts it."""
    running, authority = certified
    assert ran(_trusting(running, authority)) == IN


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        ("elsewhere", (), "is for elsewhere, not for 127.0.0.1"),
        (ADDRESS, ("-V", "20200101:20210101"), "is valid from 2020-01-01"),
    ],
    ids=["another name", "expired"],
)
def test_certificate_that_is_not_good_is_refused(
    certified: tuple[Sshd, Path], names: str, options: Sequence[str], said: str
) -> None:
    """Name and time of a certificate are checked, and what is wrong is told."""
    running, authority = certified
    _sign(authority, running.folder / "shown", names, *options)
    os.kill(running.pid, signal.SIGHUP)
    assert until(lambda: said in _reason_or_nothing(_trusting(running, authority)))


def _reason_or_nothing(host: Host) -> str:
    outcome = ran(host)  # the old sshd may answer once more
    return outcome.reason if isinstance(outcome, Unknown) else ""


def test_certificate_of_a_stranger_is_refused(certified: tuple[Sshd, Path], tmp_path: Path) -> None:
    """Only the authority of the line is believed."""
    running, _ = certified
    make_key(tmp_path / "mallory")
    said = reason(ran(_trusting(running, tmp_path / "mallory")))
    assert "host key unknown" in said
    assert "which is no authority for it" in said
