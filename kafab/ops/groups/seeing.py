"""Groups as they are: list, describe. Nothing is changed.

A coordinator that does not answer makes its groups Unknown; it never makes the list shorter without a word.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from kafab.cluster.metadata import Metadata
from kafab.errors import WHICH_RUN, NotTold, Unreachable, UsageError
from kafab.groups.values import (
    UNREAD,
    At,
    Described,
    Group,
    Listed,
    Listing,
    Place,
    partitions,
    places,
)
from kafab.ops.world import World
from kafab.unknown import Unknown
from kafab.words import nearest


def listing(world: World) -> Listing:
    """Return all groups, each with its state where a coordinator tells it. Raises Unreachable where no broker answers."""
    metadata = seen(world)
    found = _listing(world, metadata)
    # Before Kafka 2.6 the list has no states.
    stateless = [group for group in found.groups if group.state is None]
    told = world.groups.describe(metadata, stateless) if stateless else {}
    states = {name: group.state for name, group in told.items() if isinstance(group, Group)}
    groups = (replace(group, state=group.state or states.get(group.name)) for group in found.groups)
    return replace(found, groups=tuple(groups))


def _listing(world: World, metadata: Metadata) -> Listing:
    found = world.groups.list(metadata)
    if len([who for who in found.silent if who.startswith("broker ")]) == len(metadata.brokers):
        raise Unreachable(found.silent, hint="`fab status` shows which nodes run")
    return found


def describe(
    world: World, name: str | None, now: datetime, most: int | None = None
) -> tuple[dict[str, Described | Unknown], Mapping[str, str]]:
    """Return the group of that name, all without one, by name; and why others may be missing in that list.

    ``now`` is compared with the records' timestamps. For these a record is read of each partition with a lag: of ``most`` partitions, where
    that is given, those of the topics in which a group has the most lag; the age of the others is `UNREAD`.

    Raises UsageError for a group that is not there, NotTold where a silent coordinator may have it, Unreachable.
    """
    metadata = seen(world)
    found = _listing(world, metadata)
    asked = found.groups if name is None else (one(found, name),)
    answers = world.groups.describe(metadata, asked)
    groups = [answer for answer in answers.values() if not isinstance(answer, Unknown)]
    ends = world.offsets.ends(metadata, partitions(groups))
    parts = {group.name: places(group, ends) for group in groups}
    nexts = {(place.at, place.next) for part in parts.values() for place in part if place.next is not None}
    if most is not None and len(nexts) > most:
        nexts = _of_most_lag(parts, most)
    times = world.offsets.written(metadata, nexts)

    def aged(place: Place) -> Place:
        if place.next is None:
            return place
        written = times.get((place.at, place.next), UNREAD)
        if written is None or isinstance(written, Unknown):
            return replace(place, behind=written)
        # A record may be younger than this machine's clock.
        return replace(place, behind=max(now - written, now - now))

    described = {
        each: answer
        if isinstance(answer, Unknown)
        else Described(answer, tuple(aged(place) for place in parts[each]))
        for each, answer in sorted(answers.items())
    }
    return described, {} if name is not None else found.silent


def _of_most_lag(parts: Mapping[str, tuple[Place, ...]], most: int) -> set[tuple[At, int]]:
    """Return what is read of each topic of a group, the one with the most lag first, as long as all of it is within ``most``."""
    lags, nexts = (
        defaultdict[tuple[str, str], int](int),
        defaultdict[tuple[str, str], set[tuple[At, int]]](set),
    )
    for name, own in parts.items():
        for place in own:
            if place.next is not None:
                lags[name, place.at[0]] += place.lag or 0
                nexts[name, place.at[0]].add((place.at, place.next))
    chosen: set[tuple[At, int]] = set()
    for pair in sorted(lags, key=lambda pair: (-lags[pair], pair)):
        if len(chosen | nexts[pair]) <= most:
            chosen |= nexts[pair]
    return chosen


def unknown(found: Mapping[str, Described | Unknown]) -> bool:
    """Tell whether a part of these groups could not be read."""
    return any(isinstance(each, Unknown) or each.unknown for each in found.values())


def one(found: Listing, name: str) -> Listed:
    """Return a group of the list. Raises UsageError with the nearest name, NotTold where a silent coordinator may have it."""
    for group in found.groups:
        if group.name == name:
            return group
    if found.silent:
        silent = "; ".join(f"{who}: {why}" for who, why in found.silent.items())
        raise NotTold(f"whether there is a group {name!r} is unknown: {silent}")
    near = nearest(name, [group.name for group in found.groups])
    hint = f"meant {near}?" if near else "`groups.list` shows all groups"
    raise UsageError(f"there is no group {name!r}", hint=hint)


def seen(world: World) -> Metadata:
    """Return the brokers and partitions. Raises Unreachable."""
    metadata = world.brokers.metadata()
    if isinstance(metadata, Unknown):
        raise Unreachable({"brokers": metadata.reason}, hint=WHICH_RUN)
    return metadata
