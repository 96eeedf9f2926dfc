"""One YAML file -> one Cluster: typed, defaults filled in, every problem at once with its place.

`yamltree` reads the file, `schema` holds the keys, `rules` what must be true across them; here the pieces become
hosts and nodes. No connection is opened and nothing outside the file is asked.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from kafab.errors import UsageError
from kafab.inventory import rules, texts, yamltree
from kafab.inventory.rules import Draft, PlacedHost, PlacedNode
from kafab.inventory.schema import INVENTORY, KAFKA, SSH, ZOOKEEPER
from kafab.inventory.sections import Section
from kafab.model import Cluster, Host, Node, Paths, Role, Ssh, Supervisor
from kafab.problems import START, Problem, Problems


class InventoryError(UsageError):
    """The inventory cannot be used; ``problems`` has every reason, ``warnings`` what was noticed besides."""

    def __init__(self, file: Path, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
        self.problems = problems
        self.warnings = warnings
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {file}"
        super().__init__(
            "\n".join([f"{count}; no host was contacted", *(f"  {found}" for found in problems)])
        )


def load(path: Path) -> tuple[Cluster, tuple[Problem, ...]]:
    """Read an inventory; return the cluster and the warnings.

    The cluster's name is the file's stem, or the folder's name for a lab's ``cluster.yaml``. Raises InventoryError
    (exit code 2) with every problem, each with file, line, column and key path.
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
            cluster = _cluster(name, path, top, problems)
    if problems.errors or cluster is None:
        raise InventoryError(path, problems.errors, problems.warnings)
    return cluster, problems.warnings


def cluster_name(path: Path) -> str:
    """Return the name of the cluster that a file holds."""
    return path.absolute().parent.name if path.stem == "cluster" else path.stem


def _cluster(name: str, path: Path, top: Section, problems: Problems) -> Cluster | None:
    kafka = top.get("kafka") or KAFKA.left_out()
    zookeeper = top.get("zookeeper") or ZOOKEEPER.left_out()
    named: Section = top.get("hosts") or Section({}, {}, top.place)
    hosts = tuple(
        PlacedHost(_host(host, section, top, path.absolute().parent), section)
        for host, section in named.values.items()
    )
    nodes = tuple(placed for host in hosts for placed in _nodes(host, kafka, zookeeper))
    if sum(placed.node.role is Role.ZOOKEEPER for placed in nodes) == 1:
        nodes = tuple(_alone(placed) for placed in nodes)
    # The file's own order within a host: ZooKeeper, then brokers, as Role is defined.
    rules.check(Draft(named, hosts, nodes, kafka, zookeeper), problems)
    if kafka.get("version") is None:
        return None
    return Cluster(
        name=name,
        version=kafka.get("version"),
        hosts=tuple(placed.host for placed in hosts),
        nodes=tuple(placed.node for placed in nodes),
        chroot=zookeeper.get("chroot"),
        scala=kafka.get("scala"),
        supervisor=Supervisor(top.get("supervisor")),
        user=_service_user(top),
        lab=top.get("lab"),
        source=path,
    )


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
    return Ssh(**values)


def _layered(own: Section | None, shared: Section | None) -> dict[str, Any]:
    return {**(shared.values if shared else {}), **(own.values if own else {})}


def _nodes(host: PlacedHost, kafka: Section, zookeeper: Section) -> list[PlacedNode]:
    found = []
    for role, cluster in ((Role.ZOOKEEPER, zookeeper), (Role.BROKER, kafka)):
        sections: tuple[Section, ...] = host.section.get(str(role)) or ()
        found += [_node(host.host, role, own, cluster, numbered=len(sections) > 1) for own in sections]
    return found


def _node(host: Host, role: Role, own: Section, cluster: Section, *, numbered: bool) -> PlacedNode:
    def value(key: str) -> Any:
        return own.get(key) if own.get(key) is not None else cluster.get(key)

    node = Node(
        host=host,
        role=role,
        id=own.get("id"),
        port=value("port"),
        heap=value("heap"),
        data=own.get("data") or (),
        numbered=numbered,
        quorum_port=value("quorum_port"),
        election_port=value("election_port"),
        advertised=own.get("advertised") or "",
        jmx_port=value("jmx_port"),
        data_mounted=value("data_mounted"),
        jvm=value("jvm"),
        properties=_layered(own.get("properties"), cluster.get("properties")),
    )
    default: PurePosixPath = host.paths.data / node.instance
    return PlacedNode(node if node.data else replace(node, data=(default,)), own)


def _alone(placed: PlacedNode) -> PlacedNode:
    """Take the quorum's ports from a single ZooKeeper server: it runs standalone and listens on neither."""
    if placed.node.role is not Role.ZOOKEEPER:
        return placed
    return replace(placed, node=replace(placed.node, quorum_port=None, election_port=None))
