"""How a drill's cell went in time: from what its workers have told, in a bounded number of steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kafab.canary.course import Acknowledgements, Course, Silences, Steps, course
from kafab.drills.history import Event, Kind, of

MOMENTS = 20
"""The most faults that are kept, of those that are many."""


@dataclass(frozen=True)
class Story:
    """What counted in a cell, in time, and the faults that it met."""

    course: Course
    counts: str
    """What counted: ``ack``, ``effect``, ``read`` or ``send``."""
    faults: tuple[tuple[float, str], ...]
    """The moment of each, by this machine's monotonic clock, and what was done."""


def story(events: Iterable[Event], faults: Sequence[tuple[float, str]]) -> Story | None:
    """Return how it went: by effects, or else acknowledgements, records read or sent; None where nothing of these was told.

    Where records have effects their writing is the preparation.
    """
    told = sorted(events, key=lambda event: event.at)
    for kind in (Kind.EFFECT, Kind.ACK, Kind.READ, Kind.SEND):
        if counted := list(of(told, kind)):
            break
    else:
        return None
    own = [(event.at, event.detail) for event in of(told, Kind.FAULT)]
    met = sorted([*faults, *own[: max(MOMENTS - len(faults), 0)]])
    begun = min([counted[0].at, *(at for at, _ in met)])
    steps = Steps(Acknowledgements, begun)
    sent = {(event.who, event.number): event.at for event in of(told, Kind.SEND)}
    for event in counted:
        if step := steps.at(event.at):
            step.take(event.at - sent.get((event.who, event.number), event.at))
    silences = Silences()
    for before, after in pairwise(counted):
        silences.take(before.at, after.at)
    return Story(course(steps, [silences.longest]), kind.value, tuple(met))
