"""How something went in time, as a page has it: moments of this machine's clock become seconds from one beginning."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from kafab.canary.course import Course
from kafab.canary.figures import Figures
from kafab.drills.rows import Row
from kafab.model import Cluster
from kafab.ops.reporting.draft import Draft
from kafab.reporting.page import Acks, Gap, Isr, Mark, Point, Run, Span, Strip, TimeLine, Unseen
from kafab.rolling.course import RollCourse, Strips


def utc(at: datetime) -> str:
    """Return a time of the day as a page has it."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(span: timedelta | None) -> float | None:
    """Return a latency as a page has it."""
    return None if span is None else round(span.total_seconds() * 1000, 1)


def of_roll(cluster: Cluster, draft: Draft) -> TimeLine | None:
    """Return the time line of a roll and of the canary beside it; None where nothing was done."""
    roll, canary = draft.rolled.course, draft.rolled.canary
    if roll is None:
        return None
    names = _names(cluster)
    course = canary.course if canary else None
    origin = min([roll.began, *([course.began] if course else [])])
    gaps = _gaps(course, origin, _leaders(canary, names)) if canary and course else ()
    return TimeLine(
        began=_day(draft, origin),
        seconds=round(roll.ended - origin, 1),
        acks=_acks(course, origin) if course else None,
        gaps=gaps,
        spans=tuple(_spans(roll, origin)),
        marks=tuple(Mark(round(at - origin, 1), what) for at, what in roll.marks),
        isr=_isr(roll.strips, origin, names) if roll.strips.strips else None,
    )


def of_canary(cluster: Cluster, draft: Draft) -> TimeLine | None:
    """Return the time line of a canary that had nothing beside it; None where its process was not heard out."""
    canary = draft.rolled.canary
    if canary is None or canary.course is None:
        return None
    course = canary.course
    return TimeLine(
        began=_day(draft, course.began),
        seconds=round(max(canary.lasted.total_seconds(), _ends(course)), 1),
        acks=_acks(course, course.began),
        gaps=_gaps(course, course.began, _leaders(canary, _names(cluster))),
    )


def of_cell(row: Row, draft: Draft) -> TimeLine | None:
    """Return the time line of a drill's cell; None where none was kept."""
    if row.story is None:
        return None
    course = row.story.course
    marks = tuple(Mark(round(at - course.began, 1), what) for at, what in row.story.faults)
    latest = max([_ends(course), *(mark.at_s for mark in marks)])
    subjects = dict.fromkeys({gap.partition for gap in course.gaps}, row.cell.name)
    return TimeLine(
        began=_day(draft, course.began),
        seconds=round(latest, 1),
        gaps=_gaps(course, course.began, subjects),
        marks=marks,
        acks=_acks(course, course.began, row.story.counts),
    )


def _ends(course: Course) -> float:
    """Return the second in which the last point or gap ends."""
    last = max((point.number + 1 for point in course.points), default=0) * course.step
    return max([last, *(gap.ends for gap in course.gaps)])


def _names(cluster: Cluster) -> Mapping[int, str]:
    return {node.id: node.name for node in cluster.brokers}


def _leaders(canary: Figures, names: Mapping[int, str]) -> dict[int, str]:
    """Return the name of the broker that leads each partition of a canary where all is well."""
    return {number: names.get(leader, str(leader)) for number, leader in enumerate(canary.leaders)}


def _acks(course: Course, origin: float, counts: str = "ack") -> Acks:
    timed = counts == "ack"
    points = (
        Point(one.number, one.acked, one.p50_ms if timed else None, one.max_ms if timed else None)
        for one in course.points
    )
    return Acks(_after(course.began, origin), course.step, tuple(points), counts)


def _isr(found: Strips, origin: float, names: Mapping[int, str]) -> Isr:
    strips = (
        Strip(
            each.broker,
            names.get(each.broker, str(each.broker)),
            each.replicas,
            tuple(Run(*run) for run in each.out),
        )
        for each in found.strips
    )
    unseen = tuple(Unseen(first, end) for first, end in found.unseen)
    return Isr(_after(found.began, origin), found.step, found.steps, tuple(strips), unseen)


def _gaps(course: Course, origin: float, subjects: dict[int, str]) -> tuple[Gap, ...]:
    late = course.began - origin
    return tuple(
        Gap(
            subjects.get(gap.partition, str(gap.partition)),
            round(late + gap.begins, 2),
            round(late + gap.ends, 2),
        )
        for gap in course.gaps
    )


def _spans(roll: RollCourse, origin: float) -> Iterable[Span]:
    return (
        Span(one.node, one.phase.value, _after(one.begins, origin), _after(one.ends, origin), one.over)
        for one in roll.spans
    )


def _after(moment: float, origin: float) -> float:
    """Return the seconds between, never as minus zero."""
    return round(moment - origin, 2) + 0.0


def _day(draft: Draft, moment: float) -> str:
    return utc(draft.operator.at + timedelta(seconds=moment - draft.moment))
