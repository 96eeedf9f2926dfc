"""Wait for something to become true: one polling loop, with a deadline, for every operation."""

from collections.abc import Callable
from datetime import timedelta

from kafab.errors import Failed, KafabError, OutcomeUnknown
from kafab.events import Waiting
from kafab.ops.world import World
from kafab.rolling.readiness import Missing, unanswered

LOOK_EVERY = 0.1
WATCH_EVERY = 1.0
PAUSE_SHARE = 0.02
"""The share of the time waited so far that a pause lasts, up to a second: a long wait asks a busy cluster less often."""


def until(
    look: Callable[[], Missing],
    what: str,
    limit: timedelta,
    world: World,
    *,
    watch: Callable[[], object] | None = None,
    every: float = LOOK_EVERY,
    progress: Callable[[], object] | None = None,
) -> Missing:
    """Look until nothing is missing or the time is over; return what is missing then. Raises what `watch` raises.

    Where ``progress`` returns something else than before, the limit begins anew: what moves is not given up.
    """
    clock = world.clock
    begun = watched = moved = clock.now()
    reached = progress() if progress else None
    while True:
        missing = look()
        now = clock.now()
        if progress and (latest := progress()) != reached:
            reached, moved = latest, now
        elapsed = timedelta(seconds=now - begun)
        if not missing or now - moved >= limit.total_seconds():
            return missing
        subject = next(iter(missing))
        until_when = timedelta(seconds=moved - begun) + limit
        world.emit(Waiting(subject, f"{what}: {missing[subject]}", elapsed, until_when))
        if watch and clock.now() - watched >= WATCH_EVERY:
            watch()
            watched = clock.now()
        clock.sleep(max(every, min(WATCH_EVERY, PAUSE_SHARE * elapsed.total_seconds())))


def wait(
    look: Callable[[], Missing],
    what: str,
    limit: timedelta,
    world: World,
    *,
    watch: Callable[[], object] | None = None,
    every: float = LOOK_EVERY,
) -> None:
    """Look until nothing is missing. Raises what `not_passed` returns at the deadline, or what `watch` raises."""
    missing = until(look, what, limit, world, watch=watch, every=every)
    if missing:
        raise not_passed(missing, late(what, limit, missing))


def not_passed(missing: Missing, told: str, *, first: str = "") -> KafabError:
    """Return the end of a gate: OutcomeUnknown where only answers were missing, else Failed. ``first`` begins the hint."""
    kind = OutcomeUnknown if unanswered(missing) else Failed
    return kind(told, hint=f"{first}`fab status` and `fab logs NODE` tell more")


def late(what: str, limit: timedelta, missing: Missing) -> str:
    """Return the message of a gate that was not passed in time: a line a node."""
    lines = "".join(f"\n  {name}: {text}" for name, text in missing.items())
    return f"{what}: not within {limit.total_seconds():.0f} s:{lines}"
