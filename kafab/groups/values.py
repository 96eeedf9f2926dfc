"""A group as its coordinator tells it, and a partition's offsets as its leader tells them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from kafab.unknown import Unknown
from kafab.words import shown

At: TypeAlias = tuple[str, int]
"""A topic and the number of its partition."""

CLASSIC, CONSUMER, SHARE, STREAMS = "classic", "consumer", "share", "streams"
"""The types of groups (`org.apache.kafka.common.GroupType`); another one is passed on as the broker spells it."""
WITHOUT_MEMBERS = frozenset({"empty", "dead"})
"""The states, in lower case, in which offsets may be committed from outside."""
GONE = "there is no such partition"
"""Why nothing is known of a partition whose topic was deleted: groups keep its offsets for some days."""
UNREAD = Unknown("too many partitions have a lag: not every one was read")
"""Why the age of a lag is not known where reading was bounded; see `kafab.ops.groups.seeing.describe`."""


@dataclass(frozen=True)
class Listed:
    """A group in a coordinator's list. ``state`` is None before Kafka 2.6, which does not tell it there."""

    name: str
    kind: str
    state: str | None
    coordinator: int
    """A broker's id."""


@dataclass(frozen=True)
class Listing:
    """The groups of all coordinators that answered, by name, and why others are missing."""

    groups: tuple[Listed, ...]
    silent: Mapping[str, str]
    """Who did not tell its groups -> why. Groups may be missing in the list while this is not empty."""


@dataclass(frozen=True)
class Member:
    """A member of a group; ``host`` is the address that its coordinator sees it come from."""

    id: str
    client: str
    host: str
    instance: str | None = None
    """The group.instance.id of a static member."""
    assigned: tuple[At, ...] = ()

    @property
    def name(self) -> str:
        """Return the client id and the host, as an operator looks for it."""
        static = f" ({self.instance})" if self.instance else ""
        return shown(f"{self.client}{static} on {self.host}")


@dataclass(frozen=True)
class Commit:
    """A committed offset: of the next record to read."""

    offset: int
    epoch: int = -1
    """The leader epoch that was committed with it; -1 where none was."""
    metadata: str = ""


@dataclass(frozen=True)
class Group:
    """A group as its coordinator describes it."""

    name: str
    kind: str
    state: str
    coordinator: int
    protocol: str
    """The assignor, where one was chosen; else empty."""
    members: tuple[Member, ...] | Unknown
    committed: Mapping[At, Commit] | Unknown

    @property
    def idle(self) -> bool:
        """True where its coordinator says that no member is there."""
        return self.state.lower() in WITHOUT_MEMBERS and self.members == ()


@dataclass(frozen=True)
class Ends:
    """A partition's first offset, its last stable offset and its high watermark."""

    earliest: int
    stable: int
    high: int


@dataclass(frozen=True)
class Place:
    """What a group has of one partition: see `places`."""

    at: At
    committed: Commit | None
    """None where it has committed nothing, or only has the partition assigned."""
    ends: Ends | Unknown
    member: Member | None
    behind: timedelta | Unknown | None = None
    """How old the first record is that it has not consumed; None where there is no such record (the markers of transactions
    are none), or nothing is committed."""

    @property
    def gone(self) -> int:
        """How many offsets behind the committed one retention has taken before they were consumed."""
        if self.committed is None or isinstance(self.ends, Unknown):
            return 0
        return max(self.ends.earliest - self.committed.offset, 0)

    @property
    def next(self) -> int | None:
        """The offset of the first record that it has not consumed and that is still there, unless it is at the end."""
        if self.committed is None or isinstance(self.ends, Unknown):
            return None
        first = max(self.committed.offset, self.ends.earliest)
        return first if first < self.ends.high else None

    @property
    def lag(self) -> int | None:
        """The offsets up to the high watermark that are still there and not consumed; None where that cannot be told."""
        if self.committed is None or isinstance(self.ends, Unknown):
            return None
        return 0 if self.next is None else self.ends.high - self.next

    @property
    def beyond(self) -> int:
        """How far the committed offset is beyond the high watermark: the topic was made anew, or has lost records."""
        if self.committed is None or isinstance(self.ends, Unknown):
            return 0
        return max(self.committed.offset - self.ends.high, 0)


@dataclass(frozen=True)
class Described:
    """A group with its partitions, in order."""

    group: Group
    places: tuple[Place, ...]

    @property
    def unknown(self) -> bool:
        """True where a part of it could not be read, though kafab asks for it: a share group commits no offsets."""
        parts: list[object] = [] if self.group.kind == STREAMS else [self.group.members]
        parts += [part for place in self.places for part in (place.ends, place.behind)]
        parts += [] if self.group.kind == SHARE else [self.group.committed]
        return any(isinstance(part, Unknown) for part in parts)

    @property
    def lag(self) -> int | Unknown:
        """The sum over the partitions with committed offsets; Unknown where one of them is."""
        if isinstance(self.group.committed, Unknown):
            return self.group.committed
        unknown = [place.ends.reason for place in self.places if isinstance(place.ends, Unknown)]
        return Unknown(unknown[0]) if unknown else sum(place.lag or 0 for place in self.places)

    @property
    def behind(self) -> timedelta | Unknown | None:
        """The greatest of its partitions."""
        told = [place.behind for place in self.places if isinstance(place.behind, timedelta)]
        unknown = [place.behind for place in self.places if isinstance(place.behind, Unknown)]
        return max(told) if told else next(iter(unknown), None)


def partitions(groups: Sequence[Group]) -> set[At]:
    """Return every partition that one of the groups has committed an offset of, or has assigned."""
    found: set[At] = set()
    for group in groups:
        found |= set() if isinstance(group.committed, Unknown) else group.committed.keys()
        if not isinstance(group.members, Unknown):
            found |= {at for member in group.members for at in member.assigned}
    return found


def places(group: Group, ends: Mapping[At, Ends | Unknown]) -> tuple[Place, ...]:
    """Return what a group has of its partitions. A partition that is not in ``ends`` is Unknown."""
    members = () if isinstance(group.members, Unknown) else group.members
    owner = {at: member for member in members for at in member.assigned}
    commits = {} if isinstance(group.committed, Unknown) else group.committed
    return tuple(
        Place(at, commits.get(at), ends.get(at, Unknown(GONE)), owner.get(at))
        for at in sorted(partitions([group]))
    )
