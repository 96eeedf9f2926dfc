"""The drill of duplicates: how a record comes to be written or processed twice, and what each cure is worth.

A record is written twice where a broker has it and the producer does not hear of that. It is processed twice where a consumer dies
between its effect and its commit.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kafab.drills.checker import Anomaly, anomalies, counted, outcomes, processed
from kafab.drills.history import Kind, Log, of
from kafab.drills.orders import Marks, Order, Role
from kafab.drills.rows import NONE, SOME, Allowed, Cell
from kafab.events import Note
from kafab.ops.drills.field import Field, NotMeasured
from kafab.ops.drills.trials import Drill, Measured, Trial
from kafab.ports import Worker
from kafab.records.settings import Client, Isolation, isolation

BATCH = 20
EVERY = 0.005
"""Seconds between two records of a writer, so that there are many requests of which an answer can be withheld."""
CUTS = (4, 8)
"""An answer to each so many-th request is withheld, by the seed."""
EFFECT = 0.005
ONE = Allowed(1, 1)
TWICE, LOST, MISSING = Anomaly.DUPLICATE.value, Anomaly.LOST_WRITE.value, "missing"


def _cut(*, idempotent: bool) -> Callable[[Field], Measured]:
    """Return how a producer is measured whose connection is cut after a broker has answered and before it hears of that."""

    def measure(field: Field) -> Measured:
        order, writer, log = _written(field, idempotent=idempotent)
        found, ends = anomalies(writer.events, log), outcomes(writer.events)
        counts = {name.value: found[name] for name in (Anomaly.DUPLICATE, Anomaly.LOST_WRITE)}
        counts[MISSING] = ends["sent"] - len({stood.number for logged in log.values() for stood in logged})
        also: dict[str, object] = {"acked": ends["acked"]}
        if moved := found[Anomaly.NONMONOTONIC_SEND]:
            also[Anomaly.NONMONOTONIC_SEND.value] = moved
        return Measured(counts, order.setting, also)

    return measure


def _written(field: Field, *, idempotent: bool) -> tuple[Order, Worker, Log]:
    """Write the records over connections that are cut. Raises NotMeasured where none was."""
    every = field.random.randint(*CUTS)
    order = field.order(
        "writer", Role.WRITE, count=field.run.records, idempotent=idempotent, effect=EVERY, cut_every=every
    )
    writer = field.do(order)
    cuts = sum(1 for _ in of(writer.events, Kind.FAULT))
    if not cuts and not field.run.orderly:
        raise NotMeasured("no connection was cut: the writer sent too few requests")
    if cuts:
        field.faults.append(f"{cuts} times cut, at every {every}. answer to the writer")
    return order, writer, field.log()


def _deduplicated(field: Field) -> Measured:
    """Records stand in the log twice, and their marks keep them from a second effect."""
    written, writer, log = _written(field, idempotent=False)
    order = _member(field, _server(field, appends=False), marks=Marks.ATOMIC)
    reader = field.start(order)
    end = max(stood.offset for stood in log[0])
    # The last record may be a second one, which has no effect.
    field.until(
        lambda: any(one.offset > end for one in of(list(reader.events), Kind.COMMIT)), "all to be read"
    )
    field.finish(reader)
    twice = anomalies(writer.events, log)[Anomaly.DUPLICATE]
    return Measured({TWICE: twice, **_counted(field, order, log)}, f"{written.setting}; {order.setting}")


def _counted(field: Field, order: Order, log: Log) -> dict[str, int]:
    """Return what became of the records by the counts in Redis."""
    told = field.do(field.order("count", Role.COUNT, redis=order.redis)).events
    return counted((event.number for event in of(told, Kind.READ)), log)


def _died(marks: Marks) -> Callable[[Field], Measured]:
    """Return how a member is measured that dies between the effects of a batch and its commit; the effects are counted in Redis."""

    def measure(field: Field) -> Measured:
        server = _server(field, appends=False)
        order = _member(field, server, marks=marks)
        log = _again(field, order)
        return Measured(_counted(field, order, log), order.setting)

    return measure


def _forgotten(*, appends: bool) -> Callable[[Field], Measured]:
    """Return how it is measured with the marks alone in Redis, which is killed with the member and started again."""

    def measure(field: Field) -> Measured:
        server = _server(field, appends=appends)
        order = _member(field, server, marks=Marks.AFTER, counts=False, kills_redis=True)
        log = _again(field, order, server)
        counts = processed(field.events(), log)
        kept = "appendfsync always" if appends else "appendonly no"
        return Measured(
            {name: counts[name] for name in ("repeated", "skipped")}, f"{order.setting}, Redis {kept}"
        )

    return measure


def _copied(reads: Isolation) -> Callable[[Field], Measured]:
    """Return how it is measured with the effect in Kafka: records and offsets in one transaction, read with this isolation."""

    def measure(field: Field) -> Measured:
        name = field.topic.removeprefix(f"{field.run.prefix}-")
        out = Field(field.run, field.client, f"{name}-out", 1)
        try:
            with out:
                order = field.order(
                    "first", Role.COPY, group=field.topic, batch=BATCH, effect=EFFECT, target=out.topic
                )
                log = _again(field, order)
                reader = out.order("reader", Role.READ, group=out.topic, isolation=reads)
                reading = out.start(reader)
                out.processed((reading,), out.log())
                out.finish(reading)
                numbers = [event.number for event in of(reading.events, Kind.EFFECT)]
        finally:
            if out.left:
                field.run.world.emit(Note(field.run.cluster.name, out.left))
        default = (
            " (default)" if isolation(field.client, replace(reader, isolation=None).consumer) is reads else ""
        )
        return Measured(counted(numbers, log), f"transactional.id, reader {reads.value}{default}")

    return measure


def _member(field: Field, server: Worker, **more: object) -> Order:
    socket = next(of(server.events, Kind.READY)).detail
    return field.order(
        "first", Role.READ, group=field.topic, batch=BATCH, effect=EFFECT, redis=socket, **more
    )


def _server(field: Field, *, appends: bool) -> Worker:
    server = field.start(field.order("redis", Role.REDIS, appends=appends))
    field.until(lambda: _starts(server) or server.ended is not None, "Redis to start")
    if server.ended is not None:
        raise NotMeasured(server.said)
    return server


def _starts(server: Worker) -> int:
    return sum(1 for _ in of(list(server.events), Kind.READY))


def _again(field: Field, order: Order, server: Worker | None = None) -> Log:
    """Write the records, have a member die in the midst of a batch, and another one go on to the end."""
    field.write()
    log = field.log()
    # In the second half of a batch, so that several of its records have had their effect.
    dies = 2 * BATCH + field.random.randint(BATCH // 2, BATCH - 5)
    first = field.start(replace(order, dies_after=dies))
    field.until(lambda: first.ended is not None, "the first member to be killed")
    if not field.run.orderly:
        field.fault("member killed")
        if server is not None:
            field.until(lambda: _starts(server) > 1, "Redis to be back")
            field.fault("Redis killed with it and back")
    second = field.start(replace(order, who="second", effect=0.0))
    field.processed((first, second), log)
    field.finish(second)
    return log


def _trials(_client: Client) -> Sequence[Trial]:
    once = {"repeated": NONE, "skipped": NONE}
    twice = {"repeated": Allowed(1, BATCH), "skipped": NONE}

    def producer(name: str, claimed: str, duplicates: Allowed, *, idempotent: bool) -> Trial:
        cell = Cell(
            name, claimed, {TWICE: duplicates, LOST: NONE, MISSING: NONE}, control=bool(duplicates.least)
        )
        return Trial(cell, _cut(idempotent=idempotent))

    def marked(name: str, claimed: str, allowed: dict[str, Allowed], marks: Marks) -> Trial:
        control = any(bounds.least for bounds in allowed.values())
        return Trial(Cell(name, claimed, allowed, control=control), _died(marks), needs=Role.REDIS)

    return (
        producer("connection cut, not idempotent", "writes again", SOME, idempotent=False),
        producer("connection cut, idempotent", "each record once", NONE, idempotent=True),
        marked("killed before the commit", "at least once", twice, Marks.NONE),
        marked(
            "marked first, killed before the effect",
            "at most once",
            {"repeated": NONE, "skipped": ONE},
            Marks.BEFORE,
        ),
        marked(
            "marked last, killed before the mark",
            "at least once",
            {"repeated": ONE, "skipped": NONE},
            Marks.AFTER,
        ),
        marked("mark and effect in one, killed", "exactly once", once, Marks.ATOMIC),
        Trial(
            Cell(
                "connection cut, mark and effect in one", "exactly once", {TWICE: SOME} | once, control=True
            ),
            _deduplicated,
            needs=Role.REDIS,
        ),
        Trial(
            Cell("marks kept in memory, Redis killed too", "at least once", twice, control=True),
            _forgotten(appends=False),
            needs=Role.REDIS,
        ),
        Trial(
            Cell("marks kept on disk, Redis killed too", "each effect once", once),
            _forgotten(appends=True),
            needs=Role.REDIS,
        ),
        Trial(
            Cell(
                "copied in transactions, killed in one, read_uncommitted",
                "sees what was aborted",
                twice,
                control=True,
            ),
            _copied(Isolation.READ_UNCOMMITTED),
        ),
        Trial(
            Cell("copied in transactions, killed in one, read_committed", "exactly once", once),
            _copied(Isolation.READ_COMMITTED),
        ),
    )


DUPLICATES = Drill(
    "duplicates",
    "How a record comes to be written or processed twice, and what each cure is worth",
    _trials,
)
