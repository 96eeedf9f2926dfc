"""Can kafab itself come to the nodes: whether sshd lets it through where the ports are not open to this machine.

What goes between the nodes is `network`; what is missing here is told by `start` and `verify` only when all is deployed.
"""

from collections.abc import Collection, Iterator, Mapping

from kafab.findings import Finding, Severity
from kafab.hosts.ways import Passage, forbidden
from kafab.listeners import is_loopback
from kafab.model import Cluster, Endpoint, Host, Node, Reach
from kafab.unknown import Unknown
from kafab.words import few

CHECK = "ssh.forwarding"


def addresses(cluster: Cluster, nodes: Collection[Node]) -> Mapping[Endpoint, Node]:
    """Return where kafab itself asks these nodes, where it may do so through SSH."""
    asked = {node.endpoint: node for node in (*cluster.brokers, *cluster.zookeepers) if node in nodes}
    asked |= {node.controller_endpoint: node for node in cluster.controllers if node in nodes}
    return {at: node for at, node in asked.items() if node.host.ssh.reach is not Reach.DIRECT}


def judge(
    cluster: Cluster,
    asked: Mapping[Endpoint, Node],
    found: Mapping[Endpoint, Passage],
    listened: Collection[Endpoint],
) -> Iterator[Finding]:
    """Yield a finding for each host. ``listened``: where something listens, so that a refusal is a closed way."""
    for host in dict.fromkeys(node.host for node in asked.values()):
        here = {at: found[at] for at, node in asked.items() if node.host == host}
        yield _judged(cluster, host, here, listened)


def _judged(
    cluster: Cluster, host: Host, found: Mapping[Endpoint, Passage], listened: Collection[Endpoint]
) -> Finding:
    evidence: dict[str, object] = {"host": host.name, "tried": len(found)}
    unknown = next((one.ssh for one in found.values() if isinstance(one.ssh, Unknown)), None)
    if unknown is not None:
        return Finding(CHECK, host.name, Severity.UNKNOWN, unknown.reason, evidence)
    shut = {at: one for at, one in found.items() if not one.ssh}
    if not shut:
        return Finding(CHECK, host.name, Severity.OK, "sshd lets kafab through to its nodes", evidence)
    closed = {at: one for at, one in shut.items() if one.direct != ""}
    evidence["forbidden"] = {str(at): one.direct for at, one in shut.items()}
    if not closed:
        detail = "sshd forwards nothing to its nodes, and their ports are open to this machine"
        return Finding(CHECK, host.name, Severity.OK, detail, evidence)
    places = few([str(at) for at in closed])
    hint = (
        f"in sshd_config of {host.name} `AllowTcpForwarding local`, no DisableForwarding, and PermitOpen with these addresses"
        " where there is one; then reload sshd. Or open these ports to this machine"
    )
    if host.ssh.reach is Reach.SSH:
        hint += ", and take `reach: ssh` out of the inventory"
    if all(_open_later(at, one, listened) for at, one in closed.items()):
        silent = Severity.OK if cluster.lab or all(is_loopback(at.host) for at in closed) else Severity.WARN
        detail = f"{places}: {forbidden(host.name)}, unless these are open to this machine once nodes listen"
        return Finding(CHECK, host.name, silent, detail, evidence, None if silent is Severity.OK else hint)
    why = next((f"; directly: {one.direct}" for one in closed.values() if one.direct), "")
    detail = f"{places} cannot be reached through SSH: {forbidden(host.name)}{why}"
    return Finding(CHECK, host.name, Severity.CRIT, detail, evidence, hint)


def _open_later(at: Endpoint, passage: Passage, listened: Collection[Endpoint]) -> bool:
    """Tell whether a plain connection may do once its node runs: it was refused, and nothing listens yet."""
    return passage.refused and at not in listened
