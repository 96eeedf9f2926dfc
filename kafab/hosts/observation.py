"""What a host says: one POSIX sh script (`observe.sh`, `marks.sh`), one round trip, and the pure parser of its answer.

The script starts no JVM and few processes: one `sha256sum` and one `stat` for all files, and shell built-ins for the rest.
It carries the digests that are expected, and returns the content of those files only that differ. Where nodes have a
service account, root reads what is root's own, and a shell with that account's rights reads the marks of its data.

The file is over 400 lines long because each line of the script's answer has its reader beside what asks for it.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Raw, Script
from kafab.config.properties import parse_properties
from kafab.config.render import RenderedFile
from kafab.config.units import UNITS, unit_paths
from kafab.hosts import sights
from kafab.hosts.facts import (
    Aim,
    FileFact,
    FileSystem,
    Generation,
    Held,
    HostFacts,
    Identity,
    NodeFacts,
    Process,
    node_directories,
)
from kafab.hosts.held import file_system, read_line
from kafab.hosts.profile import PROFILE
from kafab.hosts.quorum_files import formed
from kafab.model import Host, Node, Role, Supervisor
from kafab.shell.frame import asking, whole
from kafab.shell.layout import (
    BEFORE,
    DIGEST_KEY,
    HELD,
    MANIFEST,
    META_PROPERTIES,
    METADATA,
    MYID,
    OF_UNIT,
    PROCESS,
    VERSION_2,
)
from kafab.shell.library import compose
from kafab.unknown import Unknown

TIMEOUT = timedelta(seconds=30)
EXPOSED = 78
"""Exit code of the script where an account could change what root reads as its own; its words are on stderr."""
TICKS_A_SECOND = (
    100  # USER_HZ, the unit of start times in /proc, is 100 on every Linux architecture that runs Java
)
_MARKS = ("plain", "readable", "settled", "marks", "sights")


def observation(
    host: Host,
    nodes: Mapping[Node, Sequence[RenderedFile]],
    upgrade: PurePosixPath | None = None,
    *,
    earlier: bool = False,
) -> Script:
    """Return the script that observes these nodes of one host, given the files each should have, and an upgrade's record.

    ``earlier`` asks for the texts of all files there, and of those that were kept from before.
    """
    wanted = "\n".join(f"{file.sha256}  {file.path}" for files in nodes.values() for file in files)
    paths = [file.path for files in nodes.values() for file in files]
    # A part of the digest of what a process was started from, whatever the inventory asks for by now.
    paths += [node.config / DIGEST_KEY for node in nodes]
    paths = list(dict.fromkeys(paths))
    data = [path for node in nodes for path in node.data_folders]
    libraries, calls = ["plain", "alive", "lies", "observe"], list[Cmd]()
    if host.supervisor is Supervisor.SYSTEMD:
        configs = [node.config for node in nodes]
        libraries += ["rooted", "ready", "as_account", "main_process"]
        calls.append(Cmd("exposed", host.paths.releases, *configs))
    calls += [_java(host), Cmd("releases", host.paths.releases)]
    own = [path for node in nodes for path in node_directories(node)]
    calls.append(Cmd("places_of", *dict.fromkeys((host.paths.releases, *own))))
    if host.user:
        marks = [path / name for path in data for name in ("", MYID, META_PROPERTIES)]
        closed = Cmd("readable", *marks, *(path for node in nodes for path in _written(node)))
        theirs = compose(_MARKS, closed, *_marks(nodes), "echo whole")
        calls.append(Cmd("account", host.user, theirs, *data))
    else:
        roots = {path.parent for node in nodes for path in node_directories(node)}
        looked_at = [*sorted(roots), *(path for node in nodes for path in _looked_at(node)), *paths]
        libraries += _MARKS
        calls += [Cmd("readable", *looked_at), *_marks(nodes)]
    calls += [call for node in nodes for call in _node(node)]
    if upgrade:
        calls.append(Cmd("upgrade", upgrade))
    if paths:
        calls.append(Cmd("files", *paths))
    if earlier:
        calls += [Cmd("texts", node.config) for node in nodes]
    return asking(libraries, *calls, timeout=TIMEOUT, given={"wanted": wanted})


def _node(node: Node) -> list[Cmd]:
    systemd = node.host.supervisor is Supervisor.SYSTEMD
    unit = (node.unit,) if systemd else ()
    calls = [Cmd("node", node.instance, node.current, node.run, node.config / MANIFEST, *unit)]
    # Under systemd `node` itself says whether the run folder is there: it has to be root's.
    calls += [Cmd("folder", path) for path in node_directories(node) if not systemd or path != node.run]
    calls.append(Cmd("earlier", node.config))
    calls += [Cmd("held", node.config / HELD), *(Cmd("place", path) for path in node.data_folders)]
    return [*calls, Cmd("unit", node.unit)] if systemd else calls


def _marks(nodes: Collection[Node]) -> list[Cmd]:
    """Return the calls that say whose data these nodes' data directories hold, and what else their processes find."""
    calls = []
    for node in nodes:
        server = node.role is Role.ZOOKEEPER
        calls.append(Cmd("echo", "about", node.instance))
        calls += [Cmd("myid" if server else "meta", path) for path in node.data]
        calls.append(Cmd("history", *_written(node)) if server else Cmd("quorum", node.data[0] / METADATA))
        calls += sights.calls(node)
    return calls


def _looked_at(node: Node) -> tuple[PurePosixPath, ...]:
    return (
        *node_directories(node),
        node.run / PROCESS,
        node.config / MANIFEST,
        node.config / HELD,
        *(path / name for path in node.data for name in (MYID, META_PROPERTIES)),
        *_written(node),
    )


def _written(node: Node) -> tuple[PurePosixPath, ...]:
    """Return the folders that a ZooKeeper server keeps the ensemble's data in."""
    return tuple(path / VERSION_2 for path in node.data_folders) if node.role is Role.ZOOKEEPER else ()


def _java(host: Host) -> Cmd:
    if host.java:
        return Cmd("java_at", host.java / "bin/java")
    return Cmd("java_at", Raw('"$(command -v java || :)" /usr/lib/jvm/*/bin/java'))


def parse(host: Host, nodes: Sequence[Node], outcome: Outcome) -> HostFacts | Unknown:
    """Read the answer to `observation`. A cut-off, failed or unreadable answer is Unknown."""
    if isinstance(outcome, Unknown):
        return outcome
    if outcome.code == EXPOSED:
        return Unknown(outcome.err.strip())
    lines = whole(outcome, "the observation script")
    if isinstance(lines, Unknown):
        return lines
    if hidden := _hidden(lines):
        return Unknown(hidden)
    try:
        return _Reader(host, nodes).read(lines)
    except (ValueError, IndexError, binascii.Error) as error:
        return Unknown(f"the observation script's answer cannot be read: {error!r}")


def _hidden(lines: Sequence[str]) -> str:
    """Return why something that is there could not be read; empty where all could."""
    closed = [line.partition(" ")[2] for line in lines if line.startswith("unreadable ")]
    if closed:
        return f"the login user may not read {', '.join(dict.fromkeys(closed))}"
    odd = [line.partition(" ")[2] for line in lines if line.startswith("odd ")]
    return f"no file, or a link, which kafab does not follow: {', '.join(odd)}" if odd else ""


_GENERATION = re.compile(r"(\d{1,9}) (\S+) (\S+) (\S+) (\d{1,12})", re.ASCII)
"""Number, release, digest of the configuration, digest of the units, time."""
_AIM = re.compile(r"(\d{1,10}) (\d{1,20})((?: \d{1,9}){1,2})", re.ASCII)
_SIGHTS = frozenset({"sight", "real", "launcher", "strange"})


def _until_dot(lines: Iterator[str]) -> str:
    """Return the lines up to one that is a dot. Raises ValueError where none is."""
    found: list[str] = []
    for line in lines:
        if line == ".":
            return "".join(found)
        found.append(line)
    raise ValueError("a file's text has no end")


def _foreign(node: Node, files: Collection[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return those files of a node's unit that kafab did not write. What a distribution gives every service is none."""
    own = unit_paths(node)
    vendors = (PurePosixPath("/usr/lib"), PurePosixPath("/lib"))
    return tuple(
        path for path in files if path not in own and not any(vendor in path.parents for vendor in vendors)
    )


class _Reader:
    """Collects the lines of one answer; `node` lines say whose the lines behind them are."""

    def __init__(self, host: Host, nodes: Sequence[Node]) -> None:
        self.host = host
        self.nodes = nodes
        self.java: str | None = None
        self.java_version: str | None = None
        self.releases: set[str] = set()
        self.parts: dict[str, int] = {}
        self.folders: set[PurePosixPath] = set()
        self.links: dict[str, str] = {}
        self.processes: dict[str, Process] = {}
        self.deployed: dict[str, dict[str, str]] = {}
        self.metas: dict[PurePosixPath, list[str]] = {}
        self.myids: dict[PurePosixPath, Identity] = {}
        self.joined: set[PurePosixPath] = set()
        self.histories: dict[str, set[PurePosixPath]] = {}
        self.snapshots: set[PurePosixPath] = set()
        self.transactions: set[PurePosixPath] = set()
        self.lies: dict[PurePosixPath, FileSystem] = {}
        self.fstab: dict[PurePosixPath, PurePosixPath] = {}
        self.filled: dict[str, set[PurePosixPath]] = {}
        self.held: dict[str, dict[PurePosixPath, Held]] = {}
        self.quorum_states: dict[str, str] = {}
        self.voter_records: dict[str, str] = {}
        self.digests: dict[PurePosixPath, str] = {}
        self.modes: dict[PurePosixPath, tuple[str, str]] = {}
        self.account = False
        self.sights: dict[str, list[tuple[str, str]]] = {}
        self.boot: str | None = None
        self.inodes: dict[PurePosixPath, str] = {}
        self.upgrade = ""
        self.generations: dict[str, list[Generation]] = {}
        self.aims: dict[str, Aim] = {}
        self.enabled: set[str] = set()
        self.unit_states: dict[str, str] = {}
        self.unit_files: dict[str, list[PurePosixPath]] = {}
        self.texts: dict[PurePosixPath, str] = {}
        self.node = ""

    def read(self, lines: Sequence[str]) -> HostFacts:
        rest = iter(lines)
        for line in rest:
            word, _, value = line.partition(" ")
            if word == "content":
                encoded = base64.b64decode(_until_dot(rest), validate=True)
                self.texts[PurePosixPath(value)] = encoded.decode("utf-8", errors="replace")
            else:
                self.take(word, value)
        return HostFacts(
            nodes={node.instance: self.facts(node) for node in self.nodes},
            releases=frozenset(self.releases),
            parts=self.parts,
            directories=frozenset(self.folders),
            java=self.java,
            java_version=self.java_version,
            account=self.account,
            boot=self.boot,
            inodes=self.inodes,
            profile=self.file(PROFILE) if PROFILE in self.digests else None,
            upgrade=self.upgrade,
        )

    def take(self, word: str, value: str) -> None:
        if word in _SIGHTS:
            self.sights.setdefault(self.node, []).append((word, value))
            return
        reader = getattr(self, f"_{word}", None)
        if reader is None:
            raise ValueError(f"unexpected line {word!r}")
        reader(value)

    def _node(self, value: str) -> None:
        self.node = value

    def _about(self, value: str) -> None:
        self.node = value

    def _java(self, value: str) -> None:
        self.java = value

    def _javaversion(self, value: str) -> None:
        self.java_version = value.strip('"')

    def _account(self, _value: str) -> None:
        self.account = True

    def _boot(self, value: str) -> None:
        self.boot = value

    def _upgrade(self, value: str) -> None:
        self.upgrade = value

    def _earlier(self, value: str) -> None:
        # What says nothing that can be read is none; the next one takes its place.
        if found := _GENERATION.fullmatch(value):
            number, release, configuration, units, kept = found.groups()
            generation = Generation(int(number), release, configuration, units, int(kept))
            self.generations.setdefault(self.node, []).append(generation)

    def _aim(self, value: str) -> None:
        if found := _AIM.fullmatch(value):
            self.aims[self.node] = Aim(int(found[1]), int(found[2]), tuple(map(int, found[3].split())))

    def _inode(self, value: str) -> None:
        inode, path = value.split(" ", 1)
        self.inodes[PurePosixPath(path)] = inode

    def _enabled(self, _value: str) -> None:
        self.enabled.add(self.node)

    def _unit(self, value: str) -> None:
        self.unit_states[self.node] = value

    def _unitfile(self, value: str) -> None:
        self.unit_files.setdefault(self.node, []).append(PurePosixPath(value))

    def _folder(self, value: str) -> None:
        self.folders.add(PurePosixPath(value))

    def _release(self, value: str) -> None:
        self.releases.add(value)

    def _part(self, value: str) -> None:
        size, path = value.split(" ", 1)
        self.parts[PurePosixPath(path).stem] = int(size)

    def _link(self, value: str) -> None:
        self.links[self.node] = value

    def _process(self, value: str) -> None:
        self.processes[self.node] = _process(value)

    def _deployed(self, value: str) -> None:
        digest, name = value.split(None, 1)
        self.deployed.setdefault(self.node, {})[name] = digest

    def _myid(self, value: str) -> None:
        path, _, text = value.partition(" ")
        self.myids[PurePosixPath(path)] = Identity(_number(text))

    def _meta(self, value: str) -> None:
        path, _, text = value.partition(" ")
        self.metas.setdefault(PurePosixPath(path), []).append(text)

    def _joined(self, value: str) -> None:
        self.joined.add(PurePosixPath(value))

    def _quorumstate(self, value: str) -> None:
        self.quorum_states[self.node] = value

    def _quorumvoters(self, value: str) -> None:
        self.voter_records[self.node] = value

    def _history(self, value: str) -> None:
        self.histories.setdefault(self.node, set()).add(PurePosixPath(value).parent)

    def _snapshots(self, value: str) -> None:
        self.snapshots.add(PurePosixPath(value).parent)

    def _transactions(self, value: str) -> None:
        self.transactions.add(PurePosixPath(value).parent)

    def _lies(self, value: str) -> None:
        path, _, rest = value.partition(" ")
        self.lies[PurePosixPath(path)] = file_system(rest.split())

    def _fstab(self, value: str) -> None:
        path, point = map(PurePosixPath, value.split())
        # Of several the innermost is the one that the folder should lie on.
        self.fstab[path] = max(self.fstab.get(path, point), point, key=lambda at: len(at.parts))

    def _filled(self, value: str) -> None:
        self.filled.setdefault(self.node, set()).add(PurePosixPath(value))

    def _held(self, value: str) -> None:
        path, held = read_line(value)
        self.held.setdefault(self.node, {})[path] = held

    def _sha(self, value: str) -> None:
        digest, path = value.split(" ", 1)
        self.digests[PurePosixPath(path)] = digest

    def _stat(self, value: str) -> None:
        mode, owner, path = value.split(" ", 2)
        self.modes[PurePosixPath(path)] = mode, owner

    def facts(self, node: Node) -> NodeFacts:
        files = {path.name: self.file(path) for path in self.digests if path.parent == node.config}
        units = {path: self.file(path) for path in self.digests if UNITS in path.parents}
        identities = {path: self.myids[path] for path in node.data if path in self.myids}
        identities |= {
            path: replace(_identity("\n".join(self.metas[path])), joined=path in self.joined)
            for path in node.data
            if path in self.metas
        }
        seen, strange = sights.read(node, self.sights.get(node.instance, ()))
        return NodeFacts(
            release=self.links.get(node.instance),
            files=files,
            deployed=self.deployed.get(node.instance, {}),
            directories=frozenset(self.folders & set(node_directories(node))),
            identities=identities,
            process=self.processes.get(node.instance),
            units=units,
            enabled=node.instance in self.enabled,
            unit_state=self.unit_states.get(node.instance, ""),
            foreign_units=_foreign(node, self.unit_files.get(node.instance, ())),
            formed=formed(self.quorum_states.get(node.instance), self.voter_records.get(node.instance)),
            history=node.instance in self.histories,
            written=frozenset(self.histories.get(node.instance, ())),
            snapshots=frozenset(self.snapshots & set(node.data_folders)),
            transactions=frozenset(self.transactions & set(node.data_folders)),
            lies={path: self.lies[path] for path in node.data_folders if path in self.lies},
            fstab={path: self.fstab[path] for path in node.data_folders if path in self.fstab},
            filled=frozenset(self.filled.get(node.instance, ())),
            held=self.held.get(node.instance, {}),
            sights=seen,
            strange=strange,
            generations=tuple(
                self.generation(node, one)
                for one in sorted(self.generations.get(node.instance, ()), key=lambda one: -one.number)
            ),
            aim=self.aims.get(node.instance),
        )

    def generation(self, node: Node, found: Generation) -> Generation:
        """Return it with the files that the answer has of it."""
        folder = node.config / BEFORE / str(found.number)
        files, units = (
            {path.name: self.file(path) for path in self.digests if path.parent == place}
            for place in (folder, folder / OF_UNIT)
        )
        return replace(found, files=files, unit_files=units)

    def file(self, path: PurePosixPath) -> FileFact:
        mode, owner = self.modes.get(path, ("?", "?"))
        return FileFact(self.digests[path], mode, self.texts.get(path), owner)


def _process(value: str) -> Process:
    pid, start, release, digest, state, up, *asked = value.split()
    alive = state == "alive"
    uptime = timedelta(seconds=max(0.0, float(up) - int(start) / TICKS_A_SECOND)) if alive else None
    return Process(int(pid), release, digest, alive=alive, asked=bool(asked), uptime=uptime, start=int(start))


def _identity(text: str) -> Identity:
    values = parse_properties(text)
    return Identity(
        _number(values.get("broker.id", values.get("node.id", ""))),
        values.get("cluster.id"),
        values.get("directory.id"),
        kraft=values.get("version") == "1",
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else None
