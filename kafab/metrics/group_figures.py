"""The lag of groups by topic, as `kafab.metrics.textfile` has it: how many groups and topics there are bounds it, and two limits here. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from kafab.cluster.own_topics import is_own
from kafab.groups.values import GONE, SHARE, STREAMS, UNREAD, Described, Place
from kafab.metrics.exposition import Sample
from kafab.metrics.textfile import Found, Gap, Part
from kafab.unknown import Unknown

MOST_LAGS = 1000
"""Pairs of group and topic that have figures, those with the most lag: two series each."""
MOST_GROUPS = 1000
"""Groups whose members are told, those with the most."""

Lag: TypeAlias = tuple[int, float | None]
"""Records, and seconds where they were read."""


def groups(described: Mapping[str, Described | Unknown], silent: Mapping[str, str]) -> Found:
    """Return members, and lag by topic, of all groups but kafab's own; ``silent``: who did not tell its groups, and why."""
    gaps = [Gap(Part.GROUPS, who, why) for who, why in silent.items()]
    members: dict[str, int] = {}
    lags: dict[tuple[str, str], Lag] = {}
    for name, one in described.items():
        if is_own(name):
            continue
        if isinstance(one, Unknown):
            gaps.append(Gap(Part.GROUPS, name, one.reason))
            continue
        gaps += _untold(one)
        if not isinstance(one.group.members, Unknown):
            members[name] = len(one.group.members)
        for topic, places in _by_topic(one.places).items():
            lag = _lag(places)
            if isinstance(lag, Unknown):
                gaps.append(Gap(Part.GROUPS, f"{name} on {topic}", lag.reason))
            else:
                lags[name, topic] = lag
    most = sorted(members, key=lambda name: (-members[name], name))[:MOST_GROUPS]
    samples = tuple(Sample("kafab_group_members", {"group": name}, members[name]) for name in most)
    return Found((*samples, *_samples(lags)), tuple(gaps))


def _untold(one: Described) -> Iterable[Gap]:
    """Return what a group has and was not told: a share group commits no offsets, and members of streams are not asked for."""
    group = one.group
    if isinstance(group.members, Unknown) and group.kind != STREAMS:
        yield Gap(Part.GROUPS, group.name, group.members.reason)
    if isinstance(group.committed, Unknown) and group.kind != SHARE:
        yield Gap(Part.GROUPS, group.name, group.committed.reason)


def _samples(lags: Mapping[tuple[str, str], Lag]) -> Iterable[Sample]:
    kept = sorted(sorted(lags, key=lambda pair: (-lags[pair][0], pair))[:MOST_LAGS])
    for group, topic in kept:
        labels = {"group": group, "topic": topic}
        records, seconds = lags[group, topic]
        yield Sample("kafab_group_lag_records", labels, records)
        if seconds is not None:
            yield Sample("kafab_group_lag_seconds", labels, seconds)
    aged = sum(lags[pair][1] is not None for pair in kept)
    for figure, count in (("lag_records", len(kept)), ("lag_seconds", aged)):
        yield Sample("kafab_group_topics_left_out", {"figure": figure}, len(lags) - count)


def _by_topic(places: Iterable[Place]) -> dict[str, list[Place]]:
    """Return what a group has committed; what was deleted since is none of it, nor is a topic of kafab's own."""
    found: dict[str, list[Place]] = {}
    for place in places:
        deleted = isinstance(place.ends, Unknown) and place.ends.reason == GONE
        if place.committed is not None and not deleted and not is_own(place.at[0]):
            found.setdefault(place.at[0], []).append(place)
    return found


def _lag(places: Collection[Place]) -> Lag | Unknown:
    """Return the lag of a topic. A sum without one of its partitions would be too small: then it is Unknown."""
    lag, seconds, unread = 0, 0.0, False
    for place in places:
        if isinstance(place.ends, Unknown):
            return place.ends
        lag += place.lag or 0
        if place.behind == UNREAD:
            unread = True
        elif isinstance(place.behind, Unknown):
            return place.behind
        elif place.behind is not None:
            seconds = max(seconds, place.behind.total_seconds())
    return lag, None if unread else round(seconds, 3)
