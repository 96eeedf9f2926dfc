"""The plan that puts back what nodes were started from before: their generation's files, units and release. Pure.

It is compared with the hosts as a deploy's plan is, and the same guards judge it. Only that nothing is sent: the host copies its
own files, key stores among them, which nobody reads here. What ties a node to its data, its id, its quorum or to who trusts it
has to be the same.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from kafab.config.masking import holds_secret
from kafab.config.properties import parse_properties
from kafab.config.render import MAIN_FILE, RenderedFile
from kafab.config.security import PEM, PKCS12
from kafab.config.units import unit_paths
from kafab.errors import Unsafe
from kafab.hosts.facts import FileFact, Generation, HostFacts, NodeFacts
from kafab.model import Cluster, Node, Supervisor
from kafab.plans.generations import keep_step, ways_back
from kafab.plans.persisted import guard_persisted
from kafab.plans.plan import (
    Plan,
    Stage,
    guard_identities,
    guard_places,
    node_facts,
    node_steps,
    unit_steps,
)
from kafab.plans.protocols import guard_protocols
from kafab.plans.state import Desired, DesiredNode
from kafab.plans.steps import FlipLink, Step, WriteFile
from kafab.plans.versions import guard_line
from kafab.shell.layout import ABOUT, BEFORE, MANIFEST, OF_UNIT

LEFT_OUT = "--limit leaves it out"
TIES = re.compile(
    r"log\.dirs?|metadata\.log\.dir|dataDir|dataLogDir|zookeeper\.connect|process\.roles|broker\.id|node\.id"
    r"|controller\.quorum\..*|controller\.listener\.names|server\.\d+",
    re.ASCII,
)
"""Properties that a node's data, or what others know of it, rest on."""


@dataclass(frozen=True)
class Previous:
    """What it would take."""

    plan: Plan
    back_to: Mapping[Node, Generation]
    without: tuple[Node, ...]
    """Nodes that have no such generation, and stay as they are."""


def previous(desired: Desired, hosts: Mapping[str, HostFacts], *, older: bool = False) -> Previous:
    """Return the plan for these nodes; ``older`` takes the generation before the one that ran before.

    ``desired`` is what the inventory wants of them. Raises Unsafe where what is to be put back does not fit what is there now.
    """
    cluster, facts = desired.cluster, node_facts(desired, hosts)
    ways = {node: ways_back(node, found) for node, found in facts.items()}
    back_to = {node: one[older] for node, one in ways.items() if len(one) > older}
    nodes = tuple(_back(each, back_to[each.node]) for each in desired.nodes if each.node in back_to)
    wanted = Desired(cluster, nodes, None)
    there = {node: facts[node] for node in back_to}
    guard_places(cluster, hosts)
    guard_identities(wanted, dict(hosts))
    _guard_releases(cluster, back_to, hosts)
    guard_line(there, {node: one.release for node, one in back_to.items()})
    _guard_ties(wanted, there)
    _guard_shared(wanted)
    guard_persisted(wanted, there)
    guard_protocols(wanted, there)
    steps: list[Step] = []
    for host in wanted.host_names:
        steps += _steps(wanted, host, there, ways, back_to)
    pending = tuple(each.node.name for each in nodes if _pending(there[each.node], back_to[each.node]))
    stages = (Stage("configuration", tuple(steps)),) if steps else ()
    return Previous(
        Plan(cluster.name, stages, pending), back_to, tuple(node for node in facts if node not in back_to)
    )


def _steps(
    wanted: Desired,
    host: str,
    facts: Mapping[Node, NodeFacts],
    ways: Mapping[Node, tuple[Generation, ...]],
    back_to: Mapping[Node, Generation],
) -> list[Step]:
    """Return the steps of one host: what runs is kept before the first file changes."""
    keeping: list[Step] = []
    steps: list[Step] = []
    written: set[PurePosixPath] = set()
    for each in wanted.nodes:
        node, target = each.node, back_to[each.node]
        if node.host.name != host:
            continue
        found = facts[node]
        own = [*node_steps(wanted, each, found), *unit_steps(each, found, written)]
        own = [_copied(step, node, target) if isinstance(step, WriteFile) else step for step in own]
        if found.release != target.release:
            own.append(FlipLink(host, node.name, node.current, target.release, found.release))
        if own and (keep := keep_step(node, found, back_to=ways[node])):
            keeping.append(keep)
        steps += own
    return [*keeping, *steps]


def _copied(step: WriteFile, node: Node, generation: Generation) -> WriteFile:
    """Return the step that takes a file from the generation; the key of the digest is in none, and is written."""
    folder, path = node.config / BEFORE / str(generation.number), step.file.path
    if path.parent == node.config and path.name in generation.files:
        return replace(step, source=folder / path.name)
    if path in unit_paths(node):
        return replace(step, source=folder / OF_UNIT / path.name)
    return step


def _back(wanted: DesiredNode, generation: Generation) -> DesiredNode:
    """Return the node as its generation has it; the folders that it needs are there, and its host's profile is left alone."""
    node = wanted.node
    own = sorted(generation.files.keys() - {ABOUT}, key=lambda name: (name == MANIFEST, name))
    secret = any(holds_secret(fact.text or "") for fact in generation.files.values())
    owned = node.host.user is not None
    files = tuple(
        _file(node.config / name, generation.files[name], secret=secret, owned=owned) for name in own
    )
    units = tuple(
        _file(path, generation.unit_files[path.name], owned=True)
        for path in (unit_paths(node) if node.host.supervisor is Supervisor.SYSTEMD else ())
        if path.name in generation.unit_files
    )
    key = wanted.key if secret else None
    return replace(wanted, files=files, units=units, identity=None, profile=None, key=key)


def _file(path: PurePosixPath, fact: FileFact, *, owned: bool, secret: bool = False) -> RenderedFile:
    text = fact.text or ""
    store = path.name in (PEM[0], *PKCS12)
    hidden = store or holds_secret(text) or (secret and path.name == MANIFEST)
    return RenderedFile(
        path,
        text,
        fact.mode,
        fact.owner if owned else None,
        secret=hidden,
        digest=fact.sha256,
        encoded=path.name in PKCS12,
    )


def _pending(facts: NodeFacts, target: Generation) -> bool:
    process = facts.process
    if process is None or not process.alive:
        return False
    return process.release != target.release or process.configuration != target.configuration


def _guard_releases(
    cluster: Cluster, back_to: Mapping[Node, Generation], hosts: Mapping[str, HostFacts]
) -> None:
    gone = {
        node.name: one.release
        for node, one in back_to.items()
        if one.release not in hosts[node.host.name].releases
    }
    if gone:
        lines = "\n  ".join(f"{name}: {release}" for name, release in gone.items())
        raise Unsafe(
            f"what ran before is not on the hosts of {cluster.name} any more:\n  {lines}",
            hint=f"{LEFT_OUT}; with that `version:` in the inventory `fab deploy` brings it",
        )


def _guard_ties(wanted: Desired, facts: Mapping[Node, NodeFacts]) -> None:
    """Refuse files in which a node would be another one, or look for its data elsewhere."""
    found = [
        f"{each.node.name}: {line}" for each in wanted.nodes for line in _untied(each, facts[each.node].files)
    ]
    if found:
        lines = "\n  ".join(found)
        raise Unsafe(
            f"what ran before belongs to another state of the cluster:\n  {lines}",
            hint=f"{LEFT_OUT}; what else is to be as before goes into the inventory",
        )


def _untied(each: DesiredNode, files: Mapping[str, FileFact]) -> Iterator[str]:
    before = {file.path.name: file.sha256 for file in each.files}
    for name in (*PEM, *PKCS12):
        # It may have expired since, or may be trusted by nobody any more.
        if before.get(name) != (files[name].sha256 if name in files else None):
            yield f"{name} was another one"
    there = files.get(MAIN_FILE[each.node.role])
    main = next((file for file in each.files if file.path.name == MAIN_FILE[each.node.role]), None)
    if main is None:
        yield f"its generation has no {MAIN_FILE[each.node.role]}"
        return
    if there is None:
        return
    now, then = parse_properties(there.text or main.text), parse_properties(main.text)
    for name in sorted(now.keys() | then.keys()):
        if TIES.fullmatch(name) and now.get(name) != then.get(name):
            yield f"{name} is {now.get(name, 'not set')}, and was {then.get(name, 'not set')}"


def _guard_shared(wanted: Desired) -> None:
    """Refuse generations that want two texts of one unit, which nodes of a role share on their host."""
    texts: dict[tuple[str, PurePosixPath], tuple[str, str]] = {}
    for each in wanted.nodes:
        for file in each.units:
            place = (each.node.host.name, file.path)
            name, digest = texts.setdefault(place, (each.node.name, file.sha256))
            if digest != file.sha256:
                raise Unsafe(
                    f"{name} and {each.node.name} share {file.path}, and were started with different ones before",
                    hint=f"`--limit {each.node.name}` puts its own back",
                )
