"""A canary beside an operation: a producer and a consumer in a group, in a process of their own, on a topic of their own.

Each live broker leads one partition of the topic, which has min(3, brokers) replicas and the cluster's own
min.insync.replicas: what happens to its records happens to those of every client that asks for acks=all.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from kafab.canary import verdict
from kafab.canary.assignment import spread
from kafab.canary.figures import Counts, Figures
from kafab.cluster.metadata import TopicSpec
from kafab.cluster.own_topics import Purpose, own_name
from kafab.errors import WHICH_RUN, Failed, OutcomeUnknown, Unreachable
from kafab.events import Emit, Note, Waiting
from kafab.findings import Severity
from kafab.hosts.history import Figure
from kafab.model import Cluster, Node
from kafab.ops.own_topic import OwnTopic
from kafab.ops.until import wait
from kafab.ops.world import World
from kafab.ports import Flight, Heard, Perch
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown
from kafab.words import few, plural

STEP = timedelta(milliseconds=20)
"""The time between two records of one partition, where the partitions are few: the measure of a gap is no finer."""
MOST = 1000
"""Records a second over all partitions."""
READY_LIMIT = timedelta(seconds=60)
"""How long each partition may take to its first acknowledgement, and the group to its first commit."""
SILENCE = timedelta(seconds=15)
"""A canary's process that has told nothing for so long is given up; it tells its figures four times a second."""
LATE = timedelta(seconds=3)
OFFSETS = "__consumer_offsets"
TELL_EVERY = 1.0
# Not a record may go before it is counted, whatever the brokers' defaults are.
_CONFIGS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


class Canary:
    """A canary at work. Its figures are those of its last word, which is a quarter of a second old where all is well."""

    def __init__(
        self, cluster: Cluster, absent: tuple[Node, ...], perch: Perch, flight: Flight, emit: Emit
    ) -> None:
        self.topic = perch.topic
        self.absent = absent
        """Brokers of the inventory that were not there at the beginning: the figures prove nothing of them."""
        self._cluster = cluster
        self._flight = flight
        self._emit = emit
        self._nothing = Figures(
            perch.topic,
            (Counts(),) * len(perch.leaders),
            perch.leaders,
            Counts(),
            timedelta(),
            perch.every,
        )

    def figures(self) -> Figures:
        """Return the last figures. ``total.lost`` above 0 is proof of a loss, also before the records are counted."""
        return self._flight.heard().figures or self._nothing

    @property
    def ended(self) -> str | None:
        """Why its process has ended by itself; None where it goes on."""
        return self._flight.heard().ended

    def well(self, gap_budget: timedelta) -> Missing:
        """Return why the canary is not well, by node: a gap is open that is longer than the budget, or it is not heard of."""
        heard = self._flight.heard()
        if (lack := _not_heard(heard)) is not None:
            return {self._cluster.name: f"the canary is not heard of: {lack}"}
        silent = verdict.silent_longer_than(heard.figures or self._nothing, gap_budget, heard.ago)
        names = {node.id: node.name for node in self._cluster.brokers}
        return {names[broker]: text for broker, text in silent.items()}

    def finish(self) -> Figures:
        """Let it flush, read its topic to the end and count; return the final figures.

        Where it cannot be heard out the figures are its last ones, and not ``counted``; a note says why.
        """
        self._emit(Note(self._cluster.name, "canary: reads its topic from the beginning to the end"))
        heard = self._flight.finish(silence=SILENCE)
        found = heard.figures or self._nothing
        if not found.counted:
            why = heard.ended or _silent(heard)
            self._emit(Note(self._cluster.name, f"canary: the records are not counted: {why}"))
        return found

    def ready(self) -> Missing:
        """Return what the beginning lacks: an acknowledgement in each partition, and a commit of the group."""
        heard = self._flight.heard()
        if heard.ended is not None:
            raise Failed(f"{self._cluster.name}: the canary could not begin: {heard.ended}")
        found = heard.figures
        if found is None:
            return {self._cluster.name: "the canary's process starts"}
        names = {node.id: node.name for node in self._cluster.brokers}
        missing = {
            names[leader]: f"no record of {found.topic}-{number} is acknowledged"
            + (
                f", refused so far: {verdict.kinds(refusals)}"
                if (refusals := {**counts.retried, **counts.refused})
                else ""
            )
            for number, (leader, counts) in enumerate(zip(found.leaders, found.partitions, strict=True))
            if not counts.acked
        }
        if not missing and found.takeover is None:
            return {self._cluster.name: "the canary's consumer group has committed nothing"}
        return missing


@contextmanager
def beside(cluster: Cluster, world: World, *, now: datetime | None = None) -> Iterator[Canary]:
    """Have a canary at work in the block; its topic is removed at the end in every case, also after Ctrl-C.

    The block begins once each partition has acknowledged a record and the group has committed. ``now`` dates the topic.
    Raises Unreachable where no broker answers; Failed where the topic is refused, or nothing is acknowledged within 60 s.
    """
    live, absent, fresh = _brokers(cluster, world)
    assignment = spread(live)
    name = own_name(Purpose.CANARY, now or datetime.now(timezone.utc), secrets.token_hex(2))
    every = max(STEP, timedelta(seconds=len(live) / MOST))
    perch = Perch(cluster.bootstrap, name, tuple(node.id for node in live), every)
    of = plural(len(assignment[0]), "replica")
    world.emit(Note(cluster.name, f"canary on topic {name}: {plural(len(live), 'partition')}, {of} each"))
    if fresh:
        text = f"the first consumer group makes Kafka create {OFFSETS}, which stays"
        world.emit(Note(cluster.name, text))
    topic = OwnTopic(cluster, TopicSpec(name, configs=_CONFIGS, assignment=assignment), world)
    try:
        created = topic.create()
        if isinstance(created, Unknown):
            raise OutcomeUnknown(f"canary: topic {name} was not seen to be created: {created.reason}")
        flight = world.canaries.fly(perch)
        try:
            canary = Canary(cluster, absent, perch, flight, world.emit)
            wait(canary.ready, "the canary begins", READY_LIMIT, world)
            yield canary
        finally:
            flight.close()
    finally:
        removal = topic.removed()
        if removal.severity is not Severity.OK:
            hint = f"\n`{removal.hint}` removes it" if removal.hint else ""
            world.emit(Note(cluster.name, f"topic {removal.detail}{hint}"))


def alone(cluster: Cluster, world: World, span: timedelta) -> tuple[Figures, tuple[Node, ...]]:
    """Have a canary at work for so long with nothing beside it; return its final figures and the absent brokers.

    Raises what `beside` does. It ends early where its process does.
    """
    with beside(cluster, world) as canary:
        begun = world.clock.now()
        while (elapsed := timedelta(seconds=world.clock.now() - begun)) < span:
            found = canary.figures()
            world.emit(Waiting(cluster.name, f"canary: {_so_far(found)}", elapsed, span))
            if canary.well(span).keys() == {cluster.name}:
                break
            world.clock.sleep(min(TELL_EVERY, (span - elapsed).total_seconds()))
        return canary.finish(), canary.absent


def gist(found: Figures) -> dict[str, Figure]:
    """Return what the history keeps of a canary."""
    total = found.total
    gap = round(total.longest_gap.total_seconds(), 1)
    return {"acked": total.acked, "lost": total.lost, "longest gap in s": gap}


def _so_far(found: Figures) -> str:
    gap = found.total.longest_gap.total_seconds()
    lost = f", {found.total.lost} lost" if found.total.lost else ""
    return f"{plural(found.total.acked, 'record')} acknowledged{lost}, longest gap {gap:.1f} s"


def _not_heard(heard: Heard) -> str | None:
    if heard.ended is not None:
        return heard.ended
    return _silent(heard) if heard.ago > LATE else None


def _silent(heard: Heard) -> str:
    return f"its process has told nothing for {heard.ago.total_seconds():.0f} s"


def _brokers(cluster: Cluster, world: World) -> tuple[tuple[Node, ...], tuple[Node, ...], bool]:
    """Return the brokers that clients are told of, the others of the inventory, and whether no group was ever there."""
    view = world.brokers.metadata()
    if isinstance(view, Unknown):
        raise Unreachable({"brokers": view.reason}, hint=WHICH_RUN)
    live = tuple(node for node in cluster.brokers if node.id in view.brokers)
    if not live:
        ids = few(map(str, sorted(view.brokers)))
        raise Failed(
            f"{cluster.name}: the brokers that answer name {ids}, none of the inventory", hint=WHICH_RUN
        )
    absent = tuple(node for node in cluster.brokers if node not in live)
    return live, absent, not any(partition.topic == OFFSETS for partition in view.partitions)
