"""Groups as they are: list, describe. Nothing is changed.

A coordinator that does not answer makes its groups Unknown; it never makes the list shorter without a word.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from kafab.cluster.metadata import Metadata
from kafab.errors import WHICH_RUN, NotTold, Unreachable, UsageError
from kafab.groups.values import (
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
    world: World, name: str | None, now: datetime
) -> tuple[dict[str, Described | Unknown], Mapping[str, str]]:
    """Return the group of that name, all without one, by name; and why others may be missing in that list.

    ``now`` is compared with the records' timestamps.

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
    times = world.offsets.written(metadata, [(at, offset) for at, offset in nexts if offset is not None])

    def aged(place: Place) -> Place:
        if place.next is None:
            return place
        written = times[place.at, place.next]
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
