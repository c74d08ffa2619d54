"""An analysis as one self-contained page: no script, no request, light and dark.

All text goes through Jinja's autoescape; the pictures are matplotlib's SVG in the page's own colours.
jinja2 and matplotlib are loaded when a page is made.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.groups import group_findings, names
from analyzer.reports import figures
from analyzer.reports.headline import headline, is_open, root_cause_line
from analyzer.resources import RESOURCES
from telemetry.errors import InputError, MissingExtraError
from telemetry.journal.atomic_write import writing
from telemetry.reading_difference import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.figure import Figure

    from analyzer.comparison import Comparison
    from analyzer.groups import ProcessGroup
    from analyzer.growth.verdict import Growth
    from analyzer.result import AnalysisResult

PARTS_SHOWN = 12
"""Processes with a table of their own; a page of a thousand ranks would not be read."""
SKIPPED_SHOWN = 200
_VARIABLES = {
    figures.INK: "--ink",
    figures.MUTED: "--muted",
    figures.GRID: "--grid",
    figures.SHADE: "--shade",
    figures.LINE: "--line",
    figures.GOOD: "--good",
    figures.WARN: "--warn",
    figures.ALARM: "--alarm",
}
"""The page's colour by the one that matplotlib draws with: dark mode turns them round."""
_STYLE = re.compile(r'style="[^"]*"')
_COLOUR = re.compile("|".join(_VARIABLES))


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline SVG and what it says to who cannot see it."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class ResourceCard:
    """One resource: its growth and its pictures."""

    name: str
    title: str
    growth: Growth
    pictures: tuple[Picture, ...]


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
    environment.globals |= {"fmt": fmt, "resources": RESOURCES}
    parts = group_findings(analysis)
    shown = sorted(parts, key=lambda part: part.severity)[:PARTS_SHOWN]
    return environment.get_template("report.html").render(
        analysis=analysis,
        name=names(parts) or "nothing read",
        headline=headline(analysis, parts),
        root_cause_line=root_cause_line(analysis, parts),
        is_open=is_open(analysis, parts),
        cards=_cards(parts),
        parts=shown,
        parts_left_out=len(parts) - len(shown),
        comparison=comparison,
        skipped_shown=SKIPPED_SHOWN,
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
    worst = min(with_checkpoints, key=lambda part: part.severity)
    told = figures.told_by(with_checkpoints)
    rows = 0 if told is None else len(figures.stages_of(told))
    cards = []
    for name, growth in worst.judged.items():
        if growth.peak is None:
            continue
        words = f"{RESOURCES[name].title} over the checkpoints: {fmt.amount(name, growth.first)} first, "
        words += (
            f"{fmt.amount(name, growth.peak)} at the peak, {fmt.amount(name, growth.last)} last"
        )
        pictures = [_picture(figures.timeline(with_checkpoints, name, rows=rows), words)]
        if told is not None:
            words = f"{RESOURCES[name].title} of each fold at the same stage"
            pictures.append(_picture(figures.stage_plot(told, name), words))
        cards.append(ResourceCard(name, RESOURCES[name].title, growth, tuple(pictures)))
    return cards


def _picture(figure: Figure, caption: str) -> Picture:
    import matplotlib as mpl  # noqa: PLC0415 - see the module's text
    from markupsafe import Markup  # noqa: PLC0415 - see the module's text

    content = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": caption}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)  # the browser has glyphs that the font lacks
        figure.savefig(content, format="svg", transparent=True, metadata=nothing)
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[A-Za-z_0-9.]+">', "<g>", svg)  # the same in every picture of the page
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = _STYLE.sub(_own_colours, svg)
    label = str(Markup.escape(caption))
    head = f'<svg role="img" aria-label="{label}"'
    return Picture(Markup(svg.replace("<svg", head, 1)), caption)  # noqa: S704 - matplotlib has escaped its texts


def _own_colours(match: re.Match[str]) -> str:
    return _COLOUR.sub(lambda colour: f"var({_VARIABLES[colour[0]]})", match[0])
