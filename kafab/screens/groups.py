"""Groups and resets of them as text, in the words of kafka-consumer-groups where it has them, and as JSON documents."""

import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from kafab.groups.values import SHARE, Described, Listing, Member, Place
from kafab.ops.groups.changing import Reset
from kafab.screens import layout
from kafab.unknown import Unknown
from kafab.words import plural, shown


def listed(found: Listing) -> str:
    """Return the groups as a table."""
    rows = [(shown(one.name), one.kind, one.state or "unknown", one.coordinator) for one in found.groups]
    return layout.table(("GROUP", "TYPE", "STATE", "COORDINATOR"), rows) if rows else ""


def listed_document(cluster: str, found: Listing) -> dict[str, object]:
    """Return the groups as ``kafab.groups/1``; while ``silent`` is not empty, groups may be missing."""
    return {
        "schema": "kafab.groups/1",
        "cluster": cluster,
        "groups": [
            {"group": one.name, "type": one.kind, "state": one.state, "coordinator": one.coordinator}
            for one in found.groups
        ],
        "silent": dict(found.silent),
    }


def summary(found: Mapping[str, Described | Unknown]) -> str:
    """Return a line a group, the worst figures of its partitions in it."""
    columns = ("GROUP", "TYPE", "STATE", "MEMBERS", "PARTITIONS", "LAG", "BEHIND", "NOTE")
    return layout.table(columns, [_line(name, one) for name, one in found.items()]) if found else ""


def texts(found: Mapping[str, Described | Unknown]) -> str:
    """Return all of these groups."""
    return "\n\n".join(
        f"Group: {shown(name)}  State: unknown ({one.reason})" if isinstance(one, Unknown) else text(one)
        for name, one in found.items()
    )


def text(one: Described) -> str:
    """Return all of one group: its state, its members, and its partitions."""
    group = one.group
    heading = f"Group: {shown(group.name)}  Type: {group.kind}  State: {group.state}  Coordinator: {group.coordinator}"
    parts = [heading + (f"  Protocol: {group.protocol}" if group.protocol else "")]
    if isinstance(group.members, Unknown):
        parts.append(f"Members: unknown ({group.members.reason})")
    elif group.members:
        rows = [
            (shown(m.client), shown(m.host), m.instance and shown(m.instance), len(m.assigned), shown(m.id))
            for m in group.members
        ]
        parts.append(layout.table(("CLIENT", "HOST", "INSTANCE", "PARTITIONS", "MEMBER"), rows))
    if group.kind == SHARE:
        parts.append("Offsets: none, a share group commits no offsets")
    elif isinstance(group.committed, Unknown):
        parts.append(f"Offsets: unknown ({group.committed.reason})")
    if one.places:
        columns = ("TOPIC", "PARTITION", "COMMITTED", "STABLE", "END", "LAG", "BEHIND", "CLIENT", "NOTE")
        parts.append(layout.table(columns, [_place(place, group.kind) for place in one.places]))
    elif not isinstance(group.committed, Unknown):
        parts.append("no committed offsets")
    return "\n".join(parts)


def document(
    cluster: str, found: Mapping[str, Described | Unknown], silent: Mapping[str, str]
) -> dict[str, object]:
    """Return groups as ``kafab.group-descriptions/1``; ``unknown`` says why something of them is null."""
    return {
        "schema": "kafab.group-descriptions/1",
        "cluster": cluster,
        "groups": [
            {"group": name, "unknown": one.reason} if isinstance(one, Unknown) else _document(one)
            for name, one in found.items()
        ],
        "silent": dict(silent),
    }


def plan(reset: Reset) -> str:
    """Return what a reset does to each partition, and the sums."""
    rows = [
        (
            move.at[0],
            move.at[1],
            None if move.before is None else move.before.offset,
            move.after.offset,
            move.ends.earliest,
            move.ends.high,
            move.again,
            move.skipped,
            move.note or ("" if move.changes else "is there already"),
        )
        for move in reset.moves
    ]
    columns = ("TOPIC", "PARTITION", "FROM", "TO", "FIRST", "END", "AGAIN", "SKIPPED", "NOTE")
    lines = [layout.table(columns, rows)]
    lines += [f"{topic}-{number} is not there any more, its offset stays" for topic, number in reset.left_out]
    lines += [f"there is no group {shown(reset.listed.name)} yet: it is made"] if reset.makes else []
    return "\n".join([*lines, sums(reset)])


def sums(reset: Reset) -> str:
    """Return how many records are read again and skipped; offsets of transaction markers and compacted records count, too."""
    again = plural(sum(move.again for move in reset.changes), "record")
    skipped = sum(move.skipped for move in reset.changes)
    partitions = plural(len(reset.changes), "partition")
    return f"group {shown(reset.listed.name)}: {partitions} to set, {again} read again, {skipped} skipped"


def done(reset: Reset, saved: Path | None) -> str:
    """Return that a reset was made and read back, and how it is taken back."""
    name = shown(reset.listed.name)
    if saved is None:
        return f"Made group {name}, and read its offsets back."
    back = f"The offsets before it are saved: fab groups.restore {shlex.quote(str(saved))}"
    return f"Reset group {name}, and read its offsets back.\n{back}"


def reset_document(action: str, reset: Reset, saved: Path | None) -> dict[str, object]:
    """Return a reset as ``kafab.group-reset/1``; ``action`` is reset or unchanged, ``snapshot`` the file of the offsets before."""
    return {
        "schema": "kafab.group-reset/1",
        "group": reset.listed.name,
        "action": action,
        "snapshot": None if saved is None else str(saved),
        "partitions": [
            {
                "topic": move.at[0],
                "partition": move.at[1],
                "from": None if move.before is None else move.before.offset,
                "to": move.after.offset,
                "first": move.ends.earliest,
                "end": move.ends.high,
                "again": move.again,
                "skipped": move.skipped,
                "note": move.note or None,
            }
            for move in reset.moves
        ],
        "left_out": [{"topic": topic, "partition": number} for topic, number in reset.left_out],
    }


def deleted(group: str, saved: Path) -> dict[str, object]:
    """Return a deletion as ``kafab.group-deletion/1``."""
    return {
        "schema": "kafab.group-deletion/1",
        "group": group,
        "action": "deleted",
        "snapshot": str(saved),
    }


def _line(name: str, one: Described | Unknown) -> tuple[object, ...]:
    if isinstance(one, Unknown):
        return (shown(name), None, "unknown", None, None, None, None, one.reason)
    group = one.group
    members = None if isinstance(group.members, Unknown) else len(group.members)
    gone = sum(place.gone for place in one.places)
    lag = None if isinstance(one.lag, Unknown) else one.lag
    note = f"out of retention: {plural(gone, 'record')} gone" if gone else ""
    if isinstance(one.lag, Unknown) and group.kind != SHARE:
        note = one.lag.reason
    return (shown(name), group.kind, group.state, members, len(one.places), lag, _age(one.behind), note)


def _place(place: Place, kind: str) -> tuple[object, ...]:
    ends = None if isinstance(place.ends, Unknown) else place.ends
    return (
        *place.at,
        None if place.committed is None else place.committed.offset,
        None if ends is None else ends.stable,
        None if ends is None else ends.high,
        place.lag,
        _age(place.behind),
        None if place.member is None else place.member.name,
        "" if kind == SHARE else _note(place),
    )


def _note(place: Place) -> str:
    if isinstance(place.ends, Unknown):
        return place.ends.reason
    if place.gone:
        return f"out of retention: {plural(place.gone, 'record')} gone"
    if place.beyond:
        return f"{plural(place.beyond, 'record')} beyond the end: made anew, or records lost"
    if place.committed is None:
        return "nothing committed"
    return place.behind.reason if isinstance(place.behind, Unknown) else ""


def _age(behind: timedelta | Unknown | None) -> str | None:
    if isinstance(behind, Unknown):
        return "unknown"
    return None if behind is None else layout.duration(behind)


def _document(one: Described) -> dict[str, object]:
    group = one.group
    return {
        "group": group.name,
        "type": group.kind,
        "state": group.state,
        "coordinator": group.coordinator,
        "protocol": group.protocol or None,
        "members": None if isinstance(group.members, Unknown) else [_member(each) for each in group.members],
        "members_unknown": group.members.reason if isinstance(group.members, Unknown) else None,
        "offsets_unknown": group.committed.reason if isinstance(group.committed, Unknown) else None,
        "lag": None if isinstance(one.lag, Unknown) else one.lag,
        "partitions": [_partition(place) for place in one.places],
    }


def _member(member: Member) -> dict[str, object]:
    return {
        "member": member.id,
        "client": member.client,
        "host": member.host,
        "instance": member.instance,
        "partitions": [{"topic": topic, "partition": number} for topic, number in member.assigned],
    }


def _partition(place: Place) -> dict[str, object]:
    ends = None if isinstance(place.ends, Unknown) else place.ends
    seconds = place.behind.total_seconds() if isinstance(place.behind, timedelta) else None
    return {
        "topic": place.at[0],
        "partition": place.at[1],
        "committed": None if place.committed is None else place.committed.offset,
        "first": None if ends is None else ends.earliest,
        "stable": None if ends is None else ends.stable,
        "end": None if ends is None else ends.high,
        "lag": place.lag,
        "behind_seconds": seconds,
        "out_of_retention": place.gone,
        "member": None if place.member is None else place.member.id,
        "unknown": place.ends.reason
        if isinstance(place.ends, Unknown)
        else place.behind.reason
        if isinstance(place.behind, Unknown)
        else None,
    }
