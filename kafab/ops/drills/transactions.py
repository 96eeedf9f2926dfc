"""The drill of transactions: what readers see of records that are committed, aborted and abandoned, and what ends a transaction that hangs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kafab.cluster.metadata import Metadata
from kafab.drills.checker import processed
from kafab.drills.history import Kind, Log, of
from kafab.drills.orders import Ending, Order, Role
from kafab.drills.rows import NONE, SOME, Cell
from kafab.drills.transacting import ended, read_of, without
from kafab.groups.values import Ends
from kafab.model import Version
from kafab.ops.drills.field import LIMIT, Field, NotMeasured, times
from kafab.ops.drills.trials import Cannot, Drill, Measured, Trial
from kafab.ports import Worker
from kafab.records.settings import Client, Isolation, isolation
from kafab.unknown import Unknown

EACH = 20
"""Records of one transaction."""
OPEN_LIMIT = 5.0
"""transaction.timeout.ms where the coordinator is to end it, in seconds; it must be longer than the writing takes."""
LOOKS_EVERY = "transaction.abort.timed.out.transaction.cleanup.interval.ms"
"""A coordinator looks so often for what is too old; 60 s by default in Kafka 2.4, 10 s since 2.5."""
LATE = 5.0
"""Seconds beyond the timeout and a look that an end may take, on a busy machine."""
PROMPT = 10.0
"""Seconds within which a transaction must have ended that somebody ends: a request or two, on a busy machine."""
HAND_ENDED = Version(3, 0, 0)
"""The first version whose brokers tell their producers' open transactions (KIP-664)."""


def _isolated(level: Isolation | None) -> Callable[[Field], Measured]:
    """Return how a reader of one isolation level is measured: transactions are committed and aborted in turn before it reads."""

    def measure(field: Field) -> Measured:
        many = max(field.run.records // EACH, 3) | 1  # the last one is committed
        turns = (Ending.COMMIT, Ending.COMMIT if field.run.orderly else Ending.ABORT)
        endings = tuple(turns[place % 2] for place in range(many))
        _did(field, _producer(field, "producer", endings, count=many * EACH))
        aborted = ended(field.events(), Kind.TXN_ABORT)
        committed = without(field.log(), aborted)
        order = _reader(field, "reader", level)
        reader = field.start(order)
        field.processed((reader,), committed)
        field.finish(reader)
        counts = _counts(field, "reader", committed)
        return Measured(counts, _isolation(order), {"read": times(reader), "aborted": len(aborted)})

    return measure


@dataclass(frozen=True)
class _Hanging:
    """A transaction that was left open, with records behind it that belong to none."""

    records: frozenset[int]
    whole: Log
    committed: Log
    """What is left of it once the transaction is aborted."""
    reader: Worker
    """It reads what is committed."""
    other: Worker
    """It reads what is uncommitted."""
    seen: Ends
    at: float
    """When its producer was killed, by the world's clock."""


def _hanging(field: Field, limit: float) -> _Hanging:
    """Kill a producer in its second transaction, and write records behind it; where faults are withheld it commits."""
    orderly = field.run.orderly
    endings = (Ending.COMMIT, Ending.COMMIT if orderly else Ending.LEAVE)
    reader = field.start(_reader(field, "reader", Isolation.READ_COMMITTED))
    other = field.start(_reader(field, "other", Isolation.READ_UNCOMMITTED))
    field.ready(reader, other)
    producer = field.start(_producer(field, "producer", endings, count=2 * EACH, open_limit=limit))
    _until(field, producer, lambda: _acks(producer) >= 2 * EACH, "the records to be acknowledged")
    if orderly:
        field.until(lambda: producer.ended is not None, "the producer to end")
    else:
        producer.kill()
        field.fault("producer killed in a transaction")
    at = field.run.world.clock.now()
    field.write(EACH, first=2 * EACH)
    seen = _ends(field)
    whole = field.log()
    field.processed((other,), whole)
    records = frozenset() if orderly else frozenset(range(EACH, 2 * EACH))
    return _Hanging(records, whole, without(whole, records), reader, other, seen, at)


def _abandoned(end: Callable[[Field], str] | None, limit: float) -> Callable[[Field], Measured]:
    """Return how long readers wait for a transaction whose producer is gone, and what they are given of it.

    ``end`` ends it and returns what it has found; None: it is left to its timeout, ``limit`` in seconds.
    """

    def measure(field: Field) -> Measured:
        looks = _looks_every(field)
        most = PROMPT if end else limit + looks + LATE
        hanging = _hanging(field, limit)
        seen, reader = hanging.seen, hanging.reader
        read = [event.offset for event in of(list(reader.events), Kind.READ)]
        # Asked after the reads: on a slow machine the timeout may have ended the transaction since it was seen to hang.
        stable = _ends(field).stable
        early = sum(offset >= stable for offset in read)
        meanwhile = f"{len(read)}, read_uncommitted {times(hanging.other)}"
        begun = hanging.at if end is None else field.run.world.clock.now()
        found = "" if field.run.orderly or end is None else end(field)
        field.until(
            lambda: _stable(field), "the last stable offset to go on", timedelta(seconds=most) + LIMIT
        )
        took = field.run.world.clock.now() - begun
        if not field.run.orderly:
            field.fault("transaction ended")
        field.processed((reader,), hanging.committed)
        field.finish(reader, hanging.other)
        counts = _counts(field, "reader", hanging.committed, hanging.records)
        held = {"held back": seen.high - seen.stable, "early": early, "late": int(took > most)}
        also: dict[str, object] = {"ended after s": round(took, 1), "read meanwhile": meanwhile}
        if found:
            also["found"] = found
        setting = f"read_committed, transaction.timeout.ms {limit:g} s"
        if end is None:
            setting += f", looked for every {looks:g} s"
        return Measured(held | counts, setting, also)

    return measure


def _next(field: Field) -> str:
    """Begin another producer of the same transactional.id."""
    _did(field, _producer(field, "next", ()))
    return ""


def _by_hand(field: Field) -> str:
    """Find it and end it as an operator does."""
    worker = _did(field, field.order("operator", Role.END_HANGING))
    found = [event.detail for event in of(worker.events, Kind.READY)]
    if len(found) != 1:
        raise NotMeasured(f"{len(found)} open transactions were found, not one")
    return found[0]


def _operator(field: Field) -> Measured:
    version = field.run.cluster.version
    if version < HAND_ENDED:
        raise Cannot(
            f"brokers of {version} do not tell which transactions are open (Kafka {HAND_ENDED}, KIP-664)"
        )
    return _abandoned(_by_hand, 60.0)(field)


def _zombie(*, fenced: bool) -> Callable[[Field], Measured]:
    """Return what a producer still writes that was taken for dead: another one has begun in its place."""

    def measure(field: Field) -> Measured:
        first = field.start(_producer(field, "zombie", (Ending.LEAVE,), count=EACH))
        _until(field, first, lambda: _acks(first) >= EACH, "the zombie's records to be acknowledged")
        other = {} if fenced else {"transactional": f"{field.topic}-other"}
        _did(field, _producer(field, "next", (Ending.COMMIT,), first=2 * EACH, count=EACH, **other))
        field.fault("another producer has begun")
        if field.run.orderly:
            first.kill()
        else:
            first.finish()
        field.until(lambda: first.ended is not None, "the zombie to end")
        log = field.log()
        stood = {one.number for found in log.values() for one in found}
        wrote = len(stood & set(range(EACH, 2 * EACH)))
        committed = len(ended(first.events, Kind.TXN_COMMIT))
        refusals = {event.detail.partition(":")[0] for event in of(first.events, Kind.FAIL, Kind.TXN_ABORT)}
        also: dict[str, object] = {"refused": ", ".join(sorted(refusals))} if refusals else {}
        same = "the same transactional.id" if fenced else "another transactional.id"
        return Measured({"zombie-write": wrote, "committed": committed}, same, also)

    return measure


def _producer(field: Field, who: str, endings: Sequence[Ending], **more: object) -> Order:
    common: Mapping[str, object] = {"transactional": field.topic, "endings": tuple(endings)}
    return field.order(who, Role.TRANSACT, **{**common, **more})


def _reader(field: Field, who: str, level: Isolation | None) -> Order:
    return field.order(who, Role.READ, group=f"{field.topic}.{who}", isolation=level)


def _isolation(order: Order) -> str:
    level = isolation(order.client, order.consumer).value
    return level if order.isolation else f"isolation.level left out: {level}"


def _until(field: Field, worker: Worker, look: Callable[[], bool], what: str) -> None:
    """Wait for it, as long as the worker is there that is to bring it."""
    field.until(lambda: look() or worker.ended is not None, what)
    if not look():
        raise _gone(worker)


def _did(field: Field, order: Order) -> Worker:
    """Have a worker do its order to the end. Raises NotMeasured with what the client said of itself."""
    worker = field.start(order)
    field.until(lambda: worker.ended is not None, f"{order.who} to end")
    if worker.ended:
        raise _gone(worker)
    return worker


def _gone(worker: Worker) -> NotMeasured:
    troubles = [event.detail for event in of(worker.events, Kind.TROUBLE)]
    return NotMeasured(troubles[-1] if troubles else f"a worker ended with {worker.ended}: {worker.said}")


def _acks(worker: Worker) -> int:
    return sum(1 for _ in of(list(worker.events), Kind.ACK))


def _metadata(field: Field) -> Metadata:
    found = field.run.world.brokers.metadata()
    if isinstance(found, Unknown):
        raise NotMeasured(f"the brokers: {found.reason}")
    return found


def _ends(field: Field) -> Ends:
    """Return the last stable offset and the high watermark. Raises NotMeasured where the leader does not tell them."""
    at = (field.topic, 0)
    ends = field.run.world.offsets.ends(_metadata(field), [at])[at]
    if isinstance(ends, Unknown):
        raise NotMeasured(f"the last stable offset: {ends.reason}")
    return ends


def _looks_every(field: Field) -> float:
    """Return how often a coordinator looks for transactions that are too old, in seconds."""
    broker, at = next(iter(_metadata(field).brokers.items()))
    found = field.run.world.brokers.broker_configs(broker, at, [LOOKS_EVERY])
    if isinstance(found, Unknown) or LOOKS_EVERY not in found:
        raise NotMeasured(f"broker {broker} does not tell {LOOKS_EVERY}")
    return float(found[LOOKS_EVERY].value or 0) / 1000


def _stable(field: Field) -> bool:
    ends = _ends(field)
    return ends.stable == ends.high


def _counts(
    field: Field, who: str, committed: Log, abandoned: frozenset[int] = frozenset()
) -> dict[str, int]:
    events = field.events()
    found = processed([event for event in events if event.who == who], committed)
    return {**read_of(events, who, abandoned), "repeated": found["repeated"], "skipped": found["skipped"]}


def _trials(client: Client) -> Sequence[Trial]:
    once = {"repeated": NONE, "skipped": NONE}
    clean = {"aborted-read": NONE, "precommitted-read": NONE, **once}
    dirty = {"aborted-read": SOME, **once}
    waits = {"held back": SOME, "early": NONE, "late": NONE, **clean}
    committed = client is Client.CONFLUENT
    return (
        Trial(
            Cell("read_committed", "no aborted record is read", clean), _isolated(Isolation.READ_COMMITTED)
        ),
        Trial(
            Cell("read_uncommitted", "aborted records are read", dirty, control=True),
            _isolated(Isolation.READ_UNCOMMITTED),
        ),
        Trial(
            Cell("the client's default", "no aborted record is read", clean)
            if committed
            else Cell("the client's default", "aborted records are read", dirty, control=True),
            _isolated(None),
        ),
        Trial(
            Cell(
                "abandoned, ended by its timeout",
                "readers wait for the timeout and the coordinator's next look",
                waits,
                control=True,
            ),
            _abandoned(None, OPEN_LIMIT),
        ),
        Trial(
            Cell("abandoned, ended by the next producer", "readers go on at once", waits, control=True),
            _abandoned(_next, 60.0),
        ),
        Trial(
            Cell("abandoned, ended by an operator", "readers go on at once", waits, control=True), _operator
        ),
        Trial(
            Cell("a zombie is fenced", "writes no more", {"zombie-write": NONE, "committed": NONE}),
            _zombie(fenced=True),
        ),
        Trial(
            Cell(
                "a zombie of another transactional.id",
                "goes on writing",
                {"zombie-write": SOME, "committed": SOME},
                control=True,
            ),
            _zombie(fenced=False),
        ),
    )


TRANSACTIONS = Drill(
    "transactions",
    "What readers see of committed, aborted and abandoned transactions, and what ends one that hangs",
    _trials,
)
