"""Read records with a client of the operator's choice, alone or as members of a group, and tell where it ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from kafab.errors import NotTold, UsageError
from kafab.events import Note, Waiting
from kafab.groups import targets
from kafab.groups.targets import Earliest, Latest, Offset, Time
from kafab.groups.values import At, Commit, Ends, Group
from kafab.model import Cluster
from kafab.ops.groups.seeing import seen
from kafab.ops.topics.rules import check_name
from kafab.ops.topics.topics import find
from kafab.ops.world import World
from kafab.records.reading import Commits, Order, Read, Take
from kafab.records.settings import Client, ConsumerSettings, Isolation, Reset, isolation
from kafab.unknown import Unknown
from kafab.words import plural

TELL_AFTER, TELL_EVERY = 1.0, 0.25
"""Seconds before the first word about how far it is, and between two."""
AUTO_EVERY = timedelta(seconds=5)
"""Between two commits by time, as both clients have it by default (auto.commit.interval.ms)."""
BEGINS = (
    "expected earliest, latest, an offset (1200), a time (2026-11-26T10:00:00Z) or, in a group, committed"
)
ENDS = "expected end, how many records (100), or a time (2026-11-26T10:00:00Z)"

Begin: TypeAlias = Earliest | Latest | Offset | Time


@dataclass(frozen=True)
class Wanted:
    """What an operator asks for. ``group`` None: the partitions are read, and no group knows of it."""

    topic: str
    group: str | None = None
    begin: Begin | None = None
    """None: in a group where it has committed, else at the earliest."""
    until: datetime | None = None
    """Only records before the first one that is not earlier; None: up to the end, as it is when the reading begins."""
    most: int | None = None
    follow: bool = False
    """It goes on behind the end."""
    partitions: tuple[int, ...] = ()
    """None: all."""
    commits: Commits | None = None
    members: int | None = None
    batch: int = 500
    shown: int = 0


def begin(text: str | None) -> Begin | None:
    """Read what ``--from`` was given; None for committed. Raises UsageError."""
    if text in (None, "committed"):
        return None
    found = targets.target(text or "", "--from", BEGINS)
    if isinstance(found, targets.Shift | targets.Saved):
        raise UsageError(f"found --from {text}; {BEGINS}")
    return found


def until(text: str | None) -> tuple[datetime | None, int | None]:
    """Read what ``--until`` was given: a time, or how many records, or neither. Raises UsageError."""
    if text in (None, "end"):
        return None, None
    found = targets.target(text or "", "--until", ENDS)
    if isinstance(found, Time):
        return found.moment, None
    if isinstance(found, Offset) and found.offset:
        return None, found.offset
    raise UsageError(f"found --until {text}; {ENDS}")


def read(
    cluster: Cluster, world: World, client: Client, settings: ConsumerSettings, wanted: Wanted, *, take: Take
) -> tuple[Read, Mapping[int, Commit] | Unknown]:
    """Read; return what was read and, of a group, what it has committed then (partition -> commit).

    Raises UsageError for a topic, partition or offset that is not there and for what excludes each other, Unreachable and
    NotTold where a leader does not answer.
    """
    check(wanted)
    check_name(wanted.topic)
    known = [one.number for one in find(world, wanted.topic).partitions]
    if missing := sorted({*wanted.partitions} - {*known}):
        raise UsageError(
            f"{wanted.topic} has {plural(len(known), 'partition')}, 0 to {len(known) - 1}, and no {missing[0]}"
        )
    ends = _ends(world, wanted.topic, wanted.partitions or known)
    reads = isolation(client, settings)
    stops = None if wanted.follow else _stops(world, wanted, ends, reads)
    if wanted.group is None:
        order = Order(
            wanted.topic, _starts(cluster, world, wanted, ends), stops, wanted.most, commits=Commits.NONE
        )
        settings = replace(settings, group=None)
    else:
        commits = wanted.commits or Commits.BATCH
        order = Order(wanted.topic, None, stops, wanted.most, wanted.members or 1, commits)
        settings = replace(
            settings,
            group=wanted.group,
            reset=Reset.LATEST if isinstance(wanted.begin, Latest) else Reset.EARLIEST,
            auto_commit=AUTO_EVERY if commits is Commits.AUTO else None,
        )
    order = replace(order, batch=wanted.batch, shown=wanted.shown)
    found = world.readers.read(client, settings, order, take, _Alive(cluster, world, wanted).tell)
    return found, {} if wanted.group is None else committed(world, wanted.group, wanted.topic)


def check(wanted: Wanted) -> None:
    """Raise UsageError for what excludes each other."""
    if wanted.group is None:
        for flag, given in (("--commit", wanted.commits), ("--members", wanted.members)):
            if given is not None:
                raise UsageError(
                    f"{flag} is of a group's members", hint="without --group no offset is committed"
                )
        return
    if not wanted.group:
        raise UsageError("--group is empty")
    if wanted.partitions:
        raise UsageError(
            "--partition excludes --group", hint="a group's coordinator gives the partitions out"
        )
    if isinstance(wanted.begin, Offset | Time):
        raise UsageError(
            "a group goes on where it has committed; --from earliest or latest says where it begins without",
            hint=f"`fab groups.reset {wanted.group} --to …` moves what it has committed",
        )


def committed(world: World, group: str, topic: str) -> Mapping[int, Commit] | Unknown:
    """Return what the group has committed of the topic, as its coordinator tells it."""
    metadata = seen(world)
    listing = world.groups.list(metadata)
    one = next((each for each in listing.groups if each.name == group), None)
    if one is None:
        return {} if not listing.silent else Unknown("; ".join(sorted(listing.silent.values())))
    found = world.groups.describe(metadata, [one])[group]
    if isinstance(found, Unknown):
        return found
    return _of_topic(found, topic)


def _of_topic(found: Group, topic: str) -> Mapping[int, Commit] | Unknown:
    if isinstance(found.committed, Unknown):
        return found.committed
    return {at[1]: commit for at, commit in sorted(found.committed.items()) if at[0] == topic}


def _ends(world: World, topic: str, numbers: Iterable[int]) -> Mapping[int, Ends]:
    ats: list[At] = [(topic, number) for number in numbers]
    found = world.offsets.ends(seen(world), ats)
    unknown = [f"{topic}-{at[1]}: {one.reason}" for at, one in found.items() if isinstance(one, Unknown)]
    if unknown:
        raise NotTold(
            f"the ends of {topic} are not known: {'; '.join(unknown)}", hint="`fab status` shows more"
        )
    return {at[1]: one for at, one in found.items() if not isinstance(one, Unknown)}


def _stops(world: World, wanted: Wanted, ends: Mapping[int, Ends], reads: Isolation) -> Mapping[int, int]:
    stops = {
        number: one.stable if reads is Isolation.READ_COMMITTED else one.high for number, one in ends.items()
    }
    if wanted.until is None:
        return stops
    since = _since(world, wanted.topic, ends, wanted.until)
    return {
        number: stop if (at := since[number]) is None else min(at, stop) for number, stop in stops.items()
    }


def _starts(cluster: Cluster, world: World, wanted: Wanted, ends: Mapping[int, Ends]) -> Mapping[int, int]:
    begins = wanted.begin
    if isinstance(begins, Latest):
        return {number: one.high for number, one in ends.items()}
    if isinstance(begins, Offset):
        outside = [
            f"partition {number} has {one.earliest} to {one.high}"
            for number, one in ends.items()
            if not one.earliest <= begins.offset <= one.high
        ]
        if outside:
            raise UsageError(
                f"offset {begins.offset} is not in the log of {wanted.topic}: {', '.join(outside)}",
                hint="--partition chooses one; --from earliest begins at the first record that is there",
            )
        return dict.fromkeys(ends, begins.offset)
    if isinstance(begins, Time):
        since = _since(world, wanted.topic, ends, begins.moment)
        if all(at is None for at in since.values()):
            world.emit(Note(cluster.name, f"no record of {wanted.topic} is that late: it begins at the end"))
        return {number: ends[number].high if at is None else at for number, at in since.items()}
    return {number: one.earliest for number, one in ends.items()}


def _since(world: World, topic: str, ends: Mapping[int, Ends], moment: datetime) -> Mapping[int, int | None]:
    found = world.offsets.since(seen(world), [(topic, number) for number in ends], moment)
    unknown = [f"{topic}-{at[1]}: {one.reason}" for at, one in found.items() if isinstance(one, Unknown)]
    if unknown:
        raise NotTold(f"the offsets of that time are not known: {'; '.join(unknown)}")
    return {at[1]: one for at, one in found.items() if not isinstance(one, Unknown)}


class _Alive:
    """Says how far a reading is, once it takes longer than a moment."""

    def __init__(self, cluster: Cluster, world: World, wanted: Wanted) -> None:
        self._cluster, self._world, self._wanted = cluster, world, wanted
        self._begun = self._told = world.clock.now()

    def tell(self, count: int, steady: bool) -> None:
        now = self._world.clock.now()
        if now - self._begun < TELL_AFTER or now - self._told < TELL_EVERY:
            return
        self._told = now
        total = "" if self._wanted.most is None else f" of {self._wanted.most}"
        what = f"{plural(count, 'record')}{total} read"
        if not steady:
            what = f"the partitions of group {self._wanted.group}"
        self._world.emit(Waiting(self._cluster.name, what, timedelta(seconds=now - self._begun), None))
