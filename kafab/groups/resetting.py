"""What a reset would do: where each partition goes from, where to, and which records are read again or skipped."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafab.groups.targets import Earliest, Latest, Offset, Saved, Shift, Target, Time
from kafab.groups.values import At, Commit, Ends
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Move:
    """One partition's part of a reset."""

    at: At
    before: Commit | None
    after: Commit
    ends: Ends
    note: str = ""
    """Why the offset is another one than was asked for."""

    @property
    def again(self) -> int:
        """How many offsets that the group has passed it passes again: those that are still there."""
        if self.before is None:
            return 0
        return max(min(self.before.offset, self.ends.high) - max(self.after.offset, self.ends.earliest), 0)

    @property
    def skipped(self) -> int:
        """How many offsets that are there, and that the group has not passed, it never will; 0 where it had no place."""
        if self.before is None:
            return 0
        return max(min(self.after.offset, self.ends.high) - max(self.before.offset, self.ends.earliest), 0)

    @property
    def changes(self) -> bool:
        """False where the group is there already."""
        return self.before is None or self.before.offset != self.after.offset


def moves(
    before: Mapping[At, Commit],
    wanted: frozenset[At],
    ends: Mapping[At, Ends],
    target: Target,
    *,
    timed: Mapping[At, int | None] | None = None,
    saved: Mapping[At, Commit] | None = None,
) -> tuple[Move, ...] | Unknown:
    """Return the moves of these partitions, in order. ``ends`` has every one of them.

    ``timed`` is the answer to a `Time` (None: no record is as late), ``saved`` the offsets of a snapshot. An offset that the log does not have
    becomes the nearest end of it, and the move says so. Unknown names the partitions that a `Shift` cannot start from.
    """
    if isinstance(target, Shift) and (none := sorted(wanted - before.keys())):
        topic, number = none[0]
        return Unknown(f"the group has no committed offset of {topic}-{number} to shift")

    def asked(at: At) -> Commit | None:
        match target:
            case Earliest():
                found = ends[at].earliest
            case Latest():
                found = ends[at].high
            case Offset(offset):
                found = offset
            case Shift(by):
                found = before[at].offset + by
            case Time():
                last = (timed or {}).get(at)
                return None if last is None else Commit(last)
            case Saved():
                return (saved or {})[at]
        return Commit(found)

    return tuple(_move(at, before.get(at), asked(at), ends[at]) for at in sorted(wanted))


def _move(at: At, before: Commit | None, asked: Commit | None, ends: Ends) -> Move:
    if asked is None:
        return Move(at, before, Commit(ends.high), ends, "no record is that late: the end")
    if asked.offset < ends.earliest:
        return Move(
            at, before, Commit(ends.earliest), ends, f"{asked.offset} is no longer there: the first record"
        )
    if asked.offset > ends.high:
        return Move(at, before, Commit(ends.high), ends, f"{asked.offset} is beyond the end: the end")
    return Move(at, before, asked, ends)
