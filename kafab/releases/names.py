"""Which release a Kafka version needs, what it is called, where it is published, and what of it is Maven's. No I/O."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from kafab.model import AGENT, AgentFile, Version

FIRST_LOG4J2 = Version(4, 0, 0)
"""From here on Kafka logs through Log4j 2 (KIP-653)."""
APACHE_ARCHIVE = "https://archive.apache.org/dist/kafka"
"""Every release with its ``.sha512``; the download mirrors hold the newest ones only."""

BY_HAND = "added by hand"
"""The source of a release that no source of ours has given."""


@dataclass(frozen=True, order=True)
class ReleaseName:
    """A Kafka release by Scala and Kafka version; ``str()`` is the published folder name, ``kafka_2.13-3.9.2``."""

    version: Version
    scala: str

    @classmethod
    def parse(cls, text: str) -> "ReleaseName":
        """Read a published folder name; anything else is a ValueError whose text says what was expected."""
        found = re.fullmatch(r"kafka_(\d\.\d{1,2})-(\d{1,3}\.\d{1,3}\.\d{1,3})", text, re.ASCII)
        if not found:
            raise ValueError(f"{text!r} is not a release like kafka_2.13-3.9.2")
        return cls(Version.parse(found[2]), found[1])

    def __str__(self) -> str:
        return f"kafka_{self.scala}-{self.version}"


@dataclass(frozen=True)
class Artifact:
    """A release as one archive on this machine. ``sha256`` (hex) is its identity here and on every host.

    Where its file lies here and how it came do not make it another one.
    """

    name: ReleaseName
    file: Path = field(compare=False)
    sha256: str
    size: int
    source: str = field(compare=False)
    """Where it came from, for people: ``archive``, ``maven``, ``added by hand``."""
    what: ClassVar = "release"
    """What it is, for people."""

    @property
    def folder(self) -> str:
        """The folder name on a host: two builds of one version never share it."""
        return f"{self.name}-{self.sha256[:12]}"


@dataclass(frozen=True)
class Agent:
    """Prometheus' agent for JMX as one jar on this machine, sent to hosts as a release is."""

    file: Path = field(compare=False)
    sha256: str
    size: int
    name: ClassVar = AGENT
    """The folder that the jar is put into; of an `Artifact` the one in the archive."""
    what: ClassVar = "agent"

    @property
    def folder(self) -> str:
        """The folder name on a host."""
        return AgentFile(self.sha256).folder


AGENT_VERSION = "1.0.1"
AGENT_SHA256 = "7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1"
"""Of the jar that Maven Central has as that version."""


@dataclass(frozen=True)
class Coordinates:
    """A Maven artifact; ``str()`` is Maven's own spelling."""

    group: str
    artifact: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


AGENT_COORDINATES = Coordinates("io.prometheus.jmx", AGENT, AGENT_VERSION)


def version_of(folder: str | None) -> Version | None:
    """Return the version of a release's folder on a host; None where it is no name that kafab gives."""
    try:
        return ReleaseName.parse((folder or "").rpartition("-")[0]).version
    except ValueError:
        return None


def release_for(version: Version, scala: str | None = None) -> ReleaseName:
    """Return the release kafab takes for a Kafka version: unless told otherwise Scala 2.13 from 2.6 on, 2.12 before.

    Kafka publishes both from 2.4 to 3.x; 2.12 was its default until 2.5 (its downloads page), and 2.4.1's
    own Maven assembly was checked with 2.12 (see docs).
    """
    return ReleaseName(version, scala or ("2.13" if version >= Version(2, 6, 0) else "2.12"))


def archive_path(name: ReleaseName) -> str:
    """Return where a release lies below an archive's base URL; its digest is beside it, with ``.sha512`` added."""
    return f"{name.version}/{name}.tgz"


def by_hand(name: ReleaseName) -> str:
    """Return how to hand a release over where no source can be reached."""
    url = f"{APACHE_ARCHIVE}/{archive_path(name)}"
    return (
        f"download {url} and {url}.sha512 where that works, bring them here, then type:"
        f' fab releases.add {name}.tgz --sha512 "$(cat {name}.tgz.sha512)"'
    )


def maven_artifacts(name: ReleaseName) -> tuple[Coordinates, ...]:
    """Return what the published archive's ``libs`` is made of: the broker, its tools, and the logging it binds to.

    From 3.0 on the command line tools move from the broker's artifact to kafka-tools, step by step. Logging was
    log4j 1 until 3.1.0, reload4j (its patched successor) until 3.9 (KAFKA-13660) and is log4j 2 from 4.0 on (KIP-653).
    Checked by running: 2.4.1, 3.9.2, 4.3.1 and 4.4.0; by their dependency trees: 3.0.2 and 3.1.2.
    """
    kafka, version = "org.apache.kafka", str(name.version)
    wanted = [Coordinates(kafka, f"kafka_{name.scala}", version)]
    if name.version >= Version(3, 0, 0):
        wanted.append(Coordinates(kafka, "kafka-tools", version))
    if name.version >= FIRST_LOG4J2:
        wanted.append(Coordinates("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"))
    elif name.version >= Version(3, 1, 1):
        wanted.append(Coordinates("org.slf4j", "slf4j-reload4j", "1.7.36"))
    else:
        wanted.append(Coordinates("org.slf4j", "slf4j-log4j12", "1.7.30"))
    return tuple(wanted)


def parse_sha512(text: str) -> str:
    """Return the digest (128 lower-case hex digits) that a published ``.sha512`` file holds.

    Kafka's files have two layouts: that of ``gpg --print-md SHA512`` (the name, a colon, upper-case groups of eight
    digits over several lines) and that of ``sha512sum`` (digits, two spaces, the name). Digits alone are read too.
    A text with none, or with several digests, is a ValueError.
    """
    digits = "".join(text.rpartition(":")[2].split()).lower() if ":" in text else ""
    found = {digits} if _is_sha512(digits) else {word.lower() for word in text.split() if _is_sha512(word)}
    if len(found) != 1:
        raise ValueError(f"{len(found) or 'no'} sha512 digest{'s' if found else ''} in {text[:40].strip()!r}")
    return found.pop()


def _is_sha512(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{128}", text) is not None
