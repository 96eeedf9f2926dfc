"""Releases on this machine: fetch, list, add, verify, as values for the screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafab.errors import Failed, UsageError
from kafab.events import Emit
from kafab.findings import Finding
from kafab.model import Cluster, Version
from kafab.ops.world import World
from kafab.ports import Store
from kafab.releases import unpacked
from kafab.releases.names import BY_HAND, Agent, Artifact, release_for


@dataclass(frozen=True)
class Verdict:
    """A stored artifact and what is wrong with it; ``fault`` is None where its bytes are what they were."""

    artifact: Artifact
    fault: str | None

    @property
    def remedy(self) -> str | None:
        """What to type to get a broken one anew."""
        if self.fault is None:
            return None
        name, removal = self.artifact.name, f"rm -r '{self.artifact.file.parent}'"
        if self.artifact.source == BY_HAND:
            return f"{removal}, then hand it over again: fab releases.add {name}.tgz --sha512 DIGEST"
        return f"{removal} && fab releases.fetch --version {name.version}"


def version(text: str) -> Version:
    """Read a version from the command line. Raises UsageError."""
    try:
        return Version.parse(text)
    except ValueError as fault:
        raise UsageError(f"--version: {fault}") from fault


def fetch(store: Store, wanted: Version, scala: str | None, emit: Emit) -> Artifact:
    """Return the artifact of a Kafka version, from the store or else from its sources. Raises Failed."""
    return store.fetch(release_for(wanted, scala), emit)


def add(store: Store, file: str, sha512: str | None, emit: Emit) -> Artifact:
    """Check a file and keep a copy of it as the release that it holds. Raises Failed with the reason."""
    return store.add(Path(file).expanduser(), None, sha512, emit)


def verify(store: Store) -> tuple[Verdict, ...]:
    """Compute every stored artifact's digest again."""
    return tuple(Verdict(artifact, store.verify(artifact)) for artifact in store.all())


def refuse_damaged(store: Store, artifacts: Iterable[Artifact | Agent]) -> None:
    """Compute the digests of what is about to be sent. Raises Failed for what is not what it was: every host would refuse it."""
    for artifact in artifacts:
        if fault := store.verify(artifact):
            remedy = (
                Verdict(artifact, fault).remedy if isinstance(artifact, Artifact) else f"rm '{artifact.file}'"
            )
            raise Failed(
                f"the stored {artifact.what} {artifact.file} is damaged: {fault}; nothing was sent",
                hint=f"to get it anew: {remedy}",
            )


def compare_hosts(cluster: Cluster, world: World) -> tuple[Finding, ...]:
    """Compare the releases on every host, file by file, with the archives here: one round trip, all hosts side by side."""
    archives = {artifact.folder: world.store.contents(artifact) for artifact in world.store.all()}
    scripts = {host.name: unpacked.comparison(host, cluster.on(host), archives) for host in cluster.hosts}
    return unpacked.findings(cluster, archives, world.fleet.run(scripts))


def document(artifacts: Sequence[Artifact]) -> dict[str, object]:
    """Return artifacts as ``kafab.releases/1``."""
    return {"schema": "kafab.releases/1", "releases": [entry(artifact) for artifact in artifacts]}


def verdict_document(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Return verdicts as ``kafab.releases-verified/1``; ``fault`` is null where nothing is wrong."""
    return {
        "schema": "kafab.releases-verified/1",
        "releases": [{**entry(found.artifact), "fault": found.fault} for found in verdicts],
    }


def entry(artifact: Artifact) -> dict[str, object]:
    """Return one artifact for JSON; ``size`` is in bytes."""
    return {
        "release": str(artifact.name),
        "version": str(artifact.name.version),
        "scala": artifact.name.scala,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "source": artifact.source,
        "file": str(artifact.file),
    }
