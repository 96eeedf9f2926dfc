"""What a host says of itself: one POSIX sh script (`machine.sh`), in one round trip with `facts`, and the pure parser of its answer.

It writes nothing, starts no JVM, and needs sh and coreutils; `getent` and `systemctl` are asked where they are.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Raw, Result, Script
from kafab.hosts import observation
from kafab.hosts.facts import HostFacts
from kafab.listeners import is_loopback, is_wildcard
from kafab.model import Host, Node, Supervisor
from kafab.shell.frame import END, asking, whole
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=60)
"""For a host whose name service is dead: 5 s a name, side by side, beside everything else."""
KIB = 1024
_CLOCK = Cmd("echo", "clock", Raw("$(date +%s.%N)"))


@dataclass(frozen=True)
class Place:
    """Where a folder lies, or would lie once it is made: the file system of its nearest existing ancestor. In bytes."""

    path: PurePosixPath
    existing: PurePosixPath
    """The nearest ancestor that exists (links resolved), the folder itself included."""
    writable: bool
    kind: str
    """The file system's type: ext4, xfs, overlay."""
    mount: PurePosixPath
    options: frozenset[str]
    size: int
    free: int
    inodes: int
    """0 where the file system has no fixed number of them."""
    inodes_free: int
    unmounted: PurePosixPath | None = None
    """A mount point of /etc/fstab on the way to the folder that nothing is mounted on now."""


@dataclass(frozen=True)
class OpenFiles:
    """How many files a node's process may hold open, and what that was read from."""

    limit: int
    source: str
    """``process`` (it runs), ``unit`` (as deployed, capped by the machine), ``system`` (not deployed yet) or ``login``."""


@dataclass(frozen=True)
class Look:
    """One host's answer. What could not be read is missing from the mappings, never made up."""

    facts: HostFacts
    root: bool
    systemd: bool
    clock: float
    """Seconds since the epoch, at the end of the script."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Of /etc/os-release: ID, VERSION_ID, PRETTY_NAME."""
    kernel: str = ""
    architecture: str = ""
    memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes by /proc/meminfo's names, and ``cgroup`` where a container is limited."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """swappiness, max_map_count, transparent_hugepage as the kernel prints them."""
    places: Mapping[PurePosixPath, Place] = field(default_factory=dict)
    held: Mapping[int, str] = field(default_factory=dict)
    """Port -> who listens on it; a free port is missing."""
    open_files: Mapping[str, OpenFiles] = field(default_factory=dict)
    """Node instance -> limit."""
    names: Mapping[str, tuple[str, ...]] | Unknown = field(default_factory=dict)
    """Host name -> addresses it resolves to there; none where it does not resolve."""
    addresses: frozenset[str] | Unknown = frozenset()
    """Those of the machine's interfaces; asked for only where a node is to listen on an address."""


def probe(host: Host, nodes: Sequence[Node], names: Sequence[str]) -> Script:
    """Return the script that asks one host about itself and these nodes; ``names`` are resolved there."""
    places = dict.fromkeys([host.paths.releases, *(path for node in nodes for path in node_places(node))])
    ports = dict.fromkeys(port for node in nodes for port in node.ports.values())
    calls = [Cmd("machine"), Cmd("memory"), Cmd("settings"), Cmd("places", *places), Cmd("held", *ports)]
    systemd = host.supervisor is Supervisor.SYSTEMD
    calls += [Cmd("open_files", node.instance, node.run, node.unit if systemd else "-") for node in nodes]
    calls += [Cmd("names", *names)] if names else []
    calls += [Cmd("addresses")] if any(chosen(node) for node in nodes) else []
    observed = observation.observation(host, dict.fromkeys(nodes, ()))
    calls.append(_CLOCK)
    own = asking(("holder", "machine"), *calls, timeout=TIMEOUT)
    return Script(observed.text + own.text, TIMEOUT, observed.calls + own.calls)


@dataclass(frozen=True)
class Glance:
    """What a timer asks a host for again and again: its clock, in seconds since the epoch, and where data directories lie."""

    clock: float
    places: Mapping[PurePosixPath, Place]


def glance(nodes: Sequence[Node]) -> Script:
    """Return the script that asks one host for the file systems of these nodes' data, and for its clock at the end."""
    paths = dict.fromkeys(path for node in nodes for path in node.data_folders)
    return asking(("machine",), Cmd("places", *paths), _CLOCK, timeout=TIMEOUT)


def glanced(outcome: Outcome) -> Glance | Unknown:
    """Read the answer to `glance`."""
    lines = whole(outcome, "the script that asks for room and clock")
    if isinstance(lines, Unknown):
        return lines
    try:
        told = _told(lines)
        return Glance(float(told["clock"][0]), _places(told))
    except (ValueError, KeyError, IndexError) as error:
        return Unknown(f"the answer of the script that asks for room and clock cannot be read: {error!r}")


def chosen(node: Node) -> Mapping[str, str]:
    """Return the addresses that a node is to listen on where the inventory chooses some: use of the port -> address."""
    binds = {node.use(listener): listener.bind for listener in node.listeners}
    binds |= {
        "jmx": node.jmx_bind if node.jmx_port else None,
        "metrics": node.metrics_bind if node.metrics_port else None,
    }
    return {use: bind for use, bind in binds.items() if bind and not (is_wildcard(bind) or is_loopback(bind))}


def node_places(node: Node) -> tuple[PurePosixPath, ...]:
    """Return the folders of a node that hold what it writes, and what a deploy writes for it."""
    return (*node.data_folders, node.logs, node.run, node.config)


def parse(host: Host, nodes: Sequence[Node], outcome: Outcome) -> Look | Unknown:
    """Read the answer to `probe`. A cut-off, failed or unreadable answer is Unknown."""
    if isinstance(outcome, Unknown):
        return outcome
    if outcome.code == observation.EXPOSED:
        return Unknown(outcome.err.strip())
    lines = whole(outcome, "the preflight script")
    if isinstance(lines, Unknown):
        return lines
    try:
        first = lines.index(END) + 1
        observed = Result(0, "\n".join([*lines[:first], ""]).encode(), outcome.err)
        seen = observation.parse(host, nodes, observed)
        return seen if isinstance(seen, Unknown) else _read(seen, lines[first:])
    except (ValueError, KeyError, IndexError) as error:
        return Unknown(f"the preflight script's answer cannot be read: {error!r}")


def _read(seen: HostFacts, lines: Sequence[str]) -> Look:
    told = _told(lines)
    kernel, architecture = told["uname"][0].split()
    return Look(
        facts=seen,
        root=told["uid"] == ["0"],
        systemd="systemd" in told,
        clock=float(told["clock"][0]),
        system={key: text.strip("\"'") for key, text in _pairs(told, "os")},
        kernel=kernel,
        architecture=architecture,
        memory=_memory(told),
        settings=dict(_pairs(told, "setting")),
        places=_places(told),
        held={int(port): owner for port, owner in _pairs(told, "held")},
        open_files=_open_files(told),
        names=_names(told),
        addresses=Unknown(told["noaddress"][0])
        if "noaddress" in told
        else frozenset(str(ipaddress.ip_address(text)) for text in told.get("address", ())),
    )


def _told(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return what stands behind each first word. Raises ValueError for one that no script prints."""
    told: dict[str, list[str]] = {}
    for line in lines:
        word, _, value = line.partition(" ")
        if word not in _WORDS:
            raise ValueError(f"unexpected line {word!r}")
        told.setdefault(word, []).append(value)
    return told


_WORDS = frozenset(
    {"uid", "uname", "systemd", "os", "memory", "cgroup", "setting", "place", "mount", "fstab", "df", "held"}
    | {"nofile", "name", "noname", "address", "noaddress", "clock"}
)


def _pairs(told: Mapping[str, Sequence[str]], word: str) -> list[tuple[str, str]]:
    return [(key, rest) for key, _, rest in (line.partition(" ") for line in told.get(word, ()))]


def _memory(told: Mapping[str, Sequence[str]]) -> dict[str, int]:
    memory = {key: int(kib) * KIB for key, kib in _pairs(told, "memory")}
    # cgroup v1 spells "no limit" as a number beyond any memory, v2 as "max".
    limits = [int(text) for text in told.get("cgroup", ()) if text.isdecimal()]
    least = min(limits, default=memory["MemTotal"])
    return memory | ({"cgroup": least} if least < memory["MemTotal"] else {})


def _places(told: Mapping[str, Sequence[str]]) -> dict[PurePosixPath, Place]:
    asked = [line.split() for line in told.get("place", ())]
    # The heading comes first, then one line a folder in the order they were asked; an error leaves one out.
    sizes = [line.split(None, 5) for line in told.get("df", ())[1:]]
    if len(asked) != len(sizes):
        return {}
    options = {PurePosixPath(mount): frozenset(text.split(",")) for mount, text in _pairs(told, "mount")}
    fstab = [
        PurePosixPath(mount)
        for mount, text in _pairs(told, "fstab")
        if "noauto" not in text.split(",") and PurePosixPath(mount) not in options
    ]
    places = {}
    for (path, there, writable), (size, free, inodes, inodes_free, kind, target) in zip(
        asked, sizes, strict=True
    ):
        mount = PurePosixPath(target)
        places[PurePosixPath(path)] = Place(
            path=PurePosixPath(path),
            existing=PurePosixPath(there),
            writable=writable == "yes",
            kind=kind,
            mount=mount,
            options=options.get(mount, frozenset()),
            size=_count(size) * KIB,
            free=_count(free) * KIB,
            inodes=_count(inodes),
            inodes_free=_count(inodes_free),
            unmounted=next((point for point in fstab if PurePosixPath(path).is_relative_to(point)), None),
        )
    return places


def _open_files(told: Mapping[str, Sequence[str]]) -> dict[str, OpenFiles]:
    found: dict[str, dict[str, int]] = {}
    for line in told.get("nofile", ()):
        instance, source, limit = line.split()
        found.setdefault(instance, {})[source] = _limit(limit)
    limits = {}
    for instance, by_source in found.items():
        source = next(source for source in ("process", "login", "unit", "system") if source in by_source)
        # In a container the unit's number is what was asked for, not what is had: `systemctl show` still says 100000.
        number = min(by_source[source], by_source.get("system", by_source[source]))
        limits[instance] = OpenFiles(number, source)
    return limits


def _names(told: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]] | Unknown:
    if "noname" in told:
        return Unknown(told["noname"][0])
    return {name: tuple(addresses.split()) for name, addresses in _pairs(told, "name")}


def _count(text: str) -> int:
    return 0 if text == "-" else int(text)


def _limit(text: str) -> int:
    return 2**63 if text in ("unlimited", "infinity") else int(text)
