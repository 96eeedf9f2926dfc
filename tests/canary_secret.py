"""Looks for a secret where none may be: in arguments and environments of processes while something runs, and in files after it."""

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

EACH = 0.002
"""Seconds between two looks at all processes."""


class Sight(NamedTuple):
    """A process that had a secret, in its ``argv`` or its ``environ``."""

    place: str
    process: str
    secret: str


@dataclass
class Watch:
    """What was seen of the processes of this machine. A process that lives for less than a look can be missed."""

    found: set[Sight] = field(default_factory=set)
    looks: int = 0

    def look(self, secrets: Collection[str]) -> None:
        """Read the arguments and the environment of every process."""
        for process in Path("/proc").glob("[0-9]*"):
            for place, file in (("argv", "cmdline"), ("environ", "environ")):
                with suppress(OSError):
                    content = (process / file).read_bytes()
                    for secret in secrets:
                        if secret.encode() in content:
                            name = (process / "comm").read_text(encoding="utf-8").strip()
                            self.found.add(Sight(place, name, secret))
        self.looks += 1


@contextmanager
def watched(secrets: Collection[str]) -> Iterator[Watch]:
    """Look at every process over and over, for the length of the block."""
    watch, over = Watch(), threading.Event()

    def on() -> None:
        while not over.wait(EACH):
            watch.look(secrets)

    thread = threading.Thread(target=on)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def files_with(secret: str, *folders: Path) -> Iterator[Path]:
    """Yield every file below the folders that has the secret."""
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes():
                    yield path


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
