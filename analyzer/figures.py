"""An `Analysis` as a picture: each resource over the checkpoints, folds apart, limits drawn.

Owns the look. Figures are returned, never shown. matplotlib is loaded when a figure is made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from analyzer.growth import RESOURCES
from telemetry.errors import InputError
from telemetry.thread_log import MEBIBYTE, clean_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyzer.analysis import Analysis, Finding
    from analyzer.log_table import Sample

TITLES = {
    "threads": "threads of the process",
    "cgroup_pids": "PIDs in the cgroup",
    "maps": "memory maps",
    "rss_bytes": "resident memory, MB",
}
_COLOURS = {
    "stable": "#2a7f3f",
    "warm-up": "#2a7f3f",
    "slow": "#9a6a00",
    "growing": "#c0282d",
    "critical": "#c0282d",
    "inconclusive": "#666666",
}
_LINE = "#1f5fa8"
_LIMIT_SHOWN_FROM = 0.25
"""A limit is drawn where the peak reaches this part of it; else it would flatten the curve."""


def plot(analysis: Analysis) -> Figure:
    """Return one figure with a panel per resource; raises InputError where there are no samples."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - a plot is the only thing that needs it
    except ImportError as error:
        raise InputError("--plot needs matplotlib: pip install 'foldwatch[analyze]'") from error
    findings = [finding for finding in analysis.findings if finding.process.samples]
    if not findings:
        raise InputError("nothing to plot: no [THREADS] line and no journal record was found")
    figure = Figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(len(RESOURCES), 1, sharex=True)
    for panel, resource in zip(panels, RESOURCES, strict=True):
        _draw_resource(panel, resource, findings)
    _name_folds(panels[0], findings)
    panels[-1].set_xlabel("checkpoint, in order")
    names = dict.fromkeys(os.path.basename(os.path.normpath(f.process.group)) for f in findings)
    title = _plain(f"{', '.join(names)}: {analysis.verdict}")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    return figure


def save(figure: Figure, path: str) -> None:
    """Write the figure whole or not at all; the suffix names the format. Raises InputError."""
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    if suffix not in {"png", "svg", "pdf"}:
        raise InputError(f"{path}: a plot is written as .png, .svg or .pdf")
    aside = f"{path}.{os.getpid()}.part"
    try:
        figure.savefig(aside, format=suffix, dpi=120)
        os.replace(aside, path)
    except OSError as error:
        if os.path.exists(aside):
            os.unlink(aside)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _draw_resource(panel: Axes, resource: str, findings: Sequence[Finding]) -> None:
    start = 0
    scale = MEBIBYTE if resource == "rss_bytes" else 1
    for finding in findings:
        samples = finding.process.samples
        points = [
            (start + index, value / scale)
            for index, sample in enumerate(samples)
            if (value := sample.values.get(resource)) is not None
        ]
        panel.plot(
            [x for x, _ in points],
            [y for _, y in points],
            color=_LINE,
            linewidth=1.4,
            marker=".",
            markersize=4,
        )
        _shade_folds(panel, samples, start)
        start += len(samples)
        if finding.process.crash:
            panel.axvline(start - 0.5, color=_COLOURS["growing"], linewidth=1.6)
    if all(s.values.get(resource) is None for f in findings for s in f.process.samples):
        panel.set_yticks([])
        panel.text(0.5, 0.5, "not recorded", transform=panel.transAxes, ha="center", va="center")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panel.margins(x=0.01)
    panel.grid(axis="y", alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    growth = findings[-1].growth[resource]
    title = TITLES[resource]
    if growth.limit and growth.peak is not None:
        title += f": {growth.peak / growth.limit:.1%} of {growth.limit / scale:,.0f} at the peak"
        if growth.peak >= _LIMIT_SHOWN_FROM * growth.limit:
            limit = growth.limit / scale
            panel.axhline(limit, color=_COLOURS["growing"], linestyle="--", linewidth=1.2)
    panel.set_title(title, loc="left", fontsize=10)
    words = growth.verdict
    if growth.per_fold:
        words += f", {growth.per_fold / scale:+,.4g} per fold"
    panel.set_title(words, loc="right", fontsize=10, color=_COLOURS[growth.verdict])


def _shade_folds(panel: Axes, samples: Sequence[Sample], start: int) -> None:
    for begin, end, fold in _fold_spans(samples):
        if fold % 2:
            panel.axvspan(start + begin - 0.5, start + end + 0.5, color="#000000", alpha=0.05, lw=0)


def _name_folds(panel: Axes, findings: Sequence[Finding]) -> None:
    start = 0
    for finding in findings:
        for begin, end, fold in _fold_spans(finding.process.samples):
            middle = start + (begin + end) / 2
            panel.text(
                middle,
                0.03,
                f"fold {fold}",
                ha="center",
                fontsize=8,
                color="#444444",
                transform=panel.get_xaxis_transform(),
            )
        start += len(finding.process.samples)
        if finding.process.crash:
            panel.text(
                start - 0.8,
                0.03,
                "crash",
                ha="right",
                fontsize=9,
                fontweight="bold",
                color=_COLOURS["growing"],
                transform=panel.get_xaxis_transform(),
            )


def _fold_spans(samples: Sequence[Sample]) -> list[tuple[int, int, int]]:
    spans: list[tuple[int, int, int]] = []
    for index, sample in enumerate(samples):
        fold = sample.label.fold
        if fold is None:
            continue
        if spans and spans[-1][2] == fold:
            spans[-1] = (spans[-1][0], index, fold)
        else:
            spans.append((index, index, fold))
    return spans


def _plain(text: str) -> str:
    """Take from a text what matplotlib would read as mathematics, and control characters."""
    return clean_label(text).replace("$", r"\$")
