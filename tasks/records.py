"""Records of the selected cluster's topics, written and read as a program of one's own would."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

if TYPE_CHECKING:
    from kafab.records.writing import Record


@task(
    positional=["topic"],
    help={
        "topic": "the topic's name; it must exist",
        "count": "how many records; 10, one with --value, or all lines of --from-file",
        "size": "bytes of each value; without --size and --value the values are numbered",
        "value": "the value of each record",
        "key": "the key of each record",
        "keys": "so many keys, key-0 and on, in turn",
        "partition": "the partition of each record; without it the client's partitioner decides",
        "from_file": "a file, or - for stdin: each line is a record",
        "rate": "records a second, at most",
        "acks": "0, 1 or all: whose acknowledgement is waited for",
        "retries": "how often a record is sent again; without it as often as fits in --within",
        "idempotent": "on or off; left out: the client's default",
        "transaction": "write in transactions of so many records",
        "sync": "wait for each record before the next one",
        "batch": "wait for each so many records before the next ones",
        "compression": "none, gzip, snappy, lz4 or zstd",
        "within": "how long a record may take (delivery.timeout.ms), as 30s or 2m",
        "client": "confluent or kafka-python",
        "json": "print one JSON document on stdout",
    },
)
def write(  # noqa: PLR0917  # Invoke makes a flag of each
    _context: Context,
    topic: str,
    count: str | None = None,
    size: str | None = None,
    value: str | None = None,
    key: str | None = None,
    keys: str | None = None,
    partition: str | None = None,
    from_file: str | None = None,
    rate: str | None = None,
    acks: str = "all",
    retries: str | None = None,
    idempotent: str | None = None,
    transaction: str | None = None,
    sync: bool = False,
    batch: str | None = None,
    compression: str = "none",
    within: str | None = None,
    client: str = "confluent",
    json: bool = False,
) -> int:
    """Write records, and tell what came of each: acknowledged where, failed why, or of unknown outcome.

    Exit 1 where a record failed, 5 where one is of unknown outcome, 130 after Ctrl-C, which ends the sending.
    """
    import secrets
    from datetime import timedelta

    from kafab.errors import UsageError
    from kafab.ops.records.clients import usable
    from kafab.ops.records.writing import settings_of
    from kafab.ops.records.writing import write as write_records
    from kafab.records.settings import Acks, Client, ProducerSettings
    from kafab.records.writing import Order
    from kafab.screens import records as screen

    from .options import choice, span

    session, console = CHAIN.session(), CHAIN.console(json=json)
    chosen = choice("client", Client, client) or Client.CONFLUENT
    if sync and batch is not None:
        raise UsageError("--sync and --batch exclude each other", hint="--sync is --batch 1")
    of_each = _number("transaction", transaction, 1)
    settings = ProducerSettings(
        "",
        acks=choice("acks", Acks, acks) or Acks.ALL,
        retries=_number("retries", retries, 0),
        idempotent=_switch("idempotent", idempotent),
        transactional_id=f"kafab-{secrets.token_hex(6)}" if of_each else None,
        compression=compression,
        delivery_limit=span("within", within, timedelta(seconds=30)),
    )
    settings = settings_of(session.cluster, settings)
    chosen = usable(session.cluster, session, chosen)
    with ExitStack() as files:
        records, known = _source(
            files,
            count=_number("count", count, 1),
            size=_number("size", size, 0),
            value=value,
            key=key,
            keys=_number("keys", keys, 1),
            partition=_number("partition", partition, 0),
            path=from_file,
        )
        order = Order(
            topic,
            records,
            known,
            rate=_number("rate", rate, 1),
            together=1 if sync else _number("batch", batch, 1),
            transaction=of_each,
            shown=screen.FEW,
        )
        found, acked = write_records(session.cluster, session, chosen, settings, order)
    document = screen.written_document(topic, chosen, settings, found, acked)
    console.data(document, screen.written_text(topic, chosen, settings, found, acked))
    if found.interrupted:
        return 130
    return 1 if found.failed or found.trouble else 5 if found.unknown else 0


@task(
    positional=["topic"],
    help={
        "topic": "the topic's name; it must exist",
        "group": "read as a member of this group; without it no offset is committed",
        "from": "earliest, latest, an offset (1200), a time (2026-11-26T10:00:00Z); in a group: earliest or latest "
        "where it has committed nothing, or committed",
        "until": "end (as it is when reading begins), how many records (100), or a time",
        "partition": "this partition alone, or several as 0,2",
        "commit": "auto, each, batch:100, async, before or none; auto in a group",
        "members": "so many members of the group; 1 if it is left out",
        "isolation": "read_committed or read_uncommitted; left out: the client's default",
        "follow": "go on behind the end, and show each record as it comes",
        "client": "confluent or kafka-python",
        "json": "print one JSON document on stdout; with --follow one a line, of each record and at last of the figures",
    },
)
def read(  # noqa: PLR0917  # Invoke makes a flag of each
    _context: Context,
    topic: str,
    group: str | None = None,
    from_: str = "earliest",
    until: str | None = None,
    partition: str | None = None,
    commit: str | None = None,
    members: str | None = None,
    isolation: str | None = None,
    follow: bool = False,
    client: str = "confluent",
    json: bool = False,
) -> int:
    """Read records and show few of them, or count many: alone, without a trace, or as members of a group.

    Of a group it tells what each member was given and read, each rebalance, and what is committed at the end. Exit 1 where a client
    could not go on, 5 where nothing came any more before the end, 130 after Ctrl-C, which lets the members commit and leave.
    """
    from datetime import datetime, timezone

    from kafab.errors import UsageError
    from kafab.ops.records.clients import usable
    from kafab.ops.records.reading import Wanted
    from kafab.ops.records.reading import read as read_records
    from kafab.ops.records.writing import brokers_of
    from kafab.records import reading
    from kafab.records.settings import Client, ConsumerSettings, Isolation
    from kafab.screens import reading as screen
    from kafab.screens.records import FEW

    from .options import choice, names

    session, console = CHAIN.session(), CHAIN.console(json=json)
    chosen = choice("client", Client, client) or Client.CONFLUENT
    ends = None if until is None and follow else reading.until(until or "end", datetime.now(timezone.utc))
    numbers = [_number("partition", word, 0) or 0 for word in names(partition)]
    if partition is not None and not numbers:
        raise UsageError("--partition is empty", hint="--partition 0 or 0,2")
    wanted = Wanted(
        topic,
        reading.start(from_),
        ends,
        follow,
        tuple(numbers),
        group,
        reading.committing(commit, group),
        _number("members", members, 1),
        FEW + 1,
    )
    settings = ConsumerSettings(
        brokers_of(session.cluster), isolation=choice("isolation", Isolation, isolation)
    )
    chosen = usable(session.cluster, session, chosen)
    shown = screen.Shown(topic, group, console.piecewise() if follow else None, json=json)
    found, places = read_records(session.cluster, session, chosen, settings, wanted, hear=shown.hear)
    told = screen.Told(wanted, chosen, settings, found, places, shown.few)
    if follow and json:
        shown.line(screen.document(told))
    else:
        console.data(screen.document(told), screen.text(told))
    if found.interrupted:
        return 130
    return 1 if found.trouble else 5 if found.silent else 0


def _source(
    files: ExitStack,
    *,
    count: int | None,
    size: int | None,
    value: str | None,
    key: str | None,
    keys: int | None,
    partition: int | None,
    path: str | None,
) -> "tuple[Iterator[Record], int | None]":
    """Return the records, and how many there are where that is known. Raises UsageError."""
    from kafab.errors import UsageError
    from kafab.records import sources

    in_turn = sources.keyed(key, keys)
    if path is None:
        many = count or (10 if value is None else 1)
        return sources.made(many, in_turn, size=size, value=value, partition=partition), many
    if value is not None or size is not None:
        raise UsageError("--from-file has the values: leave --value and --size out")
    file = sys.stdin.buffer if path == "-" else files.enter_context(sources.opened(path))
    return sources.lines(file, path, in_turn, partition=partition, most=count), count


def _number(flag: str, text: str | None, least: int) -> int | None:
    from kafab.errors import UsageError

    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) >= least):
        raise UsageError(f"found --{flag} {text}; expected a number from {least} on")
    return int(text)


def _switch(flag: str, text: str | None) -> bool | None:
    from kafab.errors import UsageError

    if text not in (None, "on", "off"):
        raise UsageError(f"found --{flag} {text}; expected on or off")
    return None if text is None else text == "on"
