"""Requests that a company's CA signs (CSRs), with the keys that stay here."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from kafab.errors import Failed
from kafab.model import Cluster
from kafab.ops.secure.check import chosen
from kafab.ops.secure.shelf import Shelf, key_of, write_private
from kafab.pki import files
from kafab.pki.making import new_key, request
from kafab.pki.values import PrivateKey, Want
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Asked:
    """The request of each owner, and who got a new key."""

    files: dict[str, Path]
    new_keys: tuple[str, ...]


def requests(
    cluster: Cluster, limit: str | None, shelf: Shelf, out: Path | None = None, *, new_keys: bool = False
) -> Asked:
    """Write a request for each owner, and a copy of it to ``out``.

    A key that is there is kept, so a second run asks for the same as the first. With ``new_keys`` the request is of a new
    key, which waits beside the one in use until its certificate is installed. Raises UsageError for a bad limit, Failed.
    """
    written: dict[str, Path] = {}
    made: list[str] = []
    with shelf.alone():
        for want in chosen(cluster, limit):
            key, is_new = _key(shelf, want, new_keys=new_keys)
            asked = request(want, key)
            written[want.owner] = shelf.put_request(want, asked)
            made += [want.owner] if is_new else []
            if out is not None:
                written[want.owner] = _copied(out / f"{want.stem}.csr", files.request_pem(asked))
    return Asked(written, tuple(made))


def _key(shelf: Shelf, want: Want, *, new_keys: bool) -> tuple[ec.EllipticCurvePrivateKey, bool]:
    """Return the key that an owner's request is of, and whether it was made now."""
    waiting, used = (key_of(shelf.place(want, suffix)) for suffix in ("next.key", "key"))
    kept: PrivateKey | Unknown = waiting if new_keys or not isinstance(waiting, Unknown) else used
    if isinstance(kept, ec.EllipticCurvePrivateKey):
        return kept, False
    made = new_key()
    # A key in use stays, also one that is none of ours, until there is a certificate for the other.
    shelf.put_key(want, made, "key" if not shelf.place(want, "key").exists() else "next.key")
    return made, True


def _copied(file: Path, content: bytes) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, content)
    except OSError as error:
        raise Failed(
            f"{file} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="name a folder that you may write to: --out DIR",
        ) from error
    return file
