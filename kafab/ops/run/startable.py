"""What forbids the start of nodes: foreign, lost or no data, nothing deployed, no Java, another cluster's id."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from kafab.cluster.seen import Ask
from kafab.config.render import MAIN_FILE
from kafab.errors import Failed, Unsafe
from kafab.hosts.belonging import HINT, belonging, of_running
from kafab.hosts.facts import NodeFacts
from kafab.model import Cluster, Host, Node, Role
from kafab.ops.held import guard_held
from kafab.ops.observing import look
from kafab.ops.see import see
from kafab.ops.until import wait
from kafab.ops.world import World
from kafab.plans.plan import guard_identities, guard_places, known
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

CLUSTER_ID_LIMIT = timedelta(seconds=20)


def idle_ones(facts: Mapping[Node, NodeFacts]) -> dict[Node, NodeFacts]:
    """Return the nodes that do not run."""
    return {node: found for node, found in facts.items() if not found.running}


def startable(
    cluster: Cluster, nodes: Sequence[Node], world: World, accepted: Collection[str] = ()
) -> dict[Node, NodeFacts]:
    """Return what each node's host said.

    Raises what forbids a start: foreign, lost or no data, nothing deployed, no Java. ``accepted`` are the nodes that may have lost some.
    """
    desired, observed = look(cluster, nodes, world)
    hosts = known(observed)
    guard_places(cluster, hosts)
    guard_identities(desired, hosts)
    facts = {node: hosts[node.host.name].nodes[node.instance] for node in nodes}
    guard_held(cluster, facts, accepted, world)
    bare = [
        node.name
        for node, found in facts.items()
        if found.release is None or MAIN_FILE[node.role] not in found.files
    ]
    if bare:
        raise Failed(f"not deployed: {', '.join(bare)}", hint="`fab deploy` first")
    # The first directory has the metadata; Kafka itself takes in an empty one beside it. ZooKeeper needs its id there.
    marked = [node for node in facts if cluster.kraft or node.role is Role.ZOOKEEPER]
    raw = [f"{node.name} {node.data[0]}" for node in marked if node.data[0] not in facts[node].identities]
    if raw:
        raise Failed(
            f"{'not formatted' if cluster.kraft else 'without a myid'}: {', '.join(raw)}",
            hint="`fab deploy` goes on where it was interrupted, and makes them ready",
        )
    no_java = [
        f"{host.name}: {_looked_for(host)}"
        for host in cluster.hosts
        if host.name in hosts and not hosts[host.name].java
    ]
    if no_java:
        raise Failed(
            "no Java:\n  " + "\n  ".join(no_java),
            hint="install Java 17, or set `java:` in the inventory",
        )
    return facts


def _looked_for(host: Host) -> str:
    return f"{host.java / 'bin/java'} cannot be run" if host.java else "none on the PATH nor in /usr/lib/jvm"


def guard_cluster_id(cluster: Cluster, brokers: Mapping[Node, NodeFacts], world: World) -> None:
    """Refuse data of another cluster than ZooKeeper's: Kafka would exit with InconsistentClusterIdException."""
    ours: str | None = None

    def read() -> Missing:
        nonlocal ours
        found = see(cluster, world, Ask(identity=True)).ensemble.cluster_id
        if isinstance(found, Unknown):
            return {"ZooKeeper": found.reason}
        ours = found
        return {}

    # A quorum that was formed this moment may still throw a session out.
    wait(read, "ZooKeeper's cluster id", CLUSTER_ID_LIMIT, world)
    _refuse_foreign(cluster, brokers, ours, f"ZooKeeper's cluster id is {ours or 'not made yet'}")


def guard_live_cluster_id(cluster: Cluster, idle: Mapping[Node, NodeFacts], world: World) -> None:
    """Refuse to bring nodes of another cluster to the one that runs; without a --limit the hosts were compared already."""
    others = [node for node in cluster.brokers if node not in idle]
    # Where no broker answers there is none to disagree with.
    for view in see(cluster, world, Ask(views=others)).known_views.values():
        ours = view.cluster_id
        _refuse_foreign(cluster, idle, ours, f"the running cluster's id is {ours}")


def _refuse_foreign(cluster: Cluster, nodes: Mapping[Node, NodeFacts], ours: str | None, text: str) -> None:
    foreign = [
        f"{place.node.name}: {place.path} belongs to cluster {place.cluster_id}"
        for place in of_running(belonging(cluster, nodes), ours)
    ]
    if foreign:
        chroot = "" if cluster.kraft else "check zookeeper.chroot; "
        hint = f"{chroot}{HINT}; nothing was started on them"
        raise Unsafe(f"{text}:\n  " + "\n  ".join(foreign), hint=hint)
