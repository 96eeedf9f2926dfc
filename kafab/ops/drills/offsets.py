"""The drill of offsets: where a consumer goes on that is stopped and started, and where a new group begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kafab.drills.checker import processed
from kafab.drills.history import Log
from kafab.drills.orders import Commits, Order, Role
from kafab.drills.rows import NONE, SOME, Cell
from kafab.groups.targets import Earliest
from kafab.ops.drills.field import Field, effects, times
from kafab.ops.drills.trials import Drill, Measured, Trial
from kafab.ops.groups import changing
from kafab.ports import Worker
from kafab.records.settings import Client, Reset

BATCH = 20
MORE = 10
"""Records that are written once a member knows where it goes on."""
GO_ON = {"repeated": NONE, "skipped": NONE}


def _order(field: Field, **more: object) -> Order:
    return field.order("first", Role.READ, group=field.topic, batch=BATCH, **more)


def _half(field: Field, order: Order) -> tuple[Worker, Log]:
    """Write the records, and have a member read about half of them and leave."""
    field.write()
    log = field.log()
    stops = field.run.records // 2 + field.random.randint(1, BATCH)
    first = field.start(replace(order, effect=0.005, dies_after=stops, orderly=True))
    field.until(lambda: first.ended is not None, "the first member to leave")
    field.fault("member stopped and started")
    return first, log


def _restarted(field: Field) -> Measured:
    """It goes on where it has committed."""
    order = _order(field)
    first, log = _half(field, order)
    second = field.start(replace(order, who="second"))
    field.processed((first, second), log)
    field.finish(second)
    return _counts(field, log, order)


def _uncommitted(field: Field) -> Measured:
    """It has committed nothing, so it reads from the beginning again; with commits withheld there is nothing to repeat."""
    order = _order(field, commits=Commits.BATCH if field.run.orderly else Commits.NONE)
    first, log = _half(field, order)
    second = field.start(replace(order, who="second"))
    field.processed((first, second), log)
    field.finish(second)
    return _counts(field, log, order)


def _new_group(reset: Reset) -> Callable[[Field], Measured]:
    """A new group reads what was there before it, or what came after."""

    def measure(field: Field) -> Measured:
        order = _order(field, reset=reset)
        field.write()
        before = field.log()
        first = field.start(order)
        field.ready(first)
        field.write(MORE, first=field.run.records)
        log = field.log()
        after = {
            part: tuple(stood for stood in found if stood not in before[part]) for part, found in log.items()
        }
        field.processed((first,), log if reset is Reset.EARLIEST else after)
        field.finish(first)
        return _counts(field, log, order)

    return measure


def _out_of_retention(field: Field) -> Measured:
    """Records go that the group has not read yet; it goes on behind them, and says nothing of it."""
    order = _order(field)
    first, log = _half(field, order)
    gone = field.run.records if field.run.orderly is False else 0
    trimmed = max((offset for _, offset in effects([first])), default=0) + gone // 8
    if gone:
        field.do(field.order("trimmer", Role.TRIM, count=trimmed))
        field.fault("retention took records")
    left = {part: tuple(stood for stood in found if stood.offset >= trimmed) for part, found in log.items()}
    second = field.start(replace(order, who="second"))
    field.processed((second,) if gone else (first, second), left if gone else log)
    field.finish(second)
    return _counts(field, log, order)


def _reset(*, restored: bool) -> Callable[[Field], Measured]:
    """The group's offsets are set to the beginning, and in one of two cells brought back from before."""

    def measure(field: Field) -> Measured:
        order = _order(field)
        field.write()
        log = field.log()
        first = field.start(order)
        field.processed((first,), log)
        field.finish(first)
        world = field.run.world
        # A group is empty a moment after its last member has left.
        plan = field.tried(lambda: changing.plan(world, field.topic, Earliest(), ()), "the group to be empty")
        if not field.run.orderly or restored:
            changing.apply(world, plan)
            field.fault("group reset to earliest")
        if restored:
            refused = world.groups.commit(plan.metadata, plan.listed, plan.before)
            field.fault(f"offsets restored{f', refused: {refused}' if refused else ''}")
        second = field.start(replace(order, who="second"))
        field.ready(second)
        field.write(MORE, first=field.run.records)
        log = field.log()
        again = sum(map(len, log.values())) if not restored and not field.run.orderly else MORE
        field.until(lambda: times(second) >= again, "the second member to read to the end")
        field.finish(second)
        return _counts(field, log, order)

    return measure


def _counts(field: Field, log: Log, order: Order) -> Measured:
    counts = processed(field.events(), log)
    return Measured({name: counts[name] for name in GO_ON}, order.setting)


def _trials(_client: Client) -> Sequence[Trial]:
    again, passed = GO_ON | {"repeated": SOME}, GO_ON | {"skipped": SOME}
    return (
        Trial(Cell("stopped and started", "goes on where it committed", GO_ON), _restarted),
        Trial(Cell("without commits", "reads again", again, control=True), _uncommitted),
        Trial(Cell("new group, earliest", "reads all", GO_ON), _new_group(Reset.EARLIEST)),
        Trial(
            Cell("new group, latest", "reads what comes from then on", passed, control=True),
            _new_group(Reset.LATEST),
        ),
        Trial(
            Cell("offsets out of retention", "goes on behind what is gone", passed, control=True),
            _out_of_retention,
        ),
        Trial(Cell("group reset to earliest", "reads again", again, control=True), _reset(restored=False)),
        Trial(Cell("group reset and restored", "goes on where it was", GO_ON), _reset(restored=True)),
    )


OFFSETS = Drill(
    "offsets", "Where a consumer goes on that is stopped and started, and where a new group begins", _trials
)
