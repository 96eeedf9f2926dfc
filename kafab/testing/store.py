"""A store of releases in memory, behind its port."""

from collections.abc import Sequence
from pathlib import Path

from kafab.errors import Failed
from kafab.events import Emit
from kafab.model import AgentFile, Cluster
from kafab.ports import Store
from kafab.releases.archive import Content
from kafab.releases.names import Agent, Artifact, ReleaseName, release_for
from kafab.unknown import Unknown

SHA256 = "ab" * 32


class FakeStore:
    """`kafab.ports.Store` that holds these artifacts. ``faults`` (release -> what is wrong) is what `verify` says."""

    def __init__(self, *artifacts: Artifact) -> None:
        self.artifacts = {artifact.name: artifact for artifact in artifacts}
        self.faults: dict[ReleaseName, str] = {}

    @classmethod
    def for_cluster(cls, cluster: Cluster) -> "FakeStore":
        """Return a store that has the one release that a cluster wants, of one byte."""
        name = release_for(cluster.version, cluster.scala)
        return cls(Artifact(name, Path("a.tar"), SHA256, 1, "added by hand"))

    @property
    def only(self) -> Artifact:
        """The one artifact of a store that holds no other."""
        (artifact,) = self.artifacts.values()
        return artifact

    def find(self, name: ReleaseName) -> Artifact | None:
        """Return it if it is held."""
        return self.artifacts.get(name)

    def all(self) -> Sequence[Artifact]:
        """Return all, by name."""
        return [self.artifacts[name] for name in sorted(self.artifacts)]

    def fetch(self, name: ReleaseName, emit: Emit) -> Artifact:  # noqa: ARG002  # the port's signature; nothing is fetched
        """Return it, or raise Failed: no source has anything."""
        found = self.find(name)
        if found is None:
            raise Failed(f"no source has {name}")
        return found

    def agent(self, wanted: AgentFile, emit: Emit) -> Agent:  # noqa: ARG002  # the port's signature; nothing is fetched
        """Return the jar that the user has; kafab's own is of one byte."""
        return Agent(
            wanted.file or Path("agent.jar"), wanted.sha256, wanted.file.stat().st_size if wanted.file else 1
        )

    def add(self, file: Path, name: ReleaseName | None, sha512: str | None, emit: Emit) -> Artifact:  # noqa: ARG002  # the port's signature; no byte is read
        """Keep a file under its name. Raises Failed without a name: no byte of it is read."""
        if name is None:
            raise Failed(f"{file} holds no release")
        self.artifacts[name] = Artifact(name, file, SHA256, 1, "added by hand")
        return self.artifacts[name]

    def verify(self, artifact: Artifact | Agent) -> str | None:
        """Return what is wrong with it."""
        return self.faults.get(artifact.name) if isinstance(artifact, Artifact) else None

    def contents(self, artifact: Artifact) -> Sequence[Content] | Unknown:
        """Return what it holds: one jar, whose digest is the artifact's; Unknown where something is wrong with it."""
        if fault := self.verify(artifact):
            return Unknown(fault)
        jar = f"libs/kafka-clients-{artifact.name.version}.jar"
        return (Content(jar, sha256=artifact.sha256),)


def _typed_against_the_port() -> Store:
    """Let mypy say where the fake has left its port."""
    return FakeStore()
