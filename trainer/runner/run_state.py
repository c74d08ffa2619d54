"""`RunState`: the state of every fold of a run, published as one `Snapshot` after each change."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.rank import own_rank
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.journal.records import Record
    from telemetry.snapshot import GrowthSnapshot
    from trainer.runner.observer import RunObserver


class RunState:
    """Invariant: ``current`` is a whole snapshot at every moment, so any thread may read it."""

    def __init__(
        self,
        run: str,
        *,
        folds: int,
        observer: RunObserver,
        growth: Callable[[], tuple[GrowthSnapshot, ...]] = tuple,
    ) -> None:
        self.current = Snapshot(
            run=run, host=socket.gethostname(), rank=own_rank().number, fold_count=folds
        )
        self._observer = observer
        self._growth = growth
        self._folds: dict[int, FoldSnapshot] = {}
        self._has_failed_observer = False

    def __getitem__(self, fold: int) -> FoldSnapshot:
        """Return the state of one fold."""
        return self._folds[fold]

    def __contains__(self, fold: object) -> bool:
        """Whether the run has that fold."""
        return fold in self._folds

    @property
    def failed(self) -> list[int]:
        """The folds that left no result."""
        return [number for number, fold in self._folds.items() if fold.state is FoldState.FAILED]

    def begin(self, *, skipped: Iterable[int]) -> None:
        """Set every fold to waiting, those with an earlier result to skipped."""
        done = set(skipped)
        self._folds = {
            fold: FoldSnapshot(
                fold=fold, state=FoldState.SKIPPED if fold in done else FoldState.WAITING
            )
            for fold in range(1, (self.current.fold_count or 0) + 1)
        }
        self.publish()

    def wait(self, fold: int) -> None:
        """Forget an attempt of a fold that will be tried again."""
        self._folds[fold] = FoldSnapshot(fold=fold, state=FoldState.WAITING)
        self.publish()

    def start(self, fold: int) -> None:
        """Note that a process runs the fold."""
        self._folds[fold] = replace(self._folds[fold], state=FoldState.RUNNING)
        self.publish()

    def finish(self, fold: int, *, exit_code: int, seconds: float) -> None:
        """Note that the fold left a whole result."""
        self._end(fold, state=FoldState.FINISHED, exit_code=exit_code, seconds=seconds)

    def fail(self, fold: int, *, exit_code: int | None, seconds: float | None) -> None:
        """Note that the fold left no result."""
        self._end(fold, state=FoldState.FAILED, exit_code=exit_code, seconds=seconds)

    def apply(self, fold: int | None, record: Record) -> None:
        """Take a journal record of a fold, to be published with others."""
        if fold is not None:
            self._folds[fold] = self._folds[fold].with_record(record)

    def _end(
        self, fold: int, *, state: FoldState, exit_code: int | None, seconds: float | None
    ) -> None:
        self._folds[fold] = replace(
            self._folds[fold],
            state=state,
            exit_code=exit_code,
            seconds=seconds,
            ended_at=time.time(),
        )
        self.publish()

    def publish(self) -> None:
        """Show the observer the state as it is now."""
        self.current = replace(
            self.current, folds=tuple(self._folds.values()), growth=self._growth()
        )
        try:
            self._observer.on_change(self.current)
        except Exception as error:  # noqa: BLE001 - a broken observer must not end the folds
            if not self._has_failed_observer:
                self._has_failed_observer = True
                self._observer.on_message(f"watching failed: {type(error).__name__}: {error}")
