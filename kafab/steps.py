"""What can be done to a host, as frozen values: each says what it does, none does it."""

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TypeAlias

from kafab.model import Endpoint, Node
from kafab.releases import Artifact
from kafab.render import MANIFEST, RenderedFile

# A key as java.util.Properties reads it: it ends at the first "=", ":" or blank.
SECRET = re.compile(
    r"(?im)^([ \t]*[^\s#!=:][^\s=:]*?(?:(?<=keystore\.)key|password|secret|jaas|token|credential)[^\s=:]*[ \t]*[=: \t])(.*)$"
)


@dataclass(frozen=True)
class InstallRelease:
    """Stream an artifact to a host, check it there and unpack it beside what runs."""

    host: str
    root: PurePosixPath
    artifact: Artifact
    offset: int = 0
    """Bytes that an interrupted upload has left there."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.host

    def __str__(self) -> str:
        resumed = f", {self.offset / 1e6:.0f} MB of it there already" if self.offset else ""
        return f"install release {self.artifact.folder} ({self.artifact.size / 1e6:.0f} MB{resumed})"


@dataclass(frozen=True)
class MakeDirectory:
    """Make a folder with its parents."""

    host: str
    node: str
    path: PurePosixPath
    mode: str = "750"
    owner: str | None = None
    """``user:group``; None leaves it to whoever makes it."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"make {self.path}"


@dataclass(frozen=True)
class WriteFile:
    """Write a file: temporary name, digest, mode, rename. ``before`` is None where there was none."""

    host: str
    node: str
    file: RenderedFile
    before: str | None
    edited: bool = False
    """Somebody changed it on the host since kafab last wrote it."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        if self.file.path.name == MANIFEST:
            return f"record what was deployed in {self.file.path}"
        if self.before is None:
            return f"write {self.file.path}"
        return f"change {self.file.path}" + (" (edited by hand on the host)" if self.edited else "")

    @property
    def diff(self) -> str:
        """The change as a unified diff, secrets masked; a manifest only repeats the digests of the other files."""
        if self.file.path.name == MANIFEST:
            return ""
        before = masked(self.before or "").splitlines(keepends=True)
        after = masked(self.file.text).splitlines(keepends=True)
        old = "/dev/null" if self.before is None else f"{self.node}:{self.file.path}"
        return "".join(difflib.unified_diff(before, after, old, f"{self.node}:{self.file.path}", n=1))


@dataclass(frozen=True)
class FlipLink:
    """Point a node's `current` link to a release folder, in one rename."""

    host: str
    node: str
    path: PurePosixPath
    target: str
    before: str | None

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"switch {self.path} from {self.before or 'nothing'} to {self.target}"


@dataclass(frozen=True)
class MakeAccount:
    """Make the service account and its group."""

    host: str
    name: str

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.host

    def __str__(self) -> str:
        return f"make the account {self.name}"


@dataclass(frozen=True)
class UseUnit:
    """Let systemd read its units again, and start this one at boot. It does not start or restart it."""

    host: str
    node: str
    unit: str

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"enable {self.unit}"


@dataclass(frozen=True)
class FormatStorage:
    """Format a KRaft node's data directories that have no meta.properties yet, with the release's own StorageTool."""

    host: str
    subject: str
    node: Node
    directories: tuple[PurePosixPath, ...]
    """Those without meta.properties; the others are never touched."""
    java: str
    """The program on the host."""
    cluster_id: str | None
    """None: the deploy makes a new one, the same for all of its steps."""
    voters: Mapping[int, Endpoint] = field(default_factory=dict, hash=False)
    """The first voters of a dynamic quorum, where it is one of them: id -> controller listener."""
    joins: bool = False
    """It is a controller that comes to a dynamic quorum that exists, and is no voter of it yet."""

    def __str__(self) -> str:
        whose = f"cluster {self.cluster_id}" if self.cluster_id else "a new cluster id"
        how = " as one of the first voters" if self.voters else ""
        how = ", no voter yet: the quorum exists already" if self.joins else how
        return f"format {' '.join(str(path) for path in self.directories)} for {whose}{how}"


Step: TypeAlias = (
    InstallRelease | MakeAccount | MakeDirectory | WriteFile | FlipLink | UseUnit | FormatStorage
)


COUNTED: Mapping[type, tuple[str, str]] = {
    InstallRelease: ("release", "releases"),
    MakeAccount: ("account", "accounts"),
    MakeDirectory: ("directory", "directories"),
    WriteFile: ("file", "files"),
    FlipLink: ("link", "links"),
    UseUnit: ("unit", "units"),
    FormatStorage: ("node to format", "nodes to format"),
}


def document(step: Step) -> dict[str, object]:
    """Return a step for `--json` and for the digest of its plan."""
    document: dict[str, object] = {"host": step.host, "action": _action(step), "text": str(step)}
    if isinstance(step, WriteFile):
        document |= {
            "node": step.node,
            "path": str(step.file.path),
            "sha256": step.file.sha256,
            "diff": step.diff,
        }
    elif isinstance(step, InstallRelease):
        document |= {"release": step.artifact.folder, "sha256": step.artifact.sha256}
    elif isinstance(step, MakeAccount):
        document |= {"account": step.name}
    elif isinstance(step, FormatStorage):
        document |= {
            "node": step.node.name,
            "paths": [str(path) for path in step.directories],
            "cluster_id": step.cluster_id,
        }
    elif isinstance(step, UseUnit):
        document |= {"node": step.node, "unit": step.unit}
    else:
        document |= {"node": step.node, "path": str(step.path)}
    return document


def _action(step: Step) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()


def masked(text: str) -> str:
    """Hide the values of keys that hold secrets; that they changed stays visible through a short digest."""
    return SECRET.sub(
        lambda found: f"{found[1]}*** ({hashlib.sha256(found[2].encode()).hexdigest()[:6]})", text
    )


def with_offset_zero(step: InstallRelease) -> InstallRelease:
    """Return the step that sends the whole artifact again."""
    return replace(step, offset=0)
