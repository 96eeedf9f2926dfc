"""Changes one value in the text of an inventory: comments, order and spaces stay as somebody has written them. Pure."""

from dataclasses import dataclass
from pathlib import Path

from kafab.inventory import yamltree
from kafab.inventory.yamltree import Scalar, Table, Tree
from kafab.model import Version
from kafab.problems import Problems


@dataclass(frozen=True)
class Edit:
    """The one line to change: its number, from 1, as it is, and as it will be."""

    number: int
    before: str
    after: str

    def of(self, text: str) -> str:
        """Return the whole text with the line changed."""
        lines = text.splitlines(keepends=True)
        ending = lines[self.number - 1][len(self.before) :]
        lines[self.number - 1] = self.after + ending
        return "".join(lines)


def version_edit(path: Path, version: Version) -> Edit | None:
    """Return the line of an inventory that says Kafka's version, and what it is to be; None where it says so already.

    Raises Unreadable for a file that has no such line: an inventory that was loaded has one.
    """
    found = _at(yamltree.read(path, Problems(path)), "kafka", "version")
    if found is None:
        raise yamltree.Unreadable
    line = path.read_text(encoding="utf-8").splitlines()[found.line - 1]
    start = line.index(found.text, found.column - 1)
    changed = f"{line[:start]}{version}{line[start + len(found.text) :]}"
    return None if changed == line else Edit(found.line, line, changed)


def _at(tree: Tree, *names: str) -> Scalar | None:
    for name in names:
        if not isinstance(tree, Table):
            return None
        found = next((value for key, value in tree.entries if key.text == name), None)
        if found is None:
            return None
        tree = found
    return tree if isinstance(tree, Scalar) else None
