"""One host that is a folder, whose broker was started with one heap after the other: what `deploy --previous` works on."""

import re
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kafab.events import Note
from kafab.model import Node
from kafab.ops.deploy.previous import deploy_previous
from kafab.plans.plan import Plan
from kafab.shell.layout import BEFORE, LAUNCH
from tests.conftest import cluster_in
from tests.deployed import Lab, Shell, one_release


class OneHost(Lab):
    """One host with a server of ZooKeeper and a broker, whose Java ends at once."""

    @property
    def broker(self) -> Node:
        """Its broker."""
        return self.cluster.brokers[0]

    def heap(self, heap: str) -> None:
        """Ask for another heap of the broker in the inventory."""
        nodes = (replace(node, heap=heap) if node == self.broker else node for node in self.cluster.nodes)
        self.cluster = replace(self.cluster, nodes=tuple(nodes))

    def ran(self, *heaps: str) -> None:
        """Deploy each of these heaps, and start the broker with it."""
        for heap in heaps:
            self.heap(heap)
            self.deploy()
            self.start()

    def start(self) -> None:
        """Start the broker as its host would."""
        subprocess.run(["sh", self.broker.config / LAUNCH], check=True)

    def back(self, *, older: bool = False) -> Plan:
        """Put back what ran before; return what was done."""
        return deploy_previous(self.cluster, None, self.world, older=older).deployed.plan

    def files(self) -> dict[str, tuple[str, int]]:
        """Return text and mode of each file of the broker's configuration."""
        found = [path for path in Path(self.broker.config).iterdir() if path.is_file()]
        return {path.name: (path.read_text(), stat.S_IMODE(path.stat().st_mode)) for path in found}

    def has(self) -> str:
        """Return the heap that the broker would be started with now."""
        found = re.search(r"-Xmx(\S+)", (Path(self.broker.config) / LAUNCH).read_text())
        assert found
        return found[1]

    def kept(self) -> list[str]:
        """Return the heaps of the generations, newest first."""
        folder = Path(self.broker.config) / BEFORE
        found = sorted((int(path.name), path) for path in folder.glob("[0-9]*"))
        texts = [(path / LAUNCH).read_text() for _, path in reversed(found)]
        return [text.rpartition("-Xmx")[2].split()[0] for text in texts]

    def told(self) -> str:
        """Return everything that was told."""
        return "\n".join(event.text for event in self.events if isinstance(event, Note))

    def again(self) -> "OneHost":
        """Return the host as it was first; what a test before made of it is gone."""
        shutil.rmtree(self.root / "node1", ignore_errors=True)
        shutil.copytree(self.root / "kept", self.root / "node1", symlinks=True)
        return OneHost(self.cluster, self.root, self.shell, self.store)


def one_host(root: Path, shell: Shell) -> OneHost:
    """Return the host, deployed with a heap of 1g, and the broker started; beside it a copy of its folder as it is then."""
    java = root / "java"
    (java / "bin").mkdir(parents=True)
    (java / "bin" / "java").write_text("#!/bin/sh\n")
    (java / "bin" / "java").chmod(0o755)
    small = cluster_in(root)
    own = replace(small.hosts[0], java=PurePosixPath(java))
    cluster = replace(small, hosts=(own,), nodes=tuple(replace(node, host=own) for node in small.nodes))
    made = OneHost(cluster, root, shell, one_release(cluster, root))
    made.ran("1g")
    shutil.copytree(root / "node1", root / "kept", symlinks=True)
    return made
