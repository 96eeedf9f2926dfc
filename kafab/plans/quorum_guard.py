"""Refuses what a KRaft quorum would not survive: a file that asks for another quorum than the one that was formed. Pure.

Kafka does not read its quorum from the configuration once it is formed. A static one that is given bootstrap servers
knows no voters any more, a dynamic one goes on asking the voters of its log, at the addresses that it had for them. Each
of these passes every check of the configuration, and ends with a cluster that elects nobody.
"""

from collections.abc import Mapping

from kafab.errors import Unsafe
from kafab.hosts.facts import Formed, NodesFacts
from kafab.model import Cluster, Endpoint, Node, Version, VoterSource
from kafab.plans.voters import holds

UPGRADABLE = Version(4, 1, 0)
"""From here on a static quorum can be made dynamic (KAFKA-16538)."""
RESTORE = "give the inventory what is on the hosts"


def guard_formed(cluster: Cluster, known: NodesFacts) -> None:
    """Refuse another quorum than the one that was formed. Raises Unsafe with both of them and the supported way.

    What could not be read, and a quorum that was not formed yet, forbid nothing.
    """
    if (found := _refusal(cluster, known)) is not None:
        raise found


def asks_others(cluster: Cluster, known: NodesFacts) -> bool:
    """Tell whether these nodes speak against the inventory, so that the others decide: these may be behind."""
    return _refusal(cluster, known) is not None


def _refusal(cluster: Cluster, known: NodesFacts) -> Unsafe | None:
    if not cluster.kraft:
        return None
    told = {node: found.formed for node, found in known.items() if isinstance(found.formed, Formed)}
    if not told:
        return _first_start(cluster, known)
    dynamic = {node: found for node, found in told.items() if found.how is VoterSource.DYNAMIC}
    # Voters change one after another, and a node that was stopped has not heard of the last change, or still has the
    # state of the static quorum that was made dynamic: one that agrees is enough.
    problem = None
    for found in (dynamic or told).values():
        if (problem := _problem(cluster, found)) is None:
            return None
    what, way = problem or ("", "")
    return Unsafe(
        f"{what}\n  {_table(told)}\n  the inventory: {_wanted(cluster)}", hint=f"{way}; or {RESTORE}"
    )


def _problem(cluster: Cluster, found: Formed) -> tuple[str, str] | None:
    """Return what does not agree with the quorum that was formed, and the way to it; None where nothing is wrong."""
    wanted = {node.id: node.controller_endpoint for node in cluster.controllers}
    if found.how is VoterSource.STATIC:
        return _static_problem(cluster, found, wanted)
    if gone := sorted(found.voters.keys() - wanted.keys()):
        ids = ", ".join(map(str, gone))
        what = f"voter{'s' * (len(gone) > 1)} {ids} of the quorum would be missing: it goes on counting them"
        return (
            what,
            f"take them out of the quorum first: `kafka-metadata-quorum.sh remove-controller` with {ids}",
        )
    moved = {id_: at for id_, at in found.voters.items() if wanted[id_] not in at}
    majority = len(found.voters) // 2 + 1
    if len(found.voters) - len(moved) < majority:
        count = f"{len(moved)} of {len(found.voters)} voters"
        what = f"{count} would move, and a majority of {majority} must be where the quorum looks for it"
        return (
            what,
            "move one controller at a time: deploy and restart it, and wait until it is a voter again",
        )
    return None


def _static_problem(
    cluster: Cluster, found: Formed, wanted: Mapping[int, Endpoint]
) -> tuple[str, str] | None:
    if cluster.voter_source is VoterSource.DYNAMIC:
        upgrade = "`kafka-features.sh upgrade --feature kraft.version=1`, while the cluster runs with `kraft.quorum: static`"
        first = "" if cluster.version >= UPGRADABLE else f"upgrade to Kafka {UPGRADABLE} or newer; then "
        what = "the quorum was formed static (kraft.version 0), and with bootstrap servers it knows no voters"
        return what, f"{first}{upgrade}, and only then `dynamic`"
    if found.voters.keys() != wanted.keys():
        what = "the voters of a static quorum (kraft.version 0) cannot be changed"
        return what, "make it dynamic first, then add and remove controllers one at a time"
    return None


def _first_start(cluster: Cluster, known: NodesFacts) -> Unsafe | None:
    """Refuse controllers that were formatted for a static quorum, which never began, where it is to be a dynamic one.

    The first voters of a dynamic quorum are written when its nodes are formatted.
    """
    if cluster.voter_source is VoterSource.STATIC or not all(node in known for node in cluster.controllers):
        return None
    controllers = {node: known[node] for node in cluster.controllers}
    formatted = all(node.data[0] in found.identities for node, found in controllers.items())
    begun = any(found.formed is not None or holds(node, found) for node, found in controllers.items())
    if begun or not formatted:
        return None
    paths = "\n  ".join(f"{node.name}: {node.data[0]}" for node in controllers)
    return Unsafe(
        f"the controllers were formatted for a static quorum, and know no voters of a dynamic one:\n  {paths}",
        hint="nothing was stored yet: empty these folders and `fab deploy` again; or `kraft.quorum: static`",
    )


def _table(told: Mapping[Node, Formed]) -> str:
    return "\n  ".join(f"{node.name} {node.data[0]}: {_text(found)}" for node, found in told.items())


def _text(found: Formed) -> str:
    voters = (
        f"{id_}@{'/'.join(sorted(map(str, at)))}" if at else str(id_)
        for id_, at in sorted(found.voters.items())
    )
    return f"{found.how}, voters {', '.join(voters)}"


def _wanted(cluster: Cluster) -> str:
    voters = ", ".join(f"{node.id}@{node.controller_endpoint}" for node in cluster.controllers)
    return f"{cluster.voter_source}, voters {voters}"
