"""The systemd units of a host's nodes: one template a role, an instance a node, a drop-in for what differs."""

from pathlib import PurePosixPath

from kafab.config.render import RenderedFile, fill
from kafab.model import Cluster, Node, Role, Supervisor
from kafab.shell.layout import DROP_IN

UNITS = PurePosixPath("/etc/systemd/system")
OWNER = "root:root"
TITLES = {
    Role.ZOOKEEPER: "Apache ZooKeeper",
    Role.CONTROLLER: "Apache Kafka KRaft controller",
    Role.BROKER: "Apache Kafka broker",
}

HIDDEN = {
    "ProtectHome": (PurePosixPath("/home"), PurePosixPath("/root"), PurePosixPath("/run/user")),
    "PrivateTmp": (PurePosixPath("/tmp"), PurePosixPath("/var/tmp")),  # noqa: S108  # named, not used
}
"""Directive of the unit -> folders of the host that the service does not see by it: systemd.exec(5)."""


def hiding(path: PurePosixPath) -> str | None:
    """Return the directive that hides a path of the host from the service, None where it is there for it."""
    return next(
        (
            directive
            for directive, folders in HIDDEN.items()
            if any(path.parts[: len(folder.parts)] == folder.parts for folder in folders)
        ),
        None,
    )


def unit_files(cluster: Cluster, node: Node) -> tuple[RenderedFile, ...]:
    """Return the role's unit and the node's drop-in; nothing under the `process` supervisor.

    Nodes of one role on one host share the unit, which names no node.
    """
    if node.host.supervisor is not Supervisor.SYSTEMD:
        return ()
    here = cluster.on(node.host)
    # At boot ZooKeeper or the controller comes first, and at shutdown, which is the reverse, it goes last.
    before = [other.unit for other in here if other.role is not Role.BROKER and node.role is Role.BROKER]
    unit = fill("kafka@.service.j2", host=node.host, role=node.role, title=TITLES[node.role], before=before)
    drop_in = fill("kafka-instance.conf.j2", node=node, data=node.data_folders)
    unit_path, drop_in_path = unit_paths(node)
    return (
        RenderedFile(unit_path, unit, "644", OWNER),
        RenderedFile(drop_in_path, drop_in, "644", OWNER),
    )


def unit_paths(node: Node) -> tuple[PurePosixPath, PurePosixPath]:
    """Return where the role's unit and the node's drop-in stand."""
    return UNITS / f"kafka-{node.role}@.service", UNITS / f"{node.unit}.d" / DROP_IN
