"""What labs of every kind have in common: a name, a folder, and that one command at a time works on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafab.errors import UsageError
from kafab.events import Emit, Note
from kafab.inventory import texts
from kafab.lab.machine import Machine
from kafab.lab.shape import Shape, Wish
from kafab.ports import Clock


class NamedLab:
    """One lab, by its name. ``labs`` is the folder of all labs of this user."""

    def __init__(self, name: str, labs: Path, *, machine: Machine, clock: Clock, emit: Emit) -> None:
        try:
            texts.cluster_name(name)
        except ValueError as error:
            raise UsageError(f"found {name!r} as the lab's name; {error}") from error
        self.name = name
        self.folder = labs / name
        self._labs = labs
        self._machine = machine
        self._clock = clock
        self._emit = emit

    @property
    def inventory(self) -> Path:
        """The lab's inventory; where it exists the lab is up."""
        return self.folder / "cluster.yaml"

    @property
    def _record(self) -> dict[str, Any]:
        """What ``lab.json`` has: the shape and what the kind keeps beside it."""
        found: dict[str, Any] = json.loads((self.folder / "lab.json").read_text())
        return found

    def _keep(self, shape: Shape, **more: object) -> None:
        write(self.folder / "lab.json", json.dumps({**shape.document, **more}))

    def _refuse_other(self, wish: Wish) -> None:
        """Raise UsageError where the lab that is there is not what was asked for."""
        if other := wish.unlike(Shape.read(self._record)):
            raise UsageError(
                f"{self.name} is {'up' if self.inventory.exists() else 'there'} already, with {' and '.join(other)}",
                hint=f"`fab lab.down{self._name_flag}` ends it, or give another one a --name of its own",
            )

    @property
    def _name_flag(self) -> str:
        return "" if self.name == "lab" else f" --name {self.name}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._labs.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting = Note(self.name, "waiting for another lab command to finish")
        with self._machine.locked(self._labs / ".lock", lambda: self._emit(waiting)):
            yield


def write(file: Path, content: str) -> None:
    """Write a file under its final name when it is whole."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(content)
    new.replace(file)
