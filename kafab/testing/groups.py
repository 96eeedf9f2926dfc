"""Groups and offsets in memory, behind their ports: for tests without a broker."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kafab.cluster.metadata import Metadata
from kafab.groups.values import CLASSIC, GONE, At, Commit, Ends, Group, Listed, Listing
from kafab.unknown import Unknown


@dataclass
class FakeGroups:
    """`kafab.ports.Groups` and `kafab.ports.Offsets` over these values; a group with members refuses as Kafka does."""

    groups: dict[str, Group] = field(default_factory=dict)
    logs: dict[At, Ends] = field(default_factory=dict)
    times: dict[tuple[At, int], datetime] = field(default_factory=dict)
    """When the record at an offset was written."""
    configs: dict[str, dict[str, str]] = field(default_factory=dict)
    """The properties that groups have of their own."""
    silent: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    """True: changes are made, and their answers are lost."""
    deaf: bool = False
    """True: commits are answered, and not made."""

    def list(self, metadata: Metadata) -> Listing:  # noqa: ARG002
        """Return the groups whose coordinators are not silent."""
        told = [one for one in self.groups.values() if f"broker {one.coordinator}" not in self.silent]
        found = (Listed(one.name, one.kind, one.state, one.coordinator) for one in told)
        return Listing(tuple(sorted(found, key=lambda one: one.name)), self.silent)

    def describe(self, metadata: Metadata, groups: Sequence[Listed]) -> Mapping[str, Group | Unknown]:  # noqa: ARG002
        """Return them; a classic group that is not there is described as dead, as Kafka does it."""
        return {
            one.name: self.groups.get(
                one.name, Group(one.name, one.kind, "Dead", one.coordinator, "", (), {})
            )
            for one in groups
        }

    def commit(
        self,
        metadata: Metadata,  # noqa: ARG002
        group: Listed,
        offsets: Mapping[At, Commit],
    ) -> Mapping[At, str] | Unknown:
        """Take them, unless a member is there; a group that is not there begins with them."""
        new = Group(group.name, CLASSIC, "Empty", group.coordinator, "", (), {})
        one = self.groups.get(group.name, new)
        if one.members:
            return dict.fromkeys(offsets, "UnknownMemberIdError")
        before = {} if isinstance(one.committed, Unknown) else one.committed
        if not self.deaf:
            self.groups[group.name] = replace(one, committed={**before, **offsets})
        return Unknown("connection reset") if self.lost else {}

    def delete(self, metadata: Metadata, group: Listed) -> str | Unknown | None:  # noqa: ARG002
        """Take it away, unless a member is there."""
        if self.groups[group.name].members:
            return "NonEmptyGroupError"
        del self.groups[group.name]
        return Unknown("connection reset") if self.lost else None

    def configure(
        self,
        metadata: Metadata,  # noqa: ARG002
        group: str,
        values: Mapping[str, str | None],
    ) -> str | Unknown | None:
        """Keep what is set."""
        kept = {**self.configs.get(group, {}), **values}
        self.configs[group] = {name: value for name, value in kept.items() if value is not None}
        return None

    def ends(self, metadata: Metadata, partitions: Collection[At]) -> Mapping[At, Ends | Unknown]:
        """Return them; a partition that is there and has none here is without a leader."""
        there = {(one.topic, one.number) for one in metadata.partitions}
        why = {at: "it has no leader" if at in there else GONE for at in partitions}
        return {at: self.logs.get(at, Unknown(why[at])) for at in partitions}

    def since(
        self,
        metadata: Metadata,  # noqa: ARG002
        partitions: Collection[At],
        moment: datetime,
    ) -> Mapping[At, int | Unknown | None]:
        """Look through the times."""
        return {
            at: min(
                (offset for (where, offset), time in self.times.items() if where == at and time >= moment),
                default=None,
            )
            for at in partitions
        }

    def written(
        self,
        metadata: Metadata,  # noqa: ARG002
        offsets: Collection[tuple[At, int]],
    ) -> Mapping[tuple[At, int], datetime | Unknown | None]:
        """Look into the times."""
        return {place: self.times.get(place, Unknown("no record came of it")) for place in offsets}
