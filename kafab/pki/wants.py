"""What the certificates of a cluster must say, from its nodes and their listeners."""

import ipaddress
from collections.abc import Iterable

from kafab.model import Cluster, Node
from kafab.pki.values import OPERATOR, Address, Usage, Want


def want(cluster: Cluster, node: Node) -> Want:
    """Return what a node's certificate must say: every address that it advertises, and the one of its host.

    A ZooKeeper server advertises its host's address to brokers and to its peers.
    """
    names: dict[str, None] = {}
    addresses: dict[Address, None] = {}
    for text in (*(listener.advertised for listener in node.listeners), node.host.address):
        address = address_in(text)
        if address is None:
            names[text.lower().rstrip(".")] = None
        else:
            addresses[address] = None
    return Want(node.name, cluster.name, tuple(names), tuple(addresses))


def wants(cluster: Cluster, nodes: Iterable[Node] | None = None) -> tuple[Want, ...]:
    """Return what the certificates of these nodes, or of all and of the operator, must say."""
    if nodes is not None:
        return tuple(want(cluster, node) for node in nodes)
    return (*(want(cluster, node) for node in cluster.nodes), operator_want(cluster))


def operator_want(cluster: Cluster) -> Want:
    """Return what the certificate of kafab itself must say: it is a client, and nobody connects to it."""
    return Want(OPERATOR, cluster.name, usages=frozenset({Usage.CLIENT}))


def address_in(text: str) -> Address | None:
    """Return an IP address, None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
