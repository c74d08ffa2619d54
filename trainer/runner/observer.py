"""`RunObserver`: receives the events of a run, for a terminal, an alert engine or a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.snapshot import Snapshot
    from trainer.agent.fold_failure import FoldFailure
    from trainer.run.fold_result import FoldResult


class RunObserver:
    """Every method does nothing by default, so an observer implements only what it needs."""

    def on_message(self, text: str, /) -> None:
        """Receive one line for a person."""

    def on_change(self, snapshot: Snapshot, /) -> None:
        """Receive the state of the run after each change."""

    def on_output(self, fold: int, line: str, /) -> None:
        """Receive one line that a fold's process wrote, cleaned for a terminal."""

    def on_fold_end(self, outcome: FoldResult | FoldFailure, /) -> None:
        """Receive how a fold ended, unless it was interrupted or never reached."""
