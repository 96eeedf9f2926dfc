"""ssh_config as OpenSSH itself resolves it: ``ssh -G`` says what `ssh host` would do, Include and Match and all.

Where no configuration file says anything that matters here, nothing is started; where there is no OpenSSH client,
Paramiko's reader (the one that Fabric uses) answers, which knows neither Include nor most of Match. What is taken over:
HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent none, ProxyJump, ProxyCommand, UserKnownHostsFile,
GlobalKnownHostsFile and HostKeyAlias. StrictHostKeyChecking is not: kafab always checks.
"""

import os
import pwd
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import paramiko

SYSTEM_FILE = Path("/etc/ssh/ssh_config")
PATIENCE_SECONDS = 10
"""For one ``ssh -G``: 5 ms, unless a `Match exec` takes its time."""
_DEPTH = 16  # readconf.c, READCONF_MAX_DEPTH
# What can change an answer; a file without any of these words need not be asked about (Debian's own has none).
_MATTERS = {
    *("hostname", "user", "port", "hostkeyalias", "canonicalizehostname", "proxyjump", "proxycommand"),
    *("identityfile", "identitiesonly", "identityagent", "userknownhostsfile", "globalknownhostsfile"),
}
# ssh_config(5), IdentityFile: what is tried where none is named.
_DEFAULT_IDENTITY = re.compile(r"~/\.ssh/id_(rsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss|dsa)")


class ConfigError(Exception):
    """ssh_config cannot be read; the text is one sentence for the operator."""


@dataclass(frozen=True)
class Resolved:
    """How to reach and recognise one host. None and empty mean that ssh_config says nothing about it."""

    hostname: str
    user: str | None = None
    port: int | None = None
    identities: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: bool = True
    proxy_jump: str | None = None
    proxy_command: str | None = None
    user_known_hosts: tuple[Path, ...] | None = None
    global_known_hosts: tuple[Path, ...] | None = None
    host_key_alias: str | None = None


@dataclass
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    resolved: Resolved | None = None


class SshConfig:
    """Answers for one alias after the other; each is asked once, also when many threads want it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str | None, int | None], _Answer] = {}
        self._asked: bool | None = None
        self._ssh: str | None = None
        self._reader: paramiko.SSHConfig | None = None

    def resolve(self, alias: str, user: str | None = None, port: int | None = None) -> Resolved:
        """Return what applies to ``ssh [-l user] [-p port] alias``. Raises ConfigError."""
        with self._lock:
            if self._asked is None:
                self._asked = matters(config_files())
                self._ssh = shutil.which("ssh")
            answer = self._answers.setdefault((alias, user, port), _Answer())
        if not self._asked:
            return Resolved(alias, user, port)
        with answer.lock:
            if answer.resolved is None:
                values = _asked_openssh(self._ssh, alias, user, port) if self._ssh else self._read(alias)
                answer.resolved = resolved(values, alias, user, port)
            return answer.resolved

    def _read(self, alias: str) -> Mapping[str, Sequence[str]]:
        with self._lock:
            if self._reader is None:
                self._reader = _reader()
            found = self._reader.lookup(alias)
        return {key: [value] if isinstance(value, str) else value for key, value in found.items()}


def config_files() -> tuple[Path, ...]:
    """Return the user's and the system's file, in the order in which the first value wins."""
    return (Path.home() / ".ssh" / "config", SYSTEM_FILE)


def matters(files: Sequence[Path], depth: int = 0) -> bool:
    """Say whether any of these files, or what they include, has a word that changes how a host is reached."""
    return any(
        keyword in _MATTERS or (keyword == "include" and _included_matters(value, file.parent, depth))
        for file in files
        for keyword, value in _lines(file)
    )


def _included_matters(value: str, folder: Path, depth: int) -> bool:
    if depth >= _DEPTH or re.search(r"[%$\"]", value):
        return True  # OpenSSH knows
    named = [str(folder / Path(pattern).expanduser()) for pattern in value.split()]
    found = [Path(name) for pattern in named for name in glob(pattern)]  # noqa: PTH207  # Path.glob takes no absolute pattern
    return matters(found, depth + 1)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return  # missing, or OpenSSH will say what is wrong with it
    for line in text.splitlines():
        # ssh_config(5): the keyword ends at whitespace, or at optional whitespace and one =
        if found := re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)", line):
            yield found.group(1).lower(), found.group(2)


def _asked_openssh(
    program: str, alias: str, user: str | None, port: int | None
) -> Mapping[str, Sequence[str]]:
    command = [program, "-G", *_moved_home()]
    command += ["-l", user] if user else []
    command += ["-p", str(port)] if port else []
    try:
        done = subprocess.run(  # noqa: S603  # the program on the PATH, with words of a checked inventory behind --
            [*command, "--", alias],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"`ssh -G {alias}` did not answer: {error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit {done.returncode}"]
        raise ConfigError(f"ssh_config cannot be used: {lines[0].strip()}")
    values: dict[str, list[str]] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), []).append(value)
    return values


def _moved_home() -> list[str]:
    """OpenSSH finds a home in the password database; kafab's ~ is $HOME, as everywhere else. `-F` says so."""
    if Path.home() == _account_home():
        return []
    own = config_files()[0]
    return ["-F", str(own if own.exists() else SYSTEM_FILE)]


def _account_home() -> Path:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container's user without an account
        return Path.home()


def _reader() -> paramiko.SSHConfig:
    config = paramiko.SSHConfig()
    try:
        for file in config_files():
            if file.exists():
                with file.open(encoding="utf-8") as lines:
                    config.parse(lines)
    except (paramiko.SSHException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"ssh_config cannot be read: {error}") from error
    return config


def resolved(
    values: Mapping[str, Sequence[str]], alias: str, user: str | None = None, port: int | None = None
) -> Resolved:
    """Read the lines of ``ssh -G``, keyword -> values; ``user`` and ``port`` win over them."""

    def first(keyword: str) -> str | None:
        value = next(iter(values.get(keyword, ())), "")
        return None if value.lower() in {"", "none"} else value

    hostname = first("hostname") or alias
    user = user or first("user")
    port = port or int(first("port") or 0) or None
    command = first("proxycommand")
    own = {_DEFAULT_IDENTITY.fullmatch(value) is None for value in values.get("identityfile", ())}
    return Resolved(
        hostname,
        user,
        port,
        # OpenSSH prints its default list where none is configured.
        identities=tuple(map(_path, values.get("identityfile", ()))) if True in own else (),
        identities_only=first("identitiesonly") == "yes",
        agent=values.get("identityagent", ["SSH_AUTH_SOCK"])[0].lower() != "none",
        proxy_jump=first("proxyjump"),
        proxy_command=command and expanded(command, alias, hostname, user, port),
        user_known_hosts=_known_hosts(values.get("userknownhostsfile")),
        global_known_hosts=_known_hosts(values.get("globalknownhostsfile")),
        host_key_alias=first("hostkeyalias"),
    )


def expanded(command: str, alias: str, hostname: str, user: str | None, port: int | None) -> str:
    """Fill the tokens of a ProxyCommand: %h, %n, %p, %r and %% (ssh_config(5), TOKENS)."""
    tokens = {"h": hostname, "n": alias, "p": str(port or 22), "r": user or "", "%": "%"}
    return re.sub(r"%([hnpr%])", lambda found: tokens[found.group(1)], command)


def _known_hosts(values: Sequence[str] | None) -> tuple[Path, ...] | None:
    if not values:
        return None
    home = _account_home() / ".ssh"
    names = [name for name in values[0].split() if name.lower() != "none"]
    if names == [str(home / "known_hosts"), str(home / "known_hosts2")]:
        return None  # the default, with OpenSSH's idea of a home
    return tuple(map(_path, names))


def _path(text: str) -> Path:
    return Path(text).expanduser()
