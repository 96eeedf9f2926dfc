"""The judgement of a release archive by its members: whether it may be unpacked as root on a host. No I/O.

An archive is data from outside. Whatever could write beside its own folder, run with somebody else's rights, fill a
disk, or be read differently by another ``tar`` is refused, with the member's name. The kinds of attack are those of
Python's PEP 706 and of GNU tar's own manual, "Security rules of thumb".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from kafab.releases.names import ReleaseName

MAX_BYTES = 2 * 1024**3
"""Kafka 3.9.2 unpacks to about 150 MB: this is far above any release and far below a disk."""
MAX_MEMBERS = 20_000


class Refused(ValueError):
    """Not a release archive, or one that must not be unpacked; the text is the reason, for people."""


class Kind(str, Enum):
    """What a member is, in words for a sentence."""

    FILE = "a file"
    FOLDER = "a folder"
    SYMLINK = "a symbolic link"
    HARDLINK = "a hard link"
    DEVICE = "a device"
    FIFO = "a fifo"
    SPARSE = "a sparse file"
    OTHER = "of an unknown type"

    def __str__(self) -> str:
        return self.value


_LINKS = (Kind.SYMLINK, Kind.HARDLINK)


@dataclass(frozen=True)
class Member:
    """One entry of an archive, as its header says. ``size`` is in bytes, ``target`` is a link's."""

    name: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    target: str = ""
    renamed: bool = False
    """A pax record stands in for the header's name, target or size: only some tar programs would heed it."""


@dataclass(frozen=True)
class Content:
    """A file or a symbolic link of a release, by its path below the release's folder."""

    path: str
    sha256: str = ""
    """Of a file, in hex."""
    target: str = ""
    """Of a link."""


def container(head: bytes) -> str:
    """Return ``tgz`` or ``tar`` from the first bytes of a file (512 are enough). Raises Refused for all else."""
    if head.startswith(b"\x1f\x8b"):
        return "tgz"
    if head[257:262] == b"ustar":
        return "tar"
    if not head:
        raise Refused("it is empty")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|!--)", head, re.IGNORECASE):
        raise Refused(
            "it is an HTML page, not an archive: what a proxy or a login page answers is saved like that"
        )
    for magic, what in {b"PK": "a zip", b"BZh": "a bzip2", b"\xfd7zXZ": "an xz"}.items():
        if head.startswith(magic):
            raise Refused(f"it is {what} file; a release is a .tgz or a .tar")
    raise Refused("it is neither a gzip nor a tar file")


def judge(members: Iterable[Member]) -> ReleaseName:
    """Return the release that these members are. Raises Refused at the first one that must not be unpacked.

    Members are taken one by one, so an archive that unpacks without end is refused before it has been read.
    """
    seen: dict[str, Member] = {}
    release: ReleaseName | None = None
    total = 0
    for count, member in enumerate(members, start=1):
        path = _path(member)
        _judge_alone(member)
        total += member.size
        if total > MAX_BYTES or count > MAX_MEMBERS:
            raise Refused(
                f"it unpacks to more than {MAX_BYTES >> 30} GiB or {MAX_MEMBERS} members:"
                f" {total} bytes, {count} members at {path!r}"
            )
        release = release or _release(path)
        if path.partition("/")[0] != str(release):
            raise Refused(f"member {path!r} is not below {release}/")
        if path in seen and not member.kind is seen[path].kind is Kind.FOLDER:
            raise Refused(f"member {path!r} is in it twice")
        seen[path] = member
    if release is None:
        raise Refused("it has no members")
    _judge_tree(seen)
    _judge_content(seen, release)
    return release


def _path(member: Member) -> str:
    """Return the member's path if it has one spelling only: relative, forward, printable."""
    name = member.name.removesuffix("/") if member.kind is Kind.FOLDER else member.name
    if not name.isprintable():
        raise Refused(f"member {name!r} has characters in its name that cannot be printed")
    if name.startswith("/"):
        raise Refused(f"member {name!r} has an absolute path")
    parts = name.split("/")
    if ".." in parts:
        raise Refused(f"member {name!r} has '..' in its path")
    if "" in parts or "." in parts:
        raise Refused(
            f"member {name!r} has an empty or '.' part in its path: pack the folder by its name, like"
            " `tar -czf kafka_2.13-3.9.2.tgz kafka_2.13-3.9.2`"
        )
    return name


def _judge_alone(member: Member) -> None:
    if member.kind not in (Kind.FILE, Kind.FOLDER, *_LINKS):
        raise Refused(f"member {member.name!r} is {member.kind}")
    if member.renamed:
        raise Refused(
            f"member {member.name!r} has its name, target or size in a pax record, which not every tar heeds"
        )
    if member.mode & 0o6000:
        raise Refused(f"member {member.name!r} has a setuid or setgid bit (mode {member.mode:04o})")
    if member.size < 0 or (member.size > 0 and member.kind is not Kind.FILE):
        raise Refused(f"member {member.name!r} is {member.kind} of {member.size} bytes")


def _release(path: str) -> ReleaseName:
    top = path.partition("/")[0]
    try:
        return ReleaseName.parse(top)
    except ValueError:
        raise Refused(f"its top folder is {top!r}, not one like kafka_2.13-3.9.2") from None


def _judge_tree(seen: Mapping[str, Member]) -> None:
    for path, member in seen.items():
        for parent in _parents(path):
            if parent in seen and seen[parent].kind is not Kind.FOLDER:
                raise Refused(f"member {path!r} lies below {parent!r}, which is {seen[parent].kind}")
        if member.kind in _LINKS:
            _judge_link(path, member, seen)


def _judge_link(path: str, member: Member, seen: Mapping[str, Member]) -> None:
    """Refuse a link unless its target, read as text, is a member.

    Neither a member nor a link lies below a link, so leading ``..`` parts mean what they say, and a text that names
    a member leads there through folders only. A ``..`` further on is refused: what comes before it may be a link.
    """
    steps = member.target.split("/")
    base = [] if member.kind is Kind.HARDLINK else path.split("/")[:-1]
    while steps and steps[0] == ".." and member.kind is Kind.SYMLINK:
        if not base:
            break
        base, steps = base[:-1], steps[1:]
    target = "/".join(base + steps)
    if {"..", ".", ""} & set(steps) or target not in seen:
        raise Refused(f"member {path!r} is {member.kind} to {member.target!r}, which is not in the release")
    if member.kind is Kind.HARDLINK and seen[target].kind is not Kind.FILE:
        raise Refused(f"member {path!r} is {member.kind} to {member.target!r}, which is {seen[target].kind}")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _judge_content(seen: Mapping[str, Member], release: ReleaseName) -> None:
    prefix = f"{release}/libs/kafka-clients-"
    jars = [path for path, member in seen.items() if path.startswith(prefix) and path.endswith(".jar")]
    if not jars:
        raise Refused(f"it has no {release}/libs/kafka-clients-*.jar: it is no binary release of Kafka")
    # A source name that lies would put one version on the hosts and show another.
    if not any(re.match(rf"{re.escape(str(release.version))}\b(?!\.\d)", jar[len(prefix) :]) for jar in jars):
        raise Refused(f"it calls itself {release} and holds {jars[0]!r}")
