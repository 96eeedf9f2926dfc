"""The certificates that the nodes of a cluster show, asked of their listeners."""

from collections.abc import Collection, Mapping
from datetime import datetime

from kafab.model import Node
from kafab.ops.world import World
from kafab.unknown import Unknown


def expiries(nodes: Collection[Node], world: World) -> Mapping[Node, datetime | Unknown]:
    """Return until when the certificates of these nodes are good; only nodes with a listener with TLS are in it."""
    asked = {
        node: next(one.endpoint for one in node.listeners if one.protocol.tls)
        for node in nodes
        if any(one.protocol.tls for one in node.listeners)
    }
    if not asked:
        return {}
    found = world.walls.expiries(asked.values())
    return {node: found[at] for node, at in asked.items()}
