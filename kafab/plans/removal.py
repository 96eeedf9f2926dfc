"""Decide what a destroy removes: the nodes as wanted, what was observed -> Removals, as frozen values.

Invariant: only what kafab placed is removed, and only where that can be told. A file is kafab's when the manifest
beside it lists it, or, where a deploy was interrupted before it wrote one, when its content is what kafab would write.
A release may be removed once no link and no process uses it. Data is removed only when that was asked for and the data's own
mark says that it is this node's. No link is ever followed.

The file is over 400 lines long because what goes from a host decides what stays there: one class follows it in order.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kafab.errors import Unsafe
from kafab.hosts import profile
from kafab.hosts.belonging import belonging
from kafab.hosts.facts import HostFacts, NodeFacts, NodesFacts
from kafab.hosts.remains import HostRemains, Place, drop_in, roots, template
from kafab.model import AGENT, Cluster, Host, Node, Role, Supervisor
from kafab.plans.plan import guard_identities
from kafab.plans.removing import (
    PLAIN,
    Removal,
    RemoveData,
    RemoveFiles,
    RemoveFolder,
    RemoveGenerations,
    RemoveInstance,
    RemoveLink,
    RemoveLogs,
    RemoveRelease,
    RemoveRun,
    RemoveUnit,
    RemoveUploads,
    StayStopped,
)
from kafab.plans.standing import by_hand
from kafab.plans.state import Desired, DesiredNode
from kafab.shell.layout import (
    ACCESS,
    BEFORE,
    DIGEST_KEY,
    DROP_IN,
    GONE,
    HELD,
    HISTORY,
    INCOMING,
    LOCK,
    LOST_AND_FOUND,
    MANIFEST,
    META_PROPERTIES,
    MYID,
    NEW,
    OLDER,
    ROLL,
    UPGRADE,
)
from kafab.words import plural

RELEASE = re.compile(r"kafka_\d\.\d{1,2}-\d{1,3}\.\d{1,3}\.\d{1,3}-[0-9a-f]{12}", re.ASCII)
"""The name of a release's folder; see `releases.Artifact.folder`."""
AGENTS = re.compile(rf"{AGENT}-[0-9a-f]{{12}}", re.ASCII)
"""The name of the folder of Prometheus' agent; see `model.AgentFile.folder`."""
MARKS = {Role.ZOOKEEPER: MYID, Role.CONTROLLER: META_PROPERTIES, Role.BROKER: META_PROPERTIES}


@dataclass(frozen=True)
class Kept:
    """Something that stays, and why."""

    host: str
    path: PurePosixPath
    why: str

    def __str__(self) -> str:
        return f"{self.path} ({self.why})"


@dataclass(frozen=True)
class Removals:
    """What a destroy would do, in order, and what it would leave."""

    cluster: str
    steps: tuple[Removal, ...]
    kept: tuple[Kept, ...]
    stopped: tuple[StayStopped, ...] = ()
    """The nodes that have to stay stopped meanwhile."""

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts on which something is removed."""
        return tuple(dict.fromkeys(step.host for step in self.steps))

    def on(self, host: str) -> tuple[Removal, ...]:
        """Return the steps of one host."""
        return tuple(step for step in self.steps if step.host == host)


def removals(
    desired: Desired,
    hosts: Mapping[str, HostFacts],
    remains: Mapping[str, HostRemains],
    elsewhere: NodesFacts,
    *,
    data: bool,
) -> Removals:
    """Decide. ``desired`` names the nodes, ``elsewhere`` has those that are left out; ``data`` asks for data and logs too.

    Raises Unsafe for nodes that run, and, where data is asked for, for data that is another's or nobody's.
    """
    _guard_stopped(desired, hosts, remains)
    if data:
        guard_identities(desired, hosts, elsewhere)
        _guard_data(desired, hosts, remains)
    steps: list[Removal] = []
    kept: list[Kept] = []
    for name in desired.host_names:
        wanted = [node for node in desired.nodes if node.node.host.name == name]
        found = _OneHost(desired.cluster, wanted, hosts[name], remains[name], data=data)
        steps, kept = steps + found.steps, kept + found.kept
    return Removals(desired.cluster.name, tuple(steps), tuple(kept), tuple(_stopped(desired)))


def _stopped(desired: Desired) -> Iterator[StayStopped]:
    for node in (wanted.node for wanted in desired.nodes):
        unit = node.unit if node.host.supervisor is Supervisor.SYSTEMD else None
        yield StayStopped(node.host.name, node.name, node.run, unit)


def _guard_stopped(
    desired: Desired, hosts: Mapping[str, HostFacts], remains: Mapping[str, HostRemains]
) -> None:
    running = [
        wanted.node.name
        for wanted in desired.nodes
        if hosts[wanted.node.host.name].nodes[wanted.node.instance].running
        or wanted.node.unit in remains[wanted.node.host.name].active
    ]
    if running:
        raise Unsafe(
            f"{plural(len(running), 'node')} of {desired.cluster.name} run: {', '.join(running)}",
            hint="`fab stop` first; nothing was changed",
        )


def _guard_data(desired: Desired, hosts: Mapping[str, HostFacts], remains: Mapping[str, HostRemains]) -> None:
    nodes = [wanted.node for wanted in desired.nodes]
    seen = {node: hosts[node.host.name].nodes[node.instance] for node in nodes}
    bare = {(place.node, place.path) for place in belonging(desired.cluster, seen).bare}
    problems = [
        f"{node.name}: {path} {problem}"
        for node in nodes
        for path in node.data
        if (problem := _data_problem(node, path, remains[node.host.name], bare=(node, path) in bare))
    ]
    if problems:
        raise Unsafe(
            f"{plural(len(problems), 'data directory', 'data directories')} cannot be removed:\n  "
            + "\n  ".join(problems),
            hint="look there, move away by hand what is yours, or leave the data (no --data); nothing was changed",
        )


def _data_problem(node: Node, path: PurePosixPath, there: HostRemains, *, bare: bool) -> str | None:
    place = there.places.get(path)
    if place is None:
        return None
    if place.kind != "folder":
        return "is a link, which kafab does not follow" if place.kind == "link" else "is no folder"
    if below := there.mounted_below(path):
        return f"has file systems mounted inside: {', '.join(map(str, below))}"
    content = _content(there, path, place)
    if content and bare:
        count = plural(len(content), "entry", "entries")
        return f"has {count} and no {MARKS[node.role]} that says whose they are"
    return None


def _content(there: HostRemains, path: PurePosixPath, place: Place) -> frozenset[str]:
    """Return the names in a data directory, without what mkfs made."""
    return place.names - {LOST_AND_FOUND} if there.mounted(path) else place.names


@dataclass
class _OneHost:
    """Collects the steps of one host; ``gone`` are the paths that will not be there any more."""

    cluster: Cluster
    wanted: Sequence[DesiredNode]
    facts: HostFacts
    there: HostRemains
    data: bool
    steps: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    gone: set[PurePosixPath] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.host: Host = self.wanted[0].node.host
        for wanted in self.wanted:
            self._node(wanted, self.facts.nodes[wanted.node.instance])
        self._releases()
        self._units()
        self._profile()
        self._folders()

    def _add(self, step: Removal) -> None:
        self.steps.append(step)

    def _keep(self, path: PurePosixPath, why: str) -> None:
        self.kept.append(Kept(self.host.name, path, why))

    def _node(self, wanted: DesiredNode, facts: NodeFacts) -> None:
        node = wanted.node
        self._instance(node)
        for path in node.data:
            self._data(node, path)
        for path in node.data_folders[len(node.data) :]:
            if self._names(path):
                # Without a mark: nothing in it says that it is this server's.
                self._keep(
                    path, f"{'' if not self.data else 'no mark says whose it is: '}the log of transactions"
                )
        self._tree(RemoveLogs(self.host.name, node.logs, self.host.user), wanted=self.data)
        self._tree(RemoveRun(self.host.name, node.run, self.host.user), wanted=True)
        ours = _placed(wanted, facts, self._names(node.config))
        edited = [name for name in ours if by_hand(facts, name)]
        note = f"{', '.join(edited)}: edited by hand" if edited else ""
        self._files(node.config, ours, note=note)
        earlier = node.config / BEFORE
        if BEFORE in self._names(node.config):
            self._add(RemoveGenerations(self.host.name, earlier, self.host.user))
            self.gone.add(earlier)
        for path in (node.current, node.current.with_name(node.current.name + NEW)):
            # Behind a root that is itself a link nothing is touched.
            if path.name in self.there.links and path.name in self._names(path.parent):
                self._add(RemoveLink(self.host.name, path))
                self.gone.add(path)

    def _instance(self, node: Node) -> None:
        folder = drop_in(node).parent
        if node.unit in self.there.instances:
            self._add(RemoveInstance(self.host.name, folder / DROP_IN, node.unit))
        for name in sorted(self._names(folder) - {DROP_IN, DROP_IN + NEW}):
            self._keep(folder / name, "not kafab's")

    def _data(self, node: Node, path: PurePosixPath) -> None:
        place = self.there.places.get(path)
        if place is None:
            return
        if not self.data:
            self._keep(path, "data")
            return
        mounted = self.there.mounted(path)
        if not mounted or _content(self.there, path, place):
            note = "its file system stays mounted" if mounted else ""
            mark = MARKS[node.role]
            self._add(RemoveData(self.host.name, path, mark, node.id, self.host.user, note=note))
        if not mounted:
            self.gone.add(path)

    def _tree(self, step: RemoveLogs | RemoveRun, *, wanted: bool) -> None:
        """A folder that is kafab's as a whole; what the node itself wrote there goes along."""
        path, title = step.path, step.title
        place = self.there.places.get(path)
        if place is None or (place.kind == "folder" and not place.names):
            return
        inside = [other for other in self._others() if path in other.parents]
        if place.kind != "folder":
            self._keep(path, f"{title}; not a folder, and no link is followed")
        elif not wanted:
            self._keep(path, title)
        elif inside:
            self._keep(path, f"{title}; it holds {inside[0]}")
        elif self.there.mounted(path) or self.there.mounted_below(path):
            self._keep(path, f"{title}; a file system is mounted there")
        else:
            self._add(step)
            self.gone.add(path)

    def _others(self) -> Iterator[PurePosixPath]:
        """Yield every folder on this host that a tree must not take along."""
        yield from roots(self.host)
        for other in self.cluster.on(self.host):
            yield from (other.config, other.current, *other.data_folders, other.logs, other.run)

    def _files(self, folder: PurePosixPath, ours: Sequence[str], *, note: str) -> None:
        place = self.there.places.get(folder)
        if place is None:
            return
        if place.kind != "folder":
            self._keep(folder, "configuration; not a folder, and no link is followed")
            return
        if ours:
            self._add(RemoveFiles(self.host.name, folder, tuple(ours), note=note))
            self.gone |= {folder / name for name in ours}
        for name in sorted(place.names - {*ours, BEFORE}):
            self._keep(folder / name, "not kafab's")

    def _releases(self) -> None:
        root = self.host.paths.releases
        names = self._names(root)
        if self.there.places.get(root, Place("folder")).kind != "folder":
            self._keep(root, "releases; not a folder, and no link is followed")
            return
        links = {name: leads for name, leads in self.there.links.items() if root / name not in self.gone}
        users = {leads: f"{root / name} leads to it" for name, leads in links.items() if leads}
        users |= dict.fromkeys(self.there.used, "a process runs from it")
        if links:  # another node may be about to start with it
            users |= {
                name: "another node may use it"
                for name in names
                if AGENTS.fullmatch(name) and name not in users
            }
        for name in sorted(filter(_sent, names)):
            if name in users:
                self._keep(root / name, users[name])
            else:
                self._add(RemoveRelease(self.host.name, root / name))
                self.gone.add(root / name)
        # Where another node or cluster still has a link, an upload may be theirs, and under way.
        if INCOMING in names and not links:
            self._add(RemoveUploads(self.host.name, root / INCOMING))
            self.gone.add(root / INCOMING)
        for name in sorted(self._names(root / INCOMING)) if links else ():
            if _sent(name.removesuffix(GONE)):
                self._add(RemoveUploads(self.host.name, root / INCOMING / name))

    def _units(self) -> None:
        if self.host.supervisor is not Supervisor.SYSTEMD:
            return
        removed = {wanted.node.unit for wanted in self.wanted}
        for role in dict.fromkeys(wanted.node.role for wanted in self.wanted):
            unit = template(role)
            others = sorted(
                name for name in self.there.instances - removed if name.startswith(f"kafka-{role}@")
            )
            if unit in self.there.made and others:
                self._keep(unit, f"{', '.join(others)} use{'s' * (len(others) == 1)} it")
            elif unit in self.there.made:
                self._add(RemoveUnit(self.host.name, unit))

    def _profile(self) -> None:
        """What login shells read goes with the last node of its cluster on the host."""
        wanted, found = self.wanted[0].profile, self.facts.profile
        if wanted is None or found is None:
            return
        whose = profile.whose(wanted, self.cluster, found)
        left = self._left
        if whose is None:
            self._keep(wanted.path, "not kafab's")
        elif whose != self.cluster.name:
            self._keep(wanted.path, f"the cluster {whose} has it")
        elif left:
            self._keep(wanted.path, f"it is for {', '.join(node.name for node in left)}, too")
        else:
            name = wanted.path.name
            note = f"{name}: edited by hand" if profile.edited(wanted, found) else ""
            names = (name, name + NEW)
            self._add(RemoveFiles(self.host.name, wanted.path.parent, names, note=note))

    @property
    def _left(self) -> list[Node]:
        """The host's nodes that stay."""
        removed = {wanted.node for wanted in self.wanted}
        return [node for node in self.cluster.on(self.host) if node not in removed and self._is_left(node)]

    def _is_left(self, node: Node) -> bool:
        return node.current.name in self.there.links or node.unit in self.there.instances

    def _folders(self) -> None:
        """Folders that are empty, or will be: those of the nodes, then those that hold them, innermost first."""
        nodes = [wanted.node for wanted in self.wanted]
        logs = [path for node in nodes for path in node.data_folders[len(node.data) :]]
        own = [*logs, *(path for node in nodes for path in (node.config, node.run, node.logs))]
        new = [path.with_name(path.name + NEW) for path in own]
        new += [path.with_name(path.name + NEW) for node in nodes for path in node.data]
        run = self.host.paths.run
        kept = ((ROLL, "a roll is not finished"), (ACCESS, ""), (UPGRADE, "an upgrade is not finalized"))
        for ending, note in kept:
            name = f"{self.cluster.name}{ending}"
            if name in self._names(run) and not self._left:
                self._add(RemoveFiles(self.host.name, run, (name,), note=note))
                self.gone.add(run / name)
        # The lock's file means nothing once the lock is released; only then its folder is removed, with the history of a
        # cluster that is no more.
        self.gone |= {self.host.paths.run / name for name in (LOCK, HISTORY, OLDER)}
        candidates = dict.fromkeys((*own, *new, *roots(self.host)))
        for path in sorted(candidates, key=lambda path: -len(path.parts)):
            place = self.there.places.get(path)
            if place is None or place.kind != "folder" or path in self.gone or self.there.mounted(path):
                continue
            if all(path / name in self.gone for name in place.names):
                besides = (HISTORY, OLDER) if path == self.host.paths.run else ()
                self._add(RemoveFolder(self.host.name, path, besides=besides))
                self.gone.add(path)

    def _names(self, folder: PurePosixPath) -> frozenset[str]:
        place = self.there.places.get(folder)
        return place.names if place else frozenset()


def _placed(wanted: DesiredNode, facts: NodeFacts, names: frozenset[str]) -> list[str]:
    """Return which of the names in the configuration folder kafab placed there, the manifest last."""
    if MANIFEST in names:
        ours = set(facts.deployed)
    else:
        # A deploy that was interrupted before it wrote the manifest: nothing but the content tells.
        expected = {file.path.name: file.sha256 for file in wanted.files}
        ours = {
            name for name, file in facts.files.items() if name in expected and file.sha256 == expected[name]
        }
    unfinished = {name + NEW for name in (*facts.deployed, *(file.path.name for file in wanted.files))}
    found = sorted(name for name in (ours | unfinished) & names if PLAIN.fullmatch(name))
    # The key, and the record of what the data directories have held, go with the node, whatever becomes of the data.
    found += sorted({HELD, HELD + NEW, DIGEST_KEY, DIGEST_KEY + NEW} & names)
    return [*(name for name in found if name != MANIFEST), *([MANIFEST] if MANIFEST in names else [])]


def _sent(name: str) -> bool:
    """Tell whether it is the name of a folder that a deploy sends to a host: of a release, or of an agent."""
    return (RELEASE.fullmatch(name) or AGENTS.fullmatch(name)) is not None
