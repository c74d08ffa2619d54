"""`RunState`: the state of every fold of a run, published as one `Snapshot` after each change."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from telemetry.journal.run_layout import MOST_FOLDS
from telemetry.rank import own_rank
from telemetry.reading import Reading
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.journal.records import Record
    from telemetry.snapshot import GrowthSnapshot
    from trainer.agent.fold_failure import FoldFailure
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
        self._planned = folds
        self._inner: int | None = None
        """The fold that the labels of a command name that runs them all."""
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

    def describe(self, *, directory: str, command: str, resume: str) -> None:
        """Take what alerts say of the run: where it is, what it was started with, and what goes on with it."""
        self.current = replace(self.current, directory=directory, command=command, resume=resume)

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
        if self._inner is not None:
            self._folds, self._inner = {}, None
        self._folds[fold] = FoldSnapshot(fold=fold, state=FoldState.WAITING)
        self.publish()

    def start(self, fold: int) -> None:
        """Note that a process runs the fold."""
        self._folds[fold] = replace(self._folds[fold], state=FoldState.RUNNING)
        self.publish()

    def finish(self, fold: int, *, exit_code: int, seconds: float) -> None:
        """Note that the fold left a whole result."""
        self._end(fold, state=FoldState.FINISHED, exit_code=exit_code, seconds=seconds)

    def fail(self, failure: FoldFailure, *, exit_code: int | None, seconds: float | None) -> None:
        """Note that a fold left no result."""
        self._end(
            failure.fold,
            state=FoldState.FAILED,
            exit_code=exit_code,
            seconds=seconds,
            cause=failure.root_cause,
            outcome=failure.outcome,
        )

    def end(self) -> None:
        """Note that no further fold is run."""
        self.current = replace(self.current, is_over=True)
        self.publish()

    def apply(self, fold: int | None, record: Record) -> None:
        """Take a journal record of a fold, to be published with others."""
        if fold is None:
            return
        if self._planned == 1 and isinstance(record, Reading):
            self._follow_labels(record)
        own = self._inner or fold
        self._folds[own] = self._folds[own].with_record(record)

    def _follow_labels(self, reading: Reading) -> None:
        """Take the fold that a label names in a command that runs several: the one before it has finished."""
        named, count = reading.fold, reading.folds or 0
        is_new = named is not None and named != self._inner and 1 < count <= MOST_FOLDS
        if not is_new or named is None or not 1 <= named <= count:
            return
        if self._inner is not None:
            self._folds[self._inner] = replace(
                self._folds[self._inner], state=FoldState.FINISHED, ended_at=reading.time
            )
        self._inner = named
        self._folds.setdefault(named, FoldSnapshot(fold=named))
        self._folds[named] = self._folds[named].begun_again(FoldState.RUNNING)
        self.current = replace(self.current, fold_count=count)

    def _end(self, fold: int, *, seconds: float | None, **ended: Any) -> None:
        own = self._inner or fold
        took = None if self._inner is not None else seconds
        self._folds[own] = replace(self._folds[own], seconds=took, ended_at=time.time(), **ended)
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
