"""Charts as SVG: time from left to right, with what happened in rows under each other. Classes have the colours.

A chart is an image with a title; the numbers behind it stand in a table beside it. Much is drawn by few paths, so that a roll
of a hundred nodes stays small.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup, escape

from kafab.reporting.page import Acks, Gap, Isr, Mark, Point, Span, TimeLine
from kafab.reporting.words import seconds

WIDE = 960
LEFT, RIGHT = 132, 14
TOP, MARK = 16, 12
"""The room above a chart for its heading, and for the numbers of marks."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two marks of the axis of time."""
MOST_TICKS = 9
PHASES = {"stops": "stops", "is down": "down", "starts": "starts", "catches up": "catches"}
"""What a node is at -> the class of its bar."""
THIN, ROOM = 10, 50
"""A row has no room for a number up to this height; a number needs so much room in its row."""
AWAY = ("is down", "starts")
COUNTED = {"ack": "acknowledged", "effect": "processed", "read": "read", "send": "sent"}
"""What a time line counts -> the word for it."""
LETTER = 6.3
"""The width of a letter of a label, about: a longer label is cut off, and its title has the rest."""


@dataclass(frozen=True)
class Frame:
    """Where a chart's times lie."""

    seconds: float

    def x(self, at: float) -> float:
        """Return the place of a time, in seconds from the beginning."""
        share = min(max(at / self.seconds, 0.0), 1.0) if self.seconds else 0.0
        return LEFT + share * (WIDE - LEFT - RIGHT)


def time_line(time: TimeLine, name: str, title: str) -> Markup:
    """Return the chart of a time line: acknowledgements over restarts, a bar a node, the ISR of each broker.

    ``name`` is unique in the page; ``title`` is what a screen reader says.
    """
    frame, parts = Frame(max(time.seconds, 0.1)), list[str]()
    at = float(TOP + (MARK if time.marks else 0))
    body = 150 if time.spans or time.isr else 84
    if time.acks:
        parts.append(_acks(time, time.acks, frame, at, body))
        at += body + 24
    if time.spans:
        drawn, tall = _bars(time.spans, frame, at)
        parts.append(drawn)
        at += tall + 24
    if time.isr:
        drawn, tall = _strips(time.isr, time.spans, frame, at)
        parts.append(drawn)
        at += tall + 12
    parts.append(_marks(time.marks, frame, at))
    parts.append(_axis(frame, at))
    return _svg(parts, at + 22, name, title)


def _svg(parts: Iterable[str], tall: float, name: str, title: str) -> Markup:
    inside = "".join(parts)
    return Markup(  # noqa: S704  # every text in it is escaped
        f'<svg viewBox="0 0 {WIDE} {_n(tall)}" role="img" aria-labelledby="{escape(name)}">'
        f'<title id="{escape(name)}">{escape(title)}</title>{inside}</svg>'
    )


def _acks(time: TimeLine, acks: Acks, frame: Frame, top: float, tall: float) -> str:
    timed, bottom = acks.counts == "ack", top + tall
    scale = _Latency(acks.points, top, bottom) if timed else _Counts(acks.points, top, bottom)
    found = [_head("time to acknowledge" if timed else f"records {COUNTED[acks.counts]}", top)]
    found += [_rect(LEFT, top, WIDE - LEFT - RIGHT, tall, "band")] if time.spans else []
    away = [span for span in time.spans if span.phase != "catches up"]
    found.append(_path(_areas(((frame.x(s.begins_s), frame.x(s.ends_s)) for s in away), top, bottom), "away"))
    for y, label in scale.grid():
        found += [_line(LEFT, y, WIDE - RIGHT, y, "grid"), _text(LEFT - 6, y + 4, label, "end")]
    gaps = ((frame.x(gap.begins_s), frame.x(gap.ends_s)) for gap in time.gaps)
    found.append(_path(_areas(gaps, top, bottom), "gaps"))
    found.append(_path(_stems(acks, frame, scale, bottom), "slowest"))
    if timed:
        found.append(_path(_halves(acks, frame, scale), "half"))
    words = "no acknowledgement" if timed else f"no record {COUNTED[acks.counts]}"
    found += [_gap_title(gap, words, frame, top, tall) for gap in time.gaps]
    return "".join(found)


class _Latency:
    """A scale of milliseconds, by powers of ten."""

    def __init__(self, points: Sequence[Point], top: float, bottom: float) -> None:
        most = max((point.max_ms or 1.0 for point in points), default=1.0)
        self.decades = max(ceil(log10(max(most, 1.0))), 2)
        self._top, self._bottom = top, bottom

    def y(self, milliseconds: float) -> float:
        """Return the place of a latency."""
        share = log10(max(milliseconds, 1.0)) / self.decades
        return self._bottom - share * (self._bottom - self._top)

    def tops(self, point: Point) -> float:
        """Return the place of the worst of a step."""
        return self.y(point.max_ms or 1.0)

    def grid(self) -> Iterator[tuple[float, str]]:
        """Yield the lines with what they stand for."""
        for power in range(self.decades + 1):
            value = 10.0**power
            yield self.y(value), f"{value:.0f} ms" if power < 3 else f"{value / 1000:.0f} s"


class _Counts(_Latency):
    """A scale of records a step, from 0 on."""

    def __init__(self, points: Sequence[Point], top: float, bottom: float) -> None:
        super().__init__((), top, bottom)
        self.most = max((point.acked for point in points), default=1) or 1

    def y(self, count: float) -> float:
        """Return the place of a count."""
        return self._bottom - count / self.most * (self._bottom - self._top)

    def tops(self, point: Point) -> float:
        """Return the place of a step's count."""
        return self.y(point.acked)

    def grid(self) -> Iterator[tuple[float, str]]:
        """Yield the lines with what they stand for."""
        yield self.y(0), "0"
        yield self.y(self.most), str(self.most)


def _stems(acks: Acks, frame: Frame, scale: _Latency, bottom: float) -> str:
    """Return a column for each step, up to its slowest acknowledgement, or its count."""
    found = []
    for point in acks.points:
        begins = acks.from_s + point.step * acks.step_s
        left, right = frame.x(begins), frame.x(begins + acks.step_s)
        found.append(_area(left, max(right - 0.3, left + 0.7), scale.tops(point), bottom))
    return "".join(found)


def _halves(acks: Acks, frame: Frame, scale: _Latency) -> str:
    """Return a line from step to step, broken where a step had no acknowledgement."""
    found, before = [], None
    for point in acks.points:
        begins = acks.from_s + point.step * acks.step_s
        left, right = _n(frame.x(begins)), _n(frame.x(begins + acks.step_s))
        y = _n(scale.y(point.p50_ms or 1.0))
        found.append(f"V{y}H{right}" if before == point.step - 1 else f"M{left} {y}H{right}")
        before = point.step
    return "".join(found)


def _gap_title(gap: Gap, words: str, frame: Frame, top: float, tall: float) -> str:
    left, right = frame.x(gap.begins_s), frame.x(gap.ends_s)
    title = f"{gap.subject}: {words} for {seconds(gap.ends_s - gap.begins_s)}"
    return _rect(left, top, max(right - left, 1.0), tall, "hover", title=title)


def _bars(spans: Sequence[Span], frame: Frame, top: float) -> tuple[str, float]:
    nodes = list(dict.fromkeys(span.node for span in spans))
    row, at = _row(len(nodes)), {node: number for number, node in enumerate(nodes)}
    found = [_head("restarts", top)]
    for kind in dict.fromkeys(PHASES.values()):
        areas = (
            _area(
                frame.x(s.begins_s),
                frame.x(s.ends_s),
                top + at[s.node] * row + 1,
                top + (at[s.node] + 1) * row - 1,
            )
            for s in spans
            if PHASES.get(s.phase, "down") == kind and s.ends_s > s.begins_s
        )
        found.append(_path("".join(areas), kind))
    found += [_label(node, top + number * row, row) for node, number in at.items()]
    for node, number in at.items():
        own = [span for span in spans if span.node == node]
        begins, ends = own[0].begins_s, own[-1].ends_s
        left, right = frame.x(begins), frame.x(ends)
        words = f"{node}: " + ", ".join(f"{s.phase} {seconds(s.ends_s - s.begins_s)}" for s in own)
        found.append(_rect(left, top + number * row, max(right - left, 1.0), row, "hover", title=words))
        if row > THIN:
            at_end = right < WIDE - RIGHT - ROOM
            x, anchor = (right + 4, "start") if at_end else (left - 4, "end")
            found.append(_text(x, top + (number + 0.5) * row + 4, seconds(ends - begins), anchor))
    return "".join(found), row * len(nodes)


def _strips(isr: Isr, spans: Sequence[Span], frame: Frame, top: float) -> tuple[str, float]:
    row, count = _row(len(isr.strips)), len(isr.strips)
    left, right = (_isr_x(isr, frame, step) for step in (0, isr.steps))
    found = [_head("ISR of each broker", top)]
    whole = (_area(left, right, *_within(top, number, row)) for number in range(count))
    found.append(_path("".join(whole), "synced"))
    for kind in ("partly", "out"):
        areas = (
            _area(_isr_x(isr, frame, run.first), _isr_x(isr, frame, run.end), *_within(top, number, row))
            for number, strip in enumerate(isr.strips)
            for run in strip.out
            if ("out" if run.out >= strip.replicas else "partly") == kind
        )
        found.append(_path("".join(areas), kind))
    unseen = ((_isr_x(isr, frame, each.first), _isr_x(isr, frame, each.end)) for each in isr.unseen)
    found.append(_path(_areas(unseen, top, top + row * count), "unseen"))
    # A broker that does not run is in no ISR, whether anybody looked or not.
    at = {strip.node: number for number, strip in enumerate(isr.strips)}
    away = (
        _area(frame.x(span.begins_s), frame.x(span.ends_s), *_within(top, at[span.node], row))
        for span in spans
        if span.node in at and span.phase in AWAY
    )
    found.append(_path("".join(away), "down"))
    found += [_label(strip.node, top + number * row, row) for number, strip in enumerate(isr.strips)]
    for number, strip in enumerate(isr.strips):
        worst = max((run.out for run in strip.out), default=0)
        words = f"{strip.node}: at most {worst} of {strip.replicas} replicas seen out of sync"
        found.append(_rect(left, top + number * row, max(right - left, 1.0), row, "hover", title=words))
    return "".join(found), row * count


def _within(top: float, number: int, row: float) -> tuple[float, float]:
    return top + number * row + 1, top + (number + 1) * row - 1


def _isr_x(isr: Isr, frame: Frame, step: int) -> float:
    return frame.x(isr.from_s + step * isr.step_s)


def _marks(marks: Sequence[Mark], frame: Frame, bottom: float) -> str:
    found = []
    for number, mark in enumerate(marks, 1):
        x = frame.x(mark.at_s)
        found.append(_line(x, MARK, x, bottom, "mark"))
        found.append(_text(x, MARK - 3, str(number), "middle"))
    return "".join(found)


def _axis(frame: Frame, top: float) -> str:
    step = next((tick for tick in TICKS if frame.seconds / tick <= MOST_TICKS), TICKS[-1])
    found = [_line(LEFT, top, WIDE - RIGHT, top, "axis")]
    for number in range(int(frame.seconds // step) + 1):
        x = frame.x(number * step)
        found.append(_line(x, top, x, top + 4, "axis"))
        found.append(_text(x, top + 17, _clock(number * step), "middle"))
    return "".join(found)


def _clock(at: int) -> str:
    if at < 60 or at % 60:  # a minute
        return f"{at} s" if at < 60 else f"{at // 60}:{at % 60:02d} min"
    return f"{at // 60} min" if at < 3600 or at % 3600 else f"{at // 3600} h"  # an hour


def _row(rows: int) -> float:
    """Return the height of a row: many are thin."""
    return 20.0 if rows <= 12 else 14.0 if rows <= 40 else 9.0


def _label(text: str, top: float, row: float) -> str:
    size = min(11.0, row)
    fits = int((LEFT - 10) / (LETTER * size / 11))
    shown = text if len(text) <= fits else f"{text[: fits - 1]}…"
    title = f"<title>{escape(text)}</title>" if shown != text else ""
    return (
        f'<text x="{LEFT - 6}" y="{_n(top + row / 2 + size / 2.8)}" text-anchor="end" font-size="{_n(size)}">'
        f"{title}{escape(shown)}</text>"
    )


def _head(text: str, top: float) -> str:
    return f'<text x="{LEFT}" y="{_n(top - 5)}" class="head">{escape(text)}</text>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{_n(x)} {_n(y)}L{_n(to_x)} {_n(to_y)}"/>'


def _rect(x: float, y: float, wide: float, tall: float, kind: str, *, title: str = "") -> str:
    inside = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(tall)}"'
    return f'<rect {place} class="{kind}">{inside}</rect>' if inside else f'<rect {place} class="{kind}"/>'


def _path(areas: str, kind: str) -> str:
    return f'<path class="{kind}" d="{areas}"/>' if areas else ""


def _areas(sides: Iterable[tuple[float, float]], top: float, bottom: float) -> str:
    return "".join(_area(left, right, top, bottom) for left, right in sides)


def _area(left: float, right: float, top: float, bottom: float) -> str:
    """Return a rectangle as a part of a path; it is never thinner than can be seen."""
    wide = max(right - left, 0.7)
    return f"M{_n(left)} {_n(top)}h{_n(wide)}V{_n(bottom)}h-{_n(wide)}z"


def _n(value: float) -> str:
    """Return a length with a tenth of a unit at most."""
    return f"{value:.1f}".removesuffix(".0")
