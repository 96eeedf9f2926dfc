"""What a destroy does to a host, as frozen values: each step removes one thing, or looks whether a node is stopped."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import ClassVar, TypeAlias

from kafab.shell.layout import NEW

PLAIN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.@+=-]+", re.ASCII)
"""The name of a file that may be the argument of an rm in its folder: what a manifest says may be anything."""


@dataclass(frozen=True)
class _Step:
    host: str
    path: PurePosixPath
    note: str = field(default="", kw_only=True)
    """What an operator should know before it goes."""

    title: ClassVar[str]
    """How people call the thing."""
    what: ClassVar[str]
    """How `--json` calls it."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.host

    def __str__(self) -> str:
        return f"{self.title} {self.path}{self._note}"

    @property
    def _note(self) -> str:
        return f" ({self.note})" if self.note else ""


@dataclass(frozen=True)
class RemoveInstance(_Step):
    """A node's own part of its unit, and its start at boot; ``path`` is the drop-in."""

    unit: str

    title, what = "unit", "instance"

    def __str__(self) -> str:
        return f"{self.title} {self.path.parent.stem}{self._note}"


@dataclass(frozen=True)
class RemoveData(_Step):
    """A data directory whose own mark says that it is this node's."""

    mark: str
    """The file with the mark."""
    id: int
    user: str | None
    """The account that the directory belongs to; None: the login user."""

    title, what = "data", "data"


@dataclass(frozen=True)
class RemoveFiles(_Step):
    """Files of kafab's in a folder that may have others'."""

    names: tuple[str, ...]

    title, what = "files", "files"

    def __str__(self) -> str:
        shown = (name for name in self.names if not name.endswith(NEW))
        return f"{self.path}: {', '.join(shown)}{self._note}"


@dataclass(frozen=True)
class RemoveRun(_Step):
    """A node's run folder as a whole."""

    user: str | None
    """The account that it may belong to; None: the login user."""

    title, what = "run records", "run"


@dataclass(frozen=True)
class RemoveLogs(_Step):
    """A node's log folder as a whole."""

    user: str | None
    """The account that it may belong to; None: the login user."""

    title, what = "logs", "logs"


@dataclass(frozen=True)
class RemoveGenerations(_Step):
    """What a node was started from before, kept in its configuration folder."""

    user: str | None
    """The service account of the node; None: all is the login user's."""

    title, what = "what ran before", "generations"


@dataclass(frozen=True)
class RemoveLink(_Step):
    """A node's link to its release."""

    title, what = "link", "link"


@dataclass(frozen=True)
class RemoveRelease(_Step):
    """A release that nothing uses."""

    title, what = "release", "release"


@dataclass(frozen=True)
class RemoveUploads(_Step):
    """What interrupted uploads have left."""

    title, what = "uploads", "uploads"


@dataclass(frozen=True)
class RemoveUnit(_Step):
    """The unit that the nodes of a role share."""

    title, what = "unit", "unit"


@dataclass(frozen=True)
class RemoveFolder(_Step):
    """A folder that is empty, or will be."""

    title, what = "folder", "folder"
    besides: tuple[str, ...] = field(default=(), kw_only=True)
    """Files that go with it: what is written there until the lock is let go."""


Removal: TypeAlias = (
    RemoveInstance
    | RemoveData
    | RemoveFiles
    | RemoveRun
    | RemoveLogs
    | RemoveGenerations
    | RemoveLink
    | RemoveRelease
    | RemoveUploads
    | RemoveUnit
    | RemoveFolder
)


@dataclass(frozen=True)
class StayStopped:
    """See on the host that a node does not run; fails where it does, before anything is removed there."""

    host: str
    node: str
    run: PurePosixPath
    unit: str | None
    """None: no unit keeps the node."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"see that {self.node} is stopped"


Removing: TypeAlias = StayStopped | Removal
"""What a destroy does on a host."""


def details(step: Removing) -> dict[str, object]:
    """Return all that a step is, for `--json`."""
    match step:
        case StayStopped():
            return {"node": step.node, "path": str(step.run), "unit": step.unit}
        case RemoveInstance():
            return {"path": str(step.path), "unit": step.unit}
        case RemoveData():
            return {"path": str(step.path), "mark": step.mark, "id": step.id, "user": step.user}
        case RemoveFiles():
            return {"path": str(step.path), "names": list(step.names)}
        case RemoveRun() | RemoveLogs() | RemoveGenerations():
            return {"path": str(step.path), "user": step.user}
        case RemoveLink() | RemoveRelease() | RemoveUploads() | RemoveUnit() | RemoveFolder():
            return {"path": str(step.path)}
