"""destroy: take away what kafab placed on the hosts, and nothing else.

It observes first, and what it then does is a value that was shown: under the lock it observes again, and goes on only
where nothing has come up that was not shown. It is steps of a plan, like a deploy; each looks again at what it removes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kafab.command import Script
from kafab.errors import KafabError, Unreachable, Unsafe
from kafab.events import Note
from kafab.hosts.facts import HostFacts, NodeFacts
from kafab.hosts.remains import HostRemains, observation, parse
from kafab.model import Cluster, Host, Node
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import Fate, HostResult, not_done, raise_unless_done, worst
from kafab.ops.lock import operating
from kafab.ops.observing import observe, told
from kafab.ops.world import World
from kafab.plans.plan import Plan, Stage, known
from kafab.plans.removal import Removals, removals
from kafab.plans.removing import Removal, RemoveFiles, RemoveFolder
from kafab.plans.state import Desired, as_found, desire, limited
from kafab.ports import Fleet
from kafab.shell.layout import LOCK
from kafab.unknown import Unknown
from kafab.words import plural


@dataclass(frozen=True)
class Destroyed:
    """What a destroy did: its steps, and each changed host's fate."""

    removals: Removals
    results: Mapping[str, HostResult]

    def raise_unless_done(self) -> None:
        """Raise Failed or OutcomeUnknown with the fate of every host, unless all are done."""
        raise_unless_done("destroy", self.results, hint="the same command again goes on from here")


def prepare(cluster: Cluster, limit: str | None, world: World, *, data: bool) -> Removals:
    """Observe and decide; changes nothing. ``data`` asks for data and logs too.

    Raises Unreachable, Unsafe (nodes run; data is another's or nobody's) or UsageError (limit).
    """
    fleet = world.fleet
    desired = desire(cluster, limited(cluster, limit), None)
    facts = known(observe(desired, fleet))
    desired = as_found(desired, told(desired, facts))
    asked = {name: cluster.host(name) for name in desired.host_names}
    outcomes = fleet.run({name: _observation(cluster, limit, host) for name, host in asked.items()})
    remains = _known({name: parse(outcomes[name]) for name in asked})
    return removals(desired, facts, remains, _left_out(desired, fleet) if data else {}, data=data)


def _left_out(desired: Desired, fleet: Fleet) -> dict[Node, NodeFacts]:
    """Return what the nodes outside the limit have, of hosts that answer: theirs is the cluster whose data may go."""
    asked = {wanted.node for wanted in desired.nodes}
    rest = desire(desired.cluster, [node for node in desired.cluster.nodes if node not in asked], None)
    answers = observe(rest, fleet) if rest.nodes else {}
    return {
        wanted.node: fact.nodes[wanted.node.instance]
        for wanted in rest.nodes
        if isinstance(fact := answers[wanted.node.host.name], HostFacts)
    }


def destroy(cluster: Cluster, limit: str | None, world: World, agreed: Removals, *, data: bool) -> Destroyed:
    """Remove what was agreed to, or what is still there of it. With nothing to do, nothing is written, not even a lock.

    Raises Unsafe where there is more to remove now than was agreed to, Locked while another operator is at work.
    """
    if not agreed:
        return Destroyed(agreed, {})
    with operating(cluster, world, "destroy", strict=False) as held:
        found = prepare(cluster, limit, world, data=data)
        _guard_agreed(found, agreed)
        last = [step for step in found.steps if _waits_for_the_lock(cluster, step)]
        first = [step for step in found.steps if step not in last]
        held.run.about([cluster.host(name) for name in found.hosts], steps=first)
        results = execute(_stage(found, first), cluster, world.fleet, world.emit)
        results = _seen(cluster, limit, world, results, data=data)
        if error := not_done("destroy", results):
            held.run.failed(error)
    if worst(results.values()) is Fate.DONE:
        after = execute(_stage(found, last), cluster, world.fleet, world.emit)
        results |= _seen(cluster, limit, world, after, data=data)
    else:
        results = {host: HostResult(Fate.NOT_STARTED) for host in found.hosts} | results
    for host, result in results.items():
        if result.fate is Fate.DONE:
            world.emit(Note(host, f"{plural(len(found.on(host)), 'thing')} removed"))
    return Destroyed(found, results)


def _observation(cluster: Cluster, limit: str | None, host: Host) -> Script:
    return observation(host, [node for node in limited(cluster, limit) if node.host.name == host.name])


def _known(found: Mapping[str, HostRemains | Unknown]) -> dict[str, HostRemains]:
    unknown = {host: there.reason for host, there in found.items() if isinstance(there, Unknown)}
    if unknown:
        raise Unreachable(unknown, hint="nothing was changed; --limit leaves hosts out")
    return {host: there for host, there in found.items() if isinstance(there, HostRemains)}


def _guard_agreed(found: Removals, agreed: Removals) -> None:
    before = {thing for step in agreed.steps for thing in _things(step)}
    more = [step for step in found.steps if not _things(step) <= before]
    if more:
        raise Unsafe(
            f"{agreed.cluster} has changed since this was shown; there is more now:\n  "
            + "\n  ".join(f"{step.host}: {step}" for step in more),
            hint="nothing was changed; the same command again shows it all",
        )


def _things(step: Removal) -> set[tuple[str, str, PurePosixPath]]:
    """Return what is lost by a step."""
    match step:
        case RemoveFolder():
            return set()  # an empty folder is nobody's loss, and the lock itself makes one
        case RemoveFiles():
            return {(step.host, step.what, step.path / name) for name in step.names}
        case _:
            return {(step.host, step.what, step.path)}


def _waits_for_the_lock(cluster: Cluster, step: Removal) -> bool:
    """The lock is a file below the run folder of one of the hosts, so those folders go last."""
    return isinstance(step, RemoveFolder) and step.path in (cluster.host(step.host).paths.run / LOCK).parents


def _stage(found: Removals, steps: Sequence[Removal]) -> Plan:
    """Return the plan of these removals: each host looks first whether its nodes are still stopped."""
    hosts = {step.host for step in steps}
    looks = [look for look in found.stopped if look.host in hosts]
    return Plan(found.cluster, (Stage("removal", (*looks, *steps)),), ())


def _seen(
    cluster: Cluster, limit: str | None, world: World, results: dict[str, HostResult], *, data: bool
) -> dict[str, HostResult]:
    """A dropped connection says nothing of what was done: a host with at most empty folders left is done."""
    for host, result in results.items():
        if result.fate is not Fate.UNKNOWN:
            continue
        named = [node.name for node in limited(cluster, limit) if node.host.name == host]
        try:
            left = prepare(cluster, ",".join(named), world, data=data)
        except KafabError:
            continue
        if all(isinstance(step, RemoveFolder) for step in left.steps):
            results[host] = HostResult(Fate.DONE)
    return results
