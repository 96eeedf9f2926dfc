import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kafab.adapters.ssh import config as sshconfig
from kafab.adapters.ssh.config import ConfigError, Resolved, SshConfig, expanded, matters, resolved


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an empty .ssh, and a system file that says nothing."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "system").write_text("Host *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sshconfig, "SYSTEM_FILE", tmp_path / "system")
    return tmp_path / ".ssh"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("# Port 22\n\nHost *\n  SendEnv LANG\n  HashKnownHosts yes\n", False),
        ("Host a\n  ProxyJump b\n", True),
        ("Host a\n\tport=22\n", True),
        ("Host a\n  IDENTITYFILE = ~/x\n", True),
        ("Include other\n", False),
        ("Include matters\n", True),
        ("Include mat*\n", True),
        ("Include ~/.ssh/matters\n", True),
        ("Include ${SOMEWHERE}/x\n", True),
        ("Include loop\n", True),
    ],
)
def test_file_is_asked_about_only_where_it_matters(home: Path, text: str, expected: bool) -> None:
    """OpenSSH is started where a file, or what it includes, has a word that changes how a host is reached."""
    (home / "other").write_text("Host *\n  Compression yes\n")
    (home / "matters").write_text("User ops\n")
    (home / "loop").write_text("Include loop\n")
    (home / "config").write_text(text)
    assert matters([home / "config", home / "missing"]) is expected


def test_nothing_is_started_where_no_file_matters(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word to ask about, the inventory's own is all there is."""
    monkeypatch.setattr(subprocess, "run", _never)
    assert SshConfig().resolve("node1", "ops", 2222) == Resolved("node1", "ops", 2222)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a process was started")


def test_alias_is_asked_once_by_many_threads(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hosts go through one gateway, its name is resolved once."""
    (home / "config").write_text("Host bastion\n  HostName 10.0.0.1\n")
    asked: list[Sequence[str]] = []
    real = subprocess.run

    def counted(command: Sequence[str], **options: object) -> object:
        asked.append(command)
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    config, found = SshConfig(), []
    threads = [threading.Thread(target=lambda: found.append(config.resolve("bastion"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ([each.hostname for each in found], len(asked)) == (["10.0.0.1"] * 8, 1)


def test_openssh_answers(home: Path) -> None:
    """Include, Match, tokens and the first value that wins: as OpenSSH has them."""
    (home / "more").write_text("Host node*\n  User ops\n  IdentityFile ~/.ssh/ops\n  IdentitiesOnly yes\n")
    (home / "config").write_text(
        "Include more\n"
        "Match originalhost node1 exec true\n  HostName 10.0.0.11\n  Port 2222\n  User late\n"
        "Host *\n  ProxyJump ops@bastion:2200\n  HostKeyAlias kafka-1\n  UserKnownHostsFile /a /b\n"
        "  GlobalKnownHostsFile none\n  IdentityAgent none\n"
    )
    assert SshConfig().resolve("node1") == Resolved(
        "10.0.0.11",
        "ops",
        2222,
        identities=(home / "ops",),
        identities_only=True,
        agent=False,
        proxy_jump="ops@bastion:2200",
        user_known_hosts=(Path("/a"), Path("/b")),
        global_known_hosts=(),
        host_key_alias="kafka-1",
    )


def test_reader_without_openssh_knows_the_plain_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no client, HostName, Port, User, IdentityFile and ProxyJump are still read."""
    (home / "config").write_text(
        "Host node1\n  HostName 10.0.0.11\n  Port 2222\n  User ops\n  IdentityFile ~/.ssh/ops\n  ProxyJump b\n"
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert SshConfig().resolve("node1") == Resolved(
        "10.0.0.11", "ops", 2222, identities=(home / "ops",), proxy_jump="b"
    )


def test_user_and_port_of_the_caller_win(home: Path) -> None:
    """What the inventory says is asked about, and stays."""
    (home / "config").write_text("Match user ops\n  HostName 10.0.0.11\nHost *\n  User root\n  Port 1\n")
    found = SshConfig().resolve("node1", "ops", 2222)
    assert (found.hostname, found.user, found.port) == ("10.0.0.11", "ops", 2222)


def test_mistake_is_openssh_s_own_message(home: Path) -> None:
    """A word that OpenSSH does not know is told with file and line."""
    (home / "config").write_text("Host *\n  User ops\n  Nonsense yes\n")
    with pytest.raises(ConfigError, match=r"config: line 3: Bad configuration option: nonsense"):
        SshConfig().resolve("node1")


DEFAULTS = {"hostname": ["node1"], "user": ["me"], "port": ["22"]}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({}, Resolved("node1", "me", 22)),
        ({"identityfile": ["~/.ssh/id_rsa", "~/.ssh/id_ed25519"]}, Resolved("node1", "me", 22)),
        ({"identityfile": ["/keys/a"]}, Resolved("node1", "me", 22, identities=(Path("/keys/a"),))),
        ({"identityagent": ["none"]}, Resolved("node1", "me", 22, agent=False)),
        ({"proxyjump": ["none"]}, Resolved("node1", "me", 22)),
        ({"proxycommand": ["nc %h %p"]}, Resolved("node1", "me", 22, proxy_command="nc node1 22")),
        ({"userknownhostsfile": ["none"]}, Resolved("node1", "me", 22, user_known_hosts=())),
    ],
)
def test_answer_is_read(lines: Mapping[str, Sequence[str]], expected: Resolved) -> None:
    """Defaults that OpenSSH prints are no wishes; `none` is none."""
    assert resolved({**DEFAULTS, **lines}, "node1") == expected


def test_tokens_of_a_proxy_command_are_filled_in() -> None:
    """%h, %n, %p, %r and %% stand for host, alias, port, user and a percent sign; others stay."""
    assert (
        expanded("x %h %n %p %r 100%% %C", "short", "10.0.0.1", "ops", None)
        == "x 10.0.0.1 short 22 ops 100% %C"
    )
