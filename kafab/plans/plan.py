"""diff(desired, observed) -> Plan: what would change on each host, as frozen values.

A plan has stages; within a stage hosts are independent of each other, and no stage begins before the one before it is
done everywhere. Nothing here disturbs a running process: a release is put beside the one that runs, and a process reads
its files only when it starts.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from kafab.config.render import RenderedFile
from kafab.errors import Unreachable, Unsafe
from kafab.hosts import held, profile, sharing
from kafab.hosts.belonging import HINT, belonging, id_key
from kafab.hosts.facts import FileFact, HostFacts, NodeFacts, NodesFacts
from kafab.model import Cluster, Host, Node
from kafab.plans.generations import keep_step
from kafab.plans.persisted import guard_persisted
from kafab.plans.protocols import guard_protocols
from kafab.plans.quorum_guard import guard_formed
from kafab.plans.removing import PLAIN
from kafab.plans.standing import DIFFERING, by_hand, configuration_state, differs, restart_pending
from kafab.plans.state import Desired, DesiredNode, Observed
from kafab.plans.steps import (
    COUNTED,
    DropFile,
    FlipLink,
    FormatStorage,
    InstallRelease,
    MakeAccount,
    MakeDirectory,
    Step,
    UseUnit,
    WriteFile,
    document,
    essence,
)
from kafab.plans.storage import format_steps
from kafab.plans.voters import asks_others, guard_majority
from kafab.releases.names import Agent, Artifact
from kafab.shell.layout import MANIFEST
from kafab.unknown import Unknown
from kafab.words import plural


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
    foreign: tuple[str, ...] = ()
    """``node: file`` for each file in effect for a node's unit that kafab did not write, and leaves alone."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order."""
        return tuple(step for stage in self.stages for step in stage.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def counts(self) -> str:
        """How much of what would change, on how many hosts."""
        if not self:
            return "nothing to do"
        counts = Counter(type(step) for step in self.steps)
        parts = [
            f"{counts[kind]} {one if counts[kind] == 1 else many}"
            for kind, (one, many) in COUNTED.items()
            if counts[kind]
        ]
        hosts = len({step.host for step in self.steps})
        return f"{', '.join(parts)} to change on {plural(hosts, 'host')}"

    @property
    def formats(self) -> tuple[FormatStorage, ...]:
        """The KRaft nodes whose storage it formats."""
        return tuple(step for step in self.steps if isinstance(step, FormatStorage))

    def named(self, cluster_id: str) -> "Plan":
        """Return the plan with this id wherever it makes a new cluster id."""

        def named(step: Step) -> Step:
            if isinstance(step, FormatStorage) and step.cluster_id is None:
                return replace(step, cluster_id=cluster_id)
            return step

        stages = tuple(Stage(stage.name, tuple(map(named, stage.steps))) for stage in self.stages)
        return replace(self, stages=stages)

    @property
    def summary(self) -> str:
        """One line: the cluster and the counts."""
        return f"{self.cluster}: {self.counts}"

    @property
    def document(self) -> dict[str, object]:
        """The plan for `--json`."""
        return {
            "schema": "kafab.plan/1",
            "cluster": self.cluster,
            "stages": [
                {"name": stage.name, "steps": [document(step) for step in stage.steps]}
                for stage in self.stages
            ],
            "restart_pending": list(self.restart_pending),
            "foreign_units": list(self.foreign),
        }

    @property
    def digest(self) -> str:
        """Names this very plan: equal plans have equal digests, in every run; others differ, but for a secret's value.

        See `steps.essence` and decision 10.
        """
        stages = [[stage.name, [essence(step) for step in stage.steps]] for stage in self.stages]
        whole = [self.cluster, stages, self.restart_pending, *([self.foreign] if self.foreign else [])]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def diff(
    desired: Desired,
    observed: Observed,
    elsewhere: NodesFacts | None = None,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
) -> Plan:
    """Compare. Raises Unreachable where a host is Unknown, Unsafe where data belong to something else or would be lost.

    ``elsewhere`` has the nodes that are left out; None where nobody asked them. ``anew`` lets ZooKeeper begin empty;
    ``accepted`` are the names of nodes whose records forget what their data directories have lost.
    """
    hosts = known(observed)
    guard_places(desired.cluster, hosts)
    guard_identities(desired, hosts, elsewhere)
    facts = node_facts(desired, hosts)
    if not anew and asks_others(desired.cluster, facts):
        guard_majority(desired.cluster, {**(elsewhere or {}), **facts})
    guard_formed(desired.cluster, {**(elsewhere or {}), **facts})
    guard_persisted(desired, facts)
    guard_protocols(desired, facts)
    stages = (
        Stage("release", tuple(_release_steps(desired, hosts))),
        Stage("agent", tuple(_agent_steps(desired, hosts))),
        Stage("configuration", tuple(_configuration_steps(desired, hosts, accepted))),
        Stage("storage", tuple(_storage_steps(desired, hosts, elsewhere or {}))),
    )
    return Plan(
        desired.cluster.name,
        tuple(stage for stage in stages if stage.steps),
        tuple(
            wanted.node.name
            for wanted in desired.nodes
            if restart_pending(desired, wanted, _facts(wanted, hosts))
        ),
        tuple(
            f"{wanted.node.name}: {path}"
            for wanted in desired.nodes
            for path in _facts(wanted, hosts).foreign_units
        ),
    )


def known(observed: Observed) -> dict[str, HostFacts]:
    """Return the facts of all hosts. Raises Unreachable naming each host that is Unknown."""
    unknown = {host: fact.reason for host, fact in observed.items() if isinstance(fact, Unknown)}
    if unknown:
        there = ",".join(host for host in observed if host not in unknown)
        without = f"`--limit {there}` goes on without" if there else "--limit leaves hosts out"
        raise Unreachable(unknown, hint=f"nothing was changed; {without}")
    return {host: fact for host, fact in observed.items() if isinstance(fact, HostFacts)}


def _facts(wanted: DesiredNode, hosts: dict[str, HostFacts]) -> NodeFacts:
    return hosts[wanted.node.host.name].nodes[wanted.node.instance]


def _release_steps(desired: Desired, hosts: dict[str, HostFacts]) -> Iterator[InstallRelease]:
    if desired.artifact is not None:
        for name in desired.host_names:
            yield from _install(desired.artifact, desired.cluster.host(name), hosts[name])


def _agent_steps(desired: Desired, hosts: dict[str, HostFacts]) -> Iterator[InstallRelease]:
    """Bring the agent to each host that has a node with a port for metrics."""
    if desired.agent is not None:
        observed = {wanted.node.host.name for wanted in desired.nodes if wanted.node.metrics_port}
        for name in desired.host_names:
            if name in observed:
                yield from _install(desired.agent, desired.cluster.host(name), hosts[name])


def _install(artifact: Artifact | Agent, host: Host, facts: HostFacts) -> Iterator[InstallRelease]:
    if artifact.folder not in facts.releases:
        # A part as long as the whole, or longer, was never checked: begin again.
        part = facts.parts.get(artifact.sha256, 0)
        offset = part if part < artifact.size else 0
        yield InstallRelease(host.name, host.paths.releases, artifact, offset)


def _configuration_steps(
    desired: Desired, hosts: dict[str, HostFacts], accepted: Collection[str]
) -> Iterator[Step]:
    for name in desired.host_names:
        user = desired.cluster.host(name).user
        if user and not hosts[name].account:
            yield MakeAccount(name, user)
        written: set[PurePosixPath] = set()
        keeping: list[Step] = []
        steps: list[Step] = []
        for wanted in desired.nodes:
            if wanted.node.host.name == name:
                node, facts = wanted.node, _facts(wanted, hosts)
                steps += node_steps(desired, wanted, facts)
                if configuration_state(desired, wanted, facts) in DIFFERING:
                    keeping += filter(None, [keep_step(node, facts)])
                steps += _record_steps(node, facts, accepted)
                steps += unit_steps(wanted, facts, written)
                steps += _profile_steps(desired.cluster, wanted, hosts[name].profile, written)
        # Before all others: a node's unit is written with the first node of its role.
        yield from keeping
        yield from steps


def node_steps(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> Iterator[Step]:
    """Yield what makes a node's folders, its files and its link as they are wanted; the link last."""
    node = wanted.node
    for path in wanted.directories:
        if path not in facts.directories:
            yield _directory(node, path)
    if wanted.identity and wanted.identity.path.parent not in facts.identities:
        yield WriteFile(node.host.name, node.name, wanted.identity, None)
    if wanted.key and facts.key is None:
        yield WriteFile(node.host.name, node.name, wanted.key, None)
    for file in wanted.files:
        if file.path.name == MANIFEST:
            yield from _dropped(wanted, facts)
        found = facts.files.get(file.path.name)
        if differs(file, found):
            edited = by_hand(facts, file.path.name)
            yield WriteFile(node.host.name, node.name, file, _before(file, found), edited)
    if desired.artifact is not None and facts.release != desired.artifact.folder:
        yield FlipLink(node.host.name, node.name, node.current, desired.artifact.folder, facts.release)


def _dropped(wanted: DesiredNode, facts: NodeFacts) -> Iterator[DropFile]:
    """Remove what kafab has placed and the node does not use any more, such as another release's way to configure logging."""
    node, used = wanted.node, {file.path.name for file in wanted.files}
    for name in sorted(facts.deployed.keys() - used):
        if PLAIN.fullmatch(name):
            yield DropFile(node.host.name, node.name, node.config / name)


def _record_steps(node: Node, facts: NodeFacts, accepted: Collection[str]) -> Iterator[WriteFile]:
    """Record what the node holds: a cluster that an older kafab has deployed has no record yet."""
    if kept := held.unrecorded(node, facts, accepted=node.name in accepted):
        before = held.text(node, facts.held) if facts.held else None
        yield WriteFile(node.host.name, node.name, kept, before)


def _directory(node: Node, path: PurePosixPath) -> MakeDirectory:
    """Return the step that makes a folder: the service account reads its configuration and has its logs and data."""
    user, step = node.host.user, MakeDirectory(node.host.name, node.name, path)
    if user is None:
        return step
    if path == node.run:
        return replace(step, mode="755", owner="root:root")
    return replace(step, owner=f"{'root' if path == node.config else user}:{user}")


def unit_steps(wanted: DesiredNode, facts: NodeFacts, written: set[PurePosixPath]) -> Iterator[Step]:
    """Write the unit and the drop-in; ``written`` has the units that another node of the host brought already."""
    node = wanted.node
    changed = [file for file in wanted.units if differs(file, facts.units.get(file.path))]
    for file in changed:
        if file.path not in written:
            written.add(file.path)
            yield WriteFile(node.host.name, node.name, file, _before(file, facts.units.get(file.path)))
    if wanted.units and (changed or not facts.enabled):
        yield UseUnit(node.host.name, node.name, node.unit)


def _profile_steps(
    cluster: Cluster, wanted: DesiredNode, found: FileFact | None, written: set[PurePosixPath]
) -> Iterator[WriteFile]:
    """Write what login shells read, once a host and not where it is another cluster's."""
    node, file = wanted.node, wanted.profile
    if file is None or file.path in written or not differs(file, found):
        return
    if found is not None and profile.whose(file, cluster, found) not in (None, cluster.name):
        return
    written.add(file.path)
    edited = found is not None and profile.edited(file, found)
    yield WriteFile(node.host.name, node.name, file, _before(file, found), edited)


def _storage_steps(
    desired: Desired, hosts: dict[str, HostFacts], elsewhere: NodesFacts
) -> Iterator[FormatStorage]:
    if desired.cluster.kraft:
        java = {name: hosts[name].java for name in desired.host_names}
        yield from format_steps(desired.cluster, node_facts(desired, hosts), java, elsewhere)


def node_facts(desired: Desired, hosts: Mapping[str, HostFacts]) -> dict[Node, NodeFacts]:
    """Return what each wanted node's host said of it."""
    return {wanted.node: hosts[wanted.node.host.name].nodes[wanted.node.instance] for wanted in desired.nodes}


def _before(file: RenderedFile, found: FileFact | None) -> str | None:
    # The text of a file whose digest is right does not come back: only mode or owner differ. A private key never does.
    if found is None:
        return None
    if found.text is None:
        return file.text if found.sha256 == file.sha256 else ""
    return found.text


def guard_places(cluster: Cluster, hosts: Mapping[str, HostFacts]) -> None:
    """Refuse two hosts of the inventory that are one machine with one set of folders (invariant: a folder has one writer)."""
    if found := sharing.shared(cluster, hosts):
        count = plural(len(found), "host") if len(found) > 1 else "a host"
        raise Unsafe(
            "\n  ".join([f"{count} of {cluster.name} a second time:", *map(str, found)]), hint=sharing.HINT
        )


def guard_identities(
    desired: Desired, hosts: Mapping[str, HostFacts], elsewhere: NodesFacts | None = None
) -> None:
    """Refuse data directories of another node or of another cluster (invariant: data is never mixed).

    The cluster ids of ``elsewhere``, nodes that are left out, must agree, too. Raises Unsafe with the table of what was
    found where.
    """
    cluster, facts = desired.cluster, node_facts(desired, hosts)
    own, found = belonging(cluster, facts), belonging(cluster, {**facts, **(elsewhere or {})})
    problems: list[str] = []
    if own.strangers:
        lines = [
            f"{place.node.name}: {place.path} belongs to {place.whose}, not {id_key(cluster, place.node)} {place.node.id}"
            for place in own.strangers
        ]
        count = plural(len(lines), "data directory", "data directories")
        problems.append("\n  ".join([f"{count} of something else:", *lines]))
    if not found.agreed:
        pinned = [f"the inventory: kraft.cluster_id {found.pinned}"] if found.pinned else []
        table = [f"{place}: cluster.id {id_}" for id_, places in found.ids.items() for place in places]
        ids = len(found.ids.keys() | ({found.pinned} if found.pinned else set()))
        problems.append("\n  ".join([f"{ids} cluster ids, where there must be one:", *pinned, *table]))
    if problems:
        raise Unsafe("\n".join(problems), hint=HINT)
