"""known_hosts as OpenSSH reads it: which host key is trusted for which name, and what to say when one is not.

Paramiko's own reader stops at `@cert-authority` and `@revoked` lines, knows no wildcards and keeps one key a type.
The format is sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Host certificates are not checked (Paramiko cannot), so
`@cert-authority` lines trust nothing here.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from paramiko import PKey

DEFAULT_PORT = 22
SYSTEM_FILES = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
USER_FILES = (Path("~/.ssh/known_hosts"), Path("~/.ssh/known_hosts2"))


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file. ``where`` is ``file:line``; ``patterns`` are as written, hashed or not."""

    where: str
    patterns: tuple[str, ...]
    key_type: str
    blob: bytes
    revoked: bool = False

    def names(self, name: str) -> bool:
        """Say whether the line is about ``name`` (``host`` or ``[host]:port``); a `!pattern` that matches excludes it."""
        if any(pattern[0] == "!" and _matches(pattern[1:], name) for pattern in self.patterns):
            return False
        return any(pattern[0] != "!" and _matches(pattern, name) for pattern in self.patterns)


class KnownHosts:
    """The trusted host keys of one or more files."""

    def __init__(self, files: Sequence[Path], lines: Sequence[KnownKey], unread: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        self._lines = tuple(lines)
        self._unread = tuple(unread)

    @classmethod
    def read(cls, only: Path | None = None) -> "KnownHosts":
        """Read ``only`` that file, or the user's and the system's. Nothing is raised: an unreadable file trusts nothing."""
        files = (only,) if only else (*USER_FILES, *SYSTEM_FILES)
        lines: list[KnownKey] = []
        unread: list[str] = []
        for file in files:
            path = file.expanduser()
            try:
                lines += parse(path.read_text(encoding="utf-8", errors="replace"), str(path))
            except FileNotFoundError:
                if only:
                    unread.append(f"{path} does not exist")
            except OSError as error:
                unread.append(f"{path} cannot be read ({error.strerror})")
        return cls(files, lines, unread)

    def key_types(self, host: str, port: int) -> tuple[str, ...]:
        """Return the key types known for a host, so that the server is asked for one of them first."""
        return tuple(dict.fromkeys(line.key_type for line in self._about(host, port) if not line.revoked))

    def refusal(self, host: str, port: int, key: PKey) -> str | None:
        """Return None if this key is trusted for this host, else one sentence on why not and how to accept it."""
        blob, key_type = key.asbytes(), key.get_name()
        shown = f"{key_type} {fingerprint(blob)}"
        lines = self._about(host, port)
        # `@revoked` condemns a key under whatever name the line gives it (sshd(8): "must never be accepted").
        if revoked := next((line for line in self._lines if line.revoked and line.blob == blob), None):
            return f"host key revoked: {host} port {port} presented {shown}, revoked in {revoked.where}"
        trusted = [line for line in lines if not line.revoked]
        if any(line.blob == blob for line in trusted):
            return None
        file = self.files[0]
        scan = f"ssh-keyscan -p {port} {host} >> {file}"
        if other := next((line for line in trusted if line.key_type == key_type), None):
            return (
                f"host key changed: {host} port {port} presented {shown}, but {other.where} has "
                f"{fingerprint(other.blob)}; another machine may be answering. If the change is known: "
                f"ssh-keygen -f {file} -R '{_name(host, port)}', then {scan}"
            )
        unread = f" ({'; '.join(self._unread)})" if self._unread else ""
        return (
            f"host key unknown: {host} port {port} presented {shown}, which is in no known_hosts file{unread}. "
            f"Compare it with `ssh-keygen -lf` on the host, then: {scan}"
        )

    def _about(self, host: str, port: int) -> list[KnownKey]:
        found = [line for line in self._lines if line.names(_name(host, port))]
        if not found and port != DEFAULT_PORT:
            # A key learned on port 22 is good for the same host on another port (sshconnect.c, "checking without
            # port identifier").
            found = [line for line in self._lines if line.names(host.lower())]
        return found


def parse(text: str, where: str) -> list[KnownKey]:
    """Read the lines of a known_hosts file; comments, `@cert-authority` and malformed lines are left out."""
    keys: list[KnownKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in {"", "@revoked"}:
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        patterns = tuple(pattern for pattern in fields[0].split(",") if pattern.strip("!"))
        keys.append(KnownKey(f"{where}:{number}", patterns, fields[1], blob, revoked=marker == "@revoked"))
    return keys


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as OpenSSH prints it, ``SHA256:…`` without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _name(host: str, port: int) -> str:
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("|1|"):
        # Only `*` and `?` are special in OpenSSH; fnmatch would also take the brackets of `[host]:port` for a set.
        return fnmatchcase(name, pattern.lower().replace("[", "[[]"))
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
