"""The certificates and keys of one cluster as files of this machine: `ca.crt`, `ca.key`, `nodes/<node>/node.{crt,key,csr}`.

Files have mode 0600 and folders 0700, and a file is under its name when it is whole. The key of the CA never leaves this folder.
"""

import base64
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from kafab.command import Secret
from kafab.errors import Failed
from kafab.model import Cluster
from kafab.pki import files
from kafab.pki.values import OPERATOR, Authority, Certificates, Found, Leaf, PrivateKey, Want
from kafab.unknown import Unknown

NOT_THERE = Unknown("is not there")


class Shelf:
    """One cluster's folder, which need not exist before something is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, cluster: Cluster, state: Path) -> "Shelf":
        """Return a cluster's shelf below the state folder; a lab's is in the lab's own folder and goes with it."""
        if cluster.lab and cluster.source is not None:
            return cls(cluster.source.parent / "pki")
        return cls(state / "pki" / cluster.name)

    @property
    def authority_file(self) -> Path:
        """Who is trusted: the CA's certificate, or several."""
        return self.folder / "ca.crt"

    @property
    def authority_key_file(self) -> Path:
        """The key of the cluster's own CA."""
        return self.folder / "ca.key"

    def place(self, want: Want, suffix: str) -> Path:
        """Return the file of an owner: ``crt``, ``key``, ``csr``, or ``next.key``, a key that is still without a certificate."""
        below = OPERATOR if want.owner == OPERATOR else f"nodes/{want.owner}"
        return self.folder / below / f"node.{suffix}"

    def authority(self) -> Authority | Unknown:
        """Return who is trusted, without the key."""
        read = read_file(self.authority_file)
        found = read if isinstance(read, Unknown) else files.certificates_in(read)
        if isinstance(found, Unknown):
            return found
        return Authority(found, own=self.authority_key_file.exists())

    def authority_key(self, password: Secret | None) -> PrivateKey | Unknown:
        """Return the key of the cluster's own CA."""
        return key_of(self.authority_key_file, password)

    def authority_key_is_encrypted(self) -> bool:
        """Tell whether the CA's key asks for a password."""
        read = read_file(self.authority_key_file)
        return not isinstance(read, Unknown) and files.is_encrypted(read)

    def found(self, want: Want) -> Found:
        """Return what lies there of an owner."""
        certificate, key = self.place(want, "crt"), self.place(want, "key")
        return Found(certificates_of(certificate), key_of(key), certificate, key, mode(key))

    def put_authority(self, trusted: Certificates) -> None:
        """Keep who is trusted. Raises Failed."""
        self._put(self.authority_file, files.pem(trusted))

    def put_own_authority(self, authority: Authority, password: Secret | None) -> None:
        """Keep a CA of the cluster's own, its key first: a CA without its key would be a company's. Raises Failed."""
        if authority.key is None:
            raise ValueError("a CA of one's own has a key")
        self._put(self.authority_key_file, files.key_pem(authority.key, password))
        self.put_authority(authority.certificates)

    def put_leaf(self, want: Want, leaf: Leaf) -> None:
        """Keep a certificate with its key. What is left after an interruption between both is judged as no pair. Raises Failed."""
        self._put(self.place(want, "key"), files.key_pem(leaf.key))
        self._put(self.place(want, "crt"), files.pem((leaf.certificate, *leaf.chain)))
        self.place(want, "next.key").unlink(missing_ok=True)

    def put_key(self, want: Want, key: PrivateKey, suffix: str) -> None:
        """Keep a key that has no certificate yet. Raises Failed."""
        self._put(self.place(want, suffix), files.key_pem(key))

    def put_request(self, want: Want, request: x509.CertificateSigningRequest) -> Path:
        """Keep a request. Raises Failed."""
        file = self.place(want, "csr")
        self._put(file, files.request_pem(request))
        return file

    def encoded(self, name: str, source: str, make: Callable[[], bytes]) -> str:
        """Return base64 of a file that is made of ``source``, in lines; made anew where that has changed. Raises Failed.

        A key store in PKCS12 is another one each time it is made, so the first is kept: a second deploy has nothing to do.
        """
        file, mark = self.folder / name, self.folder / f"{name}.sha256"
        digest = hashlib.sha256(source.encode()).hexdigest()
        there = read_file(file)
        if isinstance(there, Unknown) or read_file(mark) != digest.encode():
            there = make()
            self._put(file, there)
            self._put(mark, digest.encode())
        return base64.encodebytes(there).decode()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one command at a time change the shelf. Raises Failed where the folder cannot be made."""
        with self._told():
            _private_folder(self.folder)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _put(self, file: Path, content: bytes) -> None:
        with self._told():
            _private_folder(file.parent)
            write_private(file, content)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.folder
            raise Failed(
                f"{where} cannot be written: {(error.strerror or str(error)).lower()}",
                hint=f"make room there, or see that {self.folder} is yours; then run the same command again",
            ) from error


def _private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone: `mkdir -p` gives the mode to the last one only."""
    if not folder.parent.exists():
        _private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_private(file: Path, content: bytes) -> None:
    """Write a file for its owner alone, under its name when it is whole. Raises OSError."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def read_file(file: Path) -> bytes | Unknown:
    """Return a file's content; Unknown where it is not there, cannot be read, or is larger than any certificate's."""
    try:
        # A pipe that nobody writes to would be waited for.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return NOT_THERE
    except OSError as error:
        return Unknown(f"cannot be read: {(error.strerror or str(error)).lower()}")
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Unknown("is not a regular file")
        data = opened.read(files.LIMIT + 1)
    return data if len(data) <= files.LIMIT else Unknown(f"is larger than {files.LIMIT >> 20} MiB")


def certificates_of(file: Path) -> Certificates | Unknown:
    """Return the certificates of a file."""
    read = read_file(file)
    return read if isinstance(read, Unknown) else files.certificates_in(read)


def key_of(file: Path, password: Secret | None = None) -> PrivateKey | Unknown:
    """Return the key of a file."""
    read = read_file(file)
    return read if isinstance(read, Unknown) else files.key_in(read, password)


def mode(file: Path) -> int:
    """Return a file's mode; that of a private one where it is not there."""
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return 0o600
