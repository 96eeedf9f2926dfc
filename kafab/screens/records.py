"""Records that were written, and what came of them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from kafab.records.settings import Client, ProducerSettings, idempotence
from kafab.records.writing import Acked, Written
from kafab.screens import layout
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
        counts = ", ".join(f"{number}: {count}" for number, count in found.by_partition.items())
        parts.append(f"by partition: {counts}")
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


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
