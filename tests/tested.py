"""Which commands the end-to-end tests ran to a good end, and on what kind of cluster: docs/tested.md is made of it.

Where KAFAB_TESTED names a file, every `fab` command line of these tests that ends with exit code 0 adds its commands to
it, a line each: command, version, mode, controllers, quorum. `tests/tested.tsv` is such a file, and nobody edits it.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

from invoke.parser import Parser
from invoke.parser.context import ParserContext

from kafab.lab.shape import Controllers, Shape, Wish
from kafab.model import Mode, Version, VoterSource

VARIABLE = "KAFAB_TESTED"
DATA = Path(__file__).with_name("tested.tsv")


def fields(shape: Shape) -> tuple[str, ...]:
    """Return what tells one kind of cluster from another; a lab's size does not."""
    kept = shape.document
    return tuple(str(kept[key] or "-") for key in ("version", "mode", "controllers", "quorum"))


def standing(home: Path) -> Shape | None:
    """Return the shape of the lab below a home, None where there is not exactly one."""
    found = list((home / "labs").glob("*/lab.json"))
    return Shape.read(json.loads(found[0].read_text())) if len(found) == 1 else None


def typed(words: Sequence[str]) -> list[ParserContext]:
    """Return the commands of a command line as `fab` would read them."""
    from tasks import namespace  # only a recording needs it

    # Invoke takes the help texts out of the tasks that it makes contexts of.
    return Parser(contexts=deepcopy(namespace).to_contexts()).parse_argv(list(words))


def ran(words: Sequence[str], shape: Shape | None) -> Iterator[tuple[str, ...]]:
    """Yield a line for each command of a command line that began with this lab up; none before there is a lab."""
    for command in typed(words):
        if command.name == "lab.up":
            given = {name: argument.value for name, argument in command.args.items()}
            shape = Shape.of(
                Wish(
                    version=given["version"] and Version.parse(given["version"]),
                    mode=given["mode"] and Mode(given["mode"]),
                    controllers=given["controllers"] and Controllers(given["controllers"]),
                    quorum=given["quorum"] and VoterSource(given["quorum"]),
                )
            )
        if command.name and shape:
            yield (command.name, *fields(shape))


def record(words: Sequence[str], shape: Shape | None) -> None:
    """Add a command line that ended well to the file that KAFAB_TESTED names; several workers may do so at once."""
    file = Path(os.environ[VARIABLE])
    with file.open("a+", encoding="utf-8") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        lines = {*shared.read().splitlines(), *("\t".join(line) for line in ran(words, shape))}
        shared.truncate(0)
        shared.write("".join(f"{line}\n" for line in sorted(lines)))


def recorded(file: Path = DATA) -> list[tuple[str, ...]]:
    """Return the lines of a recording."""
    return [tuple(line.split("\t")) for line in file.read_text(encoding="utf-8").splitlines()]
