"""What a second look found, for a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from analyzer import formatting as fmt
from foldwatch.text.indented import Indented
from telemetry.formatting import format_amount, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from trainer.explain.held import HeldMemory
    from trainer.explain.plan import LookPlan
    from trainer.explain.second_look import Explained


def explained_text(explained: Explained, plan: LookPlan) -> Iterator[RenderableType]:
    """Say what is held, by the line that had it allocated, the largest first; and what the look cost."""
    held = explained.held
    amount = format_amount(held.bytes, is_bytes=True)
    words = f"{amount} allocated {plan.words} are not freed, in {held.allocations:,} allocations"
    yield Indented(words, columns=0)
    if held.rows:
        yield _table(held)
    graph = os.path.join(explained.folder, "flamegraph.html")
    slower = ""
    if explained.untracked_seconds:
        slower = f", {explained.seconds / explained.untracked_seconds:.1f} times as long as without"
    yield f"it took {format_duration(explained.seconds)} under memray{slower}"
    yield f"flame graph: {graph}"


def _table(held: HeldMemory) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("held", "share", "allocations"):
        table.add_column(name, justify="right")
    table.add_column("by")
    table.add_column("through")
    for row in held.rows:
        table.add_row(
            format_amount(row.bytes, is_bytes=True),
            f"{row.share:.0%}",
            f"{row.allocations:,}",
            escape(f"{fmt.safe(row.function)} ({fmt.safe(os.path.basename(row.line))})"),
            escape(fmt.safe(row.library or "")),
        )
    return table
