"""Observe a cluster's hosts: one round trip each, side by side."""

from collections.abc import Collection, Iterable

from kafab.command import Secret
from kafab.config.resolving import Resolved, references, takes_lines
from kafab.hosts.facts import HostFacts, NodesFacts
from kafab.hosts.observation import observation, parse
from kafab.model import Cluster, Node
from kafab.ops.world import World
from kafab.plans.state import Desired, Observed, as_found, desire
from kafab.ports import Fleet
from kafab.references import Reference
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
    """Observe without fetching anything: the release is compared only where the store already has it.

    No secret is read: see `as_found`.
    """
    desired = desire(cluster, nodes, world.store.find(release_for(cluster.version, cluster.scala)))
    observed = observe(desired, world.fleet)
    return as_found(desired, told(desired, observed)), observed


def told(desired: Desired, observed: Observed) -> NodesFacts:
    """Return what is known of each wanted node whose host has answered."""
    answers = {wanted.node: observed[wanted.node.host.name] for wanted in desired.nodes}
    return {
        node: answer.nodes[node.instance] for node, answer in answers.items() if isinstance(answer, HostFacts)
    }


def read_secrets(nodes: Iterable[Node], world: World) -> Resolved:
    """Read every secret that these nodes' files need, each once. Raises what ``Secrets.read`` raises, for the first."""
    found: dict[Reference, Secret] = {}
    for name, reference in dict.fromkeys(each for node in nodes for each in references(node.properties)):
        found[reference] = world.secrets.read(reference, lines=takes_lines(name))
    return found
