"""The drill of groups: who reads what, and how long a partition waits for its next reader when a member leaves or dies."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kafab.drills.checker import processed
from kafab.drills.history import Event, Kind, of
from kafab.drills.orders import Order, Role
from kafab.drills.rows import NONE, SOME, Allowed, Cell
from kafab.ops.drills.field import Field, NotMeasured, times
from kafab.ops.drills.trials import Drill, Measured, Trial
from kafab.ports import Worker
from kafab.records.settings import Client

BATCH = 20
EFFECT = 0.02
SESSION = 6.0
PROMPT = 3.0
"""Seconds within which a partition must be taken over whose member has left in good order."""
LATE = 5.0
"""Seconds beyond the session's timeout that a take-over may take: the coordinator's clock, a rebalance, a busy machine."""


def _two(field: Field, **first: object) -> tuple[Order, Worker, Worker]:
    """Have two members with a partition each, then write the records."""
    order = field.order("first", Role.READ, group=field.topic, batch=BATCH, effect=EFFECT, session=SESSION)
    one = field.start(replace(order, **first))  # type: ignore[arg-type]
    field.ready(one)
    other = field.start(replace(order, who="second"))
    field.until(lambda: len(_mine(one)) == len(_mine(other)) == 1, "two members to have a partition each")
    field.write()
    return order, one, other


def _shared(field: Field) -> Measured:
    """Each reads its own partition."""
    order, one, other = _two(field)
    log = field.log()
    field.processed((one, other), log)
    field.finish(one, other)
    return _counts(field, order, idle=sum(not times(each) for each in (one, other)))


def _left_alone(how: str) -> Callable[[Field], Measured]:
    """A member leaves, or is killed, in the midst of its records."""

    def measure(field: Field) -> Measured:
        order, one, other = _two(field)
        (partition,) = _mine(one)
        field.until(lambda: times(one) > BATCH, "the first member's first batch")
        at = field.run.world.clock.now()
        if how == "killed" and not field.run.orderly:
            one.kill()
        else:
            one.finish()
        field.fault(f"member {how}")
        log = field.log()
        field.processed((one, other), log)
        field.finish(other)
        taken = [one.at for one in of(list(other.events), Kind.EFFECT) if one.partition == partition]
        if not taken:
            raise NotMeasured("the first member had all its records before it was gone")
        took = taken[0] - at
        late = took > (PROMPT if how == "left" else SESSION + LATE)
        soon = took < SESSION / 2
        more = {"late": int(late)} | ({"waited": int(not soon)} if how == "killed" else {})
        return _counts(field, order, also={"take-over": round(took, 1)}, **more)

    return measure


def _static(field: Field) -> Measured:
    """A static member is killed and is back before its session ends: nobody else notices."""
    order, one, other = _two(field, member="first")
    field.until(lambda: times(one) > BATCH, "the first member's first batch")
    at = field.run.world.clock.now()
    one.kill()
    field.fault("static member killed")
    again = field.start(replace(order, who="third", member="first"))
    log = field.log()
    field.processed((one, other, again), log)
    moved = sum(
        1
        for event in of(list(other.events), Kind.ASSIGNED, Kind.REVOKED)
        if event.at > at and event.partition >= 0
    )
    field.finish(other, again)
    found = _counts(field, order, rebalances=moved)
    return replace(found, setting=f"{found.setting}, static member")


def _both(field: Field) -> Measured:
    """Two groups each read all."""
    order = field.order("first", Role.READ, group=field.topic, batch=BATCH)
    one = field.start(order)
    other = field.start(replace(order, who="second", group=f"{field.topic}.other"))
    field.write()
    log = field.log()
    for each in (one, other):
        field.processed((each,), log)
    field.finish(one, other)
    found = [processed(each.events, log) for each in (one, other)]
    counts = {name: sum(one[name] for one in found) for name in ("repeated", "skipped")}
    return Measured(counts, order.setting)


def _mine(worker: Worker) -> set[int]:
    found: set[int] = set()
    event: Event
    for event in of(list(worker.events), Kind.ASSIGNED, Kind.REVOKED):
        (found.add if event.kind is Kind.ASSIGNED else found.discard)(event.partition)
    return found


def _counts(field: Field, order: Order, also: dict[str, object] | None = None, **more: int) -> Measured:
    counts = processed(field.events(), field.log())
    return Measured(
        {name: counts[name] for name in ("repeated", "skipped")} | more, order.setting, also or {}
    )


def _trials(_client: Client) -> Sequence[Trial]:
    once = {"repeated": NONE, "skipped": NONE}
    least = {"repeated": Allowed(0, BATCH), "skipped": NONE}
    return (
        Trial(Cell("two members", "each record once", once | {"idle": NONE}), _shared, 2),
        Trial(Cell("a member leaves", "taken over at once", once | {"late": NONE}), _left_alone("left"), 2),
        Trial(
            Cell(
                "a member is killed",
                f"taken over after session.timeout.ms ({SESSION:g} s)",
                least | {"late": NONE, "waited": SOME},
                control=True,
            ),
            _left_alone("killed"),
            2,
        ),
        Trial(
            Cell("a static member is killed and back", "no rebalance", least | {"rebalances": NONE}),
            _static,
            2,
        ),
        Trial(Cell("two groups", "both read all", once), _both, 2),
    )


GROUPS = Drill(
    "groups", "Who reads what, and how long a partition waits when its member leaves or dies", _trials
)
