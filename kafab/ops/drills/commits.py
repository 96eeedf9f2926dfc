"""The drill of commits: what is processed twice, and what never, when a consumer is killed in the midst of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kafab.drills.checker import processed
from kafab.drills.orders import Commits, Role
from kafab.drills.rows import ANY, NONE, SOME, Allowed, Cell
from kafab.ops.drills.field import Field, times
from kafab.ops.drills.trials import Drill, Measured, Trial
from kafab.records.settings import Client

BATCH = 20
EFFECT = 0.02
"""Seconds that the effect of a record takes: a batch of 20 takes longer than the time between two commits by time."""


def _killed(commits: Commits) -> Callable[[Field], Measured]:
    """Return how a style is measured: a member is killed in the midst of a batch, another one goes on to the end."""

    def measure(field: Field) -> Measured:
        field.write()
        log = field.log()
        order = field.order(
            "first", Role.READ, group=field.topic, commits=commits, batch=BATCH, effect=EFFECT
        )
        # In the second half of a batch: the client has had time to commit what it was handed with it.
        dies = 2 * BATCH + field.random.randint(BATCH // 2, BATCH - 5)
        first = field.start(replace(order, dies_after=dies))
        field.until(lambda: first.ended is not None, "the first member to be killed")
        if not field.run.orderly:
            field.fault("member killed")
        second = field.start(replace(order, who="second", effect=0.0))
        # The second one is given its partitions when the first one is missed. What it never reads was committed unprocessed.
        field.processed((second,), log)
        field.finish(second)
        counts = processed(field.events(), log)
        return Measured({name: counts[name] for name in ("repeated", "skipped")}, order.setting)

    return measure


def _rebalanced(field: Field) -> Measured:
    """A second member comes while the first one is in the midst of a batch."""
    # It is at its records long enough for another process to begin.
    order = field.order("first", Role.READ, group=field.topic, batch=BATCH, effect=2 * EFFECT)
    written = field.run.records
    field.write()
    first = field.start(order)
    field.until(lambda: times(first) > 0, "the first effect")
    second = field.start(replace(order, who="second"))
    field.fault("second member came")

    def helps() -> bool:
        # On a busy machine the first one may be through with all before the second one is there.
        nonlocal written
        if times(first) > written - 2 * BATCH:
            field.write(first=written)
            written += field.run.records
        return times(second) > 0

    field.until(helps, "the second member to have something to read")
    log = field.log()
    field.processed((first, second), log)
    field.finish(first, second)
    counts = processed(field.events(), log)
    return Measured(
        {name: counts[name] for name in ("repeated", "skipped")},
        order.setting,
        {"read by second": times(second)},
    )


def _trials(client: Client) -> Sequence[Trial]:
    least = {"skipped": NONE}
    batch = least | {"repeated": Allowed(1, BATCH)}
    auto = (
        Trial(
            Cell(
                "auto, killed in a batch",
                "at least once, guides say",
                {"skipped": SOME, "repeated": ANY},
                control=True,
            ),
            _killed(Commits.AUTO),
        )
        if client is Client.CONFLUENT
        else Trial(
            Cell(
                "auto, killed in a batch",
                "at least once",
                least | {"repeated": Allowed(1, 2 * BATCH)},
                control=True,
            ),
            _killed(Commits.AUTO),
        )
    )
    stored = Cell(
        "auto, stored after the effect, killed in a batch",
        "at least once",
        least | {"repeated": Allowed(0, BATCH)},
    )
    return (
        auto,
        Trial(stored, _killed(Commits.STORED))
        if client is Client.CONFLUENT
        else Trial(stored, None, setting="kafka-python stores no offsets beside what it commits"),
        Trial(
            Cell("each, killed in a batch", "at least once", least | {"repeated": Allowed(0, 1)}),
            _killed(Commits.EACH),
        ),
        Trial(Cell("batch, killed in a batch", "at least once", batch, control=True), _killed(Commits.BATCH)),
        Trial(
            Cell(
                "async, killed in a batch",
                "at least once",
                least | {"repeated": Allowed(1, 3 * BATCH)},
                control=True,
            ),
            _killed(Commits.ASYNC),
        ),
        Trial(
            Cell(
                "before, killed in a batch",
                "at most once",
                {"skipped": Allowed(1, BATCH), "repeated": NONE},
                control=True,
            ),
            _killed(Commits.BEFORE),
        ),
        Trial(
            Cell(
                "batch, a second member comes in a batch",
                "at least once",
                least | {"repeated": Allowed(0, BATCH)},
            ),
            _rebalanced,
            partitions=2,
        ),
    )


COMMITS = Drill(
    "commits",
    "What a killed consumer leaves processed twice or never, for each way to commit",
    _trials,
)
