"""A comparison as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from analyzer import formatting as fmt
from analyzer.comparison import ChangeOutcome
from foldwatch.text.indented import Indented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from analyzer.comparison import Change, Comparison

OUTCOME_COLOURS = {
    ChangeOutcome.BETTER: "bold green",
    ChangeOutcome.WORSE: "bold red",
    ChangeOutcome.SAME: "green",
}
TABLE_COLUMNS = 78


def comparison_text(
    comparison: Comparison, *, width: int, with_sources: bool = True
) -> Iterator[RenderableType]:
    """Give what a terminal of ``width`` columns shows: per resource before, after and the outcome.

    The sources are those of before: the report above it has named the others.
    """
    yield Text(f"\nbefore and after: {comparison.sentence}", style="bold")
    for source in comparison.before.sources if with_sources else ():
        path = fmt.safe(source.path, longest=fmt.LONGEST_LINE)
        yield Text(f"before: {path}: {source.lines:,} lines, {source.checkpoints:,} samples")
    if width >= TABLE_COLUMNS:
        yield _table(comparison)
    rows = [(fmt.short_name(name), name, change) for name, change in comparison.changes.items()]
    for (role, name), change in comparison.children.items():
        rows.append((fmt.of_child(role, name), name, change))
    for place, (title, name, change) in enumerate(rows):
        outcome = (change.outcome, OUTCOME_COLOURS.get(change.outcome, "yellow"))
        words = Text.assemble(f"{title}: ", outcome, f", {change.reason}")
        if width < TABLE_COLUMNS or place >= len(comparison.changes):  # children are in no table
            before, after = (_slope(name, change, side) for side in ("before", "after"))
            words.append(f"; {before} before, {after} now")
        yield Indented(words)


def _table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column("per fold", no_wrap=True)
    for name in ("before", "after", "peak before", "peak after"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, change in comparison.changes.items():
        peaks = (
            fmt.amount(name, None if side is None else side.peak)
            for side in (change.before, change.after)
        )
        slopes = (_slope(name, change, side, line="\n") for side in ("before", "after"))
        table.add_row(fmt.short_name(name), *slopes, *peaks)
    return table


def _slope(name: str, change: Change, side: str, *, line: str = " ") -> str:
    growth = change.before if side == "before" else change.after
    if growth is None:
        return "-"
    if growth.slope is None:
        return growth.verdict
    spread = fmt.interval(name, growth)
    return fmt.change(name, growth.slope) + (f"{line}({spread})" if spread else "")
