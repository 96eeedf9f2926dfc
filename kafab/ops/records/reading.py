"""Read records with a client of the operator's choice, alone or as members of a group, and tell what is committed then."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from kafab.cluster.metadata import Metadata
from kafab.errors import NotTold, UsageError
from kafab.events import Note, Waiting
from kafab.groups.targets import Latest, Offset, Time
from kafab.groups.values import CLASSIC, CONSUMER, At, Commit, Ends, Group
from kafab.model import Cluster
from kafab.ops.groups.seeing import seen
from kafab.ops.topics.rules import check_name
from kafab.ops.topics.topics import find
from kafab.ops.world import World
from kafab.records.reading import (
    MOST_MEMBERS,
    Commits,
    Committed,
    Committing,
    Count,
    End,
    Found,
    Progress,
    Reading,
    ReadOrder,
    Start,
    Until,
    check_group,
)
from kafab.records.settings import Client, ConsumerSettings, Isolation, Reset, isolation
from kafab.unknown import Unknown
from kafab.words import few, plural, shown

_T = TypeVar("_T")

TELL_AFTER, TELL_EVERY = 1.0, 0.25
"""Seconds before the first word about how far it is, and between two."""
AUTO_EVERY = timedelta(seconds=5)
"""Between two commits by time, as both clients have it by default (auto.commit.interval.ms)."""


@dataclass(frozen=True)
class Wanted:
    """What an operator asks for."""

    topic: str
    start: Start
    until: Until | None
    """None: it goes on behind the end, until Ctrl-C."""
    follow: bool
    partitions: tuple[int, ...]
    """Empty: all."""
    group: str | None
    committing: Committing
    members: int | None
    shown: int


@dataclass(frozen=True)
class Place:
    """What a group has committed of a partition at the end, and how far that is from the log's end."""

    committed: int | None
    high: int | Unknown

    @property
    def lag(self) -> int | None:
        """The offsets between the two; None where that cannot be told."""
        if self.committed is None or isinstance(self.high, Unknown):
            return None
        return max(self.high - self.committed, 0)


def read(
    cluster: Cluster,
    world: World,
    client: Client,
    settings: ConsumerSettings,
    wanted: Wanted,
    *,
    hear: Callable[[Found], bool],
) -> tuple[Reading, Mapping[int, Place] | Unknown | None]:
    """Read; return what came of it and, of a group, what is committed then (None without a group).

    Raises UsageError for a topic, partition, offset or group that cannot be and for what excludes each other, NotTold and Unreachable
    where no leader or coordinator answers.
    """
    check(wanted)
    check_name(wanted.topic)
    known = [one.number for one in find(world, wanted.topic).partitions]
    if missing := sorted(set(wanted.partitions) - set(known)):
        raise UsageError(
            f"topic {wanted.topic} has no partition {missing[0]}: it has {plural(len(known), 'partition')}, 0 to {max(known)}"
        )
    metadata = seen(world)
    ends = _ends(world, metadata, wanted.topic, wanted.partitions or known)
    if wanted.group is not None:
        _check_group(world, metadata, wanted, wanted.group, known)
    reads = isolation(client, settings)
    order = ReadOrder(
        wanted.topic,
        {} if wanted.group is not None else _starts(cluster, world, metadata, wanted, ends),
        None if wanted.follow else _stops(world, metadata, wanted, ends, reads),
        wanted.until.records if isinstance(wanted.until, Count) else None,
        wanted.committing,
        wanted.members or 1,
        wanted.shown,
        wanted.follow,
    )
    settings = replace(
        settings,
        group=wanted.group,
        reset=_reset(wanted.start),
        auto_commit=AUTO_EVERY if wanted.committing.how is Commits.AUTO else None,
    )
    found = world.readers.read(client, settings, order, hear, _Alive(cluster, world, wanted).tell)
    return found, None if wanted.group is None else _committed(world, wanted.topic, wanted.group, known)


def check(wanted: Wanted) -> None:
    """Raise UsageError for what excludes each other."""
    if wanted.follow and isinstance(wanted.until, End | Time):
        raise UsageError("--follow goes on behind the end: only --until COUNT ends it")
    if wanted.members is not None and wanted.members > MOST_MEMBERS:
        raise UsageError(f"found --members {wanted.members}; expected a number from 1 to {MOST_MEMBERS}")
    if wanted.group is None:
        if wanted.members is not None:
            raise UsageError("--members are those of a group", hint="--group NAME")
        if isinstance(wanted.start, Committed):
            raise UsageError(
                "--from committed needs a group: without one nothing is committed", hint="--group NAME"
            )
        return
    check_group(wanted.group)
    if wanted.partitions:
        raise UsageError("--partition and --group exclude each other: a group's members are given theirs")
    if isinstance(wanted.start, Offset | Time):
        raise UsageError(
            "a group goes on where it has committed; --from says where it begins that has committed nothing: earliest or latest",
            hint=f"`groups.reset {shown(wanted.group)} --topics {wanted.topic} --new --to …` sets it to an offset or a time first",
        )


def _check_group(world: World, metadata: Metadata, wanted: Wanted, group: str, known: Sequence[int]) -> None:
    """Refuse a group of another type, and one that has committed nothing where it is to go on there."""
    found = _group(world, metadata, group)
    if isinstance(found, Group) and found.kind not in (CLASSIC, CONSUMER):
        raise UsageError(f"group {shown(group)} is a {found.kind} group: its members read in another way")
    if not isinstance(wanted.start, Committed):
        return
    if isinstance(found, Unknown):
        raise NotTold(f"what group {shown(group)} has committed is not known: {found.reason}")
    committed = {} if found is None else found.committed
    if isinstance(committed, Unknown):
        raise NotTold(f"what group {shown(group)} has committed is not known: {committed.reason}")
    if without := [number for number in known if (wanted.topic, number) not in committed]:
        raise UsageError(
            f"group {shown(group)} has committed no offset of {wanted.topic}, partition {few(str(each) for each in without)}",
            hint="--from earliest or latest says where it begins there",
        )


def _group(world: World, metadata: Metadata, name: str) -> Group | Unknown | None:
    """Return a group as its coordinator describes it; None where there is none of that name."""
    listing = world.groups.list(metadata)
    one = next((each for each in listing.groups if each.name == name), None)
    if one is not None:
        return world.groups.describe(metadata, [one])[name]
    if listing.silent:
        return Unknown("; ".join(f"{who}: {why}" for who, why in listing.silent.items()))
    return None


def _committed(world: World, topic: str, name: str, known: Sequence[int]) -> Mapping[int, Place] | Unknown:
    metadata = world.brokers.metadata()
    if isinstance(metadata, Unknown):
        return metadata
    found = _group(world, metadata, name)
    if isinstance(found, Unknown):
        return found
    committed: Mapping[At, Commit] | Unknown = {} if found is None else found.committed
    if isinstance(committed, Unknown):
        return committed
    ends = world.offsets.ends(metadata, [(topic, number) for number in known])
    places = {}
    for number in known:
        end, commit = ends[topic, number], committed.get((topic, number))
        places[number] = Place(
            None if commit is None else commit.offset, end if isinstance(end, Unknown) else end.high
        )
    return places


def _ends(world: World, metadata: Metadata, topic: str, numbers: Collection[int]) -> Mapping[int, Ends]:
    found = world.offsets.ends(metadata, [(topic, number) for number in sorted(set(numbers))])
    return _told(found, "where partitions end is")


def _since(
    world: World, metadata: Metadata, topic: str, numbers: Collection[int], moment: datetime
) -> Mapping[int, int | None]:
    found = world.offsets.since(metadata, [(topic, number) for number in numbers], moment)
    return _told(found, "the offsets of that time are")


def _told(found: Mapping[At, _T | Unknown], what: str) -> Mapping[int, _T]:
    unknown = [
        f"{topic}-{number}: {one.reason}"
        for (topic, number), one in found.items()
        if isinstance(one, Unknown)
    ]
    if unknown:
        raise NotTold(f"{what} not known: {few(unknown)}", hint="`fab status` shows which nodes run")
    return {number: one for (_, number), one in found.items() if not isinstance(one, Unknown)}


def _stops(
    world: World, metadata: Metadata, wanted: Wanted, ends: Mapping[int, Ends], reads: Isolation
) -> Mapping[int, int]:
    # Behind the last stable offset a consumer of committed records is given nothing, however long a transaction is open.
    stops = {
        number: one.stable if reads is Isolation.READ_COMMITTED else one.high for number, one in ends.items()
    }
    if not isinstance(wanted.until, Time):
        return stops
    since = _since(world, metadata, wanted.topic, ends, wanted.until.moment)
    return {
        number: stop if (at := since[number]) is None else min(at, stop) for number, stop in stops.items()
    }


def _starts(
    cluster: Cluster, world: World, metadata: Metadata, wanted: Wanted, ends: Mapping[int, Ends]
) -> Mapping[int, int]:
    match wanted.start:
        case Latest():
            return {number: one.high for number, one in ends.items()}
        case Offset(offset):
            outside = [
                f"partition {number} has {one.earliest} to {one.high}"
                for number, one in ends.items()
                if not one.earliest <= offset <= one.high
            ]
            if outside:
                raise UsageError(
                    f"offset {offset} is outside of the log of {wanted.topic}: {few(outside)}",
                    hint="--partition chooses one; --from earliest begins at the first record that is there",
                )
            return dict.fromkeys(ends, offset)
        case Time(moment):
            since = _since(world, metadata, wanted.topic, ends, moment)
            if all(at is None for at in since.values()):
                what = f"no record of {wanted.topic} is as late as {moment.isoformat()}"
                if not wanted.follow:
                    raise UsageError(what, hint="--follow waits for new ones at the end")
                world.emit(Note(cluster.name, f"{what}: reading begins at the end"))
            return {number: ends[number].high if at is None else at for number, at in since.items()}
        case _:
            return {number: one.earliest for number, one in ends.items()}


def _reset(start: Start) -> Reset:
    match start:
        case Latest():
            return Reset.LATEST
        case Committed():
            return Reset.NONE
        case _:
            return Reset.EARLIEST


class _Alive:
    """Says how far a reading is, once it takes longer than a moment."""

    def __init__(self, cluster: Cluster, world: World, wanted: Wanted) -> None:
        self._cluster, self._world, self._wanted = cluster, world, wanted
        self._begun = self._told = world.clock.now()

    def tell(self, progress: Progress) -> None:
        """Emit it, not too often."""
        now = self._world.clock.now()
        if now - self._begun < TELL_AFTER or now - self._told < TELL_EVERY:
            return
        self._told = now
        if progress.joined < progress.members:
            group = shown(self._wanted.group or "")
            what = (
                f"members to have their partitions of group {group}: {progress.joined} of {progress.members}"
            )
        else:
            total = f" of {self._wanted.until.records}" if isinstance(self._wanted.until, Count) else ""
            what = f"{plural(progress.records, 'record')}{total} read"
        self._world.emit(Waiting(self._cluster.name, what, timedelta(seconds=now - self._begun), None))
