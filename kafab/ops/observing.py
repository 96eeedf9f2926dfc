"""Observe a cluster's hosts: one round trip each, side by side."""

from collections.abc import Collection, Iterable

from kafab.command import Secret
from kafab.config.properties import node_properties
from kafab.config.render import Stores
from kafab.config.resolving import Resolved, references
from kafab.config.security import needs_certificate
from kafab.errors import KafabError
from kafab.hosts.facts import HostFacts, NodesFacts
from kafab.hosts.observation import observation, parse
from kafab.model import Cluster, Node
from kafab.ops.world import World
from kafab.plans.state import Desired, Observed, as_found, desire
from kafab.ports import Fleet
from kafab.references import Reference
from kafab.releases.names import release_for
from kafab.shell.layout import UPGRADE
from kafab.words import plural


def observe(desired: Desired, fleet: Fleet, *, earlier: bool = False) -> Observed:
    """Ask every host that has one of the nodes; hosts that did not answer are Unknown.

    ``earlier`` asks for what the nodes were started from before, too: `NodeFacts.generations` has the texts then.
    """
    cluster = desired.cluster
    files = {name: desired.files(name) for name in desired.host_names}
    scripts = {
        name: observation(
            cluster.host(name),
            nodes,
            cluster.host(name).paths.run / f"{cluster.name}{UPGRADE}",
            earlier=earlier,
        )
        for name, nodes in files.items()
    }
    outcomes = fleet.run(scripts)
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


def read_secrets(cluster: Cluster, nodes: Iterable[Node], world: World) -> Resolved:
    """Read every secret that these nodes' files need, each once. Raises a KafabError with all that cannot be read."""
    every = (one for node in nodes for one in references(node_properties(cluster, node)))
    asked = dict.fromkeys((one.reference, one.lines) for one in every)
    answers = [(reference, _read(reference, world, lines=lines)) for reference, lines in asked]
    faults = {answer.message: answer for _, answer in answers if isinstance(answer, KafabError)}
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        hints = dict.fromkeys(error.hint for error in faults.values() if error.hint)
        told = "".join(f"\n  {message}" for message in faults)
        kind = type(next(iter(faults.values())))
        raise kind(f"{plural(len(faults), 'secret')} cannot be read:{told}", hint="; ".join(hints))
    return {reference: answer for reference, answer in answers if isinstance(answer, Secret)}


def read_stores(cluster: Cluster, nodes: Iterable[Node], world: World) -> dict[Node, Stores]:
    """Return what those of these nodes show that have certificates. Raises a KafabError where one has a defect."""
    asked = [node for node in nodes if needs_certificate(cluster, node)]
    return dict(world.certificates.stores(asked, cluster.version)) if asked else {}


def _read(reference: Reference, world: World, *, lines: bool) -> Secret | KafabError:
    try:
        return world.secrets.read(reference, lines=lines)
    except KafabError as error:
        return error
