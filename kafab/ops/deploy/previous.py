"""deploy --previous: what nodes were started from before is put back, from what their hosts have kept. Nothing is restarted."""

from dataclasses import dataclass

from kafab.errors import Failed, KafabError, Unsafe
from kafab.events import Note
from kafab.model import Cluster
from kafab.ops import upgrades
from kafab.ops.deploy.deploy import Deployed
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import Fate, HostResult, not_done
from kafab.ops.held import guard_held
from kafab.ops.lock import operating
from kafab.ops.observing import look, observe, told
from kafab.ops.world import World
from kafab.plans.plan import known, node_facts
from kafab.plans.previous import Previous, previous
from kafab.plans.standing import DIFFERING, configuration_state
from kafab.plans.state import desire, limited
from kafab.plans.versions import ways
from kafab.words import few, plural

COMMAND = "deploy --previous"


@dataclass(frozen=True)
class PutBack:
    """What was done."""

    deployed: Deployed
    differing: tuple[str, ...]
    """Nodes whose hosts have something else now than the inventory asks for."""


def make_previous(
    cluster: Cluster, limit: str | None, world: World, *, older: bool = False, first: bool = True
) -> Previous:
    """Look, and tell what would be put back; changes nothing. ``first`` tells of nodes that have nothing to go back to.

    Raises Failed where none has, Unsafe where an upgrade is under way or where what ran before does not fit, Unreachable.
    """
    nodes = limited(cluster, limit)
    desired = desire(cluster, nodes, None)
    observed = observe(desired, world.fleet, earlier=True)
    hosts = known(observed)
    facts = node_facts(desired, hosts)
    if upgrade := upgrades.told(cluster, observed, world):
        raise Unsafe(f"{upgrade}, and has its own way back", hint=ways(upgrade))
    guard_held(cluster, facts, (), world)
    found = previous(desired, hosts, older=older)
    if not found.back_to:
        raise Failed(
            f"{few([node.name for node in found.without])}: nothing is kept of what ran before{' that' * older}",
            hint="a deploy keeps what it replaces, where that has run; what is to be as it was goes into the inventory",
        )
    for node in found.without if first else ():
        world.emit(Note(node.name, "nothing is kept of what ran before; it stays as it is"))
    return found


def deploy_previous(cluster: Cluster, limit: str | None, world: World, *, older: bool = False) -> PutBack:
    """Put back on each node what it was started from before. With nothing to do, nothing is written, not even a lock.

    Raises what `make_previous` raises, and Locked.
    """
    plan = make_previous(cluster, limit, world, older=older).plan
    results: dict[str, HostResult] = {}
    if plan:
        with operating(cluster, world, COMMAND, strict=False) as held:
            # Another operator may have finished between the look and the lock.
            plan = make_previous(cluster, limit, world, older=older, first=False).plan
            world.emit(Note(cluster.name, plan.counts))
            held.run.about([cluster.host(step.host) for step in plan.steps], steps=plan.steps)
            results = execute(plan, cluster, world.fleet, world.emit)
            if any(result.fate is Fate.UNKNOWN for result in results.values()):
                results = _look_again(cluster, limit, world, results, older=older)
            if error := not_done(COMMAND, results):
                held.run.failed(error)
    done = Deployed(plan, results)
    done.raise_unless_done()
    return PutBack(done, _differing(cluster, limit, world))


def _look_again(
    cluster: Cluster, limit: str | None, world: World, results: dict[str, HostResult], *, older: bool
) -> dict[str, HostResult]:
    """A dropped connection says nothing of what was done: see whether anything is left there."""
    for host, result in results.items():
        if result.fate is not Fate.UNKNOWN:
            continue
        names = ",".join(node.name for node in limited(cluster, limit) if node.host.name == host)
        try:
            left = make_previous(cluster, names, world, older=older, first=False).plan
        except KafabError:
            continue
        if not left:
            results[host] = HostResult(Fate.DONE)
    return results


def _differing(cluster: Cluster, limit: str | None, world: World) -> tuple[str, ...]:
    """Return the nodes whose hosts have something else now than the inventory asks for; that is told."""
    desired, observed = look(cluster, limited(cluster, limit), world)
    facts = told(desired, observed)
    other = tuple(
        each.node.name
        for each in desired.nodes
        if each.node in facts and configuration_state(desired, each, facts[each.node]) in DIFFERING
    )
    if other:
        world.emit(
            Note(
                cluster.name,
                f"the inventory asks for something else on {plural(len(other), 'node')}: `fab plan` shows it, and the next "
                "`fab deploy` brings it there; write into the inventory what is to stay",
            )
        )
    return other
