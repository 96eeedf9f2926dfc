"""A cluster whose hosts are folders: what is sent to them runs in a real shell, for real."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kafab.command import Result
from kafab.events import Event
from kafab.model import Cluster
from kafab.ops.deploy.deploy import deploy
from kafab.ops.deploy.destroy import destroy, prepare
from kafab.plans.removal import Removals
from kafab.releases.names import Artifact, release_for
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld

Shell = Callable[..., Result]


def one_release(cluster: Cluster, folder: Path) -> FakeStore:
    """Return a store that has a small archive in the shape of a release."""
    name, file = release_for(cluster.version), folder / "release.tar"
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo(f"{name}/libs/kafka.jar")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"jar"))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return FakeStore(Artifact(name, file, sha256, file.stat().st_size, "added by hand"))


@dataclass
class Lab:
    """A cluster whose hosts are folders, deployed; ``shell`` runs what is sent to them."""

    cluster: Cluster
    root: Path
    shell: Shell
    store: FakeStore
    events: list[Event] = field(default_factory=list)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)

    def __post_init__(self) -> None:
        names = [host.name for host in self.cluster.hosts]
        self.fleet = FakeFleet(dict.fromkeys(names, self.shell), takes=self.shell)

    @property
    def world(self) -> FakeWorld:
        """The hosts, the store, and a Kafka that nobody asks."""
        kafka = FakeKafka(self.cluster)
        return FakeWorld.of(
            kafka, fleet=self.fleet, store=self.store, emit=self.events.append, secrets=self.secrets
        )

    def deploy(self, limit: str | None = None) -> None:
        """Deploy for real."""
        deploy(self.cluster, limit, self.world, check=False).raise_unless_done()

    def prepare(self, limit: str | None = None, *, data: bool = False) -> Removals:
        """Decide."""
        return prepare(self.cluster, limit, self.world, data=data)

    def destroy(
        self, limit: str | None = None, *, data: bool = False, agreed: Removals | None = None
    ) -> Removals:
        """Destroy what is there, or what was agreed to."""
        found = agreed or self.prepare(limit, data=data)
        done = destroy(self.cluster, limit, self.world, found, data=data)
        done.raise_unless_done()
        return done.removals

    def fill(self) -> None:
        """Give every data directory what a node that ran would have left, and every log folder a line."""
        for node in self.cluster.nodes:
            data = Path(node.data[0])
            if self.cluster.kraft:
                (data / "__cluster_metadata-0").mkdir(exist_ok=True)
                (data / "__cluster_metadata-0" / "0.log").write_text("records")
            elif node in self.cluster.brokers:
                (data / "meta.properties").write_text(f"#\nversion=0\nbroker.id={node.id}\ncluster.id=abc\n")
                (data / "orders-0").mkdir()
                (data / "orders-0" / "0.log").write_text("records")
            else:
                (data / "version-2").mkdir()
                (data / "version-2" / "currentEpoch").write_text("1")
            (Path(node.logs) / "server.log").write_text("a line\n")
            (Path(node.run) / "process").write_text("1 2 release digest\n")

    def tree(self) -> list[str]:
        """Return every path on the hosts, below the folder of each."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def place(self, path: str) -> Path:
        """Return a path on the first host."""
        return self.root / "node1" / path


@dataclass(frozen=True)
class Deployed:
    """What a deploy has left, to be laid out anew for each test: to deploy is most of a test's time.

    Hosts keep their paths, as scripts and links have them in: tests of one worker come one after the other.
    """

    cluster: Cluster
    root: Path
    store: FakeStore
    shell: Shell
    _kept: Path

    @classmethod
    def once(cls, cluster: Cluster, folder: Path, shell: Shell) -> "Deployed":
        """Deploy to the cluster's hosts, which are below ``folder / "hosts"``, and leave data and logs as if they had run."""
        root, kept = folder / "hosts", folder / "kept"
        lab = Lab(cluster, root, shell, one_release(cluster, folder))
        lab.deploy()
        lab.fill()
        shutil.copytree(root, kept, symlinks=True)
        return cls(cluster, root, lab.store, shell, kept)

    def lab(self) -> Lab:
        """Return the hosts as they were then; what a test before made of them is gone."""
        shutil.rmtree(self.root)
        shutil.copytree(self._kept, self.root, symlinks=True)
        return Lab(self.cluster, self.root, self.shell, self.store)
