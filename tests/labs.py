"""A lab of local hosts that is up, as the end-to-end tests that share one see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafab.inventory import load
from kafab.model import Cluster, Node
from tests.fab import Fab


@dataclass(frozen=True)
class Lab:
    """A lab that is up, and the `fab` whose only cluster it is."""

    fab: Fab

    @property
    def inventory(self) -> Path:
        """The lab's inventory, which a test may rewrite if it puts it back."""
        return self.fab.home / "labs" / "lab" / "cluster.yaml"

    @property
    def cluster(self) -> Cluster:
        """The cluster as the inventory says now."""
        return load(self.inventory)[0]

    def node(self, name: str) -> Node:
        """Return a node by its name."""
        return next(node for node in self.cluster.nodes if node.name == name)

    @contextmanager
    def rewritten(self, text: str) -> Iterator[None]:
        """Have another inventory for the length of the block."""
        before = self.inventory.read_text()
        assert text != before
        self.inventory.write_text(text)
        try:
            yield
        finally:
            self.inventory.write_text(before)


class LocalLab(Lab):
    """A lab whose hosts are folders and processes of this machine."""

    def pid(self, name: str) -> int:
        """Return a node's recorded pid."""
        return int(Path(self.node(name).run / "process").read_text().split()[0])

    def pids(self) -> dict[str, int]:
        """Return every node's recorded pid."""
        return {node.name: self.pid(node.name) for node in self.cluster.nodes}
