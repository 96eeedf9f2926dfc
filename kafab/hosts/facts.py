"""What a host says of itself and of its nodes, as frozen values; `observation` asks for them and reads the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TypeAlias

from kafab.hosts.sights import Sight
from kafab.model import Endpoint, Node, Supervisor, VoterSource
from kafab.shell.layout import DIGEST_KEY
from kafab.unknown import Unknown


@dataclass(frozen=True)
class FileFact:
    """A file on a host. ``text`` is there only where the digest differs from the expected one."""

    sha256: str
    mode: str
    text: str | None = None
    owner: str = ""
    """``user:group``."""


@dataclass(frozen=True)
class Process:
    """The run record of a node and whether that very process (pid and start time) still runs."""

    pid: int
    release: str
    configuration: str
    """Digest of the configuration the process was started with; see `render.manifest`."""
    alive: bool
    asked: bool = False
    """kafab asked it to stop: if it is gone, that is why."""
    uptime: timedelta | None = None
    start: int = 0
    """Its start time in ticks since the boot: with the pid it names this very process."""


@dataclass(frozen=True)
class Identity:
    """Whose data a data directory holds: from meta.properties (brokers) or myid (ZooKeeper)."""

    id: int | None
    cluster_id: str | None = None
    directory_id: str | None = None
    kraft: bool = False
    """meta.properties of KRaft mode (version=1); version 0 is ZooKeeper mode's."""
    joined: bool = False
    """Its copy of KRaft's metadata log has records: a quorum has elected a leader, and this node has followed it."""


@dataclass(frozen=True)
class Formed:
    """How the quorum that a KRaft node has followed was formed: what Kafka keeps, whatever its configuration says now."""

    how: VoterSource
    voters: Mapping[int, frozenset[Endpoint]] = field(default_factory=dict)
    """Id of each voter -> where the others reach it. A static quorum keeps ids only: its configuration has the rest."""


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system, by the kernel's list."""

    point: PurePosixPath
    """Where it is mounted."""
    kind: str
    source: str
    """Its device, or what stands for one."""
    uuid: str | None = None

    def __str__(self) -> str:
        uuid = f", UUID {self.uuid}" if self.uuid else ""
        return f"{self.source} ({self.kind}{uuid}), mounted at {self.point}"


@dataclass(frozen=True)
class Held:
    """What a data directory has held, by root's own record: whose data, and on which file system. See `hosts.held`."""

    id: int
    cluster_id: str | None
    on: FileSystem


@dataclass(frozen=True)
class Generation:
    """What a node was started from before, kept on its host; see `plans.generations`."""

    number: int
    """The newest has the highest."""
    release: str
    configuration: str
    """Digest of the configuration that its process recorded."""
    units: str
    """Digest of the unit files that stood beside it."""
    kept: int
    """Since when, in seconds since 1970, by the host's clock."""
    files: Mapping[str, FileFact] = field(default_factory=dict)
    """File name -> fact, where they were asked for."""
    unit_files: Mapping[str, FileFact] = field(default_factory=dict)
    """Name of a unit file -> fact, where they were asked for."""


@dataclass(frozen=True)
class Aim:
    """The generations that a node had to go back to, newest first, when a process ran that may still do."""

    pid: int
    start: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class NodeFacts:
    """One node on its host. Paths that do not exist are absent from the mappings."""

    release: str | None = None
    """Name of the release folder the node's `current` link leads to."""
    files: Mapping[str, FileFact] = field(default_factory=dict)
    """File name in the configuration folder -> fact."""
    deployed: Mapping[str, str] = field(default_factory=dict)
    """File name -> sha256 as kafab last wrote it, from the manifest."""
    directories: frozenset[PurePosixPath] = frozenset()
    identities: Mapping[PurePosixPath, Identity] = field(default_factory=dict)
    """Data directory -> identity, where it holds one."""
    process: Process | None = None
    units: Mapping[PurePosixPath, FileFact] = field(default_factory=dict)
    """Path of a unit file -> fact, under systemd."""
    enabled: bool = False
    """systemd starts it at boot."""
    unit_state: str = ""
    """systemd's SubState of a node whose process is not alive: dead, failed, auto-restart."""
    foreign_units: tuple[PurePosixPath, ...] = ()
    """Files in effect for its unit, drop-ins above all, that kafab did not write."""
    formed: Formed | Unknown | None = None
    """The quorum of a KRaft node; None where its folder has none yet, as before the first start of a static one."""
    sights: tuple[Sight, ...] = ()
    """What its process finds at the paths that it reads and writes."""
    strange: tuple[PurePosixPath, ...] = ()
    """Folders in a broker's data directories that are no partitions."""
    history: bool = False
    """The folders of a ZooKeeper server hold a log, a snapshot or an epoch: it has been a member of an ensemble."""
    written: frozenset[PurePosixPath] = frozenset()
    """Those of its folders that do."""
    snapshots: frozenset[PurePosixPath] = frozenset()
    transactions: frozenset[PurePosixPath] = frozenset()
    """Those of its folders that have snapshots, or a log of transactions."""
    lies: Mapping[PurePosixPath, FileSystem] = field(default_factory=dict)
    """Data directory -> the file system that it lies on, or would lie on."""
    fstab: Mapping[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    """Data directory -> the mount point of /etc/fstab that it lies below, but for the root's."""
    held: Mapping[PurePosixPath, Held] = field(default_factory=dict)
    """Data directory -> what it has held, by the record; empty where there is none."""
    filled: frozenset[PurePosixPath] = frozenset()
    """Directories of the record, in the inventory or not, that hold partitions or a server's transactions now."""

    generations: tuple[Generation, ...] = ()
    """What it was started from before, newest first."""
    aim: Aim | None = None

    @property
    def key(self) -> str | None:
        """The sha256 of the key of the configuration's digest (`render.digest_key`); None where there is none."""
        found = self.files.get(DIGEST_KEY)
        return found.sha256 if found else None

    @property
    def running(self) -> bool:
        """True where the recorded process lives and nobody has asked it to stop."""
        return self.process is not None and self.process.alive and not self.process.asked

    @property
    def stopping(self) -> bool:
        """True where the recorded process was asked to stop and still lives."""
        return self.process is not None and self.process.alive and self.process.asked


NodesFacts: TypeAlias = Mapping[Node, NodeFacts]


@dataclass(frozen=True)
class HostFacts:
    """One host: its Java, its releases, its nodes by instance name."""

    nodes: Mapping[str, NodeFacts]
    releases: frozenset[str] = frozenset()
    parts: Mapping[str, int] = field(default_factory=dict)
    """sha256 of an artifact -> bytes of it that an interrupted upload left."""
    directories: frozenset[PurePosixPath] = frozenset()
    java: str | None = None
    """Path of the java that a start would take; None where there is none."""
    java_version: str | None = None
    account: bool = False
    """The service account exists."""
    boot: str | None = None
    """The boot id of its kernel, which no other machine has; containers of one kernel share it."""
    inodes: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """A folder that is there, of the nodes' own or the nearest one above -> its file system and inode."""
    profile: FileFact | None = None
    """What login shells read, under systemd; see `profile`."""
    upgrade: str = ""
    """Its copy of the record of an upgrade that is not finalized, as it is written; see `kafab.upgrading.record`."""


def node_directories(node: Node) -> tuple[PurePosixPath, ...]:
    """Return the folders a node needs, its data directories last."""
    own = (node.scratch,) if node.host.supervisor is Supervisor.SYSTEMD else ()
    return (node.config, node.logs, node.run, *own, *node.data_folders)
