"""Preferred leaders elected back: after a restart the others lead what a broker led before."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kafab.cluster.metadata import Partition
from kafab.cluster.seen import Ask
from kafab.errors import WHICH_RUN, NotTold, OutcomeUnknown
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node
from kafab.ops.lock import operating
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.plans.state import limited
from kafab.rolling.leaders import able, elsewhere
from kafab.rolling.safety import merged
from kafab.unknown import Unknown

BEHIND = "its preferred leader is not in the ISR"


@dataclass(frozen=True)
class Restored:
    """What an election of preferred leaders has done."""

    moved: tuple[str, ...] = ()
    """Partitions that their preferred replica leads again."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Partition -> why it is led by another one still."""
    partitions: int = 0
    """How many partitions have their preferred replica on these brokers."""


def restore(cluster: Cluster, limit: str | None, world: World) -> Restored:
    """Elect the preferred leaders on these nodes' brokers under the cluster's lock. Raises what `elect` raises, and Locked.

    With nothing to do, nothing is locked.
    """
    brokers = [node for node in limited(cluster, limit) if node in cluster.brokers]
    if not elsewhere(_seen(cluster, world), {node.id for node in brokers}):
        return elect(cluster, brokers, world)
    with operating(cluster, world, "leaders.restore") as held:
        done = elect(cluster, brokers, world)
        held.run.figures["moved"] = len(done.moved)
        return done


def elect(cluster: Cluster, brokers: Collection[Node], world: World) -> Restored:
    """Elect the preferred leaders on these brokers.

    Raises NotTold where no broker answers, Failed with the controller's words, OutcomeUnknown where it does not answer.
    """
    ids = {node.id for node in brokers}
    partitions = _seen(cluster, world)
    away = elsewhere(partitions, ids)
    wanted = able(away)
    refused: Mapping[tuple[str, int], str] = {}
    if wanted:
        answer = world.leaders.elect_preferred([(one.topic, one.number) for one in wanted])
        if isinstance(answer, Unknown):
            raise OutcomeUnknown(f"the election of preferred leaders: {answer.reason}", hint=AGAIN)
        refused = answer
    left = {one.name: BEHIND for one in away if one not in wanted}
    left |= {one.name: refused[key] for one in wanted if (key := (one.topic, one.number)) in refused}
    return Restored(
        tuple(one.name for one in wanted if one.name not in left),
        left,
        sum(one.replicas[0] in ids for one in partitions if one.replicas),
    )


def _seen(cluster: Cluster, world: World) -> tuple[Partition, ...]:
    views = see(cluster, world, Ask(views=cluster.brokers)).views
    found = merged(view for view in views.values() if not isinstance(view, Unknown))
    if not found and all(isinstance(view, Unknown) for view in views.values()):
        reasons = {view.reason for view in views.values() if isinstance(view, Unknown)}
        raise NotTold(f"no broker of {cluster.name} answers: {'; '.join(sorted(reasons))}", hint=WHICH_RUN)
    return found
