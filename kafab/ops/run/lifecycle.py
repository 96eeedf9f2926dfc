"""start, stop, restart: processes in the order that keeps data safe.

Start: ZooKeeper or the controllers, a quorum, brokers, each proven to serve. Stop: brokers, each proven to be gone, and
only then what they need: a ZooKeeper-mode broker whose ensemble is gone hangs in its shutdown. Each observes first and does only
what is missing, so an interrupted one is resumed by running it again.
"""

from collections.abc import Collection, Sequence

from kafab.errors import Failed, Interrupted, KafabError, Unsafe
from kafab.interruption import interruptible
from kafab.model import Cluster, Node, Role
from kafab.ops.held import forget, keep, lacking
from kafab.ops.lock import operating
from kafab.ops.run.bring_up import bring_up
from kafab.ops.run.guards import guard_access, guard_stop, running
from kafab.ops.run.processes import (
    Progress,
    prove_brokers,
    prove_voters,
    stop_processes,
)
from kafab.ops.run.startable import guard_cluster_id, idle_ones, startable
from kafab.ops.run.voters import guard_voters
from kafab.ops.world import World
from kafab.plans.state import limited
from kafab.rolling.safety import OVERRIDE


def start(
    cluster: Cluster,
    limit: str | None,
    world: World,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """Start what does not run, and prove that it serves; then its replicas get a moment to be in the ISR again.

    ``anew`` lets ZooKeeper servers that lost their data elect an empty leader; ``accepted`` are the nodes whose data
    directories may lack what they have held. Returns the names of the nodes that were started.
    Raises Unreachable before anything is started, Unsafe for foreign data, Failed with the evidence otherwise.
    """
    nodes = limited(cluster, limit)
    accepted = {*accepted, *(node.name for node in cluster.zookeepers if anew)}
    facts = startable(cluster, nodes, world, accepted)
    idle = idle_ones(facts)
    guard_access(idle)
    if not idle:
        prove_voters(cluster, [node for node in nodes if node.is_voter], world)
        prove_brokers(cluster, nodes, world, started=())
        if lacking(facts):
            with operating(cluster, world, "start"):
                keep(cluster, nodes, world)
        return ()
    progress = Progress("start", nodes)
    with interruptible(progress.text), operating(cluster, world, "start") as held:
        held.run.about(nodes, started=progress.done)
        return _start_held(cluster, limit, world, progress, anew=anew, accepted=accepted)


def _start_held(
    cluster: Cluster,
    limit: str | None,
    world: World,
    progress: Progress,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """Start under the lock."""
    # Looked at again: another operator may have finished between the look and the lock.
    idle = idle_ones(startable(cluster, progress.nodes, world, accepted))
    guard_access(idle)
    # The unit compares the record as well: what is accepted is no longer in it.
    forget({node: found for node, found in idle.items() if node.name in accepted}, world)
    bring_up(
        cluster,
        idle,
        world,
        progress,
        partial=limit is not None,
        anew=anew,
        # Who has served has data, also where it ends in the next second.
        meanwhile=lambda: keep(cluster, progress.nodes, world),
    )
    return tuple(progress.done)


def stop(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop what runs, brokers first. Returns the names of the nodes that were stopped.

    With a limit the rest goes on serving, so what the rest needs is refused (Unsafe) unless ``unsafe``.
    """
    nodes = limited(cluster, limit)
    if not running(cluster, nodes, world):
        return ()
    progress = Progress("stop", nodes)
    try:
        with (
            interruptible(progress.text_of_stop),
            operating(cluster, world, "stop", strict=not unsafe) as held,
        ):
            held.run.about(nodes, stopped=progress.done)
            return _stop_held(cluster, world, progress, unsafe=unsafe)
    except KafabError as error:
        error.stopped = tuple(progress.done)
        raise


def _stop_held(cluster: Cluster, world: World, progress: Progress, *, unsafe: bool) -> tuple[str, ...]:
    """Stop under the lock."""
    # Looked at under the lock: what another operator has stopped by now counts.
    alive = running(cluster, progress.nodes, world)
    guarded = not unsafe and len(progress.nodes) < len(cluster.nodes)
    first = [node for node in alive if not node.is_voter]
    voters = [node for node in alive if node.is_voter]
    if guarded and alive:
        guard_stop(cluster, alive, world)
    # Whatever becomes of a disk from here on: what is on it now is known.
    keep(cluster, alive, world)
    stop_processes(first, world, progress)
    if guarded and first and voters:
        _guard_again(cluster, voters, progress.done, world)
    stop_processes(voters, world, progress)
    return tuple(progress.done)


def _guard_again(cluster: Cluster, quorum: Sequence[Node], stopped: Sequence[str], world: World) -> None:
    """Count the majority as it is by now: brokers may take minutes to end. Raises Unsafe or Failed with what was stopped."""
    try:
        guard_stop(cluster, quorum, world)
    except KafabError as error:
        hint = f"`fab start` brings them back; {OVERRIDE} stops the rest, too"
        kind = Unsafe if isinstance(error, Unsafe) else Failed
        raise kind(f"{error.message}\n  stopped by then: {', '.join(stopped)}", hint=hint) from error


def restart(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop and start again; service is interrupted. Returns the names of the nodes that were restarted or started.

    What forbids a start forbids the stop before it. Nobody else operates the cluster between the two.
    """
    nodes = limited(cluster, limit)
    facts = startable(cluster, nodes, world)
    guard_access(facts)
    brokers = {node: found for node, found in facts.items() if node.role is Role.BROKER}
    if not cluster.kraft and any(found.running for found in brokers.values()):
        guard_cluster_id(cluster, brokers, world)
    guard_voters(cluster, facts, world)
    stopping, starting = Progress("stop", nodes), Progress("start", nodes)
    try:
        with operating(cluster, world, "restart", strict=not unsafe) as held:
            held.run.about(nodes, stopped=stopping.done, started=starting.done)
            with interruptible(stopping.text_of_stop):
                _stop_held(cluster, world, stopping, unsafe=unsafe)
            with interruptible(starting.text):
                return _start_held(cluster, limit, world, starting)
    except Interrupted as error:
        # The same command again would stop what has come up by then.
        hint = "`fab start` brings up what was stopped; `fab status` shows what runs"
        told = Interrupted(error.message, hint=hint)
        told.stopped = _down(stopping, starting)
        raise told from None
    except KafabError as error:
        # What fails between the two leaves nodes down that ran before: nothing else says which.
        if down := _down(stopping, starting):
            error.message += f"\n  stopped by this restart, not known to be started again: {', '.join(down)}"
            error.stopped = down
        raise


def _down(stopping: Progress, starting: Progress) -> tuple[str, ...]:
    """Return what a restart has stopped and not started again."""
    return tuple(name for name in stopping.done if name not in starting.done)
