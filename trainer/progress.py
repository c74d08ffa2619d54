"""What a person sees of a run: a live line on a terminal, a line per fold everywhere.

Owns the words; all of it goes to stderr, for stdout is the result's.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich import box
from rich.markup import escape
from rich.table import Table

from telemetry.terminal import console
from telemetry.thread_log import MEBIBYTE, clean_label

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType

    from telemetry.snapshot import FoldSnapshot, Snapshot
    from trainer.fold_result import Aggregate, Summary


class Progress:
    """Shows a running fold's stage and numbers; outside a terminal only what has ended."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._status = self._console.status("starting")
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        """Print one line above the live one."""
        with suppress(OSError, ValueError):  # nobody reads it any more; the training goes on
            self._console.print(escape(clean_label(text)), soft_wrap=True)

    def output(self, fold: int, line: str) -> None:
        """Print one line that a fold's process wrote; it is clean already, and keeps its blanks."""
        with suppress(OSError, ValueError):
            self._console.print(f"fold {fold} | {line}", markup=False, soft_wrap=True)

    def show(self, snapshot: Snapshot) -> None:
        """Renew the live line."""
        running = next((part for part in snapshot.parts if part.state == "running"), None)
        if running is not None and self._console.is_terminal:
            with suppress(OSError, ValueError):
                self._status.update(self._live_line(running, snapshot.folds or 0))

    def _live_line(self, part: FoldSnapshot, folds: int) -> str:
        words = [f"fold {part.fold}/{folds}", f"{time.monotonic() - self._began:.0f} s"]
        if part.checkpoints:
            stage = max(part.checkpoints.values(), key=lambda reading: reading.time).stage
            words.append(escape(clean_label(stage or "")))
        if part.latest is not None and part.latest.rss_bytes is not None:
            rss = part.latest.rss_bytes / MEBIBYTE
            counts = {"threads": part.latest.threads, "maps": part.latest.maps}
            known = [f"{count} {name}" for name, count in counts.items() if count is not None]
            words.append(", ".join([*known, f"{rss:,.0f} MB"]))
        return "  ".join(words)


def result_table(summary: Summary) -> RenderableType:
    """Return the folds' metrics, and mean and deviation over those that are there."""
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
