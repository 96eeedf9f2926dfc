"""plan and deploy: they share every line but the last one.

Deploy puts files on hosts; it never starts, stops or restarts a process. What runs keeps running with what it was
started from, and is listed as restart pending.
"""

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kafab.checks.preflight.folders import HELD
from kafab.errors import KafabError, Unreachable, Unsafe
from kafab.events import Note
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node
from kafab.ops import upgrades
from kafab.ops.check.preflight import blocking, preflight
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import Fate, HostResult, not_done, raise_unless_done
from kafab.ops.held import guard_held
from kafab.ops.lock import operating
from kafab.ops.observing import observe, read_secrets, read_stores
from kafab.ops.releases import refuse_damaged
from kafab.ops.world import World
from kafab.plans import quorum_guard, storage, voters
from kafab.plans.persisted import warnings
from kafab.plans.plan import Plan, diff, known, node_facts
from kafab.plans.state import Desired, desire, limited
from kafab.plans.steps import InstallRelease
from kafab.plans.versions import as_upgraded
from kafab.ports import Fleet
from kafab.releases.names import release_for
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Deployed:
    """What a deploy did: its plan, and each changed host's fate."""

    plan: Plan
    results: Mapping[str, HostResult]

    def raise_unless_done(self) -> None:
        """Raise Failed or OutcomeUnknown with the fate of every host, unless all are done."""
        hint = "running processes were not touched; the same command again goes on from here"
        raise_unless_done("deploy", self.results, hint=hint)


def make_plan(
    cluster: Cluster,
    limit: str | None,
    world: World,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
    upgrading: bool = False,
) -> tuple[Desired, Plan]:
    """Observe and compare. Raises Unreachable, Unsafe, Failed (no release) or UsageError (limit); changes nothing.

    ``anew`` lets ZooKeeper servers that lost their data begin with an empty ensemble; ``accepted`` are the nodes whose data
    directories may lack what they have held. ``upgrading``: the plan is an upgrade's own, which another version does not speak against.
    """
    desired = _wanted(cluster, limited(cluster, limit), world)
    return _compare(desired, world, anew=anew, accepted=accepted, first=True, upgrading=upgrading)


def _wanted(cluster: Cluster, nodes: Collection[Node], world: World) -> Desired:
    """Return what these nodes are to be, with all that is sent to their hosts. Raises Failed where that cannot be had."""
    artifact = world.store.fetch(release_for(cluster.version, cluster.scala), world.emit)
    agent = world.store.agent(cluster.agent, world.emit) if cluster.agent else None
    secrets, stores = read_secrets(cluster, nodes, world), read_stores(cluster, nodes, world)
    return desire(cluster, nodes, artifact, secrets, stores, agent=agent)


ASKS_OTHERS = (storage.asks_others, voters.asks_others, quorum_guard.asks_others)
"""Whether nodes that a --limit leaves out decide what may be done with the others: by their ids, data, or quorum."""


def _compare(
    desired: Desired,
    world: World,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
    first: bool = False,
    upgrading: bool = False,
) -> tuple[Desired, Plan]:
    """Observe and compare; where nodes outside the limit decide what may be made within it, they are asked, too.

    ``first`` tells what a change means. While an upgrade is not finalized other files are wanted: those come back. Raises Unreachable where they do not answer: a second id for one cluster must never be made, nor a second metadata.
    """
    fleet = world.fleet
    observed = observe(desired, fleet)
    cluster, asked = desired.cluster, {wanted.node for wanted in desired.nodes}
    left_out = [node for node in cluster.nodes if node not in asked]
    facts = node_facts(desired, known(observed))
    if not upgrading:
        held = as_upgraded(cluster, facts, upgrades.told(cluster, observed, world))
        if held != cluster:
            again = desired.at(held)
            return _compare(again, world, anew=anew, accepted=accepted, first=first, upgrading=True)
    accepted = {*accepted, *(node.name for node in cluster.zookeepers if anew)}
    guard_held(cluster, facts, accepted, world)
    for node, text in warnings(desired, facts).items() if first else ():
        world.emit(Note(node, text))
    if not left_out or not any(asks(cluster, facts) for asks in ASKS_OTHERS):
        return desired, diff(desired, observed, anew=anew, accepted=accepted)
    rest = desire(cluster, left_out, desired.artifact)
    answers = observe(rest, fleet)
    silent = {host: fact.reason for host, fact in answers.items() if isinstance(fact, Unknown)}
    if silent:
        raise Unreachable(
            silent,
            hint="nothing was changed; what the nodes there hold decides how the new ones are made",
        )
    elsewhere = node_facts(rest, known(answers))
    return desired, diff(desired, observed, elsewhere, anew=anew, accepted=accepted)


def bring(cluster: Cluster, nodes: Collection[Node], world: World) -> None:
    """Give these nodes the files and the release of a cluster in an upgrade, under a lock that is held; the release is there.

    Raises Failed or OutcomeUnknown with the fate of each host.
    """
    _, plan = _compare(_wanted(cluster, nodes, world), world, upgrading=True)
    raise_unless_done("switch", execute(plan, cluster, world.fleet, world.emit), hint=AGAIN)


def deploy(
    cluster: Cluster,
    limit: str | None,
    world: World,
    *,
    check: bool = True,
    anew: bool = False,
    accepted: Collection[str] = (),
    command: str = "deploy",
) -> Deployed:
    """Bring the hosts to what the inventory asks for. With nothing to do, nothing is written, not even a lock.

    Before the first change the hosts are looked at (`preflight`, without the network); what is certain to fail or to
    endanger data refuses the deploy, unless ``check`` is False. ``anew`` and ``accepted`` are those of ``make_plan``.
    The lock and the history name the ``command`` that it is a part of.
    """
    desired, plan = make_plan(cluster, limit, world, anew=anew, accepted=accepted)
    if not plan:
        return Deployed(plan, {})
    sent = {step.artifact for step in plan.steps if isinstance(step, InstallRelease)}
    with ThreadPoolExecutor(1) as beside:
        # To read a whole release takes as long as to ask the hosts.
        intact = beside.submit(refuse_damaged, world.store, sent)
        if check:
            _refuse_blocked(cluster, limit, world)
        intact.result()
    with operating(cluster, world, command, strict=False) as held:
        # Another operator may have finished between the look and the lock.
        asked = desired if desired.cluster == cluster else desired.at(cluster)
        desired, plan = _compare(asked, world, anew=anew, accepted=accepted)
        plan = plan.named(storage.uuid(os.urandom(16)))
        world.emit(Note(cluster.name, plan.counts))
        held.run.about([cluster.host(step.host) for step in plan.steps], steps=plan.steps)
        results = execute(plan, cluster, world.fleet, world.emit)
        if any(result.fate is Fate.UNKNOWN for result in results.values()):
            results = _look_again(desired, world.fleet, results, accepted)
        if error := not_done("deploy", results):
            held.run.failed(error)
    return Deployed(plan, results)


def _refuse_blocked(cluster: Cluster, limit: str | None, world: World) -> None:
    found = blocking(preflight(cluster, limit, world, connections=False).report)
    # What a folder has held was judged with the plan, which knows the nodes that may be empty.
    blocked = [each for each in found if each.check != HELD]
    if blocked:
        lines = [
            f"  {found.subject}: {found.detail}" + (f" ({found.hint})" if found.hint else "")
            for found in blocked
        ]
        raise Unsafe(
            "nothing was changed, the hosts are not ready:\n" + "\n".join(lines),
            hint="`fab preflight` shows every check; --skip-preflight deploys all the same",
        )


def _look_again(
    desired: Desired, fleet: Fleet, results: dict[str, HostResult], accepted: Collection[str]
) -> dict[str, HostResult]:
    """A dropped connection says nothing of what was done: ask the hosts that are UNKNOWN once more."""
    observed = observe(desired, fleet)
    answered = {
        host: fact
        for host, fact in observed.items()
        if host in results and results[host].fate is Fate.UNKNOWN
    }
    for host, fact in answered.items():
        nodes = tuple(wanted for wanted in desired.nodes if wanted.node.host.name == host)
        try:
            part = replace(desired, nodes=nodes)
            left = diff(part, {host: fact}, anew=True, accepted=accepted)
        except KafabError:
            continue
        if not left:
            results[host] = HostResult(Fate.DONE)
    return results
