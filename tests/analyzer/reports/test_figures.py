"""`--plot`: what is drawn, and that nothing that matters is thinned away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.groups import group_findings
from analyzer.reports.chart_data import POINTS_DRAWN, Stages, thinned
from analyzer.reports.figures import plot
from analyzer.resources import COLUMNS
from telemetry.errors import InputError
from tests.support.paths import INCIDENT, LOGS, RELEASED

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

LINE = "[THREADS] {}: proc={}, cgroup=9/7680, maps={}/65530, rss=620MB\n"


def words(figure: Figure) -> str:
    return " | ".join(
        [
            *(text.get_text() for panel in figure.axes for text in panel.texts),
            *(panel.get_title(loc) for panel in figure.axes for loc in ("left", "right")),
        ]
    )


def test_the_incident_has_its_folds_over_each_other() -> None:
    """A row per resource: over time, and at the same stage; the crash and the limit in words."""
    figure = plot(analyze([INCIDENT]))
    assert len(figure.axes) == 2 * len(COLUMNS)
    shown = words(figure)
    for part in ("fold 1", "crash", "growing, +730 a fold", "6.0% of 65,530 at the peak"):
        assert part in shown
    stages = figure.axes[5]
    assert [len(line.get_ydata()) for line in stages.lines] == [16, 16, 10]  # type: ignore[arg-type] # an array
    maps = [next(iter(line.get_xdata())) for line in stages.lines]  # type: ignore[arg-type] # an array
    assert maps == [1850, 2580, 3310]


def test_a_limit_that_is_near_is_drawn(tmp_path: Path) -> None:
    """And one far above is not: the curve would be flat."""
    log = tmp_path / "a.log"
    log.write_text("".join(LINE.format(f"Fold {n}/3 START", 9, 50_000 + n) for n in (1, 2, 3)))
    figure = plot(analyze([str(log)]))
    levels = [line.get_ydata()[0] for line in figure.axes[4].lines]  # type: ignore[index] # an array
    assert 65530 in levels
    assert figure.axes[2].get_ylim()[1] < 7680


def test_a_peak_is_never_thinned_away() -> None:
    """Nor is a dip, nor the order."""
    points = [(n, 50.0 + n % 5) for n in range(100_000)]
    points[55_555], points[77_777] = (55_555, 900.0), (77_777, 1.0)
    kept = thinned(points)
    assert len(kept) <= POINTS_DRAWN
    assert {(55_555, 900.0), (77_777, 1.0)} <= set(kept)
    assert kept == sorted(kept)
    assert thinned(points[:10]) == points[:10]


def test_several_logs_lie_over_each_other_with_a_legend() -> None:
    """Each is a line of its own; the crash is a cross at the end of its line."""
    figure = plot(analyze([LOGS]))
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[0] == "incident_reconstructed.log"
    assert len(names) == 3
    assert [line.get_marker() for line in figure.axes[0].lines].count("x") == 1


def test_many_runs_have_no_legend_but_the_worst_stands_out(tmp_path: Path) -> None:
    """Nobody reads thirty names."""
    for number in range(30):
        leak = 9 if number == 7 else 0
        text = "".join(LINE.format(f"Fold {n}/5 START", 30 + leak * n, 9) for n in range(1, 6))
        (tmp_path / f"{number}.log").write_text(text)
    figure = plot(analyze([str(tmp_path)]))
    assert not figure.legends
    assert "30 runs or ranks" in figure.axes[-2].get_xlabel()
    front = [line for line in figure.axes[0].lines if line.get_linewidth() > 1]
    assert [max(list(line.get_ydata())) for line in front] == [75]  # type: ignore[type-var, arg-type] # an array


def test_no_fold_and_many_stages(tmp_path: Path) -> None:
    """Without folds there is one column; of many stages those that most folds reached are drawn."""
    log = tmp_path / "a.log"
    log.write_text("".join(LINE.format(f"step {n}", 9, 9) for n in range(99)))
    assert len(plot(analyze([str(log)])).axes) == len(COLUMNS)
    lines = [LINE.format(f"Fold 1/2 only {n}", 9, 9) for n in range(99)]
    lines += [LINE.format(f"Fold {n}/2 both", 9, 9) for n in (1, 2)]
    log.write_text("".join(lines))
    (part,) = group_findings(analyze([str(log)]))
    stages = Stages(part)
    assert (len(stages.drawn), len(stages.every)) == (16, 100)
    assert "both" in stages.drawn
    drawn = [panel.get_xlabel() for panel in plot(analyze([str(log)])).axes]
    assert stages.left_out in drawn


def test_the_last_stage_is_drawn_where_all_folds_reach_too_many(tmp_path: Path) -> None:
    """What a fold leaves behind shows there."""
    log = tmp_path / "a.log"
    names = ["START", *(f"step {n}" for n in range(48)), "AFTER CLEANUP"]
    log.write_text("".join(LINE.format(f"Fold {n}/3 {s}", 9, 9) for n in (1, 2, 3) for s in names))
    (part,) = group_findings(analyze([str(log)]))
    stages = Stages(part)
    assert (stages.drawn[0], stages.drawn[-1]) == ("START", "AFTER CLEANUP")
    assert stages.left_out.startswith("16 of 50 stages")


def test_what_was_not_recorded_says_so(tmp_path: Path) -> None:
    """And nothing at all is an error."""
    log = tmp_path / "a.log"
    log.write_text("[THREADS] a: proc=1, cgroup=2/3\n")
    assert words(plot(analyze([str(log)]))).count("not recorded") == 2
    log.write_text("Epoch 1\n")
    with pytest.raises(InputError, match="nothing to plot"):
        plot(analyze([str(log)]))


def test_figures_are_not_shown_and_hold_no_state() -> None:
    """pyplot, which keeps every figure, is not loaded for it."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plot(analyze([RELEASED]))
    assert plt.get_fignums() == before
