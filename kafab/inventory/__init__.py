"""One YAML file -> one Cluster: typed, defaults filled in, every problem at once with its place.

`yamltree` reads the file, `schema` holds the keys, `rules` what must be true across them; here the pieces become
hosts and nodes. No connection is opened and nothing outside the file is asked.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from kafab.cautions import Caution
from kafab.errors import UsageError
from kafab.inventory import (
    listeners,
    modes,
    observing,
    places,
    propertychecks,
    regrets,
    rules,
    sandbox,
    security,
    texts,
    yamltree,
)
from kafab.inventory.rules import Draft, PlacedHost, PlacedNode
from kafab.inventory.schema import CONTROLLER, INVENTORY, KAFKA, KRAFT, SSH, ZOOKEEPER
from kafab.inventory.sections import Section
from kafab.model import Cluster, Host, Node, Paths, Reach, Role, Ssh, Supervisor, Version, VoterSource
from kafab.problems import START, Problem, Problems
from kafab.words import plural


class InventoryError(UsageError):
    """The inventory cannot be used; ``problems`` has every reason, ``warnings`` what was noticed besides."""

    def __init__(self, file: Path, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
        self.problems = problems
        self.warnings = warnings
        count = f"{plural(len(problems), 'problem')} in {file}"
        super().__init__(
            "\n".join([f"{count}; no host was contacted", *(f"  {found}" for found in problems)])
        )


def load(
    path: Path, *, allow_unknown_properties: bool = False, version: Version | None = None
) -> tuple[Cluster, tuple[Problem, ...]]:
    """Read an inventory; return the cluster and the warnings. ``version`` takes the place of the one in the file.

    The cluster's name is the file's stem, or the folder's name for a lab's ``cluster.yaml``. Raises InventoryError
    (exit code 2) with every problem, each with file, line, column and key path. With ``allow_unknown_properties`` a
    property that no Kafka knows is a warning.
    """
    problems = Problems(path)
    name = cluster_name(path)
    try:
        texts.cluster_name(name)
    except ValueError as error:
        problems.error(START, f"found {yamltree.shortened(name)} as the cluster's name; {error}")
    cluster = None
    with suppress(yamltree.Unreadable):
        top = INVENTORY.read(yamltree.read(path, problems), "", problems)
        if top is not None:
            cluster = _cluster(
                name, path, top, problems, allow_unknown=allow_unknown_properties, version=version
            )
            accept = top.get("accept")
            if accept is not None:
                problems.accept((Caution(code), accept.at(code)) for code in accept.values)
    if problems.errors or cluster is None:
        raise InventoryError(path, problems.errors, problems.warnings)
    return cluster, problems.warnings


def cluster_name(path: Path) -> str:
    """Return the name of the cluster that a file holds."""
    return path.absolute().parent.name if path.stem == "cluster" else path.stem


def _cluster(
    name: str, path: Path, top: Section, problems: Problems, *, allow_unknown: bool, version: Version | None
) -> Cluster | None:
    kafka = top.get("kafka") or KAFKA.left_out()
    if version is not None:
        kafka = replace(kafka, values={**kafka.values, "version": version})
    zookeeper = top.get("zookeeper") or ZOOKEEPER.left_out()
    controller = top.get("controller") or CONTROLLER.left_out()
    kraft = top.get("kraft") or KRAFT.left_out()
    named: Section = top.get("hosts") or Section({}, {}, top.place)
    hosts = tuple(
        PlacedHost(_host(host, section, top, path.absolute().parent), section)
        for host, section in named.values.items()
    )
    shared = {Role.ZOOKEEPER: zookeeper, Role.CONTROLLER: controller, Role.BROKER: kafka}
    jmx = observing.jmx(top)
    nodes = tuple(placed for host in hosts for placed in _nodes(host, shared, jmx))
    if sum(placed.node.role is Role.ZOOKEEPER for placed in nodes) == 1:
        nodes = tuple(_alone(placed) for placed in nodes)
    draft = Draft(named, hosts, nodes, shared)
    rules.check(draft, problems)
    places.check(draft, problems)
    sandbox.check(draft, top, problems)
    listeners.check(draft, problems)
    modes.check(draft, top, problems)
    observing.check(draft, top, problems)
    if kafka.get("version") is None:
        return None
    cluster = Cluster(
        name=name,
        version=kafka.get("version"),
        hosts=tuple(placed.host for placed in hosts),
        nodes=tuple(placed.node for placed in nodes),
        chroot=zookeeper.get("chroot"),
        voter_source=VoterSource(kraft.get("quorum")),
        cluster_id=kraft.get("cluster_id"),
        scala=kafka.get("scala"),
        supervisor=Supervisor(top.get("supervisor")),
        user=_service_user(top),
        security=security.of(top.get("security")),
        ssh=_ssh(None, top.get("ssh"), path.absolute().parent),
        agent=observing.agent(jmx, path.absolute().parent),
        lab=top.get("lab"),
        source=path,
        accepted=dict(top.get("accept").values) if top.get("accept") else {},
    )
    security.check(cluster, draft, top, problems)
    propertychecks.check(cluster, draft, problems, allow_unknown=allow_unknown)
    regrets.check(cluster, draft, problems)
    return cluster


def _host(name: str, section: Section, top: Section, folder: Path) -> Host:
    return Host(
        name=name,
        address=section.get("address") or name,
        ssh=_ssh(section.get("ssh"), top.get("ssh"), folder),
        paths=Paths(**_layered(section.get("paths"), top.get("paths"))),
        rack=section.get("rack"),
        java=section.get("java") or top.get("java"),
        site=section.get("site"),
        supervisor=Supervisor(top.get("supervisor") or Supervisor.SYSTEMD),
        user=_service_user(top),
    )


def _service_user(top: Section) -> str | None:
    # Without systemd nobody is root over there, and so nobody can start a process as somebody else.
    return top.get("user") if top.get("supervisor") == Supervisor.SYSTEMD else None


def _ssh(own: Section | None, shared: Section | None, folder: Path) -> Ssh:
    values = _layered(own or SSH.left_out(), shared)
    for key in ("identity", "known_hosts"):
        if key in values:
            values[key] = folder / values[key]
    if "gateway" in values:
        values["gateway"] = ",".join(values["gateway"])
    if "reach" in values:
        values["reach"] = Reach(values["reach"])
    return Ssh(**values)


def _layered(own: Section | None, shared: Section | None) -> dict[str, Any]:
    return {**(shared.values if shared else {}), **(own.values if own else {})}


def _nodes(host: PlacedHost, shared: Mapping[Role, Section], jmx: Section | None) -> list[PlacedNode]:
    """Return a host's nodes in the order of their roles; a controller with a broker's id is part of that broker."""
    sections: dict[Role, tuple[Section, ...]] = {role: host.section.get(str(role)) or () for role in shared}
    brokers = {own.get("id"): own for own in sections[Role.BROKER]}
    combined = {own.get("id"): own for own in sections[Role.CONTROLLER] if own.get("id") in brokers}
    isolated = tuple(own for own in sections[Role.CONTROLLER] if own.get("id") not in combined)
    found = []
    for role, owns in (sections | {Role.CONTROLLER: isolated}).items():
        for own in owns:
            placed = _node(host, role, own, shared, jmx, numbered=len(owns) > 1)
            if role is Role.BROKER and own.get("id") in combined:
                placed = _combined(placed, host, combined[own.get("id")], shared[Role.CONTROLLER])
            found.append(placed)
    return found


def _combined(broker: PlacedNode, host: PlacedHost, own: Section, controllers: Section) -> PlacedNode:
    """Return the broker as one process with a controller: its own keys win, those of all controllers over all brokers'."""
    node = broker.node
    properties = _layered(broker.section.get("properties"), controllers.get("properties"))
    layers = listeners.Layers(host.host, own, host.section, controllers)
    its = (*node.listeners, listeners.of_controller(layers, broker.section))
    merged = replace(node, listeners=its, properties={**node.properties, **properties})
    return replace(broker, node=merged, controller=own)


def _node(
    placed: PlacedHost,
    role: Role,
    own: Section,
    shared: Mapping[Role, Section],
    jmx: Section | None,
    *,
    numbered: bool,
) -> PlacedNode:
    host, cluster = placed.host, shared[role]
    layers = listeners.Layers(host, own, placed.section, cluster)

    def value(key: str) -> Any:
        return own.get(key) if own.get(key) is not None else cluster.get(key)

    properties = _layered(own.get("properties"), cluster.get("properties"))
    if role is Role.CONTROLLER:
        # What a topic gets by default is decided by the controllers, whatever the brokers' files say.
        properties = {**_layered(None, shared[Role.BROKER].get("properties")), **properties}
    node = Node(
        host=host,
        role=role,
        id=own.get("id"),
        listeners=listeners.of_node(role, layers),
        heap=value("heap"),
        data=own.get("data") or (),
        numbered=numbered,
        quorum_port=value("quorum_port"),
        election_port=value("election_port"),
        jmx_port=value("jmx_port"),
        jmx_bind=layers.jmx_bind,
        metrics_port=observing.port(jmx, own, role),
        metrics_bind=observing.bind(jmx, layers),
        data_mounted=value("data_mounted"),
        jvm=value("jvm"),
        properties=properties,
    )
    default: PurePosixPath = host.paths.data / node.instance
    node = node if node.data else replace(node, data=(default,))
    return PlacedNode(node, own, port_places=listeners.port_places(layers))


def _alone(placed: PlacedNode) -> PlacedNode:
    """Take the quorum's ports from a single ZooKeeper server: it runs standalone and listens on neither."""
    if placed.node.role is not Role.ZOOKEEPER:
        return placed
    return replace(placed, node=replace(placed.node, quorum_port=None, election_port=None))
