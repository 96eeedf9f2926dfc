"""The properties of a client of the cluster, from the inventory and what lies on the shelf."""

from dataclasses import dataclass
from pathlib import Path

from kafab.config import clients
from kafab.config.clients import Kind, Trusted
from kafab.errors import Failed, UsageError
from kafab.model import Cluster
from kafab.ops.secure.shelf import Shelf, write_private
from kafab.ops.world import World
from kafab.pki import files
from kafab.references import Reference
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Properties:
    """What was made; ``text`` may hold a password, and is empty where it went to a file."""

    listener: str
    names: tuple[str, ...]
    text: str
    file: Path | None


def client_properties(
    cluster: Cluster,
    world: World,
    shelf: Shelf,
    *,
    kind: Kind,
    listener: str | None = None,
    user: str | None = None,
    password: Reference | None = None,
    out: Path | None = None,
) -> Properties:
    """Make them. Raises UsageError for what does not fit the listener, Failed where the CA or the file is missing."""
    chosen = clients.listener_for(cluster, listener)
    if (user or password) and not chosen.protocol.sasl:
        given = "--user" if user else "--password"
        raise UsageError(
            f"found {given} for the listener {chosen.name}, whose protocol is {chosen.protocol}: nobody logs in there by name"
        )
    secret = world.secrets.read(password) if password else None
    trusted = _trusted(shelf) if chosen.protocol.tls else None
    found = clients.properties(cluster, chosen, kind, trusted, user=user, password=secret)
    text = clients.text(found, kind)
    if out is None:
        return Properties(chosen.name, tuple(found), text, None)
    try:
        write_private(out, text.encode())
    except OSError as error:
        raise Failed(f"{out} cannot be written: {(error.strerror or str(error)).lower()}") from error
    return Properties(chosen.name, tuple(found), "", out)


def _trusted(shelf: Shelf) -> Trusted:
    authority = shelf.authority()
    if isinstance(authority, Unknown):
        raise Failed(
            f"{shelf.authority_file} {authority.reason}",
            hint="`fab secure.issue` makes a CA of the cluster's own; `fab secure.install DIR --ca FILE` takes a company's",
        )
    return Trusted(files.pem(authority.certificates).decode(), str(shelf.authority_file))
