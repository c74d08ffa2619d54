"""A run's results as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trainer.run.fold_result import Aggregate, Summary


def result_table(summary: Summary) -> RenderableType:
    """Return the metrics of each fold, with mean and deviation over the finished ones."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    aggregates = summary.aggregates()
    table.add_column("fold", footer=f"mean of {len(summary.results)} of {summary.folds}")
    for name, aggregate in aggregates.items():
        footer = _with_deviation(aggregate)
        if aggregate.folds < len(summary.results):
            footer += f" ({aggregate.folds} of {summary.folds})"
        table.add_column(escape(clean_label(name)), justify="right", footer=footer)
    table.add_column("seconds", justify="right")
    for result in summary.results:
        metrics = result.metrics
        values = [f"{metrics[name]:.4f}" if name in metrics else "" for name in aggregates]
        table.add_row(str(result.fold), *values, f"{result.seconds:.1f}")
    return table


def _with_deviation(aggregate: Aggregate) -> str:
    if aggregate.mean is None:
        return "none"
    if aggregate.std is None:
        return f"{aggregate.mean:.4f}"
    return f"{aggregate.mean:.4f} ± {aggregate.std:.4f}"
