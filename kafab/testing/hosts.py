"""What a host would answer to `observation.observation`, made up from what is desired: for tests and for planning at scale."""

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath

from kafab.command import Result
from kafab.config.render import RenderedFile
from kafab.model import Role, VoterSource
from kafab.plans.state import Desired, DesiredNode

START = 1000
UPTIME = 60


class State(Enum):
    """How a host finds a node's process."""

    RUNNING = "running"
    ASKED = "asked"
    """It was asked to stop, and still runs."""
    GONE = "gone"
    """Its record is there, the process is not: it was killed, or ended by itself."""
    STOPPED = "stopped"
    """No record is there."""


@dataclass(frozen=True)
class FakeHost:
    """A host as its last deploy left it, and what has happened to it since."""

    deployed: Desired
    """What was deployed last."""
    state: State = State.RUNNING
    """Of each node that is not in ``states``."""
    states: Mapping[str, State] = field(default_factory=dict)
    """Node name -> how its process is."""
    java: bool = True
    """The host has a Java."""
    unmarked: Collection[str] = ()
    """Names of the ZooKeeper servers without a myid."""
    edits: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Path of a configuration file -> its text now."""
    identities: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Data directory -> text of its meta.properties."""
    metadata: Collection[str] = ()
    """Names of the ZooKeeper servers and KRaft nodes that hold the cluster's metadata."""
    held: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Data directory -> its line in the record of what it has held; the host says where such directories lie."""
    quorum_state: str = ""
    """Text of quorum-state on KRaft nodes."""
    started: Mapping[str, str] = field(default_factory=dict)
    """Node name -> the digest of the configuration that its process was started from, where that was another one."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """Node name -> the release of its link and its process, where that is another one than was deployed."""
    drop_ins: Mapping[str, str] = field(default_factory=dict)
    """Node name -> a file that is in effect for its unit, besides kafab's own."""

    def answer(self, host: str, asked: Desired) -> Result:
        """Return what this host prints when it is asked about what ``asked`` wants of it."""
        lines = ["java /usr/bin/java", 'javaversion "17.0.15"'] if self.java else []
        if self.deployed.cluster.user:
            lines.append(f"account {self.deployed.cluster.user}")
        if self.deployed.artifact:
            lines.append(f"release {self.deployed.artifact.folder}")
        lines += [f"release {folder}" for folder in dict.fromkeys(self.releases.values())]
        before = {wanted.node.name: wanted for wanted in self.deployed.nodes if wanted.node.host.name == host}
        expected = {file.path: file.sha256 for wanted in asked.nodes for file in wanted.placed}
        for wanted in asked.nodes:
            if wanted.node.host.name == host:
                lines.append(f"node {wanted.node.instance}")
                lines += self._node(before[wanted.node.name])
        files = {file.path: file for old in before.values() for file in old.placed}
        lines += [line for file in files.values() for line in self._file(file, expected)]
        return Result(0, "\n".join([*lines, "end", ""]).encode(), "")

    def _node(self, wanted: DesiredNode) -> list[str]:
        node, release = wanted.node, self.deployed.artifact.folder if self.deployed.artifact else "none"
        release = self.releases.get(node.name, release)
        lines = [f"link {release}"]
        state, up = self.states.get(node.name, self.state), START / 100 + UPTIME
        if state is not State.STOPPED:
            alive = "gone" if state is State.GONE else "alive"
            asked = "asked-to-stop" if state is State.ASKED else ""
            key = wanted.key.sha256 if wanted.key else None
            started = self.started.get(node.name, wanted.configuration(key))
            lines.append(f"process {100 + node.id} {START} {release} {started} {alive} {up} {asked}")
        if wanted.units:
            lines.append(f"enabled {node.unit}")
        lines += [f"unitfile {file.path}" for file in wanted.units]
        lines += [f"unitfile {self.drop_ins[node.name]}"] if node.name in self.drop_ins else []
        lines += [f"deployed {line}" for line in wanted.files[-1].text.splitlines()]
        lines += [f"folder {path}" for path in wanted.directories]
        if node.role is Role.ZOOKEEPER:
            lines += [] if node.name in self.unmarked else [f"myid {node.data[0]} {node.id}"]
            lines += [f"history {node.data[0]}/version-2"] if node.name in self.metadata else []
        if self.quorum_state and node.role is not Role.ZOOKEEPER:
            lines.append(f"quorumstate {self.quorum_state}")
        elif node.data[0] in self.identities and self.deployed.cluster.voter_source is VoterSource.DYNAMIC:
            lines.append("quorumvoters ?")  # there are first voters, and nobody says which
        for path in node.data_folders:
            lines += (
                [f"held {self.held[path]}", f"lies {path} / ext4 /dev/sda1 -"] if path in self.held else []
            )
        for path, text in self.identities.items():
            if path in node.data:
                lines += [f"meta {path} {line}" for line in text.splitlines()]
                lines += [f"joined {path}"] if node.name in self.metadata else []
        return lines

    def _file(self, file: RenderedFile, expected: Mapping[PurePosixPath, str]) -> list[str]:
        now = self.edits.get(file.path, file.text)
        digest = hashlib.sha256(now.encode()).hexdigest()
        lines = [f"sha {digest} {file.path}"]
        if expected.get(file.path) != digest:
            lines += [f"content {file.path}", base64.b64encode(now.encode()).decode(), "."]
        return [*lines, f"stat {file.mode} {file.owner or 'ops:ops'} {file.path}"]


def fresh_answer() -> Result:
    """Return what a host prints on which nothing was ever deployed; ``answer`` of no node at all."""
    return Result(0, b'java /usr/bin/java\njavaversion "17.0.15"\nend\n', "")
