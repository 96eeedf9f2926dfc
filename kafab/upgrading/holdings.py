"""What a cluster holds for those who use it, and what must be the same before and after an upgrade. Pure.

Identities never change. What others set (configs, ACLs, users, quotas) may be changed by somebody meanwhile, which is told. Offsets
only grow: one that is lower has lost records, or what a group has read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from kafab.cluster.own_topics import is_own
from kafab.groups.values import At
from kafab.unknown import Unknown
from kafab.words import few, plural

K = TypeVar("K")
Known: TypeAlias = Mapping[str, str] | Unknown
"""What -> its value, both as people read them."""


@dataclass(frozen=True)
class Holdings:
    """What was seen at one moment. What could not be read is Unknown."""

    cluster_id: Known = field(default_factory=dict)
    topics: Known = field(default_factory=dict)
    """Topic -> its id, or its number of partitions where Kafka has no ids yet."""
    configs: Known = field(default_factory=dict)
    """What topics themselves set."""
    dynamic: Mapping[str, Known] = field(default_factory=dict)
    """Broker's node name -> what was set on it while it ran; one that is down tells nothing."""
    acls: Known = field(default_factory=dict)
    users: Known = field(default_factory=dict)
    quotas: Known = field(default_factory=dict)
    committed: Mapping[tuple[str, At], int] | Unknown = field(default_factory=dict)
    ends: Mapping[At, int] | Unknown = field(default_factory=dict)
    complaints: frozenset[str] | Unknown = frozenset()
    """Lines of the nodes' logs, each behind its node's name, in which one side did not understand the other."""


@dataclass(frozen=True)
class Compared:
    """One kind of it, before and after."""

    what: str
    count: int
    """How many there were before."""
    changed: tuple[str, ...] = ()
    lost: bool = False
    """What changed must never change."""
    unknown: str = ""
    """Why it could not be compared."""

    @property
    def text(self) -> str:
        """Say it to people."""
        if self.unknown:
            return f"UNKNOWN: {self.unknown}"
        if self.what == COMPLAINTS:
            return (
                f"{plural(len(self.changed), 'new line')}: {few(self.changed)}"
                if self.changed
                else "none new"
            )
        if not self.changed:
            return "the same" if self.what not in (COMMITTED, ENDS) else "none is lower"
        return f"{'LOST' if self.lost else 'changed meanwhile'}: {few(self.changed)}"


COMPLAINTS = "complaints in logs"
PATTERN = (
    "UnsupportedVersionException|Error getting request for apiKey|Error parsing request header|InvalidRequestException|"
    "InconsistentClusterIdException|SchemaException|does not support the requested version|unsupported metadata.version"
)
"""What Kafka logs where a request, a record or a file is of a version that it does not know; an extended regular expression."""
COMMITTED = "committed offsets"
ENDS = "ends of partitions"


def compare(before: Holdings, after: Holdings) -> tuple[Compared, ...]:
    """Return each kind in order. Topics of kafab's own are left out: they come and go."""
    return (
        _same("cluster id", before.cluster_id, after.cluster_id, lost=True),
        _same("topics", before.topics, after.topics, lost=True),
        _same("configs of topics", before.configs, _of_topics(after.configs, before.topics), both_ways=True),
        _same("dynamic values", *_of_both(before.dynamic, after.dynamic), both_ways=True),
        _same("ACLs", before.acls, after.acls, both_ways=True),
        _same("SCRAM users", before.users, after.users, both_ways=True),
        _same("quotas", before.quotas, after.quotas, both_ways=True),
        _grown(COMMITTED, before.committed, after.committed),
        _grown(ENDS, before.ends, after.ends),
        _complaints(before.complaints, after.complaints),
    )


def _complaints(before: frozenset[str] | Unknown, after: frozenset[str] | Unknown) -> Compared:
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return _unknown(COMPLAINTS, before, after)
    return Compared(COMPLAINTS, len(before), tuple(sorted(after - before)))


def _of_topics(configs: Known, topics: Known) -> Known:
    """Return the configs of these topics: one that is new was not changed."""
    if isinstance(configs, Unknown) or isinstance(topics, Unknown):
        return configs
    return {name: value for name, value in configs.items() if name.partition(": ")[0] in topics}


def _of_both(before: Mapping[str, Known], after: Mapping[str, Known]) -> tuple[Known, Known]:
    """Return what the brokers set that told it both times, with their names."""
    pairs = {
        name: (known, later)
        for name, known in before.items()
        if not isinstance(known, Unknown)
        and (later := after.get(name)) is not None
        and not isinstance(later, Unknown)
    }
    if before and not pairs:
        return next(iter(before.values())), next(iter(after.values()), Unknown("no broker was asked"))
    told = [
        {f"{name}: {key}": value for name, pair in pairs.items() for key, value in pair[side].items()}
        for side in (0, 1)
    ]
    return told[0], told[1]


def _same(what: str, before: Known, after: Known, *, lost: bool = False, both_ways: bool = False) -> Compared:
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return _unknown(what, before, after)
    names = before.keys() | after.keys() if both_ways else before.keys()
    changed = [name for name in sorted(names) if not is_own(name) and before.get(name) != after.get(name)]
    return Compared(what, sum(not is_own(name) for name in before), tuple(changed), lost)


def _grown(what: str, before: Mapping[K, int] | Unknown, after: Mapping[K, int] | Unknown) -> Compared:
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return _unknown(what, before, after)
    lower = [
        f"{_name(key)} {before[key]} became {after.get(key, 'none')}"
        for key in sorted(before, key=str)
        if after.get(key, -1) < before[key]
    ]
    return Compared(what, len(before), tuple(lower), lost=True)


def _unknown(what: str, before: object, after: object) -> Compared:
    reasons = dict.fromkeys(one.reason for one in (before, after) if isinstance(one, Unknown))
    return Compared(what, 0, unknown="; ".join(reasons))


def _name(key: object) -> str:
    match key:
        case (str(group), (str(topic), int(partition))):
            return f"{group} at {topic}-{partition}"
        case (str(topic), int(partition)):
            return f"{topic}-{partition}"
    return str(key)
