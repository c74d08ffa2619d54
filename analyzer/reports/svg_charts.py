"""The charts of the page: where every line, label and answer to a pointer stands in an SVG.

The template `charts.html` writes them, and escapes what they say. A pointer over a chart shows the reading there
by CSS alone, so that it works in a frame that may run nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.reports.chart_data import (
    FOLDS_NAMED,
    FOLDS_SHADED,
    LIMIT_SHOWN_FROM,
    POINTS_DRAWN,
    POINTS_MARKED,
    chart_lanes,
    stage_values,
    thinned,
)
from analyzer.resources import RESOURCES
from telemetry.formatting import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.groups import ProcessGroup
    from analyzer.growth.verdict import Growth
    from analyzer.reports.chart_data import ChartLane, Stages

WIDTH = 560
LEFT, RIGHT, TOP, BOTTOM = 78, 14, 34, 54
"""Around what is drawn: room for the numbers, for what the pointer is over, and for the axis."""
STAGE_LEFT, ROW = 214, 26
HEIGHT = 260
TICKS = 6
ANSWERS = 160
"""Places along a chart at which the pointer gets an answer; of a stretch, its highest reading's."""
LANES_NAMED = 8
FOLDS_ANSWERED = 6
LONGEST_STAGE = 24
FOLDS_WORDED = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pointer inside an area is told, with the points that it is about."""

    x: float
    y: float
    width: float
    height: float
    points: tuple[tuple[float, float], ...]
    words: str


@dataclass(frozen=True, slots=True)
class ChartLine:
    """The line of one lane or fold; ``colour`` is a CSS value, and ``name`` is what the legend says."""

    pieces: Sequence[Sequence[tuple[float, float]]]
    """A process each: lines are not drawn from one to the next."""
    colour: str
    name: str = ""
    is_marked: bool = False
    is_front: bool = True

    @property
    def path(self) -> str:
        """The SVG path of it."""
        return "".join(
            "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) for points in self.pieces
        )

    @property
    def points(self) -> list[tuple[float, float]]:
        """All points of it."""
        return [point for points in self.pieces for point in points]


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(slots=True)
class Chart:
    """One SVG: its lines, its axes with their ticks (place, words), and its answers."""

    height: float
    left: float
    caption: str
    across: Scale
    up: Scale
    unit: str = ""
    x_title: str = ""
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    lines: list[ChartLine] = field(default_factory=list)
    bands: list[tuple[float, float]] = field(default_factory=list)
    """Shaded from the left end, so wide: every other fold."""
    names: list[tuple[float, str]] = field(default_factory=list)
    """Of folds, in the middle of each."""
    limit: tuple[float, str] | None = None
    crashes: list[float] = field(default_factory=list)
    crossed: list[tuple[float, float]] = field(default_factory=list)
    """Where a line among several ends in a crash."""
    answers: list[Answer] = field(default_factory=list)

    @property
    def right(self) -> float:
        """The right end of what is drawn."""
        return WIDTH - RIGHT

    @property
    def bottom(self) -> float:
        """The lower end of what is drawn."""
        return self.height - BOTTOM

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Colour and name of each line that has a name."""
        return list(dict.fromkeys((line.colour, line.name) for line in self.lines if line.name))


def timeline(
    parts: Sequence[ProcessGroup], resource: str, *, caption: str, height: float = HEIGHT
) -> Chart:
    """Draw one resource over the checkpoints; there must be some."""
    lanes = chart_lanes(parts)
    worst = min(parts, key=lambda part: part.severity)
    longest = max(lane.length for lane in lanes)
    most = max(POINTS_DRAWN // len(lanes), 40)
    drawn = [(lane, lane.points(resource, most=most)) for lane in lanes]
    high, limit = _top(drawn, worst.growth.get(resource), resource)
    across, up = (
        Scale(0, max(1, longest - 1), LEFT, WIDTH - RIGHT),
        Scale(0, high, height - BOTTOM, TOP),
    )
    chart = Chart(
        height, LEFT, caption, across, up, fmt.unit(resource).strip(), "checkpoint, in order"
    )
    chart.y_ticks = [(up(value), f"{value:,.0f}") for value in ticks(high)]
    chart.x_ticks = [(across(n), f"{n + 1:,}") for n in _positions(longest)]
    if limit is not None:
        chart.limit = (up(limit), f"limit {limit:,.0f}")
    for number, (lane, pieces) in enumerate(drawn):
        is_named = len(lanes) <= LANES_NAMED
        is_front = is_named or lane.name == worst.name
        colour = (
            f"var(--lane{number + 1})"
            if is_named
            else "var(--line)"
            if is_front
            else "var(--muted)"
        )
        placed = [[(across(x), up(y)) for x, y in points] for points in pieces if points]
        name = lane.name if is_named and len(lanes) > 1 else ""
        is_marked = is_front and lane.length <= POINTS_MARKED
        chart.lines.append(ChartLine(placed, colour, name, is_marked, is_front))
        _mark_crashes(chart, lane, pieces, is_alone=len(lanes) == 1)
        if is_front:
            share = ANSWERS // (len(lanes) if is_named else 1)
            told = thinned([point for points in pieces for point in points], most=max(8, share))
            _answer(chart, lane, told, resource, is_alone=len(lanes) == 1)
    if len(lanes) == 1:
        _name_folds(chart, lanes[0])
    if any(lane.length > most for lane in lanes):
        chart.caption += "; drawn are the lowest and the highest of every stretch"
    if len(lanes) > LANES_NAMED:
        chart.caption += f"; {len(lanes)} runs or ranks, the worst in blue"
    return chart


def chart_height(stages: Stages | None) -> float:
    """Return the height that both charts of a resource have, side by side."""
    return max(HEIGHT, TOP + ROW * len(stages.drawn if stages else ()) + BOTTOM)


def stage_chart(part: ProcessGroup, stages: Stages, resource: str, *, caption: str) -> Chart:
    """Draw the folds of one part over each other at the same stage, the first stage at the top."""
    values = stage_values(part, resource)
    numbers = [n for stage in stages.drawn for n in values.get(stage, {}).values()]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    height = chart_height(stages)
    room = max(1.0, 0.06 * (high - low))
    low, high = max(0.0, low - room), high + room
    across = Scale(low, high, STAGE_LEFT + 6, WIDTH - RIGHT)
    up = Scale(0, len(stages.drawn), TOP, height - BOTTOM)
    chart = Chart(height, STAGE_LEFT, caption, across, up)
    unit = fmt.unit(resource).strip()
    chart.x_title = RESOURCES[resource].title + (f", {unit}" if unit else "")
    chart.x_ticks = [(across(n), f"{n:,.0f}") for n in ticks(high, low)]
    row = up(1) - up(0)
    rows = {stage: up(number + 0.5) for number, stage in enumerate(stages.drawn)}
    chart.y_ticks = [
        (y, fmt.safe(stage or "(no stage)", longest=LONGEST_STAGE)) for stage, y in rows.items()
    ]
    folds = part.folds
    for number, fold in enumerate(folds):
        line = [(across(values[s][fold]), y) for s, y in rows.items() if fold in values.get(s, {})]
        is_named = number in {0, len(folds) - 1} or len(folds) <= FOLDS_ANSWERED
        colour = _fold_colour(number / max(1, len(folds) - 1))
        if line:
            name = f"fold {fold}" if is_named else ""
            chart.lines.append(ChartLine([line], colour, name, is_marked=True))
    for stage, y in rows.items():
        of_fold = values.get(stage, {})
        points = tuple((across(value), y) for value in of_fold.values())
        words = f"{fmt.safe(stage or '(no stage)', longest=40)}: {_of_folds(of_fold)}"
        chart.answers.append(Answer(0, y - row / 2, WIDTH, row, points, words))
    return chart


def _top(
    drawn: Sequence[tuple[ChartLane, Sequence[Sequence[tuple[int, float]]]]],
    growth: Growth | None,
    resource: str,
) -> tuple[float, float | None]:
    """Return the highest value of the axis, and the limit if that is not far above the curve."""
    highest = max((y for _, pieces in drawn for points in pieces for _, y in points), default=1.0)
    limit = None
    if growth and growth.limit and (growth.peak or 0) >= LIMIT_SHOWN_FROM * growth.limit:
        limit = growth.limit / fmt.unit_size(resource)
    return (max(highest, limit or 0.0) or 1.0) * 1.06, limit


def ticks(high: float, low: float = 0.0) -> list[int]:
    """Return round values from ``low`` to ``high``; whole ones, as all that is drawn is counted."""
    spread = high - low
    power = 10.0 ** math.floor(math.log10(spread / TICKS))
    steps = (power * n for n in (1, 2, 2.5, 5, 10))
    step = math.ceil(next(step for step in steps if step * TICKS >= spread))
    first = math.ceil(low / step)
    return [step * n for n in range(first, math.floor(high / step) + 1)]


def _positions(length: int) -> list[int]:
    return sorted({round(n * (length - 1) / 4) for n in range(5)})


def _name_folds(chart: Chart, lane: ChartLane) -> None:
    spans, across = lane.fold_spans(), chart.across
    half = (across(1) - across(0)) / 2
    every = -(-len(spans) // FOLDS_NAMED) or 1
    for number, (begin, end, fold) in enumerate(spans):
        left = max(chart.left, across(begin) - half)
        if len(spans) <= FOLDS_SHADED and fold % 2:
            chart.bands.append((left, min(chart.right, across(end) + half) - left))
        if number % every == 0:
            words = f"fold {fold}" if len(spans) <= FOLDS_WORDED else str(fold)
            chart.names.append((across((begin + end) / 2), words))


def _mark_crashes(
    chart: Chart, lane: ChartLane, pieces: Sequence[Sequence[tuple[int, float]]], *, is_alone: bool
) -> None:
    if is_alone:
        chart.crashes += [min(chart.right, chart.across(crash - 0.5)) for crash in lane.crashes]
        return
    points = [point for points in pieces for point in points]
    places = [position for position, _ in points]
    for crash in lane.crashes:
        if number := bisect_left(places, crash):
            x, y = points[number - 1]
            chart.crossed.append((chart.across(x), chart.up(y)))


def _answer(
    chart: Chart,
    lane: ChartLane,
    told: Sequence[tuple[int, float]],
    resource: str,
    *,
    is_alone: bool,
) -> None:
    """Add the answers along a line: to a pointer above or below it, or near it if there are several."""
    ends = [*((a[0] + b[0]) / 2 for a, b in pairwise(told)), lane.length]
    start = 0.0
    for (position, value), end in zip(told, ends, strict=True):
        x, y = chart.across(position), chart.up(value)
        words = _reading(lane, position, value, resource)
        if is_alone:
            left = chart.across(start)
            width = max(1.0, min(chart.right, chart.across(end)) - left)
            chart.answers.append(Answer(left, 0, width, chart.bottom, ((x, y),), words))
        else:
            answer = Answer(x - 7, y - 7, 14, 14, ((x, y),), f"{lane.name}: {words}")
            chart.answers.append(answer)
        start = end


def _reading(lane: ChartLane, position: int, value: float, resource: str) -> str:
    sample = lane.sample(position)
    label = sample.label
    where = f"fold {label.fold}, " if label.fold is not None and not label.names_fold else ""
    words = f"{where}{fmt.safe(label.text, longest=40)}: {value:,.0f}{fmt.unit(resource)}"
    return words if sample.time is None else f"{words}, {format_time(sample.time)[11:]}"


def _of_folds(values: Mapping[int, float]) -> str:
    folds = [*values] if len(values) <= FOLDS_ANSWERED else [min(values), max(values)]
    return ", ".join(f"fold {fold} {values[fold]:,.0f}" for fold in folds) or "not recorded"


_FOLD_COLOURS = ((59, 139, 217), (138, 99, 192), (217, 72, 59))
"""From the first fold to the last; both ends can be read on white and on black."""


def _fold_colour(share: float) -> str:
    first, middle, last = _FOLD_COLOURS
    a, b, part = (first, middle, share * 2) if share < 0.5 else (middle, last, share * 2 - 1)
    return "#" + "".join(f"{round(x + (y - x) * part):02x}" for x, y in zip(a, b, strict=True))
