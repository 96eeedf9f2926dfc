"""What a node's data directories have held, as root's own record says, and what is missing of it now. Pure.

Invariant: a node never starts over an empty folder where it had data, unless its operator has said that the disk is new.
Kafka takes an empty folder for that of a new replica. Such a broker can become the leader of a partition that it alone was
in sync for, and then the other replicas cut their good copies back to its empty one.

The record (`HELD`, a line a directory) stands in the node's configuration folder: root alone writes there, and a data
disk that is not mounted does not take it along, as it would below `/var/lib`. A directory gets into it once the node has
been seen with data in it; the marks of the data decide whether they are there again, and so does the mount point: a folder
below it may have an older copy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from kafab.config.render import RenderedFile
from kafab.hosts.facts import FileSystem, Held, NodeFacts
from kafab.model import Node, Role
from kafab.shell.layout import HELD, META_PROPERTIES, VERSION_2

ACCEPT = "--accept-empty"


@dataclass(frozen=True)
class Missing:
    """A directory of a node that does not have what it has held."""

    node: Node
    path: PurePosixPath
    held: Held
    now: str
    """What is there now, ``is empty``."""
    on: FileSystem | None
    fstab: PurePosixPath | None
    """The mount point of /etc/fstab for it, where that is not mounted."""

    @property
    def way(self) -> str:
        """What brings the data back, as far as anybody knows: a mount, where the one that had them is not there."""
        point = self.fstab or self.held.on.point
        if self.on and self.on.point == point:
            return f"bring {self.path} on {self.node.host.name} back"
        return f"mount {point} on {self.node.host.name} again"

    def __str__(self) -> str:
        whose = f"id {self.held.id}" + (f" of cluster {self.held.cluster_id}" if self.held.cluster_id else "")
        where = f", on {self.on}" if self.on else ""
        unmounted = f"; {self.fstab} of /etc/fstab is not mounted" if self.fstab else ""
        return f"{self.node.name}: {self.path} has held the data of {whose} on {self.held.on}; now it {self.now}{where}{unmounted}"


def missing(node: Node, facts: NodeFacts) -> tuple[Missing, ...]:
    """Return the node's directories that do not have what they have held."""
    return tuple(
        Missing(node, path, held, now, facts.lies.get(path), _unmounted(facts, path))
        for path, held in facts.held.items()
        if path in node.data_folders and (now := _now(node, facts, path, held))
    )


def _now(node: Node, facts: NodeFacts, path: PurePosixPath, held: Held) -> str:
    """Return what is wrong with a directory, empty where nothing is."""
    on = facts.lies.get(path)
    covered = on is not None and held.on.point != on.point and held.on.point.is_relative_to(on.point)
    if node.role is Role.ZOOKEEPER:
        if path not in facts.written:
            return "has none"
    else:
        identity = facts.identities.get(path)
        if identity is None:
            return "has none"
        if held.cluster_id and identity.cluster_id and identity.cluster_id != held.cluster_id:
            return f"has those of cluster {identity.cluster_id}"
    return f"has others, as {held.on.point} is not mounted" if covered else ""


def _unmounted(facts: NodeFacts, path: PurePosixPath) -> PurePosixPath | None:
    on, named = facts.lies.get(path), facts.fstab.get(path)
    return named if on and named and len(named.parts) > len(on.point.parts) else None


def record(node: Node, facts: NodeFacts, *, accepted: bool = False) -> dict[PurePosixPath, Held]:
    """Return what the record should say by what is there: directory -> what it holds.

    What it says already stays for as long as it is true; what is missing stays, too, unless that is ``accepted``.
    """
    gone = {found.path for found in missing(node, facts)}
    # A directory that left the inventory goes: what it still holds is refused before (`plans.persisted`).
    kept = {
        path: held
        for path, held in facts.held.items()
        if path in node.data_folders and not (accepted and path in gone)
    }
    for path in node.data_folders:
        on = facts.lies.get(path)
        if on is None or (path in gone and not accepted) or not _holds(node, facts, path):
            continue
        identity = facts.identities.get(path)
        there = Held(node.id, identity.cluster_id if identity else None, on)
        if path not in kept or not _same(kept[path], there):
            kept[path] = there
    return kept


def _holds(node: Node, facts: NodeFacts, path: PurePosixPath) -> bool:
    """Tell whether a directory has data of this node, once it has run: a format alone is nothing to lose."""
    if node.role is Role.ZOOKEEPER:
        return path in facts.written
    identity, first = facts.identities.get(path), facts.identities.get(node.data[0])
    if identity is None or identity.id != node.id:
        return False
    return not identity.kraft or (first is not None and first.joined)


def _same(one: Held, other: Held) -> bool:
    """Tell whether both say the same: a device may have another name after a boot, its UUID stays."""
    if one.on.uuid and one.on.uuid == other.on.uuid:
        one = replace(one, on=replace(one.on, source=other.on.source))
    return one == other


def unrecorded(node: Node, facts: NodeFacts, *, accepted: bool = False) -> RenderedFile | None:
    """Return the record as it should be, None where it is so."""
    wanted = record(node, facts, accepted=accepted)
    if wanted == dict(facts.held):
        return None
    user = node.host.user
    owner = f"root:{user}" if user else None
    return RenderedFile(node.config / HELD, text(node, wanted), "640" if owner else "644", owner)


def text(node: Node, held: Mapping[PurePosixPath, Held]) -> str:
    """Return the record: a line a directory, ``PATH ID CLUSTER MARK POINT KIND SOURCE UUID``, "-" for what there is none of."""
    return "".join(f"{line}\n" for line in _lines(node, held))


def _lines(node: Node, held: Mapping[PurePosixPath, Held]) -> Iterator[str]:
    mark = VERSION_2 if node.role is Role.ZOOKEEPER else META_PROPERTIES
    for path, what in held.items():
        on = what.on
        yield f"{path} {what.id} {what.cluster_id or '-'} {mark} {on.point} {on.kind} {on.source} {on.uuid or '-'}"


def read_line(line: str) -> tuple[PurePosixPath, Held]:
    """Read a line of the record. Raises ValueError where it is none."""
    path, id_, cluster_id, _mark, *on = line.split()
    return PurePosixPath(path), Held(int(id_), None if cluster_id == "-" else cluster_id, file_system(on))


def file_system(words: Sequence[str]) -> FileSystem:
    """Read ``POINT KIND SOURCE UUID``. Raises ValueError where it is none."""
    point, kind, source, uuid = words
    return FileSystem(PurePosixPath(point), kind, source, None if uuid == "-" else uuid)
