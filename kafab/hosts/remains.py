"""What of a cluster is left on a host, and what else is there: one script (`remains.sh`), and the pure parser of its answer.

`facts` says how a node stands against what is wanted; this says what a removal must know besides: every name in the
folders that kafab uses, what is a link or a mount point, which releases others use, which units systemd has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Script
from kafab.config.units import UNITS
from kafab.model import Host, Node, Role, Supervisor
from kafab.shell.frame import asking, whole
from kafab.shell.layout import DROP_IN, INCOMING, NEW
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=60)
ACTIVE = frozenset({"active", "activating", "deactivating", "reloading", "refreshing"})
"""ActiveState of a unit that has a process or will have one again (systemctl(1))."""


@dataclass(frozen=True)
class Place:
    """What stands under a path: a ``folder`` with the names in it, a ``link`` (not followed) or something ``other``."""

    kind: str
    real: PurePosixPath | None = None
    """A folder's path without links."""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HostRemains:
    """One host. Paths that do not exist are absent from ``places``."""

    places: Mapping[PurePosixPath, Place] = field(default_factory=dict)
    mounts: frozenset[PurePosixPath] = frozenset()
    links: Mapping[str, str | None] = field(default_factory=dict)
    """Link in the releases folder -> the release it leads to or into; None where it leads elsewhere."""
    used: frozenset[str] = frozenset()
    """Releases that are named in the command line of a running process."""
    made: frozenset[PurePosixPath] = frozenset()
    """Units and drop-ins that say they were made by kafab."""
    instances: frozenset[str] = frozenset()
    """Units of ZooKeeper servers, controllers and brokers that are enabled, have kafab's drop-in, or are active or failed."""
    active: frozenset[str] = frozenset()
    """Those of them that run or will be started again."""

    def mounted(self, path: PurePosixPath) -> bool:
        """Tell whether a file system is mounted on this folder."""
        place = self.places.get(path)
        return place is not None and place.real in self.mounts

    def mounted_below(self, path: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """Return the mount points inside this folder."""
        place = self.places.get(path)
        if place is None or place.real is None:
            return ()
        return tuple(sorted(point for point in self.mounts if place.real in point.parents))


def roots(host: Host) -> tuple[PurePosixPath, ...]:
    """Return the folders that hold the nodes' own, each once."""
    paths = host.paths
    return tuple(dict.fromkeys((paths.run, paths.logs, paths.data, paths.config, paths.releases)))


def template(role: Role) -> PurePosixPath:
    """Return the path of the unit that all nodes of a role on a host share."""
    return UNITS / f"kafka-{role}@.service"


def drop_in(node: Node) -> PurePosixPath:
    """Return the path of the node's own part of its unit."""
    return UNITS / f"{node.unit}.d" / DROP_IN


def observation(host: Host, nodes: Sequence[Node]) -> Script:
    """Return the script that looks for what is left of these nodes on their host."""
    own = [path for node in nodes for path in (node.config, node.run, node.logs, *node.data_folders)]
    places = [
        *roots(host),
        host.paths.releases / INCOMING,
        *own,
        *(path.with_name(path.name + NEW) for path in own),
    ]
    calls = [Cmd("place", path) for path in dict.fromkeys(places)]
    calls.append(Cmd("releases", host.paths.releases))
    if host.supervisor is Supervisor.SYSTEMD:
        calls += [Cmd("place", drop_in(node).parent) for node in nodes]
        calls += [Cmd("made", path) for path in (*map(template, Role), *map(drop_in, nodes))]
        calls.append(Cmd("instances", UNITS))
    return asking(("remains",), *calls, Cmd("mounts"), timeout=TIMEOUT)


def parse(outcome: Outcome) -> HostRemains | Unknown:
    """Read the answer to `observation`. A cut-off or failed answer is Unknown, and so is a folder that cannot be read."""
    lines = whole(outcome, "the script that looks for what is left")
    if isinstance(lines, Unknown):
        return lines
    said = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
    closed = [rest for word, rest in said if word == "closed"]
    if closed:
        return Unknown(f"this login may not look into {', '.join(closed)}")
    states = [rest.partition(" ") for word, rest in said if word == "unit"]
    return HostRemains(
        places=_places(said),
        mounts=frozenset(PurePosixPath(rest) for word, rest in said if word == "mount"),
        links=_links([rest for word, rest in said if word == "leads"]),
        used=frozenset(rest for word, rest in said if word == "used"),
        made=frozenset(PurePosixPath(rest) for word, rest in said if word == "made"),
        # One that another unit merely names is listed as inactive, whether it exists or not.
        instances=frozenset(rest for word, rest in said if word == "instance")
        | {unit for state, _, unit in states if state != "inactive"},
        active=frozenset(unit for state, _, unit in states if state in ACTIVE),
    )


def _places(said: Sequence[tuple[str, str]]) -> dict[PurePosixPath, Place]:
    places: dict[PurePosixPath, Place] = {}
    folders: dict[PurePosixPath, tuple[list[str], list[str]]] = {}
    real: list[str] = []
    names: list[str] = []
    for word, rest in said:
        if word == "folder":
            real, names = folders.setdefault(PurePosixPath(rest), ([], []))
        elif word == "real":
            real.append(rest)
        elif word == "name":
            names.append(rest)
        elif word in ("link", "other"):
            places[PurePosixPath(rest)] = Place(word)
    for path, (found, within) in folders.items():
        places[path] = Place("folder", PurePosixPath(found[0]), frozenset(within))
    return places


def _links(said: Sequence[str]) -> dict[str, str | None]:
    pairs = [(name, target) for target, _, name in (line.partition(" ") for line in said)]
    return {name: None if target == "-" else target for name, target in pairs}
