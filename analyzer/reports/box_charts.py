"""The bursts before a death as charts: a resource over the seconds before the end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.diagnosis.burst_evidence import burst_words
from analyzer.reports.chart_data import LIMIT_SHOWN_FROM
from analyzer.reports.svg_charts import (
    ANSWERS,
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Answer,
    Chart,
    ChartLine,
    Scale,
    ticks,
)
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from analyzer.processes.black_box import Burst, LastMinute
    from analyzer.processes.process import Process

CHARTS = 2
"""Of the bursts of one process, at most."""
LEAST_SECONDS = 3.0
AROUND = 2.0
"""What is drawn, in lengths of the burst."""
STEPS = 5


def box_charts(process: Process) -> list[Chart]:
    """Draw the bursts in the last minute of a process."""
    box = process.black_box
    return [] if box is None else [_chart(process, box, one) for one in box.bursts()[:CHARTS]]


def _chart(process: Process, box: LastMinute, burst: Burst) -> Chart:
    resource, size = burst.resource, fmt.unit_size(burst.resource)
    seconds = max(LEAST_SECONDS, AROUND * (burst.seconds + burst.seconds_before_end))
    points = [
        (time - box.ended, value / size)
        for time, value in box.series(resource, burst.child)
        if box.ended - time <= seconds
    ]
    begin = min(-LEAST_SECONDS, points[0][0])
    limit = _limit(process, resource)
    is_near = limit is not None and burst.last >= LIMIT_SHOWN_FROM * limit
    top = max(burst.last, limit if limit is not None and is_near else 0) / size * 1.06
    across, up = Scale(begin, 0.0, LEFT, WIDTH - RIGHT), Scale(0, top, HEIGHT - BOTTOM, TOP)
    words = fmt.safe(burst_words(burst), longest=200)
    chart = Chart(
        HEIGHT, LEFT, words, across, up, fmt.unit(resource).strip(), "seconds before the end"
    )
    chart.y_ticks = [(up(value), f"{value:,.0f}") for value in ticks(top)]
    places = [begin * step / STEPS for step in range(STEPS, -1, -1)]
    chart.x_ticks = [(across(place), f"{-place:.1f}") for place in places]
    if is_near and limit is not None:
        chart.limit = (up(limit / size), f"limit {limit / size:,.0f}")
    placed = [(across(time), up(value)) for time, value in points]
    chart.lines = [ChartLine([placed], "var(--line)", is_marked=len(placed) <= ANSWERS)]
    chart.crashes = [across(0.0)]
    chart.answers = _answers(points, chart, resource)
    return chart


def _answers(points: list[tuple[float, float]], chart: Chart, resource: str) -> list[Answer]:
    told = points[:: -(-len(points) // ANSWERS)]
    ends = [*((one[0] + other[0]) / 2 for one, other in pairwise(told)), 0.0]
    answers, left = [], float(LEFT)
    for (time, value), end in zip(told, ends, strict=True):
        right = chart.across(end)
        words = f"{-time:.2f} s before the end: {value:,.0f}{fmt.unit(resource)}"
        place = (chart.across(time), chart.up(value))
        answers.append(Answer(left, 0, max(1.0, right - left), chart.bottom, (place,), words))
        left = right
    return answers


def _limit(process: Process, resource: str) -> int | None:
    """Return the limit that the kernel compares with the resource; None where there is none, or it is not known."""
    limits = process.last_reading.limits if process.last_reading else {}
    known = (limits.get(name) for name, spec in LIMITS.items() if spec.used_by == resource)
    return next((limit for limit in known if isinstance(limit, int)), None)
