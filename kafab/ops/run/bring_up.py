"""From nodes that do not run to nodes that serve: voters in waves, then brokers, each step proven; for a start and for a roll."""

from collections.abc import Callable, Mapping

from kafab.events import Note
from kafab.hosts.facts import NodeFacts
from kafab.model import Cluster, Node
from kafab.ops.run import gates
from kafab.ops.run.processes import Progress, archive, prove_brokers, prove_voters, start_processes
from kafab.ops.run.startable import guard_cluster_id, guard_live_cluster_id
from kafab.ops.run.voters import in_waves
from kafab.ops.world import World
from kafab.plans.standing import edited


def bring_up(
    cluster: Cluster,
    idle: Mapping[Node, NodeFacts],
    world: World,
    progress: Progress,
    *,
    partial: bool,
    anew: bool = False,
    steady: bool = True,
    settled: bool = True,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Start these nodes, which `startable` has allowed, and prove that they and the others of ``progress`` serve.

    ``partial``: others run besides, so data of another cluster than theirs is refused. ``anew`` lets ZooKeeper servers that
    lost their data elect an empty leader. ``steady`` lets them serve for some seconds before they count, ``settled`` gives what
    follows by itself a moment (`broker_gates.settle`). ``meanwhile`` is called once they serve, while they have still to last.
    Raises Unsafe for foreign data, Failed with the evidence, OutcomeUnknown.
    """
    _tell_foreign(idle, world)
    ending = [node for node, facts in idle.items() if facts.stopping]
    if ending:
        complete = "the stop before this start is complete"
        gates.gone(ending, world, lambda name: world.emit(Note(name, complete)))
    first = [node for node in idle if node.is_voter]
    brokers = {node: facts for node, facts in idle.items() if not node.is_voter}
    if cluster.kraft and partial and idle:
        guard_live_cluster_id(cluster, idle, world)
    recording: list[Node] = []
    for wave in in_waves(cluster, first, idle, world, anew=anew):
        recording += start_processes(wave, world, progress) if wave else []
        prove_voters(cluster, wave, world)
    if brokers and not cluster.kraft:
        guard_cluster_id(cluster, brokers, world)
        gates.old_registrations_gone(cluster, list(brokers), world)
    if brokers:
        recording += start_processes(list(brokers), world, progress)
    since = prove_brokers(cluster, progress.nodes, world, progress.done, settled=settled)
    meanwhile()
    started = [node for node in progress.nodes if node.name in progress.processes]
    if steady:
        gates.steady(cluster, started, progress.processes, since, world)
    archive(recording, world)


def _tell_foreign(idle: Mapping[Node, NodeFacts], world: World) -> None:
    """Say which of these nodes start with what kafab did not write: files edited by hand, drop-ins of others."""
    for node, found in idle.items():
        if names := edited(found):
            told = f"starts with {', '.join(names)} as edited by hand on {node.host.name}; `fab plan` shows the difference"
            world.emit(Note(node.name, told))
        for path in found.foreign_units:
            world.emit(Note(node.name, f"starts with {path} in effect, which is not kafab's"))
