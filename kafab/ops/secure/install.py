"""Certificates of a company's CA, taken from a folder: checked first, and copied only if each that is there is good."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509

from kafab.command import Secret
from kafab.errors import UsageError
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster
from kafab.ops.secure.check import chosen
from kafab.ops.secure.shelf import NOT_THERE, Shelf, certificates_of, key_of, mode
from kafab.ops.world import World
from kafab.pki import trust
from kafab.pki.judging import judged, judged_authority, usable
from kafab.pki.making import belongs
from kafab.pki.values import OPERATOR, Authority, Certificates, Found, Leaf, PrivateKey, Want
from kafab.references import Reference
from kafab.unknown import Unknown
from kafab.words import few

MISSING = "certificate.missing"
CERTIFICATE = (".crt", ".pem", ".cer")
KEY = (".key", "-key.pem", ".key.pem", ".pem")
TRUSTED = ("ca", "root")
BETWEEN = ("chain", "ca-chain", "intermediate")
WORDS = ("{node}", "{host}", "{address}")


@dataclass(frozen=True)
class Installed:
    """What was found in the folder, and what was copied: nothing, where one of the certificates has a defect."""

    report: Report
    copied: tuple[str, ...]


@dataclass(frozen=True)
class _Taken:
    want: Want
    found: Found
    findings: tuple[Finding, ...]


def install(
    cluster: Cluster,
    limit: str | None,
    world: World,
    shelf: Shelf,
    folder: Path,
    *,
    trusted: Path | None = None,
    pattern: str | None = None,
    key_password: Reference | None = None,
    now: datetime | None = None,
) -> Installed:
    """Take the certificates of these owners from a folder, with the keys that are there, or those of their requests.

    A file is called after the node (``node1-broker.crt``), its host or its address, or as ``pattern`` says. ``trusted`` is the
    file of the company's CA; else it is ``ca.crt`` of the folder, or the one that was installed before. Raises UsageError
    for a folder without any certificate and for another CA than before, Failed where a file cannot be written.
    """
    at = now or datetime.now(timezone.utc)
    wanted = chosen(cluster, limit)
    password = world.secrets.read(key_password) if key_password else None
    with shelf.alone():
        authority = _authority(shelf, folder, trusted)
        of_trust = judged_authority(authority, cluster.name, str(trusted or folder), at)
        between = tuple(_beside(folder, BETWEEN))
        taken = []
        missing = list[Finding]()
        for want in wanted:
            file = _file(folder, _stems(cluster, want, pattern), CERTIFICATE)
            if file is None:
                missing += _missing(shelf, authority, want, folder, at)
                continue
            found = _found(shelf, want, file, between, password)
            taken.append(_Taken(want, found, judged(found, authority, want, at)))
        if not taken:
            names = few(f"{want.stem}.crt" for want in wanted)
            raise UsageError(
                f"{folder} has no certificate of {cluster.name}: expected {names}",
                hint="name the files like that, or after their hosts, or say how: --names '{host}-kafka'",
            )
        findings = (*of_trust, *(item for one in taken for item in one.findings), *missing)
        good = usable(item for item in of_trust if "days_left" not in item.evidence) and all(
            usable(one.findings) for one in taken
        )
        if good and not isinstance(authority, Unknown):
            shelf.put_authority(authority.certificates)
            for one in taken:
                shelf.put_leaf(one.want, _leaf(one.found, authority, at))
    return Installed(Report(cluster.name, findings), tuple(one.want.owner for one in taken) if good else ())


def _authority(shelf: Shelf, folder: Path, trusted: Path | None) -> Authority | Unknown:
    """Return who is to be trusted. Raises UsageError where that leaves out one who was."""
    before = shelf.authority()
    given: Certificates | Unknown = NOT_THERE
    if trusted is not None:
        given = certificates_of(trusted)
        if isinstance(given, Unknown):
            raise UsageError(f"--ca {trusted} {given.reason}", hint="name the file of the CA's certificate")
    elif file := _file(folder, TRUSTED, CERTIFICATE):
        given = certificates_of(file)
    if isinstance(given, Unknown):
        return before
    if isinstance(before, Unknown):
        return Authority(given)
    gone = [one for one in before.certificates if one not in given]
    if gone:
        names = few(trust.shown(one.subject) for one in gone)
        raise UsageError(
            f"{shelf.authority_file} trusts {names}, and the CA that is to be installed is another one",
            hint=f"trust both while they change: --ca FILE with both in it; where nothing uses the old one yet, "
            f"move {shelf.folder} away first",
        )
    # The first one is who signs, and whose key may be here.
    return Authority(tuple(dict.fromkeys((*before.certificates, *given))), own=before.own)


def _missing(
    shelf: Shelf, authority: Authority | Unknown, want: Want, folder: Path, now: datetime
) -> Iterator[Finding]:
    """Yield that an owner's certificate is not there, unless it was installed before and is good."""
    if usable(judged(shelf.found(want), authority, want, now)):
        return
    # Who logs in with a password only needs none.
    severity = Severity.WARN if want.owner == OPERATOR else Severity.CRIT
    yield Finding(
        MISSING,
        want.owner,
        severity,
        f"{folder} has no {want.stem}.crt",
        hint="`fab secure.csr` makes the requests; --limit takes what is there",
    )


def _found(shelf: Shelf, want: Want, file: Path, between: Certificates, password: Secret | None) -> Found:
    """Return what the folder has of an owner: its own certificate first, with the key that belongs to it."""
    given = certificates_of(file)
    key_file = _file(file.parent, (_stem(file),), KEY)
    keys = [path for path in (key_file, shelf.place(want, "next.key"), shelf.place(want, "key")) if path]
    read = {path: key_of(path, password) for path in keys}
    # A file with a certificate alone has no key to be told of.
    read = {path: key for path, key in read.items() if path != file or not isinstance(key, Unknown)}
    if isinstance(given, Unknown):
        return Found(given, NOT_THERE, file, keys[0])
    for path, key in read.items():
        own = _own(given, key)
        if own is not None:
            rest = tuple(one for one in (*given, *between) if one != own)
            return Found((own, *rest), key, file, path, mode(path))
    path, key = next(((path, key) for path, key in read.items() if key != NOT_THERE), (keys[-1], NOT_THERE))
    return Found((*given, *between), key, file, path, mode(path))


def _own(certificates: Certificates, key: PrivateKey | Unknown) -> x509.Certificate | None:
    """Return the certificate of this key, wherever it stands in its file; None where there is none."""
    if isinstance(key, Unknown):
        return None
    return next((one for one in certificates if belongs(key, one)), None)


def _leaf(found: Found, authority: Authority, now: datetime) -> Leaf:
    """Return what was judged to be good, with just the CAs that it needs."""
    certificates, key = found.certificates, found.key
    if isinstance(certificates, Unknown) or isinstance(key, Unknown):
        raise TypeError("a certificate without a certificate or key is not good")
    path = trust.path(certificates[0], certificates[1:], authority.certificates, now)
    return Leaf(certificates[0], key, () if isinstance(path, str) else path)


def _stems(cluster: Cluster, want: Want, pattern: str | None) -> list[str]:
    """Return the stems that an owner's files may have. Raises UsageError for a pattern that tells no two hosts apart."""
    host = None if want.owner == OPERATOR else cluster.host(want.owner.partition("/")[0])
    words = {"{node}": want.stem, "{host}": host.name if host else OPERATOR}
    words["{address}"] = host.address if host else OPERATOR
    if pattern is None:
        return list(dict.fromkeys(words.values()))
    if not any(word in pattern for word in WORDS) or "/" in pattern:
        raise UsageError(
            f"--names {pattern} has none of {', '.join(WORDS)}", hint="for example: --names '{host}-kafka'"
        )
    for word, value in words.items():
        pattern = pattern.replace(word, value)
    return [pattern]


def _stem(file: Path) -> str:
    return next(file.name.removesuffix(end) for end in CERTIFICATE if file.name.endswith(end))


def _file(folder: Path, stems: list[str] | tuple[str, ...], suffixes: tuple[str, ...]) -> Path | None:
    names = (folder / f"{stem}{suffix}" for stem in stems for suffix in suffixes)
    return next((file for file in names if file.is_file()), None)


def _beside(folder: Path, stems: tuple[str, ...]) -> Iterator[x509.Certificate]:
    """Yield the CAs that lie beside the certificates."""
    for stem in stems:
        file = _file(folder, (stem,), CERTIFICATE)
        found = certificates_of(file) if file else NOT_THERE
        if not isinstance(found, Unknown):
            yield from found
