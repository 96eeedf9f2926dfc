"""Observe a cluster's hosts: one round trip each, side by side."""

from collections.abc import Collection

from kafab.hosts.observation import observation, parse
from kafab.model import Cluster, Node
from kafab.ops.world import World
from kafab.plans.state import Desired, Observed, desire
from kafab.ports import Fleet
from kafab.releases.names import release_for


def observe(desired: Desired, fleet: Fleet) -> Observed:
    """Ask every host that has one of the nodes; hosts that did not answer are Unknown."""
    cluster = desired.cluster
    files = {name: desired.files(name) for name in desired.host_names}
    outcomes = fleet.run({name: observation(cluster.host(name), nodes) for name, nodes in files.items()})
    return {
        name: parse(cluster.host(name), tuple(files[name]), outcome) for name, outcome in outcomes.items()
    }


def look(cluster: Cluster, nodes: Collection[Node], world: World) -> tuple[Desired, Observed]:
    """Observe without fetching anything: the release is compared only where the store already has it."""
    desired = desire(cluster, nodes, world.store.find(release_for(cluster.version, cluster.scala)))
    return desired, observe(desired, world.fleet)
