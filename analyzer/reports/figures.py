"""An analysis as figures: each resource over the checkpoints, and its folds over each other.

Figures are returned, never shown. matplotlib is loaded when a figure is made.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.groups import group_findings, names
from analyzer.growth.verdict import Verdict
from analyzer.reports.chart_data import (
    FOLDS_NAMED,
    FOLDS_SHADED,
    LIMIT_SHOWN_FROM,
    POINTS_DRAWN,
    POINTS_MARKED,
    Stages,
    chart_lanes,
    stage_values,
    told_by,
)
from analyzer.resources import COLUMNS, RESOURCES
from telemetry.errors import InputError, MissingExtraError
from telemetry.journal.atomic_write import writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyzer.groups import ProcessGroup
    from analyzer.reports.chart_data import ChartLane
    from analyzer.result import AnalysisResult

INK, MUTED, GRID, SHADE = "#1b1f24", "#5b6471", "#d3d8df", "#eef1f6"
LINE, GOOD, WARN, ALARM = "#1f5fa8", "#2a7f3f", "#9a6a00", "#c0282d"
COLOURS = {
    Verdict.STABLE: GOOD,
    Verdict.WARM_UP: GOOD,
    Verdict.SLOW: WARN,
    Verdict.GROWING: ALARM,
    Verdict.CRITICAL: ALARM,
    Verdict.INCONCLUSIVE: MUTED,
}
_LANES = (LINE, "#c77700", "#2a8f6f", "#9b4fc4", "#b3466b", "#5f7d1e", "#3f86c9", "#8a6d5a")
_FOLDS = ("#3b8bd9", "#8a63c0", "#d9483b")
"""From the first fold to the last; both ends can be read on white and on black."""


def plot(analysis: AnalysisResult) -> Figure:
    """Return one figure, a row per resource; raises InputError where there are no samples."""
    parts = group_findings(analysis)
    lanes = chart_lanes(parts)
    if not lanes:
        raise InputError("nothing to plot: no [THREADS] line and no journal record was found")
    told = told_by(parts)
    stages = Stages(told) if told else None
    judged = {name for part in parts for name in part.growth}
    shown = [name for name in RESOURCES if name in judged or name in COLUMNS]
    figure = _figure(15 if stages else 11, 11.5 * len(shown) / len(COLUMNS))
    grid = figure.subplots(
        len(shown),
        2 if stages else 1,
        squeeze=False,
        sharex="col" if not stages else False,
        width_ratios=[1.9, 1] if stages else None,
    )
    for row, resource in zip(grid, shown, strict=True):
        _draw_timeline(row[0], resource, lanes, parts)
        if stages and told:
            _draw_stages(row[1], resource, told, stages.drawn, is_first=row is grid[0])
    _name_folds(grid[0][0], lanes)
    grid[-1][0].set_xlabel("checkpoint, in order", fontsize=9)
    if stages:
        grid[-1][1].set_xlabel(stages.left_out, fontsize=9)
    if len(lanes) > 1:
        _legend(figure, grid[-1][0], lanes)
    title = f"{names(parts)}: {analysis.verdict}"
    figure.suptitle(_plain(title, 160), fontsize=13, fontweight="bold", color=INK)
    return figure


def save(figure: Figure, path: str) -> None:
    """Write the figure whole or not at all; the suffix names the format. Raises InputError."""
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    if suffix not in {"png", "svg", "pdf"}:
        raise InputError(f"{path}: a plot is written as .png, .svg or .pdf")
    try:
        with writing(path) as aside, warnings.catch_warnings():
            # A label in a script that the font lacks gets boxes.
            warnings.simplefilter("ignore", UserWarning)
            figure.savefig(aside, format=suffix, dpi=120)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - a picture is the only thing that needs it
    except ImportError as error:
        raise MissingExtraError("a picture needs matplotlib", extra="analyze") from error
    return Figure(figsize=(width, height), layout="constrained")


def _draw_timeline(
    panel: Axes, resource: str, lanes: Sequence[ChartLane], parts: Sequence[ProcessGroup]
) -> None:
    if len(lanes) == 1:
        _shade_folds(panel, lanes[0])
    worst = min(parts, key=lambda part: part.severity)
    most = max(POINTS_DRAWN // len(lanes), 40)
    for number, lane in enumerate(lanes):
        colour = _lane_colour(number, lane, lanes, worst)
        is_front = len(lanes) <= len(_LANES) or lane.name == worst.name
        for points in lane.points(resource, most=POINTS_DRAWN if is_front else most):
            _draw_line(panel, points, colour, is_front=is_front)
        for crash in lane.crashes:
            _mark_crash(panel, lane, crash, resource, is_alone=len(lanes) == 1)
    growth = worst.judged[resource]
    if not panel.lines:
        panel.text(0.5, 0.5, "not recorded", transform=panel.transAxes, ha="center", color=MUTED)
        panel.set_yticks([])
    _style(panel)
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    title = RESOURCES[resource].title + (", MB" if fmt.unit(resource) else "")
    if growth.limit and growth.peak is not None:
        title += f": {fmt.of_limit(resource, growth)} at the peak"
        if growth.peak >= LIMIT_SHOWN_FROM * growth.limit:
            limit = growth.limit / fmt.unit_size(resource)
            panel.axhline(limit, color=ALARM, linestyle="--", linewidth=1.2)
            panel.set_ylim(top=max(panel.get_ylim()[1], limit * 1.05))
    panel.set_title(title, loc="left", fontsize=9.5, color=INK)
    slope = f", {fmt.change(resource, growth.slope)} {growth.a_unit}" if growth.slope else ""
    words = growth.verdict + slope
    panel.set_title(words, loc="right", fontsize=9.5, color=COLOURS[growth.verdict])


def _lane_colour(
    number: int, lane: ChartLane, lanes: Sequence[ChartLane], worst: ProcessGroup
) -> str:
    if len(lanes) <= len(_LANES):
        return _LANES[number]
    return LINE if lane.name == worst.name else MUTED


def _draw_line(
    panel: Axes, points: Sequence[tuple[int, float]], colour: str, *, is_front: bool
) -> None:
    if not points:
        return
    panel.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linewidth=1.4 if is_front else 0.9,
        alpha=None if is_front else 0.75,
        zorder=3 if is_front else 2,
        marker="." if is_front and len(points) <= POINTS_MARKED else None,
        markersize=4,
    )


def _mark_crash(panel: Axes, lane: ChartLane, crash: int, resource: str, *, is_alone: bool) -> None:
    if is_alone:
        panel.axvline(crash - 0.5, color=ALARM, linewidth=1.6)
        return
    ends = [point for line in lane.points(resource) for point in line if point[0] < crash]
    if ends:
        panel.plot(*ends[-1], color=ALARM, marker="x", markersize=8, markeredgewidth=2, zorder=4)


def _draw_stages(
    panel: Axes, resource: str, part: ProcessGroup, stages: Sequence[str], *, is_first: bool
) -> None:
    """Draw one line per fold, from the first stage at the top down: growth moves it to the right."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - see `_figure`

    ramp = LinearSegmentedColormap.from_list("folds", list(_FOLDS))
    series = stage_values(part, resource)
    folds = part.folds
    for number, fold in enumerate(folds):
        values = {
            row: series[stage][fold]
            for row, stage in enumerate(stages)
            if fold in series.get(stage, {})
        }
        is_named = number in {0, len(folds) - 1} or len(folds) <= 6
        panel.plot(
            list(values.values()),
            list(values),
            color=ramp(number / max(len(folds) - 1, 1)),
            marker="o",
            markersize=3.5,
            linewidth=1.0,
            label=f"fold {fold}" if is_named else f"_fold {fold}",
        )
    _style(panel)
    panel.set_yticks(range(len(stages)), [_plain(stage or "(no stage)", 30) for stage in stages])
    panel.tick_params(axis="y", labelsize=7)
    panel.set_ylim(len(stages) - 0.5, -0.5)
    panel.grid(axis="both", color=GRID, linewidth=0.6)
    panel.margins(x=0.06)
    if is_first:
        panel.legend(
            ncols=min(3, len(folds)),
            fontsize=7.5,
            frameon=False,
            labelcolor=INK,
            loc="lower right",
            bbox_to_anchor=(1, 1),
        )
    else:
        panel.set_title("folds at the same stage", loc="right", fontsize=8, color=MUTED)


def _style(panel: Axes) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - see `_figure`

    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panel.margins(x=0.01)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(MUTED)
    panel.tick_params(colors=MUTED, labelsize=8, labelcolor=INK)
    panel.xaxis.label.set_color(INK)
    panel.set_facecolor("none")
    panel.set_axisbelow(True)


def _legend(figure: Figure, panel: Axes, lanes: Sequence[ChartLane]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - see `_figure`

    if len(lanes) > len(_LANES):
        words = f"checkpoint, in order; {len(lanes)} runs or ranks, the worst in blue"
        panel.set_xlabel(words, fontsize=9)
        return
    figure.legend(
        handles=[
            Line2D([], [], color=colour, label=_plain(lane.name, 40))
            for colour, lane in zip(_LANES, lanes, strict=False)
        ],
        loc="outside lower left",
        ncols=2,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )


def _shade_folds(panel: Axes, lane: ChartLane) -> None:
    spans = lane.fold_spans()
    for begin, end, fold in spans if len(spans) <= FOLDS_SHADED else ():
        if fold % 2:
            panel.axvspan(begin - 0.5, end + 0.5, color=SHADE, lw=0, zorder=0)


def _name_folds(panel: Axes, lanes: Sequence[ChartLane]) -> None:
    if len(lanes) != 1:
        return
    transform = panel.get_xaxis_transform()
    spans = lanes[0].fold_spans()
    every = -(-len(spans) // FOLDS_NAMED)
    for begin, end, fold in spans[:: every or 1]:
        middle = (begin + end) / 2
        words = f"fold {fold}" if len(spans) <= 8 else str(fold)
        panel.text(middle, 0.03, words, ha="center", fontsize=8, color=MUTED, transform=transform)
    for crash in lanes[0].crashes[-1:]:
        panel.annotate(
            "crash",
            (crash - 0.5, 0.12),
            xytext=(-4, 0),
            textcoords="offset points",
            xycoords=transform,
            ha="right",
            fontsize=9,
            fontweight="bold",
            color=ALARM,
        )


def _plain(text: str, longest: int = 80) -> str:
    """Take from a text what matplotlib would read as mathematics, and what steers or is too long."""
    return fmt.safe(text, longest=longest).replace("$", r"\$")
