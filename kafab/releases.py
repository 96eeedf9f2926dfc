"""Which release a Kafka version needs, what it is called, and what of it is Maven's. No I/O."""

from dataclasses import dataclass
from pathlib import Path

from kafab.model import Version


@dataclass(frozen=True, order=True)
class ReleaseName:
    """A Kafka release by Scala and Kafka version; ``str()`` is the published folder name, ``kafka_2.13-3.9.2``."""

    version: Version
    scala: str

    def __str__(self) -> str:
        return f"kafka_{self.scala}-{self.version}"


@dataclass(frozen=True)
class Artifact:
    """A release as one archive on this machine. ``sha256`` (hex) is its identity here and on every host."""

    name: ReleaseName
    file: Path
    sha256: str
    size: int
    source: str
    """Where it came from, for people: ``archive``, ``maven``, ``added by hand``."""

    @property
    def folder(self) -> str:
        """The folder name on a host: two builds of one version never share it."""
        return f"{self.name}-{self.sha256[:12]}"


def release_for(version: Version) -> ReleaseName:
    """Return the release kafab takes for a Kafka version: Scala 2.13 from 2.6 on, 2.12 before.

    Kafka publishes both from 2.4 to 3.x; 2.12 was its default until 2.5 (its downloads page), and 2.4.1's
    own Maven assembly was checked with 2.12 (see docs).
    """
    return ReleaseName(version, "2.13" if version >= Version(2, 6, 0) else "2.12")
