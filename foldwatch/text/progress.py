"""`Progress`: a live line on a terminal, and a line for each fold that ends, on standard error."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.markup import escape

from foldwatch.terminal import console
from telemetry.thread_line import MEBIBYTE, clean_label
from trainer.run.fold_result import FoldResult
from trainer.runner.observer import RunObserver

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry.snapshot import FoldSnapshot, Snapshot
    from trainer.agent.fold_failure import FoldFailure


class Progress(RunObserver):
    """Shows a running fold's stage and numbers; outside a terminal only the folds that ended."""

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

    def on_message(self, text: str, /) -> None:
        """Print one line above the live one."""
        with suppress(OSError, ValueError):  # standard error is closed; the training goes on
            self._console.print(escape(clean_label(text)), soft_wrap=True)

    def on_output(self, fold: int, line: str, /) -> None:
        """Print one line that a fold's process wrote; it is clean already, and keeps its blanks."""
        with suppress(OSError, ValueError):
            self._console.print(f"fold {fold} | {line}", markup=False, soft_wrap=True)

    def on_change(self, snapshot: Snapshot, /) -> None:
        """Update the live line."""
        running = next((fold for fold in snapshot.folds if fold.state == "running"), None)
        if running is not None and self._console.is_terminal:
            with suppress(OSError, ValueError):
                self._status.update(self._live_line(running, snapshot.fold_count or 0))

    def on_fold_end(self, outcome: FoldResult | FoldFailure, /) -> None:
        """Print the fold's metrics, or why it failed."""
        if not isinstance(outcome, FoldResult):
            self.on_message(f"fold {outcome.fold} failed: {outcome.reason}")
            return
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in outcome.metrics.items())
        ended = f"fold {outcome.fold} finished in {outcome.seconds:.1f} s"
        self.on_message(f"{ended}: {metrics}" if metrics else ended)

    def _live_line(self, fold: FoldSnapshot, folds: int) -> str:
        parts = [f"fold {fold.fold}/{folds}", f"{time.monotonic() - self._began:.0f} s"]
        if fold.checkpoints:
            stage = max(fold.checkpoints.values(), key=lambda reading: reading.time).stage
            parts.append(escape(clean_label(stage or "")))
        if fold.latest is not None and fold.latest.rss_bytes is not None:
            rss = fold.latest.rss_bytes / MEBIBYTE
            counts = {"threads": fold.latest.threads, "maps": fold.latest.maps}
            known = [f"{count} {name}" for name, count in counts.items() if count is not None]
            parts.append(", ".join([*known, f"{rss:,.0f} MB"]))
        return "  ".join(parts)
