"""Brokers' and controllers' properties against Kafka's own catalogue: each remark at the place in the file to change.

What is judged is the whole server.properties as kafab will write it, so that a property is seen beside kafab's own.
"""

from kafab.cautions import Caution
from kafab.config.catalogue.definitions import catalogue, releases
from kafab.config.catalogue.judge import judge
from kafab.config.catalogue.remarks import Remark
from kafab.config.properties import broker_properties
from kafab.inventory.rules import Draft, property_place
from kafab.model import Cluster, Role
from kafab.problems import Problems


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
            Caution.UNKNOWN_VERSION,
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
            place = property_place(placed, draft, remark.name, of_name=remark.on_name)
            allowed = Caution.UNKNOWN_PROPERTY if remark.unknown and allow_unknown else None
            if caution := remark.caution or allowed:
                problems.warning(place, remark.text, caution)
            else:
                problems.error(place, remark.text)
