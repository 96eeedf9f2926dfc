"""The configuration of one node: what its file says, and what it runs with."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafab.cluster.metadata import Setting, Source
from kafab.config.masking import holds_secret
from kafab.config.properties import parse_properties
from kafab.config.render import MAIN_FILE
from kafab.errors import NotTold, UsageError
from kafab.model import Cluster, Node, Role
from kafab.ops.observing import look
from kafab.ops.world import World
from kafab.unknown import Unknown

SECRET = "***"  # noqa: S105  # what is shown in the place of one


@dataclass(frozen=True)
class Line:
    """One property of a node. A secret's values are `SECRET`."""

    name: str
    file: str | None
    """The value in the file on the host; None where the file does not have it."""
    running: Setting | None
    """None where the broker does not have a property of that name, or does not answer."""

    @property
    def value(self) -> str | None:
        """The running value as it may be shown."""
        if self.running is None:
            return None
        return SECRET if self.running.is_sensitive or is_secret(self.name) else self.running.value


@dataclass(frozen=True)
class Shown:
    """What `show` has found; ``silent`` says why a broker has told nothing."""

    node: Node
    lines: tuple[Line, ...]
    silent: str | None = None


def is_secret(name: str) -> bool:
    """Tell whether a property's name says that its value is a secret."""
    return holds_secret(f"{name}=x")


def show(cluster: Cluster, name: str, key: str | None, world: World) -> Shown:
    """Read a node's file on its host, and ask the node. Without ``key`` all that is not Kafka's default is returned.

    A controller of its own is asked on its own listener, which tells from 3.7 on (KIP-919); a ZooKeeper server has no such request.

    Raises UsageError for a node that can tell nothing and a property that neither has, NotTold where the host does not tell the file.
    """
    node = _asked(cluster, name)
    text = _text(cluster, node, world)
    try:
        file = parse_properties(text)
    except ValueError as error:
        raise NotTold(f"{node.name}: {MAIN_FILE[node.role]} cannot be read as Java does: {error}") from error
    at = node.controller_endpoint if node.role is Role.CONTROLLER else node.endpoint
    answer = world.brokers.broker_configs(node.id, at, None if key is None else [key])
    running: Mapping[str, Setting] = {} if isinstance(answer, Unknown) else answer
    if key is not None:
        names = {key} & (file.keys() | running.keys())
    else:
        names = file.keys() | {one.name for one in running.values() if one.source is not Source.DEFAULT}
    silent = answer.reason if isinstance(answer, Unknown) else None
    if key is not None and not names and silent is None:
        raise UsageError(
            f"{node.name} has no property {key}", hint=f"`fab config.show {node.name}` shows what is set"
        )
    lines = (Line(each, _shown(each, file.get(each), running.get(each)), running.get(each)) for each in names)
    return Shown(node, tuple(sorted(lines, key=lambda line: line.name)), silent)


def _shown(name: str, value: str | None, running: Setting | None) -> str | None:
    secret = is_secret(name) or (running is not None and running.is_sensitive)
    return SECRET if secret and value is not None else value


def _asked(cluster: Cluster, name: str) -> Node:
    able = [node for node in cluster.nodes if node.role is not Role.ZOOKEEPER]
    found = [node for node in cluster.brokers if name in (node.name, node.host.name)]
    found = found or [node for node in able if name == node.name]
    if len(found) != 1:
        raise UsageError(
            f"{name}: no such broker or controller in {cluster.name}; ZooKeeper servers do not tell what they run with",
            hint=f"these tell: {', '.join(node.name for node in able[:40])}",
        )
    return found[0]


def _text(cluster: Cluster, node: Node, world: World) -> str:
    """Return the node's main file as it is on its host."""
    desired, observed = look(cluster, [node], world)
    facts = observed[node.host.name]
    if isinstance(facts, Unknown):
        raise NotTold(f"{node.host.name}: {facts.reason}")
    name = MAIN_FILE[node.role]
    fact = facts.nodes[node.instance].files.get(name)
    if fact is None:
        raise NotTold(f"{node.name} has no {name}", hint=f"`fab deploy --limit {node.name}` writes it")
    if fact.text is not None:
        return fact.text
    path = node.config / name
    return next(file.text for file in desired.nodes[0].files if file.path == path)
