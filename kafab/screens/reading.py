"""Records that were read, who read them, and what is committed then."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kafab.ops.records.reading import Place, Wanted
from kafab.records.reading import Commits, Found, Reading, Turn
from kafab.records.settings import Client, ConsumerSettings, isolation
from kafab.screens import layout
from kafab.screens.records import FEW, shown
from kafab.unknown import Unknown
from kafab.words import plural, size
from kafab.words import shown as name

COLUMNS = ("Topic", "Partition", "Offset", "Key", "Value")
_TURNS = 20
"""So many rebalances are shown, the last ones."""


@dataclass(frozen=True)
class Told:
    """What is told at the end; ``places`` None: there is no group, ``few`` the records that were kept to be shown."""

    wanted: Wanted
    client: Client
    settings: ConsumerSettings
    found: Reading
    places: Mapping[int, Place] | Unknown | None
    few: Sequence[Found]


class Shown:
    """Takes the records that are to be shown: keeps the first few, or writes each at once where there is a ``take``."""

    def __init__(
        self, topic: str, group: str | None, take: Callable[[bytes], bool] | None, *, json: bool
    ) -> None:
        self._topic, self._group, self._take, self._json = topic, group, take, json
        self._wide = max(len(topic), len(COLUMNS[0]))
        self._begun = False
        self.few: list[Found] = []

    def hear(self, found: Found) -> bool:
        """Take a record; say whether anybody wants more."""
        if self._take is None:
            self.few.append(found)
            return True
        if self._json:
            return self.line({"schema": "kafab.record/1", "topic": self._topic, **_record(found)})
        key, value = shown(found.key), shown(found.value)
        line = f"{self._topic:<{self._wide}}  {found.partition:>9}  {found.offset:>6}  {key}  {value}\n"
        head = "" if self._begun else f"{COLUMNS[0]:<{self._wide}}  {'  '.join(COLUMNS[1:])}\n"
        self._begun = True
        return self._take(f"{head}{line}".encode())

    def line(self, document: Mapping[str, object]) -> bool:
        """Write a document as one line."""
        return self._take is not None and self._take(json.dumps(document).encode() + b"\n")


def text(told: Told) -> str:
    """Return the records, where they are few and were not shown yet, and the figures."""
    wanted, found, few = told.wanted, told.found, told.few
    parts = []
    if few and found.records <= FEW:
        rows = [
            (wanted.topic, each.partition, each.offset, shown(each.key), shown(each.value)) for each in few
        ]
        parts.append(layout.table(COLUMNS, rows))
    rate = f" ({found.per_second:.0f} a second)" if found.records > 1 and found.seconds else ""
    parts.append(
        f"{plural(found.records, 'record')} read in {found.seconds:.2f} s{rate}, {size(found.size)} of keys and values"
    )
    if len(found.by_partition) > 1:
        parts.append(f"by partition: {_counts(found.by_partition)}")
    if wanted.group is not None:
        parts += _group(wanted, found, told.places)
    if found.refused:
        parts.append(
            "commits refused: " + ", ".join(f"{count} {kind}" for kind, count in found.refused.items())
        )
    if found.trouble:
        parts.append(f"the reading ended: {layout.one_line(found.trouble)}")
    if found.silent:
        parts.append(f"the reading was given up: {found.silent}")
    reads = isolation(told.client, told.settings).value
    commits = "no group, nothing committed" if wanted.group is None else f"commit {_how(wanted)}"
    parts.append(f"client {told.client.value}, {reads}, {commits}")
    return "\n".join(parts)


def document(told: Told) -> dict[str, object]:
    """Return it as ``kafab.records-read/1``; ``records`` has the first ones, bytes escaped as in the table."""
    wanted, found, places = told.wanted, told.found, told.places
    made: dict[str, object] = {
        "schema": "kafab.records-read/1",
        "topic": wanted.topic,
        "client": told.client.value,
        "isolation": isolation(told.client, told.settings).value,
        "read": found.records,
        "bytes": found.size,
        "by_partition": {str(number): count for number, count in found.by_partition.items()},
        "seconds": round(found.seconds, 3),
        "records_per_second": round(found.per_second, 1),
        "group": wanted.group,
        "commit": None if wanted.group is None else _how(wanted),
        "interrupted": found.interrupted,
        "trouble": found.trouble or found.silent or None,
        "records": [_record(each) for each in told.few[:FEW]],
    }
    if wanted.group is None:
        return made
    return made | {
        "members": [
            {
                "member": number,
                "assigned": list(_last(found.turns, number)),
                "read": {str(partition): count for partition, count in counts.items()},
            }
            for number, counts in enumerate(found.by_member, 1)
        ],
        "rebalances": [
            {
                "at": turn.at.isoformat(timespec="milliseconds"),
                "seconds": round(turn.seconds, 3),
                "member": turn.member,
                "what": turn.what,
                "partitions": list(turn.partitions),
            }
            for turn in found.turns
        ],
        "commits_refused": dict(found.refused or {}),
        "committed": None
        if isinstance(places, Unknown) or places is None
        else {str(number): {"offset": place.committed, "lag": place.lag} for number, place in places.items()},
    }


def _group(wanted: Wanted, found: Reading, places: Mapping[int, Place] | Unknown | None) -> list[str]:
    parts = []
    for number, counts in enumerate(found.by_member, 1):
        assigned = _last(found.turns, number)
        mine = f"partition {_listed(assigned)}" if assigned else "no partition"
        read = plural(sum(counts.values()), "record")
        detail = f" ({_counts(counts)})" if len(counts) > 1 else ""
        parts.append(f"member {number}: {mine}, {read}{detail}")
    for turn in found.turns[-_TURNS:]:
        at = turn.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        given = _listed(turn.partitions) if turn.partitions else "none"
        parts.append(f"{at}  +{turn.seconds:.2f} s  member {turn.member}  {turn.what} {given}")
    group = name(wanted.group or "")
    if isinstance(places, Unknown):
        parts.append(f"committed by group {group}: not known ({places.reason})")
    elif not places or all(place.committed is None for place in places.values()):
        parts.append(f"committed by group {group}: nothing of {wanted.topic}")
    else:
        each = (f"{number}: {_place(place)}" for number, place in places.items())
        parts.append(f"committed by group {group}: {', '.join(each)}")
    return parts


def _place(place: Place) -> str:
    if place.committed is None:
        return "-"
    return f"{place.committed} (lag {'?' if place.lag is None else place.lag})"


def _last(turns: Sequence[Turn], member: int) -> tuple[int, ...]:
    """Return the partitions that a member had at last."""
    return next(
        (turn.partitions for turn in reversed(turns) if turn.member == member and turn.what == "assigned"), ()
    )


def _how(wanted: Wanted) -> str:
    how = wanted.committing
    return f"batch:{how.every}" if how.how is Commits.BATCH else how.how.value


def _record(found: Found) -> dict[str, object]:
    return {
        "partition": found.partition,
        "offset": found.offset,
        "key": None if found.key is None else shown(found.key),
        "value": None if found.value is None else shown(found.value),
    }


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _counts(counts: Mapping[int, int]) -> str:
    return ", ".join(f"{number}: {count}" for number, count in counts.items())
