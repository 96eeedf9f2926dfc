"""Logins that let no script in, and logins that talk, over real sshds: each is told as what it is."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.ssh import link as sshlink
from kafab.adapters.ssh import script as sshscript
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Result
from kafab.errors import Unreachable
from kafab.events import silent
from kafab.model import Host, Ssh
from kafab.ports import Download, Upload
from tests.loopback import IN, ran, reason, script
from tests.ports import ADDRESS, free_ports
from tests.sshds import make_key, sshd

pytestmark = pytest.mark.e2e
GREETED = 'echo "Welcome to node1 - authorised use only"; echo "be good" >&2; '


def forced(folder: Path, body: str) -> str:
    """Return a line for sshd_config: each login is given to a shell script of this body."""
    folder.mkdir(exist_ok=True)
    login = folder / "login"
    login.write_text(f"#!/bin/sh\n{body}\n")
    login.chmod(0o755)
    return f"ForceCommand {login}"


TALKING = {
    "before": GREETED + 'exec sh -c "$SSH_ORIGINAL_COMMAND"',
    "before and after": GREETED + 'sh -c "$SSH_ORIGINAL_COMMAND"; echo goodbye',
    "C shell": 'exec tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "bash": 'exec bash -c "$SSH_ORIGINAL_COMMAND"',
}


@pytest.fixture(scope="module", params=TALKING)
def talking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host whose login shell is no silent POSIX shell."""
    folder = tmp_path_factory.mktemp("talking")
    with sshd(folder / "sshd", forced(folder, TALKING[request.param])) as one:
        yield one.host


def test_script_behind_a_login_that_talks_has_its_own_answer(talking: Host) -> None:
    """Output, errors and exit code are the script's; what the login says before and after is none of it."""
    assert ran(talking, "echo out; echo err >&2; exit 7") == Result(7, b"out\n", "err\n")


def test_pulled_file_has_no_line_of_the_login(talking: Host, tmp_path: Path) -> None:
    """Bytes of every value arrive as they are, and nothing else."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 4000)
    with closing(SshFleet([talking])) as fleet:
        wanted = Download(target, script(f"cat {source}"), "file")
        assert fleet.receive({"node1": wanted}, silent)["node1"] == Result(0, b"", "")
    assert target.read_bytes() == source.read_bytes()


def test_pushed_file_is_whole_behind_a_login_that_talks(talking: Host, tmp_path: Path) -> None:
    """The script of an upload names what it wrote, and what it wrote is what was sent."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 4000)
    with closing(SshFleet([talking])) as fleet:
        upload = Upload(source, script(f"cat > {target}\necho {target}"))
        assert fleet.send({"node1": upload}, silent)["node1"] == Result(0, f"{target}\n".encode(), "")
    assert target.read_bytes() == source.read_bytes()


def test_lock_behind_a_login_that_talks_is_told_by_its_first_line(talking: Host) -> None:
    """The first line is the script's first."""
    with (
        closing(SshFleet([talking])) as fleet,
        fleet.hold("node1", script("echo held; cat >/dev/null")) as held,
    ):
        assert held == Result(0, b"held\n", "")


def test_log_behind_a_login_that_talks_is_its_lines(talking: Host) -> None:
    """What is followed begins with its first byte and ends with its last."""
    with closing(SshFleet([talking])) as fleet:
        assert b"".join(fleet.follow("node1", script("echo a; echo b"))) == b"a\nb\n"


def test_greeting_can_be_asked_for(tmp_path: Path) -> None:
    """What was left out is there for preflight to tell, after any script and without another one."""
    with (
        sshd(tmp_path / "sshd", forced(tmp_path, TALKING["before"])) as one,
        closing(SshFleet([one.host])) as fleet,
    ):
        fleet.run({"node1": script("true")})
        assert fleet.greeting("node1").splitlines() == ["Welcome to node1 - authorised use only", "be good"]


def test_exit_code_that_the_login_swallows_is_the_script_s(tmp_path: Path) -> None:
    """A forced command that ends with 0 whatever happened does not make a failed script succeed."""
    lines = forced(tmp_path, 'sh -c "$SSH_ORIGINAL_COMMAND"; exit 0')
    with sshd(tmp_path / "sshd", lines) as one:
        assert ran(one.host, "exit 9") == Result(9, b"", "")


CLOSED = {
    "nologin": ("exec /usr/sbin/nologin", "This account is currently not available.", "login shell there"),
    "false": ("exit 1", "exit 1 and not a word", "/bin/false"),
    "restricted": ('exec bash -r -c "$SSH_ORIGINAL_COMMAND"', "restricted", "a restricted shell"),
    "sftp-server": ("exec /usr/lib/openssh/sftp-server", "exit 11", "sftp-server"),
    "recorder": ('exec script -qec "$SSH_ORIGINAL_COMMAND" /dev/null', "a terminal", "session recorder"),
    "one stream": ('sh -c "$SSH_ORIGINAL_COMMAND" 2>&1 | cat', "mixed its errors", "session recorder"),
    "no shell": ("echo '% Invalid input detected'; exit 2", "% Invalid input detected", "a POSIX sh is needed"),
    "root of an image": ("echo 'Please login as the user \"admin\".'; exit 142", "the user 'admin'", "name that user"),
    "other command": ("date +%Y; exit 0", "exit 0 and said", "a POSIX sh is needed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLOSED)
def test_login_that_starts_no_script_is_told_as_what_it_is(tmp_path: Path, kind: str) -> None:
    """The reason has the words of who refused, where that was, and the next step; the network is not blamed."""
    body, cause, hint = CLOSED[kind]
    with sshd(tmp_path / "sshd", forced(tmp_path, body)) as one:
        said = reason(ran(one.host, f"touch {tmp_path}/ran"))
    assert [part for part in (cause, hint, f"at {ADDRESS} port") if part not in said] == []
    assert "network" not in said


@pytest.mark.parametrize(
    ("lines", "cause", "hint"),
    [
        (["ForceCommand internal-sftp"], "This service allows sftp connections only.", "file transfer only"),
        (["KexAlgorithms sntrup761x25519-sha512@openssh.com"], "there sntrup761x25519-sha512@openssh.com", "KexAlgorithms"),
        (["Ciphers chacha20-poly1305@openssh.com"], "no cipher in common", "Ciphers"),
        (["MACs umac-64@openssh.com", "Ciphers aes128-ctr"], "no MAC in common", "MACs"),
        (["DenyUsers *"], "public key refused", "identity under ssh:"),
    ],
)  # fmt: skip
def test_setting_of_sshd_that_keeps_us_out_is_named(
    tmp_path: Path, lines: list[str], cause: str, hint: str
) -> None:
    """A line of sshd_config that keeps scripts out is told by what the host said, and by the line to change."""
    with sshd(tmp_path / "sshd", *lines) as one:
        said = reason(ran(one.host))
    assert [part for part in (cause, hint) if part not in said] == []
    assert "network" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its root folder")
def test_missing_chroot_is_told(tmp_path: Path) -> None:
    """Sshd says nothing to us, so its own log is named, and what ends so."""
    with sshd(tmp_path / "sshd", f"ChrootDirectory {tmp_path}/none") as one:
        said = reason(ran(one.host))
    assert "exit 255 and not a word" in said
    assert "ChrootDirectory" in said


def test_login_that_waits_is_told_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that neither ends nor starts a shell costs seconds, not the script's whole time."""
    monkeypatch.setattr(sshscript, "CONNECT_SECONDS", 2)
    flag = tmp_path / "waits"
    flag.touch()
    lines = forced(tmp_path, f"echo Choose a host:; while [ -e {flag} ]; do sleep 0.1; done")
    begun = time.monotonic()
    with sshd(tmp_path / "sshd", lines) as one:
        said = reason(ran(one.host))
        flag.unlink()
    assert 'started no sh within 2 s, and said "Choose a host:"' in said
    assert time.monotonic() - begun < 30  # the script has a minute


def test_following_and_holding_tell_of_a_closed_login(tmp_path: Path) -> None:
    """A lock is Unknown and a log is Unreachable, both in the words of the login."""
    with sshd(tmp_path / "sshd", forced(tmp_path, "exec /usr/sbin/nologin")) as one:
        with closing(SshFleet([one.host])) as fleet, fleet.hold("node1", script("echo held")) as held:
            assert "not available" in reason(held)
        with closing(SshFleet([one.host])) as fleet, pytest.raises(Unreachable, match="not available"):
            list(fleet.follow("node1", script("echo hi")))


def test_file_is_not_sent_into_a_closed_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload waits for a shell: a file is no text for whatever else the login may be."""
    monkeypatch.setattr(sshscript, "CONNECT_SECONDS", 2)
    source, taken = tmp_path / "source", tmp_path / "taken"
    source.write_bytes(b"precious" * 100_000)
    taken.touch()
    lines = forced(tmp_path, f"head -c 4000 > {taken}; exit 1")
    with sshd(tmp_path / "sshd", lines) as one, closing(SshFleet([one.host])) as fleet:
        outcome = fleet.send({"node1": Upload(source, script("cat >/dev/null"))}, silent)["node1"]
    assert "started no sh" in reason(outcome)
    assert b"precious" not in taken.read_bytes()


@contextmanager
def agent_of(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an ssh-agent that holds so many keys that no host knows."""
    with subprocess.Popen(["ssh-agent", "-D", "-a", folder / "agent"], stdout=subprocess.DEVNULL) as agent:
        try:
            while not (folder / "agent").exists():
                time.sleep(0.02)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "agent"))
            for number in range(count):
                make_key(folder / f"key{number}")
                subprocess.run(["ssh-add", "-q", folder / f"key{number}"], check=True)
            yield
        finally:
            agent.terminate()


@pytest.mark.usefixtures("home")
def test_too_many_keys_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent full of keys uses up the tries of sshd: its own words are told, and how to show one key."""
    with sshd(tmp_path / "sshd", "MaxAuthTries 2") as one, agent_of(tmp_path, 4, monkeypatch):
        said = reason(ran(replace(one.host, ssh=replace(one.host.ssh, identity=None))))
    assert 'sshd ended the login and said "Too many authentication failures"' in said
    assert "identity: under ssh:" in said


@pytest.mark.usefixtures("home")
def test_second_factor_is_told_and_not_asked_for(tmp_path: Path) -> None:
    """A code that only a person has is never asked for on the terminal from the midst of a command."""
    lines = ["AuthenticationMethods publickey,keyboard-interactive", "KbdInteractiveAuthentication yes"]
    with sshd(tmp_path / "sshd", *lines) as one:
        assert "wants more than a key" in reason(ran(one.host))


NO_KEYS: Mapping[str, tuple[Callable[[str], str], str]] = {
    "public": (lambda public: public, "(a public key); name the private key"),
    "PuTTY": (lambda _public: "PuTTY-User-Key-File-3: ssh-ed25519\n", "(a key of PuTTY); make OpenSSH's form"),
    "notes": (lambda _public: "dear diary\n", "(no private key); name the file of a private key"),
}  # fmt: skip


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("kind", NO_KEYS)
def test_file_that_is_no_private_key_is_told(tmp_path: Path, kind: str) -> None:
    """A file that was named by mistake is told by what it is."""
    content, expected = NO_KEYS[kind]
    with sshd(tmp_path / "sshd") as one:
        identity = tmp_path / "named"
        identity.write_text(content((one.folder / "id.pub").read_text()))
        said = reason(ran(replace(one.host, ssh=replace(one.host.ssh, identity=identity))))
    assert f"tried {identity} {expected}" in said


def proxied(home: Path, command: str) -> Host:
    """Return a host behind a ProxyCommand."""
    (home / "config").write_text(f"Host *\n  ProxyCommand {command}\n")
    return Host("node1", "10.0.0.1", Ssh("ops"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'echo debug >&2; echo \"first run: corp-login\" >&2; exit 3'", 'exit 3 and said "debug / first run: corp-login"'),
        ("no-such-program %h", "exit 127 and said"),
        ("true", "exit 0 and said nothing"),
    ],
)  # fmt: skip
def test_proxy_command_that_fails_is_told_in_its_words(home: Path, command: str, words: str) -> None:
    """What a ProxyCommand complains of is the cause, and its exit code; no sshd was reached to be blamed."""
    said = reason(ran(proxied(home, command)))
    assert (
        f"the ProxyCommand to 10.0.0.1 port 22 through `{command.replace('%h', '10.0.0.1')}` ended with {words}"
        in said
    )
    assert "ssh_config" in said


def test_proxy_command_leaves_no_thread(home: Path) -> None:
    """What listens to its complaints ends with the connection, also where a child of it lives on."""
    before = threading.active_count()
    ran(proxied(home, "sh -c 'sleep 8 </dev/null >/dev/null & exit 1'"))
    deadline = time.monotonic() + 4
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


@contextmanager
def peer(answer: bytes | None) -> Iterator[Host]:
    """Yield a host on whose port something else listens: it says this and hangs up, or says nothing at all."""
    port = free_ports(1)[0]
    with socket.create_server((ADDRESS, port)) as listening:

        def serve() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                except OSError:
                    return
                kept.append(taken)
                if answer is not None:
                    taken.sendall(answer)
                    taken.shutdown(socket.SHUT_WR)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Host("node1", ADDRESS, Ssh("ops", port))
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    for each in kept:
        each.close()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 'is no sshd: it said "HTTP/1.1 400 Bad Request"'),
        (b"Exceeded MaxStartups\r\n", 'hung up before its SSH banner and said "Exceeded MaxStartups"'),
        (b"", "hung up before its SSH banner; sshd's own log"),
    ],
)
def test_peer_without_a_banner_is_told_by_what_it_said(answer: bytes, cause: str) -> None:
    """What comes in place of sshd's banner says what listens there, or why sshd does not."""
    with peer(answer) as host:
        assert cause in reason(ran(host))


@pytest.mark.usefixtures("home")
def test_frozen_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel answers while its programs do not has no trouble with the network or with MaxStartups."""
    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 1)
    with peer(None) as host:
        said = reason(ran(host))
    assert "took the connection and said nothing for 1 s; the machine hangs" in said


def test_host_that_lets_us_in_is_not_looked_at_twice(tmp_path: Path) -> None:
    """The check of the login is in the frame of the first script: sshd sees one session and no more."""
    with sshd(tmp_path / "sshd") as one:
        assert ran(one.host) == IN
        sessions = one.log.count("Starting session")
    assert sessions == 1
