"""Where ports will listen: on addresses that the host has, and which of them on every interface.

The latter is told, so that nobody finds a port open that was thought closed.
"""

from collections.abc import Iterator, Mapping, Sequence

from kafab.checks.preflight.local import Look, chosen
from kafab.findings import Finding, Severity
from kafab.listeners import is_address
from kafab.model import Cluster, Host, Node
from kafab.unknown import Unknown

CHECK = "listening"


def judge_binds(host: Host, nodes: Sequence[Node], look: Look) -> Iterator[Finding]:
    """Yield a finding for each node that is to listen on chosen addresses: a process ends at once on another host's."""
    for node in nodes:
        wanted = chosen(node)
        if not wanted:
            continue
        evidence: dict[str, object] = {"host": host.name, "found": None, "wanted": wanted}
        if isinstance(look.addresses, Unknown):
            reason = f"the host's addresses cannot be read: {look.addresses.reason}"
            yield Finding("bind", node.name, Severity.UNKNOWN, reason, evidence)
            continue
        evidence["found"] = sorted(look.addresses)
        strange = {use: bind for use, bind in wanted.items() if not _has(look, look.addresses, bind)}
        if not strange:
            places = ", ".join(dict.fromkeys(wanted.values()))
            yield Finding("bind", node.name, Severity.OK, f"listens on {places}, its own", evidence)
            continue
        each = ", ".join(f"{use} on {bind}" for use, bind in strange.items())
        hint = f"mend bind: or address: in the inventory; {host.name} has {', '.join(sorted(look.addresses))}"
        text = f"is to listen for {each}, which no interface of {host.name} has"
        yield Finding("bind", node.name, Severity.CRIT, text, evidence, hint)


def _has(look: Look, own: frozenset[str], bind: str) -> bool:
    if is_address(bind):
        return bind in own
    resolved = () if isinstance(look.names, Unknown) else look.names.get(bind, ())
    return any(address in own for address in resolved)


def everywhere(node: Node) -> Mapping[str, int]:
    """Return the ports that a node opens on every interface, by what they are for."""
    return dict(_everywhere(node))


def _everywhere(node: Node) -> Iterator[tuple[str, int]]:
    for listener in node.listeners:
        if listener.everywhere:
            yield node.use(listener), listener.port
    # ZooKeeper binds these two to the server's own name in server.N (quorumListenOnAllIPs of zoo.cfg).
    if node.properties.get("quorumListenOnAllIPs", "").strip().lower() == "true":
        yield from ((use, port) for use, port in node.ports.items() if use in ("quorum", "election"))
    if node.jmx_port is not None and node.jmx_bind is None:
        yield "jmx", node.jmx_port
    if node.metrics_port is not None and node.metrics_bind is None:
        yield "metrics", node.metrics_port


def judge_listening(cluster: Cluster) -> Finding:
    """Name the ports that are open on every interface. That is Kafka's default and no fault: a remark, not a warning."""
    found = {node.name: ports for node in cluster.nodes if (ports := everywhere(node))}
    if not found:
        return Finding(
            CHECK, cluster.name, Severity.OK, "every port listens on one address", {"everywhere": {}}
        )
    counts: dict[tuple[str, int], int] = {}
    for ports in found.values():
        for use in ports.items():
            counts[use] = counts.get(use, 0) + 1
    each = ", ".join(f"{_described(use)} {port} on {count}" for (use, port), count in counts.items())
    nodes = f"{len(found)} of {len(cluster.nodes)} nodes"
    hint = "bind: of a host, a node or a listener, jmx_bind: and observe.jmx.bind: choose an address (`bind: address`, the host's own)"
    return Finding(
        *(CHECK, cluster.name, Severity.OK, f"{nodes} listen on every interface: {each}"),
        {"everywhere": found},
        None if cluster.lab else hint,
    )


def _described(use: str) -> str:
    return f"{use} (without a password)" if use in ("jmx", "metrics") else use
