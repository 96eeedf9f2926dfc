"""The figures of a cluster that JMX does not have, read within a deadline: what `fab observe.textfile` writes.

Hosts and brokers are asked side by side, each in a thread that tells every part once it has it. Nobody waits for one that is
late: what it has not told is unknown, and what a run leaves at work reads only, and ends with the process.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias

from kafab.checks.preflight import local
from kafab.checks.preflight.across import Ahead
from kafab.cluster.metadata import Setting
from kafab.command import Outcome
from kafab.errors import KafabError, Unreachable
from kafab.hosts.facts import HostFacts
from kafab.metrics import textfile
from kafab.metrics.exposition import Sample
from kafab.metrics.group_figures import groups
from kafab.metrics.textfile import Found, Part, Written
from kafab.model import Cluster
from kafab.ops import upgrades
from kafab.ops.check.certificates import expiries
from kafab.ops.check.status import NodeStatus, standing
from kafab.ops.groups import seeing
from kafab.ops.see import MOST_AT_ONCE, by_host
from kafab.ops.world import World
from kafab.plans.standing import PENDING
from kafab.plans.state import Observed
from kafab.unknown import Unknown

DEADLINE = timedelta(seconds=50)
"""For a timer that begins every minute."""
READ = 200
"""Partitions of which a record is read for the age of a lag: 16 KiB each, and 1 MiB where a batch is larger."""
THROTTLES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
"""The dynamic limits that `kafka-reassign-partitions --throttle` sets (org.apache.kafka.server.config.QuotaConfig)."""

Told: TypeAlias = tuple[tuple[Part, ...], Found]
"""Parts, and all that is known of them."""
Stage: TypeAlias = tuple[tuple[Part, ...], Callable[[], Found]]
"""Parts, and what reads them."""


@dataclass(frozen=True)
class Gathered:
    """A run, and whether threads of it are still at work."""

    written: Written
    unfinished: bool

    @property
    def exit_code(self) -> int:
        """0 where all could be read, 4 where nothing could, else 5."""
        if not self.written.found.gaps:
            return 0
        return 5 if self.written.found.samples else 4


def gather(
    cluster: Cluster,
    world: World,
    deadline: timedelta = DEADLINE,
    now: Callable[[], float] = time.time,
) -> Gathered:
    """Read every part, side by side, as far as the deadline lets it. Raises nothing for a cluster's fault.

    ``now`` is this machine's clock, in seconds since the epoch: hosts' clocks and the times of records are held against it.
    """
    begun = time.monotonic()
    news: SimpleQueue[Told] = SimpleQueue()
    for job in (_of_hosts(cluster, world, now), _of_brokers(cluster, world, now)):
        Thread(target=_work, args=(cluster.name, job, news), name="kafab-textfile", daemon=True).start()
    left, found = set(Part), Found()
    while left and (rest := deadline.total_seconds() - (time.monotonic() - begun)) > 0:
        try:
            parts, more = news.get(timeout=rest)
        except Empty:
            break
        left -= set(parts)
        found += more
    why = f"it was not read within {deadline.total_seconds():g} s"
    found += Found.missing((part for part in Part if part in left), cluster.name, why)
    took = timedelta(seconds=time.monotonic() - begun)
    return Gathered(Written(cluster, found, _moment(now), took), bool(left))


def _work(cluster: str, job: Sequence[Stage], news: "SimpleQueue[Told]") -> None:
    """Tell what each stage finds; a fault of one is told for its parts, and hides no other."""
    for parts, stage in job:
        try:
            found = stage()
        except Unreachable as error:
            found = Found.missing(parts, cluster, "; ".join(error.reasons.values()))
        except KafabError as error:
            found = Found.missing(parts, cluster, error.message)
        except Exception as error:  # noqa: BLE001  # a mistake of ours in one part must not hide all others
            found = Found.missing(parts, cluster, f"a mistake in kafab: {error!r}")
        news.put((parts, found))


def _of_hosts(cluster: Cluster, world: World, now: Callable[[], float]) -> tuple[Stage, ...]:
    @cache
    def stand() -> tuple[Sequence[NodeStatus], Observed]:
        return standing(cluster, world)

    return (
        ((Part.NODES,), lambda: _pending(stand()[0])),
        ((Part.UPGRADE,), lambda: _upgrade(cluster, world, stand()[1])),
        ((Part.DISKS, Part.CLOCKS), lambda: _glances(cluster, world, stand()[1], now)),
    )


def _of_brokers(cluster: Cluster, world: World, now: Callable[[], float]) -> tuple[Stage, ...]:
    return (
        ((Part.CERTIFICATES,), lambda: _certificates(cluster, world)),
        ((Part.THROTTLES,), lambda: _throttles(cluster, world)),
        ((Part.GROUPS,), lambda: groups(*seeing.describe(world, None, _moment(now), READ))),
    )


def _moment(now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now(), timezone.utc)


def _pending(lines: Sequence[NodeStatus]) -> Found:
    values = {
        line.node: Unknown(line.reason) if line.state == "UNKNOWN" else int(line.configuration == PENDING)
        for line in lines
    }
    return textfile.of_nodes("kafab_restart_pending", Part.NODES, values)


def _upgrade(cluster: Cluster, world: World, observed: Observed) -> Found:
    if not any(isinstance(facts, HostFacts) for facts in observed.values()):
        return Found.missing([Part.UPGRADE], cluster.name, "no host answers")
    try:
        return textfile.upgrade(upgrades.told(cluster, observed, world))
    except KafabError as error:
        return Found.missing([Part.UPGRADE], cluster.name, error.message)


def _glances(cluster: Cluster, world: World, observed: Observed, now: Callable[[], float]) -> Found:
    """Ask the hosts that have answered, over connections that are there: so an answer takes so short that it tells a clock."""
    nodes = by_host(cluster.nodes)
    arrivals: dict[str, float] = {}

    def arrived(host: str, _outcome: Outcome) -> None:
        arrivals[host] = now()

    asked = {host: local.glance(on) for host, on in nodes.items() if isinstance(observed[host], HostFacts)}
    sent = now()
    outcomes = world.fleet.run(asked, each=arrived) if asked else {}
    found = Found()
    for host, on in nodes.items():
        facts = observed[host]
        seen = facts if isinstance(facts, Unknown) else local.glanced(outcomes[host])
        if isinstance(seen, Unknown):
            clock = Found.missing([Part.CLOCKS], host, seen.reason)
        else:
            ahead = Ahead(seen.clock - arrivals[host], seen.clock - sent).beyond(0.0)
            labels = textfile.of_host(cluster.host(host))
            clock = Found((Sample("kafab_clock_skew_seconds", labels, round(ahead, 3)),))
        places = seen if isinstance(seen, Unknown) else seen.places
        room = {
            (node, path): places
            if isinstance(places, Unknown)
            else (places[path].size, places[path].free)
            if path in places
            else Unknown("df gave no answer")
            for node in on
            for path in node.data_folders
        }
        found += clock + textfile.disks(room)
    return found


def _certificates(cluster: Cluster, world: World) -> Found:
    ends = {
        node: end if isinstance(end, Unknown) else end.timestamp()
        for node, end in expiries(cluster.nodes, world).items()
    }
    return textfile.of_nodes("kafab_certificate_expiry_timestamp_seconds", Part.CERTIFICATES, ends)


def _throttles(cluster: Cluster, world: World) -> Found:
    brokers = cluster.brokers
    with ThreadPoolExecutor(min(len(brokers), MOST_AT_ONCE)) as pool:
        answers = pool.map(
            lambda node: world.brokers.broker_configs(node.id, node.endpoint, THROTTLES), brokers
        )
        throttled = {node: _throttled(answer) for node, answer in zip(brokers, answers, strict=True)}
    found = textfile.of_nodes("kafab_replication_throttled", Part.THROTTLES, throttled)
    moving = world.brokers.reassigning()
    if isinstance(moving, Unknown):
        return found + Found.missing([Part.THROTTLES], cluster.name, moving.reason)
    return found + Found((Sample("kafab_reassigning_partitions", {}, len(moving)),))


def _throttled(answer: Mapping[str, Setting] | Unknown) -> int | Unknown:
    """Return 1 where a limit is set while the broker runs: no file can have one."""
    return answer if isinstance(answer, Unknown) else int(any(one.source.dynamic for one in answer.values()))
