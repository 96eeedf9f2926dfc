"""Certificates of the cluster's own CA: made where they are missing, have a defect or end soon."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from kafab.command import Secret
from kafab.errors import Failed, UsageError
from kafab.findings import Severity
from kafab.model import Cluster
from kafab.ops.secure.check import chosen
from kafab.ops.secure.shelf import Shelf
from kafab.ops.world import World
from kafab.pki.judging import judged, judged_authority, usable
from kafab.pki.making import issue as issue_leaf
from kafab.pki.making import new_authority
from kafab.pki.values import Authority, Want
from kafab.references import Kind, Reference
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Issued:
    """What was made. ``authority`` is the file of a CA that was made now."""

    authority: Path | None
    made: tuple[str, ...]
    kept: tuple[str, ...]
    """The owners whose certificates are good and stay."""


def issue(
    cluster: Cluster,
    limit: str | None,
    world: World,
    shelf: Shelf,
    *,
    password: Reference | None = None,
    renew: bool = False,
    now: datetime | None = None,
) -> Issued:
    """Make the cluster's CA where there is none, and a certificate for each owner that has no good one for 30 days more.

    ``password`` is that of the CA's key; without one it is asked for, and in a lab the key lies plain. Where nothing is to be
    made it is not read. Raises UsageError for a company's CA, whose key is not here, Failed for a CA that can sign no more.
    """
    at = now or datetime.now(timezone.utc)
    wanted = chosen(cluster, limit)
    with shelf.alone():
        authority = shelf.authority()
        fresh = isinstance(authority, Unknown)
        if isinstance(authority, Unknown):
            authority = _made(cluster, world, shelf, password, at)
        elif not authority.own:
            raise UsageError(
                f"{shelf.authority_file} is the CA of a company, whose key is not here",
                hint="`fab secure.csr` makes the requests that it signs, `fab secure.install DIR` takes its answers",
            )
        _refuse_unfit(authority, cluster, shelf, at)
        due = [want for want in wanted if renew or not _good(shelf, authority, want, at)]
        if due and authority.key is None:
            authority = _with_key(authority, cluster, world, shelf, password)
            _refuse_unfit(authority, cluster, shelf, at)
        for want in due:
            shelf.put_leaf(want, issue_leaf(authority, want, at))
    made = tuple(want.owner for want in due)
    kept = tuple(want.owner for want in wanted if want not in due)
    return Issued(shelf.authority_file if fresh else None, made, kept)


def _good(shelf: Shelf, authority: Authority, want: Want, now: datetime) -> bool:
    findings = judged(shelf.found(want), authority, want, now)
    return all(item.severity is Severity.OK for item in findings)


def _made(
    cluster: Cluster, world: World, shelf: Shelf, password: Reference | None, now: datetime
) -> Authority:
    """Make and keep a CA. Raises Failed where a file is there that would be lost."""
    if shelf.authority_file.exists():
        raise Failed(
            f"{shelf.authority_file} is there and cannot be read as a certificate",
            hint="put back the CA, or move that file away: then a new CA is made",
        )
    made = new_authority(cluster.name, now)
    shelf.put_own_authority(made, _new_password(cluster, world, password))
    return made


def _new_password(cluster: Cluster, world: World, password: Reference | None) -> Secret | None:
    """Return the password that the new CA's key gets, None in a lab that names none. What is typed is asked for twice."""
    if password is None and cluster.lab:
        return None
    asked = password or _question(cluster)
    read = world.secrets.read(asked)
    if asked.kind is Kind.PROMPT:
        again = Reference(Kind.PROMPT, f"{asked.argument} (the same again)")
        if world.secrets.read(again) != read:
            raise UsageError("the two passwords differ; nothing was made", hint="type the same one twice")
    return read


def _with_key(
    authority: Authority, cluster: Cluster, world: World, shelf: Shelf, password: Reference | None
) -> Authority:
    """Return the CA with its key. Raises Failed where that cannot be read."""
    secret = None
    if shelf.authority_key_is_encrypted():
        secret = world.secrets.read(password or _question(cluster))
    key = shelf.authority_key(secret)
    if isinstance(key, Unknown):
        raise Failed(
            f"{shelf.authority_key_file} {key.reason}",
            hint="give the password that it was made with: --password '${env:NAME}', or leave that out to be asked",
        )
    return replace(authority, key=key)


def _refuse_unfit(authority: Authority, cluster: Cluster, shelf: Shelf, now: datetime) -> None:
    """Raise Failed where nothing that the CA signs would be good."""
    findings = judged_authority(authority, cluster.name, str(shelf.authority_file), now)
    worst = max(findings, key=lambda item: item.severity)
    if not usable(item for item in findings if "days_left" not in item.evidence):
        raise Failed(worst.detail, hint=worst.hint)


def _question(cluster: Cluster) -> Reference:
    return Reference(Kind.PROMPT, f"Password of the CA of {cluster.name}")
