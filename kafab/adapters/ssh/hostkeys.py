"""known_hosts as OpenSSH reads it: which host key is trusted for which name, and what to say when one is not.

Paramiko's own reader stops at `@cert-authority` and `@revoked` lines, knows no wildcards and keeps one key a type.
The format is sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
"""

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from paramiko import PKey

from kafab.adapters.ssh.hostcerts import HostCertificate, NotACertificate

DEFAULT_PORT = 22
SYSTEM_FILES = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
USER_FILES = (Path("~/.ssh/known_hosts"), Path("~/.ssh/known_hosts2"))
ACCEPT = "--accept-new-host-keys"


@dataclass(frozen=True)
class Peer:
    """Whom a host key has to belong to. ``alias`` (HostKeyAlias) stands in the files instead of host and port."""

    host: str
    port: int
    alias: str | None = None

    @property
    def name(self) -> str:
        """The peer's name as known_hosts has it: ``host`` or ``[host]:port``."""
        if self.alias:
            return self.alias.lower()
        return self.host.lower() if self.port == DEFAULT_PORT else f"[{self.host.lower()}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}" + (f" (as {self.alias})" if self.alias else "")


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file. ``where`` is ``file:line``; ``patterns`` are as written, hashed or not."""

    where: str
    patterns: tuple[str, ...]
    key_type: str
    blob: bytes
    marker: str = ""
    """Empty, ``@revoked``, or ``@cert-authority``: then the key signs the certificates of hosts."""

    def names(self, name: str) -> bool:
        """Say whether the line is about ``name`` (``host`` or ``[host]:port``); a `!pattern` that matches excludes it."""
        if any(pattern[0] == "!" and _matches(pattern[1:], name) for pattern in self.patterns):
            return False
        return any(pattern[0] != "!" and _matches(pattern, name) for pattern in self.patterns)


class KnownHosts:
    """The trusted host keys of one or more files. Used by the threads of all hosts."""

    def __init__(self, files: Sequence[Path], lines: Sequence[KnownKey], unread: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        self._lines = list(lines)
        self._unread = tuple(unread)
        self._lock = threading.Lock()

    @classmethod
    def read(
        cls,
        only: Path | None = None,
        user: Sequence[Path] | None = None,
        system: Sequence[Path] | None = None,
    ) -> "KnownHosts":
        """Read ``only`` that file, or the user's and the system's. Nothing is raised: an unreadable file trusts nothing."""
        files = (
            (only,)
            if only
            else (
                *(USER_FILES if user is None else user),
                *(SYSTEM_FILES if system is None else system),
            )
        )
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

    def key_types(self, peer: Peer) -> tuple[str, ...]:
        """Return the key types known for a host, so that the server is asked for one of them first."""
        return tuple(dict.fromkeys(line.key_type for line in self._about(peer) if not line.marker))

    def wants_certificate(self, peer: Peer) -> bool:
        """Say whether an authority is trusted for this host, so that the server is asked for a certificate first."""
        return any(line.marker == "@cert-authority" for line in self._about(peer))

    def refusal(self, peer: Peer, key: PKey) -> str | None:
        """Return None if this key is trusted for this host, else one sentence on why not and how to accept it."""
        blob, shown = key.asbytes(), described(key)
        # `@revoked` condemns a key under whatever name the line gives it (sshd(8): "must never be accepted").
        if revoked := self._revoked(blob):
            return f"host key revoked: {peer} presented {shown}, revoked in {revoked.where}"
        lines = self._about(peer)
        trusted = [line for line in lines if not line.marker]
        if any(line.blob == blob for line in trusted):
            return None
        fault = self._certificate_fault(peer, key, [line for line in lines if line.marker])
        if fault is None:
            return None
        known = next((line for line in trusted if line.key_type == key.get_name()), None)
        if known:
            return self._changed(peer, shown, known)
        return self._unknown(peer, shown, trusted, fault)

    def is_new(self, peer: Peer, key: PKey) -> bool:
        """Say whether no file has anything about this host or against this key: only then may the key be accepted."""
        return not self._about(peer) and self._revoked(key.asbytes()) is None

    def accept(self, peer: Peer, key: PKey) -> tuple[str | None, Path]:
        """Write a new key to the first file, and trust it from now on. Returns what went wrong, if anything, and the file."""
        path = self._file.expanduser()
        text = f"{peer.name} {key.get_name()} {key.get_base64()}\n"
        with self._lock:
            if not self.is_new(peer, key):  # two names of the inventory for one host, side by side
                return self.refusal(peer, key), path
            try:
                _append(path, text)
            except OSError as error:
                return (
                    f"host key unknown: {peer} presented {described(key)}, and {path} cannot be written: {error.strerror}",
                    path,
                )
            self._lines += parse(text, f"{path} (new)")
        return None, path

    def _certificate_fault(self, peer: Peer, key: PKey, authorities: Sequence[KnownKey]) -> str | None:
        """Return None if the key came with a certificate of a trusted authority, else why that is not so."""
        blob = getattr(key.public_blob, "key_blob", None)
        if not authorities:
            return "" if blob is None else "the certificate that it offers has no @cert-authority line"
        if blob is None:
            return f"{authorities[0].where} trusts an authority, but the host offers no certificate"
        try:
            certificate = HostCertificate.read(blob)
        except NotACertificate as error:
            return f"the certificate that it offers is {error}"
        signer = next((line for line in authorities if line.blob == certificate.authority), None)
        if signer is None:
            return f"the certificate that it offers is signed by {fingerprint(certificate.authority)}, which is no authority for it"
        if revoked := self._revoked(certificate.authority):
            return f"the authority of its certificate is revoked in {revoked.where}"
        name = (peer.alias or peer.host).lower()
        fault = certificate.fault(name, time.time())
        return fault and f"the certificate {certificate.key_id!r} that it offers {fault}"

    def _revoked(self, blob: bytes) -> KnownKey | None:
        return next((line for line in self._lines if line.marker == "@revoked" and line.blob == blob), None)

    def _changed(self, peer: Peer, shown: str, known: KnownKey) -> str:
        return (
            f"host key changed: {peer} presented {shown}, but {known.where} has "
            f"{fingerprint(known.blob)}; another machine may be answering. If the change is known: "
            f"ssh-keygen -f {self._file} -R '{peer.name}', then {self._scan(peer)}"
        )

    def _unknown(self, peer: Peer, shown: str, trusted: Sequence[KnownKey], fault: str) -> str:
        details = [*self._unread, fault] if fault else [*self._unread]
        if trusted:
            kinds = ", ".join(sorted({line.key_type for line in trusted}))
            details.append(f"{trusted[0].where} knows the host by {kinds}")
        more = f" ({'; '.join(details)})" if details else ""
        accept = "" if trusted or fault else f", or add {ACCEPT} to `on`"
        return (
            f"host key unknown: {peer} presented {shown}, which is in no known_hosts file{more}. "
            f"Compare it with `ssh-keygen -lf` on the host, then: {self._scan(peer)}{accept}"
        )

    @property
    def _file(self) -> Path:
        return self.files[0] if self.files else USER_FILES[0]

    def _scan(self, peer: Peer) -> str:
        scan = f"ssh-keyscan -p {peer.port} {peer.host}"
        # ssh-keyscan writes the name that it was asked for.
        named = f" | sed 's/^[^ ]*/{peer.alias}/'" if peer.alias else ""
        return f"{scan}{named} >> {self._file}"

    def _about(self, peer: Peer) -> list[KnownKey]:
        lines = [line for line in self._lines if line.marker != "@revoked"]
        found = [line for line in lines if line.names(peer.name)]
        if not found and peer.port != DEFAULT_PORT and not peer.alias:
            # A key learned on port 22 is good for the same host on another port (sshconnect.c, "checking without
            # port identifier").
            found = [line for line in lines if line.names(peer.host.lower())]
        return found


def _append(path: Path, text: str) -> None:
    """Add a line in one write: what else is being added to the file at the same time stays whole, and so does this."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        file.write(("\n" * bool(torn) + text).encode())


def parse(text: str, where: str) -> list[KnownKey]:
    """Read the lines of a known_hosts file; comments and malformed lines are left out."""
    keys: list[KnownKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in {"", "@revoked", "@cert-authority"}:
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        patterns = tuple(pattern for pattern in fields[0].split(",") if pattern.strip("!"))
        keys.append(KnownKey(f"{where}:{number}", patterns, fields[1], blob, marker))
    return keys


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as OpenSSH prints it, ``SHA256:…`` without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def described(key: PKey) -> str:
    """Return a key's type and fingerprint."""
    return f"{key.get_name()} {fingerprint(key.asbytes())}"


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("|1|"):
        # Only `*` and `?` are special in OpenSSH; fnmatch would also take the brackets of `[host]:port` for a set.
        return fnmatchcase(name, pattern.lower().replace("[", "[[]"))
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
