"""What can be done to a host, as frozen values: each says what it does, none does it."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import PurePath, PurePosixPath
from typing import TypeAlias

from kafab.config.masking import fingerprint, holds_secret, masked, without_secrets
from kafab.config.render import RenderedFile
from kafab.model import Endpoint
from kafab.plans.removing import (
    RemoveData,
    RemoveFiles,
    RemoveFolder,
    RemoveGenerations,
    RemoveInstance,
    RemoveLink,
    RemoveLogs,
    RemoveRelease,
    RemoveRun,
    RemoveUnit,
    RemoveUploads,
    Removing,
    StayStopped,
    details,
)
from kafab.releases.names import Agent, Artifact
from kafab.shell.layout import BEFORE, MANIFEST


@dataclass(frozen=True)
class InstallRelease:
    """Stream an artifact, a release or an agent, to a host, check it there and unpack it beside what runs."""

    host: str
    root: PurePosixPath
    artifact: Artifact | Agent
    offset: int = 0
    """Bytes that an interrupted upload has left there."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.host

    def __str__(self) -> str:
        resumed = f", {self.offset / 1e6:.0f} MB of it there already" if self.offset else ""
        return f"install {self.artifact.what} {self.artifact.folder} ({self.artifact.size / 1e6:.0f} MB{resumed})"


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
    before: str | None = field(repr=False)
    edited: bool = False
    """Somebody changed it on the host since kafab last wrote it."""
    source: PurePosixPath | None = None
    """Where the host itself has it, in a generation that was kept; None: its text is sent."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        if self.file.path.name == MANIFEST:
            return f"record what was deployed in {self.file.path}"
        if self.source is not None:
            return f"put back {self.file.path}" + (" (edited by hand on the host)" if self.edited else "")
        if self.before is None:
            return f"write {self.file.path}"
        return f"change {self.file.path}" + (" (edited by hand on the host)" if self.edited else "")

    @property
    def secret(self) -> bool:
        """The file holds a secret, or held one: no digest of its content may be shown."""
        return self.file.secret or holds_secret(self.file.text) or holds_secret(self.before or "")

    @property
    def diff(self) -> str:
        """The change as a unified diff, secrets masked; a manifest only repeats the digests of the other files."""
        if self.file.path.name == MANIFEST:
            return ""
        hide = _all_masked if self.file.whole_secret else masked
        before = hide(self.before or "").splitlines(keepends=True)
        after = hide(self.file.text).splitlines(keepends=True)
        old = "/dev/null" if self.before is None else f"{self.node}:{self.file.path}"
        return "".join(difflib.unified_diff(before, after, old, f"{self.node}:{self.file.path}", n=1))


@dataclass(frozen=True)
class DropFile:
    """Remove a file that an earlier deploy has placed, by the manifest, and that the node does not use any more."""

    host: str
    node: str
    path: PurePosixPath

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"remove {self.path}, which is not used any more"


@dataclass(frozen=True)
class KeepGeneration:
    """Keep what a node's process was started from, before its files change, and note which generation it goes back to."""

    host: str
    node: str
    config: PurePosixPath
    number: int
    """The number of the new generation; 0 where nothing is kept."""
    about: str = ""
    """What it says of itself: release, digest of the configuration, digest of the units."""
    files: tuple[PurePosixPath, ...] = ()
    units: tuple[PurePosixPath, ...] = ()
    dropped: tuple[str, ...] = ()
    """The numbers of the generations that go."""
    aim: str = ""
    """The process that ran last, and the generations that it may go back to; empty where a deploy goes by the inventory."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        if self.number:
            return f"keep what it was started from as generation {self.number}"
        return "note which generation it goes back to" if self.aim else "forget that it went back"


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
    config: PurePosixPath
    """The node's server.properties."""
    release: PurePosixPath
    """The link to the node's release."""
    user: str | None
    """The account of the node, which the files are to belong to; None: the login user."""
    data: tuple[PurePosixPath, ...]
    """All of the node's data directories."""
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


Configuring: TypeAlias = (
    MakeAccount | MakeDirectory | KeepGeneration | WriteFile | FlipLink | UseUnit | FormatStorage
)
"""What a deploy's script does on its host; a release is streamed."""
Scripted: TypeAlias = Configuring | DropFile | Removing
Step: TypeAlias = InstallRelease | Scripted


COUNTED: Mapping[type, tuple[str, str]] = {
    InstallRelease: ("release", "releases"),
    MakeAccount: ("account", "accounts"),
    MakeDirectory: ("directory", "directories"),
    WriteFile: ("file", "files"),
    DropFile: ("file to remove", "files to remove"),
    FlipLink: ("link", "links"),
    UseUnit: ("unit", "units"),
    KeepGeneration: ("generation", "generations"),
    FormatStorage: ("node to format", "nodes to format"),
    StayStopped: ("stopped node", "stopped nodes"),
    RemoveInstance: ("instance", "instances"),
    RemoveData: ("data directory", "data directories"),
    RemoveFiles: ("folder's files", "folders' files"),
    RemoveRun: ("run folder", "run folders"),
    RemoveGenerations: ("node's generations", "nodes' generations"),
    RemoveLogs: ("log folder", "log folders"),
    RemoveLink: ("link to remove", "links to remove"),
    RemoveRelease: ("release to remove", "releases to remove"),
    RemoveUploads: ("upload to remove", "uploads to remove"),
    RemoveUnit: ("unit to remove", "units to remove"),
    RemoveFolder: ("empty folder", "empty folders"),
}


def document(step: Step) -> dict[str, object]:
    """Return a step for `--json`: nothing in it tells of a secret's value."""
    told: dict[str, object] = {"host": step.host, "action": _action(step), "text": str(step)}
    return told | _details(step)


def _details(step: Step) -> dict[str, object]:  # noqa: C901, PLR0911  # one return a type
    # A step type without an arm of its own is an error of the type check: a return would be missing.
    match step:
        case InstallRelease():
            return {
                "release": step.artifact.folder,
                "sha256": step.artifact.sha256,
                "path": str(step.root),
                "offset": step.offset,
            }
        case MakeAccount():
            return {"account": step.name}
        case MakeDirectory():
            return {"node": step.node, "path": str(step.path), "mode": step.mode, "owner": step.owner}
        case WriteFile():
            return {
                "node": step.node,
                "path": str(step.file.path),
                "sha256": None if step.secret else step.file.sha256,
                "mode": step.file.mode,
                "owner": step.file.owner,
                "edited": step.edited,
                "diff": step.diff,
                "source": None if step.source is None else str(step.source),
            }
        case KeepGeneration():
            return {
                "node": step.node,
                "path": str(step.config / BEFORE),
                "generation": step.number or None,
                "dropped": list(step.dropped),
            }
        case DropFile():
            return {"node": step.node, "path": str(step.path)}
        case FlipLink():
            return {"node": step.node, "path": str(step.path), "target": step.target, "before": step.before}
        case UseUnit():
            return {"node": step.node, "unit": step.unit}
        case FormatStorage():
            return {
                "node": step.subject,
                "paths": [str(path) for path in step.directories],
                "cluster_id": step.cluster_id,
                "voters": {str(id_): str(at) for id_, at in step.voters.items()},
                "joins": step.joins,
            }
        case StayStopped() | RemoveInstance() | RemoveData() | RemoveFiles() | RemoveRun() | RemoveLogs():
            return details(step)
        case RemoveLink() | RemoveRelease() | RemoveUploads() | RemoveUnit() | RemoveFolder():
            return details(step)
        case RemoveGenerations():
            return details(step)


def essence(step: Step) -> object:
    """Return all that a step is, for the digest of its plan: every field of it, and of what it holds, as JSON values.

    Of a secret it has that there is one and whether it changes, never the value: a digest that is the same in every run
    and depends on a value would let anybody with the plan try values.
    """
    if isinstance(step, WriteFile):
        changes = step.before != step.file.text
        return [_fields(_without_secrets(step)), changes]
    return _fields(step)


def _without_secrets(step: WriteFile) -> WriteFile:
    if step.file.whole_secret:
        return replace(
            step, file=replace(step.file, text="", digest=""), before=None if step.before is None else ""
        )
    text, before = without_secrets(step.file.text), without_secrets(step.before or "")
    if step.file.path.name == MANIFEST:
        # What it says of a file follows from all of that file. What it said before may be of a file that held a secret.
        text, before = (_names(text) if step.file.secret else text), _names(before)
    # Of a file that is put back the digest is known beside its text.
    digest = "" if step.secret else step.file.digest
    return replace(
        step,
        file=replace(step.file, text=text, digest=digest),
        before=None if step.before is None else before,
    )


def _all_masked(text: str) -> str:
    return f"*** ({fingerprint(text)})\n" if text else ""


def _names(manifest: str) -> str:
    return re.sub(r"(?m)^\S+", "*", manifest)


def _fields(value: object) -> object:
    """Return a value as JSON, with each field that counts when two of its kind are compared."""
    if is_dataclass(value):
        found = {item.name: _fields(getattr(value, item.name)) for item in fields(value) if item.compare}
        return [type(value).__name__, found]
    if isinstance(value, Mapping):
        return [[_fields(key), _fields(value[key])] for key in sorted(value)]
    if isinstance(value, tuple):
        return [_fields(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{value!r} has no place in a plan's digest yet")


def _action(step: Step) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()


def with_offset_zero(step: InstallRelease) -> InstallRelease:
    """Return the step that sends the whole artifact again."""
    return replace(step, offset=0)
