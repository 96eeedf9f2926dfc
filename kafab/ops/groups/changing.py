"""Groups changed: their offsets set, or the group deleted. A group with members is refused, with who they are.

A reset is planned, asked for, saved, committed, and read back. The snapshot is on this machine before anything is committed.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from kafab.cluster.metadata import Metadata
from kafab.errors import Failed, NotTold, OutcomeUnknown, Unsafe, UsageError
from kafab.groups import snapshot
from kafab.groups.coordinating import TOPIC, coordinator
from kafab.groups.resetting import Move, moves
from kafab.groups.snapshot import Snapshot
from kafab.groups.targets import Saved, Target, Time, chosen
from kafab.groups.values import CLASSIC, CONSUMER, At, Commit, Group, Listed
from kafab.ops.groups.seeing import one, seen
from kafab.ops.world import World
from kafab.unknown import Unknown
from kafab.words import few, plural

ABSENT = "absent"
"""The state of a group that is not there yet; none of Kafka's."""
T = TypeVar("T")
_TOOLS = {"share": "kafka-share-groups.sh", "streams": "kafka-streams-groups.sh"}


@dataclass(frozen=True)
class Deletion:
    """What is going to be deleted: a group without members, and its committed offsets."""

    metadata: Metadata
    listed: Listed
    before: Mapping[At, Commit]

    def snapshot(self, cluster: str, taken: datetime) -> Snapshot:
        """Return all offsets as they are before it."""
        return Snapshot(cluster, self.metadata.cluster_id, self.listed.name, taken, self.before)


@dataclass(frozen=True)
class Reset(Deletion):
    """What is going to be done: to which group, from which offsets, and each partition's move."""

    moves: tuple[Move, ...]
    left_out: tuple[At, ...] = ()
    """Partitions with offsets that are not there any more."""

    makes: bool = False
    """True where there is no such group yet."""

    @property
    def changes(self) -> tuple[Move, ...]:
        """The moves that move."""
        return tuple(move for move in self.moves if move.changes)


def plan(world: World, name: str, target: Target, topics: Sequence[str], *, new: bool = False) -> Reset:
    """Return what a reset would do; nothing is changed.

    Without ``topics`` it is about all partitions with committed offsets. With ``new`` a group that is not there is made by it.

    Raises Unsafe for a group with members, with their names and hosts, and for a type whose offsets are no consumer's; UsageError for an
    unknown group, topic, partition, file, and where nothing is committed; NotTold where a coordinator or a leader does not answer.
    """
    metadata = seen(world)
    listed, before = _place(world, metadata, name, new=new)
    known: dict[str, list[int]] = {}
    for each in metadata.partitions:
        known.setdefault(each.topic, []).append(each.number)
    asked = chosen(topics, known) if topics else None
    saved = _saved(target, metadata, name)
    wanted = asked if asked is not None else frozenset(before if saved is None else saved)
    if saved is not None and asked is not None:
        wanted = asked & saved.keys()
    left_out = {at for at in wanted if at[1] not in known.get(at[0], ())}
    wanted -= left_out
    if not wanted:
        gone = (
            f" of partitions that are still there ({plural(len(left_out), 'partition')} gone)"
            if left_out
            else ""
        )
        raise UsageError(
            f"group {name} has no committed offsets{gone}", hint="--topics orders:0,2 names partitions to set"
        )
    ends = _told(world.offsets.ends(metadata, wanted), "the ends")
    timed = None
    if isinstance(target, Time):
        timed = _told(world.offsets.since(metadata, wanted, target.moment), "the offset of that time")
    found = moves(before, wanted, ends, target, timed=timed, saved=saved)
    if isinstance(found, Unknown):
        raise UsageError(found.reason, hint="--to earliest, latest, an offset or a time sets it")
    makes = listed.state == ABSENT
    return Reset(metadata, listed, before, found, tuple(sorted(left_out)), makes)


def save(folder: Path, taken: Snapshot) -> Path:
    """Write a snapshot as a new file of this folder, for its owner alone; return where it is. Raises Failed."""
    file = folder / taken.file
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600, exist_ok=False)
        with file.open("w", encoding="utf-8") as written:
            written.write(taken.text)
            written.flush()
            os.fsync(written.fileno())
    except OSError as error:
        told = (error.strerror or str(error)).lower()
        raise Failed(
            f"the snapshot of the offsets cannot be saved, nothing was changed: {file}: {told}"
        ) from error
    return file


def apply(world: World, reset: Reset) -> None:
    """Commit the moves and read them back. A group that has got members since the plan is refused by its coordinator.

    Raises Failed with Kafka's error for each partition, OutcomeUnknown where the answer or what was read back does not prove it.
    """
    name, wanted = reset.listed.name, {move.at: move.after for move in reset.changes}
    refused = world.groups.commit(reset.metadata, reset.listed, wanted)
    hint = f"`groups.describe {name}` shows its offsets"
    if isinstance(refused, Unknown):
        raise OutcomeUnknown(f"group {name}: not seen to be reset ({refused.reason})", hint=hint)
    if refused:
        told = few(f"{topic}-{number}: {why}" for (topic, number), why in sorted(refused.items()))
        if set(refused.values()) == {"UnknownMemberIdError"}:
            told = f"it has members now ({told})"
        done = len(wanted) - len(refused)
        raise Failed(
            f"group {name}: {plural(done, 'partition')} reset, {len(refused)} refused: {told}", hint=hint
        )
    after = world.groups.describe(reset.metadata, [reset.listed])[name]
    offsets = after if isinstance(after, Unknown) else after.committed
    if isinstance(offsets, Unknown):
        raise OutcomeUnknown(f"group {name}: reset, but not read back ({offsets.reason})", hint=hint)
    other = {at: offsets.get(at) for at, commit in wanted.items() if offsets.get(at) != commit}
    if other:
        told = few(
            f"{topic}-{number} is at {found.offset if found else 'none'}, not {wanted[topic, number].offset}"
            for (topic, number), found in sorted(other.items())
        )
        raise OutcomeUnknown(f"group {name}: read back otherwise: {told}", hint=hint)


def deletable(world: World, name: str) -> Deletion:
    """Return the group that a deletion would take away. Raises Unsafe for one with members, UsageError, NotTold, Unreachable."""
    metadata = seen(world)
    listed = one(world.groups.list(metadata), name)
    return Deletion(metadata, listed, _committed(_idle(world, metadata, listed, "delete")))


def delete(world: World, gone: Deletion) -> None:
    """Delete it. Raises Failed with Kafka's error, OutcomeUnknown where no answer came."""
    name = gone.listed.name
    answer = world.groups.delete(gone.metadata, gone.listed)
    if isinstance(answer, Unknown):
        told = f"group {name}: not seen to be deleted ({answer.reason})"
        raise OutcomeUnknown(told, hint="`groups.list` shows whether it is there")
    if answer is not None:
        raise Failed(f"group {name} was not deleted: {answer}")


def now() -> datetime:
    """Return this machine's time."""
    return datetime.now(timezone.utc)


def _place(world: World, metadata: Metadata, name: str, *, new: bool) -> tuple[Listed, Mapping[At, Commit]]:
    found = world.groups.list(metadata)
    if not new or found.silent or any(group.name == name for group in found.groups):
        listed = one(found, name)
        return listed, _committed(_idle(world, metadata, listed, "reset"))
    broker = coordinator(metadata, name)
    if broker is None:
        raise NotTold(
            f"no broker coordinates a group {name!r}: {TOPIC} is not there yet, or its partition has no leader"
        )
    return Listed(name, CLASSIC, ABSENT, broker), {}


def _idle(world: World, metadata: Metadata, listed: Listed, verb: str) -> Group:
    name = listed.name
    if listed.kind not in (CLASSIC, CONSUMER):
        tool = _TOOLS.get(listed.kind)
        hint = f"`fab tool NODE -- {tool} --help` shows Kafka's own tool for them" if tool else None
        raise Unsafe(
            f"{name} is a group of type {listed.kind}: `groups.{verb}` is for consumers' groups", hint=hint
        )
    group = world.groups.describe(metadata, [listed])[name]
    if isinstance(group, Unknown):
        raise NotTold(f"group {name}: {group.reason}; nothing was changed")
    if group.idle:
        return group
    members = () if isinstance(group.members, Unknown) else group.members
    told = f": {few((member.name for member in members), 20)}" if members else ""
    raise Unsafe(
        f"group {name} is {group.state.lower()}, with {plural(len(members), 'member')}{told}",
        hint="stop these consumers, then the same again: a member would go on from its own place, and commit over the new one",
    )


def _committed(group: Group) -> Mapping[At, Commit]:
    if isinstance(group.committed, Unknown):
        raise NotTold(
            f"group {group.name}: its offsets are unknown: {group.committed.reason}; nothing was changed"
        )
    return group.committed


def _saved(target: Target, metadata: Metadata, name: str) -> Mapping[At, Commit] | None:
    if not isinstance(target, Saved):
        return None
    found = snapshot.read(target.file)
    if found.cluster_id != metadata.cluster_id:
        raise Unsafe(
            f"{target.file} is of {found.cluster}, cluster id {found.cluster_id}; this cluster's is {metadata.cluster_id}",
            hint="offsets of one cluster mean other records in another: --to with a time finds the place",
        )
    if found.group != name:
        raise UsageError(f"{target.file} is of group {found.group}, not of {name}")
    return found.offsets


def _told(answers: Mapping[At, T | Unknown], what: str) -> dict[At, T]:
    silent = {at: found.reason for at, found in answers.items() if isinstance(found, Unknown)}
    if silent:
        told = few(f"{topic}-{number}: {why}" for (topic, number), why in sorted(silent.items()))
        raise NotTold(
            f"{what} of {plural(len(silent), 'partition')} are unknown: {told}; nothing was changed"
        )
    return {at: found for at, found in answers.items() if not isinstance(found, Unknown)}
