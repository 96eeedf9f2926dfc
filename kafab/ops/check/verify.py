"""Is this cluster what the inventory says, and does it do what a Kafka cluster is for? Findings with evidence.

Everything is asked first, side by side and each node on its own (`kafab.ops.see`); then judged (`kafab.checks.brokers` for both
modes, `kafab.checks.ensemble` for ZooKeeper, `kafab.checks.controllers` for KRaft); then proven by doing (`kafab.ops.check.probe`, and
an election). A cluster with faults is verified to the end: every finding is told, not the first.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from kafab.checks import brokers, certificates, configs, controllers, ensemble, listeners, walls
from kafab.checks.causes import with_causes
from kafab.cluster.metadata import Metadata
from kafab.cluster.own_topics import is_own
from kafab.cluster.seen import Seen, everything
from kafab.events import Note
from kafab.findings import Finding, Report
from kafab.model import Cluster
from kafab.ops.check import controller_election, ensemble_election
from kafab.ops.check import probe as probes
from kafab.ops.check.certificates import expiries
from kafab.ops.check.status import findings as process_findings
from kafab.ops.releases import compare_hosts
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.plans.state import Desired, Observed
from kafab.unknown import Unknown
from kafab.words import plural

SETTLED = timedelta(seconds=10)
AGAIN_EVERY = 0.5


@dataclass(frozen=True)
class Checked:
    """What was seen of a cluster, and what was found."""

    report: Report
    seen: Seen


def verify(
    cluster: Cluster,
    world: World,
    *,
    probe: bool = True,
    election: bool = False,
    deep: bool = False,
    now: datetime | None = None,
) -> Report:
    """Return what `check` finds."""
    return check(cluster, world, probe=probe, election=election, deep=deep, now=now).report


def check(
    cluster: Cluster,
    world: World,
    *,
    probe: bool = True,
    election: bool = False,
    deep: bool = False,
    now: datetime | None = None,
    looked: tuple[Desired, Observed] | None = None,
) -> Checked:
    """Return every finding about the cluster, those about its processes first, and what they were judged from.

    ``probe`` writes to a topic of its own and removes it again; ``election`` moves the controller. Without both the
    cluster is only read. ``deep`` also compares the releases on the hosts with their archives. ``now`` dates the probe topic.
    ``looked``: what the hosts of all nodes have said, where they were asked already. Raises nothing for a cluster's fault.
    """
    at = now or datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=1) as pool:
        seeing = pool.submit(see, cluster, world, everything(cluster))
        # The hosts are asked by this thread, in which Ctrl-C arrives.
        findings = list(process_findings(cluster, world, looked))
        seen = seeing.result()
    if deep:
        findings += compare_hosts(cluster, world)
    findings += judge(cluster, seen, at)
    findings += certificates.judge_expiry(expiries(cluster.nodes, world), at)
    live = seen.live(cluster)
    if probe:
        name = probes.probe_name(at)
        findings += probes.replication(cluster, [node.id for node in live], world, name=name)
        findings += tried_walls(cluster, world)
    if election:
        move = controller_election.election if cluster.kraft else ensemble_election.election
        findings.append(move(cluster, live, world))
    found = with_causes(cluster, findings, seen, partitions_view(cluster, seen))
    return Checked(Report(cluster.name, found), seen)


def tried_walls(cluster: Cluster, world: World) -> tuple[Finding, ...]:
    """Try what strangers must not be able to do; nothing in a cluster whose listeners are all in the clear."""
    doors = walls.doors(cluster)
    if not doors:
        return ()
    protocols = {one.endpoint: one.protocol for node in cluster.nodes for one in node.listeners}
    world.emit(Note(cluster.name, f"trying what strangers may not: {plural(len(doors), 'attempt')}"))
    return walls.judge_walls(cluster, doors, world.walls.knock(doors, protocols))


def settled(cluster: Cluster, world: World) -> Checked:
    """Return the findings of a cluster after a change, once nothing is broken, or as they are after some seconds.

    Brokers answer from copies of the metadata that follow a moment later. The cluster is only read.
    """
    begun = world.clock.now()
    while (found := check(cluster, world, probe=False)).report.exit_code:
        if world.clock.now() - begun >= SETTLED.total_seconds():
            break
        world.clock.sleep(AGAIN_EVERY)
    return found


def judge(cluster: Cluster, seen: Seen, at: datetime) -> tuple[Finding, ...]:
    """Judge what was seen; asks nothing."""
    view = _view(cluster, seen)
    return (
        *(_judge_controllers if cluster.kraft else _judge_ensemble)(cluster, seen),
        *listeners.judge_listeners(cluster, seen.listeners, seen.views),
        *brokers.judge_log_dirs(cluster, seen.log_dirs),
        *configs.judge_dynamic(cluster, seen.running),
        *brokers.judge_partitions(cluster, partitions_view(cluster, seen), seen.configs),
        probes.judge_leftovers(cluster, view, at),
    )


def _view(cluster: Cluster, seen: Seen) -> Metadata | Unknown:
    return brokers.choose_view(_first_to_be_right(cluster, seen), seen.views)


def partitions_view(cluster: Cluster, seen: Seen) -> Metadata | Unknown:
    """Return the view of the partitions that are judged: all but those of kafab's own topics."""
    return brokers.without(_view(cluster, seen), is_own)


def _judge_controllers(cluster: Cluster, seen: Seen) -> tuple[Finding, ...]:
    views, absent = seen.views, controllers.absent(cluster)
    pinned = {"the inventory": cluster.cluster_id} if cluster.cluster_id else {}
    return (
        *controllers.judge_quorum(cluster, seen.controllers, views),
        *brokers.judge_registrations(cluster, seen.registered(cluster), views, absent=absent),
        brokers.judge_identity(cluster, pinned, views),
    )


def _judge_ensemble(cluster: Cluster, seen: Seen) -> tuple[Finding, ...]:
    views, registered = seen.views, seen.registered(cluster)
    return (
        *ensemble.judge_ensemble(cluster, seen.ensemble.members),
        *brokers.judge_registrations(cluster, registered, views),
        *ensemble.judge_controller(cluster, seen.ensemble.controller, registered, views),
        brokers.judge_identity(cluster, {"zookeeper": seen.ensemble.cluster_id}, views),
    )


def _first_to_be_right(cluster: Cluster, seen: Seen) -> tuple[int, ...]:
    """Return whose view of the partitions is asked for first: the controller's; in KRaft that of any unfenced broker."""
    if cluster.kraft:
        return tuple(node.id for node in seen.live(cluster))
    controller = seen.ensemble.controller
    return () if isinstance(controller, Unknown) or controller.broker is None else (controller.broker,)
