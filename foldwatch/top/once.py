"""The table that is printed once, where there is no terminal to show anything live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldwatch.top.lines import plain
from foldwatch.top.list_screen import run_table, summary
from foldwatch.top.runs import SORTS, advice, needs_somebody, ordered, run_rows

if TYPE_CHECKING:
    from foldwatch.top.fields import Fields

WIDEST = 1_000


def table_lines(state: Fields, width: int | None) -> list[str]:
    """Return the runs, the worst first, and below them what to do about each that needs somebody.

    Args:
        state: What was read.
        width: Of the terminal; None for none, where nothing is cut.
    """
    rows = ordered(run_rows(state), SORTS[0])
    if not rows:
        return ["no run yet"]
    found = [plain(one) for one in run_table(rows).lines(width or WIDEST)]
    found += ["", summary(rows, "run", SORTS[0])]
    for row in filter(needs_somebody, rows):
        said = advice(row, state.number("now"))
        found += ["", f"{row.name}: {said.words}"]
        found += [f"  now: {said.command}"] if said.command else []
        found += [f"  {said.later}"] if said.later else []
    return found
