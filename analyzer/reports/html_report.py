"""An analysis as one self-contained page: no script, no request, light and dark.

All text goes through Jinja's autoescape, that of the charts too. jinja2 is loaded when a page is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.diagnosis.confidence import Confidence
from analyzer.groups import group_findings, names
from analyzer.reports.box_charts import box_charts
from analyzer.reports.chart_data import STAGES_DRAWN, Stages, stage_values, told_by
from analyzer.reports.facts import facts
from analyzer.reports.headline import earlier_runs_line, headline, is_open, root_cause_line
from analyzer.reports.svg_charts import chart_height, stage_chart, timeline
from analyzer.resources import RESOURCES
from telemetry.errors import InputError, MissingExtraError
from telemetry.journal.atomic_write import writing
from telemetry.reading_difference import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.comparison import Comparison
    from analyzer.groups import ProcessGroup
    from analyzer.growth.verdict import Growth
    from analyzer.reports.svg_charts import Chart
    from analyzer.result import AnalysisResult

PARTS_SHOWN = 12
"""Processes with a table of their own; a page of a thousand ranks would not be read."""
SKIPPED_SHOWN = 200
CHILDREN_SHOWN = 20
"""Child processes that grow, of one process."""
FINDINGS_SHOWN = 20
"""Of a run with a process for each fold, those that crashed or have a remark."""
CELLS_SHOWN = 3_000
"""Of a table of all stages and folds."""


@dataclass(frozen=True, slots=True)
class StageTable:
    """The values of every fold at every stage, where a chart cannot draw all stages."""

    folds: list[int]
    rows: list[tuple[str, list[float | None]]]
    left_out: int


@dataclass(frozen=True, slots=True)
class ResourceCard:
    """One resource: its growth, its charts, and what they leave out."""

    name: str
    title: str
    growth: Growth
    charts: tuple[Chart, ...]
    stages: StageTable | None


def as_html(analysis: AnalysisResult, comparison: Comparison | None = None) -> str:
    """Return the page. Raises InputError where what it needs is not installed."""
    try:
        import jinja2  # noqa: PLC0415 - see the module's text
    except ImportError as error:
        raise MissingExtraError("--html needs jinja2", extra="analyze") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analyzer.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"safe_text": fmt.safe, "pools": named}
    environment.globals |= {"fmt": fmt, "resources": RESOURCES, "box_charts": box_charts}
    parts = group_findings(analysis)
    shown = sorted(parts, key=lambda part: part.severity)[:PARTS_SHOWN]
    return environment.get_template("report.html").render(
        analysis=analysis,
        name=names(parts) or "nothing read",
        headline=headline(analysis, parts),
        root_cause_line=root_cause_line(analysis, parts),
        is_open=is_open(analysis, parts),
        facts=facts(analysis),
        earlier_runs_line=earlier_runs_line(analysis),
        cards=_cards(parts),
        parts=shown,
        parts_left_out=len(parts) - len(shown),
        comparison=comparison,
        skipped_shown=SKIPPED_SHOWN,
        findings_shown=FINDINGS_SHOWN,
        children_shown=CHILDREN_SHOWN,
        hardly={Confidence.UNLIKELY, Confidence.RULED_OUT},
    )


def as_notebook_cell(page: str) -> str:
    """Put the page into a frame that may run nothing, so that neither's style reaches the other."""
    from markupsafe import Markup  # noqa: PLC0415 - see the module's text

    style = "width: 100%; height: 40rem; border: 0"
    frame = Markup('<iframe sandbox srcdoc="{}" style="{}"></iframe>')
    return str(frame.format(page, style))


def save(page: str, path: str) -> None:
    """Write the page whole or not at all. Raises InputError."""
    try:
        with (
            writing(path) as aside,
            open(aside, "w", encoding="utf-8", errors="replace") as file,
        ):
            file.write(page)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _cards(parts: Sequence[ProcessGroup]) -> list[ResourceCard]:
    with_checkpoints = [part for part in parts if part.checkpoints]
    if not with_checkpoints:
        return []
    worst = min(
        with_checkpoints, key=lambda part: (not part.is_alarming, not part.folds, part.severity)
    )
    told = told_by(with_checkpoints)
    stages = None if told is None else Stages(told)
    height = chart_height(stages)
    cards = []
    for name in worst.judged:
        growth = _worst_axis(worst, name)
        if growth.peak is None:
            continue
        title = RESOURCES[name].title
        words = f"{title} over the checkpoints: {fmt.amount(name, growth.first)} first, "
        words += (
            f"{fmt.amount(name, growth.peak)} at the peak, {fmt.amount(name, growth.last)} last"
        )
        charts, table = [timeline(with_checkpoints, name, caption=words, height=height)], None
        if told is not None and stages is not None:
            words = f"{title} of each fold at the same stage"
            if stages.left_out:
                words += f": {stages.left_out}, are drawn; the table below has all"
                table = _stage_table(told, stages, name)
            charts.append(stage_chart(told, stages, name, caption=words))
        cards.append(ResourceCard(name, title, growth, tuple(charts), table))
    return cards


def _worst_axis(part: ProcessGroup, resource: str) -> Growth:
    """Return the worst of what is judged of a resource; what could not be judged says nothing beside the rest."""
    found = [axis[resource] for axis in part.axes if resource in axis]
    return min(found, key=lambda growth: (growth.slope is None, growth.verdict.severity))


def _stage_table(part: ProcessGroup, stages: Stages, resource: str) -> StageTable:
    folds, values = part.folds, stage_values(part, resource)
    shown = stages.every[: max(STAGES_DRAWN, CELLS_SHOWN // len(folds))]
    rows = [(stage, [values.get(stage, {}).get(fold) for fold in folds]) for stage in shown]
    return StageTable(folds, rows, len(stages.every) - len(shown))
