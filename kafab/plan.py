"""diff(desired, observed) -> Plan: what would change on each host, as frozen values.

A plan has stages; within a stage hosts are independent of each other, and no stage begins before the one before it is
done everywhere. Nothing here disturbs a running process: a release is put beside the one that runs, and a process reads
its files only when it starts.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeAlias

from kafab.command import Unknown
from kafab.errors import Unreachable, Unsafe
from kafab.facts import HostFacts, NodeFacts
from kafab.model import Role
from kafab.releases import Artifact
from kafab.render import MANIFEST, RenderedFile
from kafab.state import Desired, DesiredNode, Observed

SECRET = re.compile(r"(?im)^([+\- ]?[^#=\n]*(?:password|secret|jaas|token|credential)[^=\n]*=)(.*)$")


@dataclass(frozen=True)
class InstallRelease:
    """Stream an artifact to a host, check it there and unpack it beside what runs."""

    host: str
    root: PurePosixPath
    artifact: Artifact
    offset: int = 0
    """Bytes that an interrupted upload has left there."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.host

    def __str__(self) -> str:
        resumed = f", {self.offset / 1e6:.0f} MB of it there already" if self.offset else ""
        return f"install release {self.artifact.folder} ({self.artifact.size / 1e6:.0f} MB{resumed})"


@dataclass(frozen=True)
class MakeDirectory:
    """Make a folder with its parents."""

    host: str
    node: str
    path: PurePosixPath
    mode: str = "750"

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"make {self.path}"


@dataclass(frozen=True)
class WriteFile:
    """Write a file: temporary name, digest, mode, rename. ``before`` is None where there was none."""

    host: str
    node: str
    file: RenderedFile
    before: str | None
    edited: bool = False
    """Somebody changed it on the host since kafab last wrote it."""

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        if self.file.path.name == MANIFEST:
            return f"record what was deployed in {self.file.path}"
        if self.before is None:
            return f"write {self.file.path}"
        return f"change {self.file.path}" + (" (edited by hand on the host)" if self.edited else "")

    @property
    def diff(self) -> str:
        """The change as a unified diff, secrets masked; a manifest only repeats the digests of the other files."""
        if self.file.path.name == MANIFEST:
            return ""
        before = masked(self.before or "").splitlines(keepends=True)
        after = masked(self.file.text).splitlines(keepends=True)
        old = "/dev/null" if self.before is None else f"{self.node}:{self.file.path}"
        return "".join(difflib.unified_diff(before, after, old, f"{self.node}:{self.file.path}", n=1))


@dataclass(frozen=True)
class FlipLink:
    """Point a node's `current` link to a release folder, in one rename."""

    host: str
    node: str
    path: PurePosixPath
    target: str
    before: str | None

    @property
    def subject(self) -> str:
        """What the step is about, for people."""
        return self.node

    def __str__(self) -> str:
        return f"switch {self.path} from {self.before or 'nothing'} to {self.target}"


Step: TypeAlias = InstallRelease | MakeDirectory | WriteFile | FlipLink


@dataclass(frozen=True)
class Stage:
    """Steps that may run on all their hosts side by side; on one host they run in this order."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """What would change, and what a change would leave pending."""

    cluster: str
    stages: tuple[Stage, ...]
    restart_pending: tuple[str, ...]
    """Running nodes that would not be as deployed: started from another configuration or release."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order."""
        return tuple(step for stage in self.stages for step in stage.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def summary(self) -> str:
        """One line: the counts."""
        if not self:
            return f"{self.cluster}: nothing to do"
        counts = {"release": 0, "directory": 0, "file": 0, "link": 0}
        words = {InstallRelease: "release", MakeDirectory: "directory", WriteFile: "file", FlipLink: "link"}
        for step in self.steps:
            counts[words[type(step)]] += 1
        plural = {"release": "releases", "directory": "directories", "file": "files", "link": "links"}
        parts = [f"{count} {word if count == 1 else plural[word]}" for word, count in counts.items() if count]
        hosts = len({step.host for step in self.steps})
        return f"{self.cluster}: {', '.join(parts)} to change on {hosts} host{'s' if hosts > 1 else ''}"

    @property
    def document(self) -> dict[str, object]:
        """The plan for `--json` and for its digest."""
        return {
            "schema": "kafab.plan/1",
            "cluster": self.cluster,
            "stages": [
                {"name": stage.name, "steps": [_document(step) for step in stage.steps]}
                for stage in self.stages
            ],
            "restart_pending": list(self.restart_pending),
        }

    @property
    def digest(self) -> str:
        """Names this very plan: equal plans have equal digests."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()


def _document(step: Step) -> dict[str, object]:
    document: dict[str, object] = {"host": step.host, "action": _action(step), "text": str(step)}
    if isinstance(step, WriteFile):
        document |= {
            "node": step.node,
            "path": str(step.file.path),
            "sha256": step.file.sha256,
            "diff": step.diff,
        }
    elif isinstance(step, InstallRelease):
        document |= {"release": step.artifact.folder, "sha256": step.artifact.sha256}
    else:
        document |= {"node": step.node, "path": str(step.path)}
    return document


def _action(step: Step) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()


def masked(text: str) -> str:
    """Hide the values of keys that hold secrets; that they changed stays visible through a short digest."""
    return SECRET.sub(
        lambda found: f"{found[1]}*** ({hashlib.sha256(found[2].encode()).hexdigest()[:6]})", text
    )


def diff(desired: Desired, observed: Observed) -> Plan:
    """Compare. Raises Unreachable where a host is Unknown, Unsafe where data directories belong to something else."""
    hosts = known(observed)
    guard_identities(desired, hosts)
    stages = (
        Stage("release", tuple(_release_steps(desired, hosts))),
        Stage(
            "configuration",
            tuple(step for wanted in desired.nodes for step in _node_steps(desired, wanted, hosts)),
        ),
    )
    return Plan(
        desired.cluster.name,
        tuple(stage for stage in stages if stage.steps),
        tuple(
            wanted.node.name
            for wanted in desired.nodes
            if restart_pending(desired, wanted, _facts(wanted, hosts))
        ),
    )


def known(observed: Observed) -> dict[str, HostFacts]:
    """Return the facts of all hosts. Raises Unreachable naming each host that is Unknown."""
    unknown = {host: fact.reason for host, fact in observed.items() if isinstance(fact, Unknown)}
    if unknown:
        raise Unreachable(unknown, hint="nothing was changed; --limit leaves hosts out")
    return {host: fact for host, fact in observed.items() if isinstance(fact, HostFacts)}


def _facts(wanted: DesiredNode, hosts: dict[str, HostFacts]) -> NodeFacts:
    return hosts[wanted.node.host.name].nodes[wanted.node.instance]


def _release_steps(desired: Desired, hosts: dict[str, HostFacts]) -> Iterator[InstallRelease]:
    if desired.artifact is None:
        return
    for name in desired.host_names:
        if desired.artifact.folder not in hosts[name].releases:
            # A part as long as the whole, or longer, was never checked: begin again.
            part = hosts[name].parts.get(desired.artifact.sha256, 0)
            offset = part if part < desired.artifact.size else 0
            yield InstallRelease(name, desired.cluster.host(name).paths.releases, desired.artifact, offset)


def _node_steps(desired: Desired, wanted: DesiredNode, hosts: dict[str, HostFacts]) -> Iterator[Step]:
    node, facts = wanted.node, _facts(wanted, hosts)
    for path in wanted.directories:
        if path not in facts.directories:
            yield MakeDirectory(node.host.name, node.name, path)
    if wanted.identity and wanted.identity.path.parent not in facts.identities:
        yield WriteFile(node.host.name, node.name, wanted.identity, None)
    for file in wanted.files:
        found = facts.files.get(file.path.name)
        if found is None:
            yield WriteFile(node.host.name, node.name, file, None)
        elif found.sha256 != file.sha256 or found.mode != file.mode:
            # Equal text with another mode is still written: the rename sets both.
            before = file.text if found.text is None else found.text
            yield WriteFile(node.host.name, node.name, file, before, edited=by_hand(facts, file.path.name))
    if desired.artifact is not None and facts.release != desired.artifact.folder:
        yield FlipLink(node.host.name, node.name, node.current, desired.artifact.folder, facts.release)


def by_hand(facts: NodeFacts, name: str) -> bool:
    """True where a file is not what kafab last wrote there, by the manifest on the host."""
    return name in facts.deployed and name in facts.files and facts.files[name].sha256 != facts.deployed[name]


def restart_pending(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> bool:
    """True where the running process was started from another configuration or release than the inventory asks for."""
    process = facts.process
    if process is None or not process.alive:
        return False
    other_release = desired.artifact is not None and process.release != desired.artifact.folder
    return other_release or process.configuration != wanted.configuration


def guard_identities(desired: Desired, hosts: dict[str, HostFacts]) -> None:
    """Refuse data directories of another node or of another cluster (invariant: data is never mixed).

    Raises Unsafe with the table of what was found where.
    """
    problems, clusters = [], {}
    for wanted in desired.nodes:
        for path, identity in _facts(wanted, hosts).identities.items():
            if identity.id != wanted.node.id:
                key = "myid" if wanted.node.role is Role.ZOOKEEPER else "broker.id"
                problems.append(
                    f"{wanted.node.name}: {path} belongs to {key} {identity.id}, not {wanted.node.id}"
                )
            if identity.cluster_id is not None:
                clusters[f"{wanted.node.name} {path}"] = identity.cluster_id
    if len(set(clusters.values())) > 1:
        problems += [f"{place}: cluster.id {cluster_id}" for place, cluster_id in clusters.items()]
    if problems:
        raise Unsafe(
            f"{len(problems)} data director{'ies' if len(problems) > 1 else 'y'} of something else:\n  "
            + "\n  ".join(problems),
            hint="name the right directories or ids in the inventory, or move the foreign data away by hand",
        )


def with_offset_zero(step: InstallRelease) -> InstallRelease:
    """Return the step that sends the whole artifact again."""
    return replace(step, offset=0)
