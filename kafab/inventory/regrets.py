"""What an inventory asks for that works today and is regretted later: switches that give away safety, heaps, JMX.

Each is a warning with a code, which `accept:` silences. How many replicas there are is judged in `rules`, what Kafka's
properties are among themselves in `config/catalogue`.
"""

import re

from kafab.cautions import Caution
from kafab.config.catalogue.zookeeper import remarks
from kafab.inventory.rules import Draft, PlacedNode, property_place
from kafab.listeners import is_loopback
from kafab.model import Cluster, Role
from kafab.problems import Problems

# Property -> the value that is regretted, the code, and what becomes of it. Any case of true and false is Kafka's own.
_OF_BROKERS = {
    "log.cleaner.enable": (
        "false",
        Caution.CLEANER_OFF,
        "compacted topics, __consumer_offsets among them, grow for ever; expected true",
    ),
    "controlled.shutdown.enable": (
        "false",
        Caution.CONTROLLED_SHUTDOWN_OFF,
        "each stop leaves its partitions without a leader until they notice; expected true",
    ),
    "unclean.leader.election.enable": (
        "true",
        Caution.UNCLEAN_ELECTION,
        "a replica that is behind may become leader, and acknowledged records are lost; expected false",
    ),
}
_OF_ZOOKEEPER = {
    "forceSync": (
        "no",
        Caution.FORCE_SYNC_OFF,
        "what is acknowledged is not on disk, and lost with the power; expected yes",
    ),
    "autopurge.purgeInterval": (
        "0",
        Caution.AUTOPURGE_OFF,
        "every snapshot and log is kept until the disk is full; expected hours from 1",
    ),
}
_COMPRESSED = 32 * 2**30
_UNITS = {"m": 2**20, "g": 2**30}
# Alignment moves the limit, ZGC has no compressed references at any size.
_OTHER_LAYOUT = re.compile(r"-XX:(ObjectAlignmentInBytes=(?!8$).*|\+UseZGC|-UseCompressedOops)")


def check(cluster: Cluster, draft: Draft, problems: Problems) -> None:
    """Warn of each of them, at the place in the file that asks for it."""
    for placed in draft.nodes:
        zookeeper = placed.node.role is Role.ZOOKEEPER
        _switches(placed, draft, problems, zookeeper=zookeeper)
        if zookeeper:
            for remark in remarks(
                placed.node.properties, cluster.version, alone=len(cluster.zookeepers) == 1
            ):
                place = property_place(placed, draft, remark.name, of_name=remark.on_name)
                if remark.caution is None:
                    problems.error(place, remark.text)
                else:
                    problems.warning(place, remark.text, remark.caution)
        _heap(placed, draft, problems)
        _jmx(placed, draft, problems)


def _switches(placed: PlacedNode, draft: Draft, problems: Problems, *, zookeeper: bool) -> None:
    for name, (regretted, caution, text) in (_OF_ZOOKEEPER if zookeeper else _OF_BROKERS).items():
        given = placed.node.properties.get(name, "").strip()
        if (given if zookeeper else given.lower()) == regretted:
            problems.warning(property_place(placed, draft, name), f"found {given}: {text}", caution)


def _heap(placed: PlacedNode, draft: Draft, problems: Problems) -> None:
    node = placed.node
    if int(node.heap[:-1]) * _UNITS[node.heap[-1].lower()] < _COMPRESSED:
        return
    if not any(_OTHER_LAYOUT.fullmatch(flag) for flag in node.jvm):
        section = placed.section if placed.section.given("heap") else draft.shared[node.role]
        text = f"found {node.heap}: from 32g on Java's references take 8 bytes, so that 31g holds more; expected at most 31g"
        problems.warning(section.at("heap"), text, Caution.HEAP_ABOVE_32G)


def _jmx(placed: PlacedNode, draft: Draft, problems: Problems) -> None:
    node = placed.node
    if node.jmx_port is None or (node.jmx_bind and is_loopback(node.jmx_bind)):
        return
    section = placed.section if placed.section.given("jmx_port") else draft.shared[node.role]
    where = "an address of the network" if node.jmx_bind else "every interface"
    text = (
        f"found JMX on {where} without a login: whoever reaches the port can run code as the service account; "
        "expected `jmx_bind: 127.0.0.1`, or a firewall"
    )
    problems.warning(section.at("jmx_port"), text, Caution.JMX_WITHOUT_LOGIN)
