"""A lab's brokers with two listeners, and who uses which: asked as clients ask, and read from the sockets of the processes."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka.admin import AdminClient

from kafab.listeners import Listener
from kafab.model import Cluster, Endpoint, Node
from tests.fab import Fab
from tests.ports import free_ports

EXTERNAL_ADDRESS = "127.0.0.2"
"""Another address of this machine than a lab's own, so that a mixture of both listeners is seen."""
_ESTABLISHED = "01"


class Lab(Protocol):
    """A lab that runs."""

    @property
    def fab(self) -> Fab:
        """The command line."""

    @property
    def cluster(self) -> Cluster:
        """Its inventory."""

    def pid(self, node: str) -> int:
        """Return the process of a node."""


def give_two_listeners(inventory: dict[str, Any]) -> None:
    """Make INTERNAL of the port that each broker of a lab's inventory has, and give it EXTERNAL besides."""
    inventory["kafka"]["listeners"] = {"INTERNAL": {"use": "brokers"}, "EXTERNAL": {}}
    hosts = inventory["hosts"].values()
    for host, port in zip(hosts, free_ports(len(hosts)), strict=True):
        host["broker"]["listeners"] = {
            "INTERNAL": {"port": host["broker"].pop("port")},
            "EXTERNAL": {"port": port, "advertised": EXTERNAL_ADDRESS},
        }


def listeners(cluster: Cluster, name: str) -> dict[int, Endpoint]:
    """Return broker id -> where its listener of that name is by the inventory."""
    return {node.id: _named(node, name).endpoint for node in cluster.brokers}


def _named(node: Node, name: str) -> Listener:
    return next(listener for listener in node.broker_listeners if listener.name == name)


def check_that_clients_stay(lab: Lab, name: str) -> None:
    """A client that comes to a listener is told the addresses of that listener, of every broker, and no other ones."""
    known = listeners(lab.cluster, name)
    shown = {id_: shown_to_a_client(at) for id_, at in known.items()}
    assert shown == dict.fromkeys(known, known), f"{name}: {shown}"


def check_that_brokers_use_the_internal_one(lab: Lab) -> None:
    """Every broker is connected to the internal listener of each other one, and to no external listener."""
    internal, external = (listeners(lab.cluster, name) for name in ("INTERNAL", "EXTERNAL"))
    lab.fab.must("topics.create", "orders", "--partitions", "6", "--replication-factor", "3")
    try:
        peers = {node.id: connected_to(lab.pid(node.name)) for node in lab.cluster.brokers}
    finally:
        lab.fab.must("topics.delete", "orders", "--yes")
    others = {id_: {at.port for other, at in internal.items() if other != id_} for id_ in internal}
    used = {id_: ports & others[id_] for id_, ports in peers.items()}
    assert used == others, f"connected to {used}, all others' are {others}"
    outside = set().union(*peers.values()) & {at.port for at in external.values()}
    assert not outside, f"connected to the external ports {outside}"


def check_that_verify_asks_both(lab: Lab) -> None:
    """`verify` says of each broker that both listeners answer, each with its own addresses."""
    findings = lab.fab.must("verify", "--read-only", "--json").document["findings"]
    found = {f["subject"]: f["evidence"]["answering"] for f in findings if f["check"] == "broker.listeners"}
    expected = {
        node.name: [f"{own.name} {own.endpoint}" for own in node.broker_listeners]
        for node in lab.cluster.brokers
    }
    assert found == expected, f"found {found}, expected {expected}"


def shown_to_a_client(at: Endpoint) -> dict[int, Endpoint]:
    """Return broker id -> the address that a client is told which knows this one address."""
    client = AdminClient({"bootstrap.servers": str(at), "log_level": 0})
    found = client.list_topics(timeout=30).brokers
    return {broker.id: Endpoint(str(broker.host), broker.port) for broker in found.values()}


def connected_to(pid: int) -> set[int]:
    """Return the ports that a process is connected to as a client, and those of its own clients."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in between
            sockets.add(str(descriptor.readlink()))
    lines = [line.split() for name in ("tcp", "tcp6") for line in _table(pid, name)]
    return {
        int(line[2].rpartition(":")[2], 16)
        for line in lines
        if line[3] == _ESTABLISHED and f"socket:[{line[9]}]" in sockets
    }


def _table(pid: int, name: str) -> list[str]:
    return Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
