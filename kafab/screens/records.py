"""Records that were written, and what came of them; records that were read, and by whom."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from kafab.groups.values import Commit
from kafab.ops.records.reading import Wanted
from kafab.records.reading import Found, Read, Take
from kafab.records.settings import Client, ConsumerSettings, ProducerSettings, idempotence, isolation
from kafab.records.writing import Acked, Written
from kafab.screens import layout
from kafab.screens.console import Console
from kafab.unknown import Unknown
from kafab.words import plural

FEW = 20
"""So many records are shown one by one."""


def written_text(
    topic: str, client: Client, settings: ProducerSettings, found: Written, acked: Sequence[Acked]
) -> str:
    """Return the records, where they are few, and the figures."""
    parts = []
    if acked and found.acked <= FEW:
        rows = [
            (
                topic,
                each.partition,
                "?" if each.offset < 0 else each.offset,
                shown(each.key),
                shown(each.value),
            )
            for each in acked
        ]
        parts.append(layout.table(("Topic", "Partition", "Offset", "Key", "Value"), rows))
    parts.append(_figures(found))
    if len(found.by_partition) > 1:
        parts.append(f"by partition: {_counts(found.by_partition)}")
    if found.failed:
        parts.append(f"failed, in no log: {_kinds(found.failed)}")
    if found.unknown:
        parts.append(f"of unknown outcome, in the log or not: {_kinds(found.unknown)}")
    if found.trouble:
        parts.append(f"the sending ended: {found.trouble}")
    idempotent = "idempotent" if idempotence(client, settings) else "not idempotent"
    parts.append(f"client {client.value}, acks={settings.acks.value}, {idempotent}")
    return "\n".join(parts)


def written_document(
    topic: str, client: Client, settings: ProducerSettings, found: Written, acked: Sequence[Acked]
) -> dict[str, object]:
    """Return it as ``kafab.records-written/1``; ``records`` has the first acknowledged ones, ``?`` bytes escaped as in the table."""
    return {
        "schema": "kafab.records-written/1",
        "topic": topic,
        "client": client.value,
        "acks": settings.acks.value,
        "idempotent": idempotence(client, settings),
        "transactional": settings.transactional_id is not None,
        "acked": found.acked,
        "failed": dict(found.failed),
        "unknown_outcome": dict(found.unknown),
        "unasked": found.unasked,
        "by_partition": {str(number): count for number, count in found.by_partition.items()},
        "seconds": round(found.seconds, 3),
        "records_per_second": round(found.per_second, 1),
        "ack_ms": {
            name: None if seconds is None else round(seconds * 1000, 3)
            for name, seconds in (("p50", found.p50), ("p99", found.p99), ("max", found.slowest))
        },
        "interrupted": found.interrupted,
        "trouble": found.trouble or None,
        "records": [
            {
                "partition": each.partition,
                "offset": None if each.offset < 0 else each.offset,
                "key": None if each.key is None else shown(each.key),
                "value": shown(each.value),
            }
            for each in acked
        ],
    }


def read_text(
    wanted: Wanted,
    client: Client,
    settings: ConsumerSettings,
    found: Read,
    committed: Mapping[int, Commit] | Unknown,
    *,
    table: bool,
) -> str:
    """Return the records, where they are few and ``table`` asks for them, the figures, and what the group has."""
    parts = []
    if table and found.records and found.count <= FEW:
        rows = [
            (wanted.topic, each.partition, each.offset, shown(each.key), shown(each.value))
            for each in found.records
        ]
        parts.append(layout.table(("Topic", "Partition", "Offset", "Key", "Value"), rows))
    rate = f" in {found.seconds:.2f} s ({found.per_second:.0f} a second)" if found.seconds else ""
    parts.append(f"{plural(found.count, 'record')} read{rate}")
    if len(found.by_partition) > 1:
        parts.append(f"by partition: {_counts(found.by_partition)}")
    if wanted.group is not None:
        parts += _of_group(wanted.group, found, committed)
    if found.uncommitted:
        parts.append(f"commits that were refused: {_kinds(found.uncommitted)}")
    if found.trouble:
        parts.append(f"the reading ended: {layout.safe(found.trouble)}")
    parts.append(f"client {client.value}, {isolation(client, settings).value}")
    return "\n".join(parts)


def _of_group(group: str, found: Read, committed: Mapping[int, Commit] | Unknown) -> Iterator[str]:
    for change in found.changes:
        what = " ".join(map(str, change.partitions)) or "none"
        verb = "has partitions" if change.given else "gave up"
        yield f"after {change.seconds:.1f} s member {change.member} {verb} {what}"
    if len(found.by_member) > 1:
        yield f"by member: {_counts(found.by_member)}"
    name = layout.safe(group)
    if isinstance(committed, Unknown):
        yield f"what {name} has committed is not known: {committed.reason}"
    elif not committed:
        yield f"{name} has committed nothing"
    else:
        yield f"{name} goes on at " + _counts({number: one.offset for number, one in committed.items()})


def read_document(
    wanted: Wanted,
    client: Client,
    settings: ConsumerSettings,
    found: Read,
    committed: Mapping[int, Commit] | Unknown,
) -> dict[str, object]:
    """Return it as ``kafab.records-read/1``; ``records`` has the first ones, bytes escaped as in the table."""
    goes_on = (
        None if isinstance(committed, Unknown) else {str(at): one.offset for at, one in committed.items()}
    )
    return {
        "schema": "kafab.records-read/1",
        "topic": wanted.topic,
        "client": client.value,
        "isolation": isolation(client, settings).value,
        "group": wanted.group,
        "read": found.count,
        "by_partition": {str(number): count for number, count in found.by_partition.items()},
        "by_member": {str(number): count for number, count in found.by_member.items()},
        "seconds": round(found.seconds, 3),
        "records_per_second": round(found.per_second, 1),
        "rebalances": [
            {
                "seconds": round(change.seconds, 3),
                "member": change.member,
                "given": change.given,
                "partitions": list(change.partitions),
            }
            for change in found.changes
        ],
        "committed": goes_on,
        "uncommitted": dict(found.uncommitted),
        "interrupted": found.interrupted,
        "trouble": found.trouble or None,
        "records": [record_document(wanted.topic, each) for each in found.records[:FEW]],
    }


def record_document(topic: str, found: Found) -> dict[str, object]:
    """Return one record; ``timestamp`` is in milliseconds since 1970."""
    return {
        "topic": topic,
        "partition": found.partition,
        "offset": found.offset,
        "key": None if found.key is None else shown(found.key),
        "value": None if found.value is None else shown(found.value),
        "timestamp": None if found.at < 0 else found.at,
    }


def record_lines(console: Console, topic: str) -> Take:
    """Return what writes each record as a line; with JSON as a document ``kafab.record/1`` in one line."""

    def hear(_member: int, found: Sequence[Found]) -> None:
        if console.json:
            for each in found:
                console.document_line({"schema": "kafab.record/1", **record_document(topic, each)})
            return
        lines = (
            f"{topic}  {each.partition}  {each.offset}  {shown(each.key)}  {shown(each.value)}\n"
            for each in found
        )
        console.lines("".join(lines))

    return hear


def shown(raw: bytes | None) -> str:
    r"""Return bytes as text: what is not UTF-8, and a backslash, escaped as ``\xff``; "-" for none."""
    if raw is None:
        return "-"
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return layout.safe(text.replace("\n", r"\n").replace("\r", r"\r").replace("\t", r"\t"))


def _figures(found: Written) -> str:
    if found.unasked:
        return f"{plural(found.unasked, 'record')} sent with acks=0 in {found.seconds:.2f} s: nobody was asked whether they are there"
    told = f"{plural(found.acked, 'record')} acknowledged in {found.seconds:.2f} s ({found.per_second:.0f} a second)"
    if found.p50 is None or found.p99 is None or found.slowest is None:
        return told
    times = zip(("p50", "p99", "max"), (found.p50, found.p99, found.slowest), strict=True)
    return f"{told}, ack {', '.join(f'{name} {layout.latency(timedelta(seconds=each))}' for name, each in times)}"


def _counts(counts: Mapping[int, int]) -> str:
    return ", ".join(f"{number}: {count}" for number, count in counts.items())


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
