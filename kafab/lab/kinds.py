"""The kinds of labs, and what every lab can do."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

from kafab.errors import UsageError
from kafab.lab.shape import ANY, Wish


class Kind(str, Enum):
    """What a lab's hosts are: sshds of one's own on loopback, containers that run systemd, or virtual machines."""

    LOCAL = "local"
    DOCKER = "docker"
    VAGRANT = "vagrant"


class HostOfLab(Protocol):
    """A host of a lab as it is now; a dataclass, whose fields are what ``--json`` shows."""

    @property
    def cells(self) -> Mapping[str, object]:
        """The host as a row of a table: column -> value."""


class Lab(Protocol):
    """A throwaway cluster's hosts on this machine."""

    @property
    def inventory(self) -> Path:
        """The lab's inventory; where it exists the lab is up."""

    def up(self, wish: Wish = ANY) -> bool:
        """Make the lab, or mend the one there is; False if it was up already."""

    def status(self) -> Sequence[HostOfLab]:
        """Return the hosts of the lab in their order; none where it is not up."""

    def down(self) -> bool:
        """End what belongs to the lab and remove its folder; False if there was nothing."""


def chosen_kind(name: str, labs: Path, wanted: Kind | None) -> Kind:
    """Return the kind of the lab of this name, or the wanted one (or local) where none was begun.

    Raises UsageError where it was begun as another kind: only that one knows how to end it.
    """
    found = _kind_of(labs / name)
    if wanted and found and wanted is not found:
        raise UsageError(
            f"{name} is a lab of kind {found.value} already",
            hint=f"`fab lab.down --name {name}` ends it, or give another one a --name of its own",
        )
    return found or wanted or Kind.LOCAL


def _kind_of(folder: Path) -> Kind | None:
    try:
        found = json.loads((folder / "lab.json").read_text())
    except (OSError, ValueError):
        return None
    # The first labs were all of one kind and did not say so.
    return Kind(found.get("kind", Kind.LOCAL))
