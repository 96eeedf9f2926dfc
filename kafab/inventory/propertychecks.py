"""Brokers' and controllers' properties against Kafka's own catalogue: each remark at the place in the file to change.

What is judged is the whole server.properties as kafab will write it, so that a property is seen beside kafab's own.
"""

from collections.abc import Mapping

from kafab.config.catalogue.definitions import catalogue, releases
from kafab.config.catalogue.judge import judge
from kafab.config.catalogue.remarks import Remark
from kafab.config.properties import broker_properties
from kafab.inventory.rules import Draft, PlacedNode
from kafab.inventory.sections import Section
from kafab.model import Cluster, Role
from kafab.problems import Place, Problems


def check(cluster: Cluster, draft: Draft, problems: Problems, *, allow_unknown: bool) -> None:
    """Report what this version of Kafka would refuse, ignore or misread, for every node that has properties.

    With ``allow_unknown`` a name that no Kafka knows is a warning.
    """
    asked = [
        placed for placed in draft.nodes if placed.node.role is not Role.ZOOKEEPER and placed.node.properties
    ]
    if not asked:
        return
    known = catalogue(cluster.version)
    if not known.exact:
        newest = f"{known.line[0]}.{known.line[1]}"
        listed = ", ".join(f"{major}.{minor}" for major, minor in releases())
        problems.warning(
            draft.shared[Role.BROKER].at("version"),
            f"found {cluster.version}, whose properties kafab does not know; they are checked as those of {newest} "
            f"(known: {listed})",
        )
    # Brokers mostly have the same properties: a cluster of 300 has a few kinds of them.
    judged: dict[tuple[object, ...], tuple[Remark, ...]] = {}
    for placed in asked:
        node = placed.node
        kind = (node.role, node.is_controller, *sorted(node.properties.items()))
        if kind not in judged:
            properties = broker_properties(cluster, node)
            judged[kind] = tuple(judge(properties, known, node.properties, kraft=draft.kraft))
        for remark in judged[kind]:
            place = _place(placed, draft.shared, remark)
            if remark.severity == "warning" or (remark.unknown and allow_unknown):
                problems.warning(place, remark.text)
            else:
                problems.error(place, remark.text)


def _place(placed: PlacedNode, shared: Mapping[Role, Section], remark: Remark) -> Place:
    """Return where a property in force was given: with the node, for all controllers, for all brokers."""
    of_controllers = (shared[Role.CONTROLLER],) if placed.node.is_controller else ()
    for section in (placed.section, *of_controllers, shared[Role.BROKER]):
        properties: Section | None = section.get("properties")
        if properties is not None and properties.given(remark.name):
            return properties.names[remark.name] if remark.on_name else properties.at(remark.name)
    return placed.section.place
