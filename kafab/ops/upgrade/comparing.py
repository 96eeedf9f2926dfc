"""Reads what a cluster holds, for the comparison before and after an upgrade."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kafab.cluster.metadata import Metadata
from kafab.cluster.own_topics import is_own
from kafab.cluster.seen import ANSWER
from kafab.groups.values import At
from kafab.model import Cluster
from kafab.ops.hosts.logs import matching
from kafab.ops.world import World
from kafab.unknown import Unknown
from kafab.upgrading.holdings import PATTERN, Holdings, Known

MOST = 50
"""Lines of a log that are compared."""
T = TypeVar("T")


def holdings(cluster: Cluster, world: World) -> Holdings:
    """Read all of it, side by side. What cannot be read is Unknown; raises nothing for a cluster's fault."""
    seen = world.brokers.metadata()
    if isinstance(seen, Unknown):
        silent = dict.fromkeys((node.name for node in cluster.brokers), seen)
        return Holdings(seen, seen, seen, silent, seen, seen, seen, seen, seen)
    with ThreadPoolExecutor(7) as pool:
        configs = pool.submit(_configs, seen, world)
        dynamic = pool.submit(_dynamic, cluster, world)
        acls = pool.submit(world.access.acls)
        users = pool.submit(world.access.logins)
        quotas = pool.submit(world.access.quotas)
        committed = pool.submit(_committed, seen, world)
        ends = pool.submit(_ends, seen, world)
        return Holdings(
            {"cluster id": str(seen.cluster_id)},
            _topics(seen),
            configs.result(),
            dynamic.result(),
            _known(acls.result(), lambda found: {str(acl): "there" for acl in found}),
            _known(users.result(), lambda found: {str(one): str(times) for one, times in found.items()}),
            _known(quotas.result(), lambda found: {str(one): str(value) for one, value in found.items()}),
            committed.result(),
            ends.result(),
            _complaints(cluster, world),
        )


def _complaints(cluster: Cluster, world: World) -> frozenset[str] | Unknown:
    # The hosts are asked by this thread, in which Ctrl-C arrives.
    found = matching(cluster.nodes, PATTERN, MOST, world.fleet)
    silent = {name: said.reason for name, said in found.items() if isinstance(said, Unknown)}
    if silent:
        return Unknown("; ".join(f"{name}: {reason}" for name, reason in silent.items()))
    return frozenset(
        f"{name}: {line}" for name, said in found.items() if not isinstance(said, Unknown) for line in said
    )


def _known(found: T | Unknown | None, of: Callable[[T], Mapping[str, str]]) -> Known:
    if found is None:
        return {}
    return found if isinstance(found, Unknown) else of(found)


def _topics(seen: Metadata) -> dict[str, str]:
    counts: dict[str, int] = {}
    for one in seen.partitions:
        counts[one.topic] = counts.get(one.topic, 0) + 1
    return {topic: seen.topic_ids.get(topic, f"{count} partitions") for topic, count in counts.items()}


def _configs(seen: Metadata, world: World) -> Known:
    topics = sorted(topic for topic in _topics(seen) if not is_own(topic))
    of_topics = world.brokers.topic_configs(topics)
    if isinstance(of_topics, Unknown):
        return of_topics
    return {
        f"{topic}: {name}": entry.value or ""
        for topic, entries in of_topics.items()
        for name, entry in entries.items()
        if not entry.is_default and not entry.is_sensitive
    }


def _dynamic(cluster: Cluster, world: World) -> dict[str, Known]:
    return {
        node.name: _known(
            world.brokers.broker_configs(node.id, node.endpoint, timeout=ANSWER),
            lambda found: {
                name: one.value or ""
                for name, one in found.items()
                if one.source.dynamic and not one.is_sensitive
            },
        )
        for node in cluster.brokers
    }


def _committed(seen: Metadata, world: World) -> dict[tuple[str, At], int] | Unknown:
    listing = world.groups.list(seen)
    if listing.silent:
        return Unknown("; ".join(f"{who}: {why}" for who, why in listing.silent.items()))
    found: dict[tuple[str, At], int] = {}
    for name, group in world.groups.describe(seen, listing.groups).items():
        if isinstance(group, Unknown):
            return Unknown(f"{name}: {group.reason}")
        if isinstance(group.committed, Unknown):
            return Unknown(f"{name}: {group.committed.reason}")
        found |= {(name, at): one.offset for at, one in group.committed.items() if not is_own(at[0])}
    return found


def _ends(seen: Metadata, world: World) -> dict[At, int] | Unknown:
    asked = [(one.topic, one.number) for one in seen.partitions if not is_own(one.topic)]
    found = world.offsets.ends(seen, asked)
    silent = {at: one.reason for at, one in found.items() if isinstance(one, Unknown)}
    if silent:
        (topic, number), reason = next(iter(silent.items()))
        return Unknown(f"{topic}-{number}: {reason}")
    return {at: one.high for at, one in found.items() if not isinstance(one, Unknown)}
