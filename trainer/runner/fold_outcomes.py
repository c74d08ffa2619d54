"""`FoldOutcomes`: records how the folds of a run ended: finished, retried or failed."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from telemetry.file_fault import reason
from telemetry.journal.run_layout import fold_name
from trainer.agent.fold_failure import FoldFailure, not_run
from trainer.run.fold_result import fault_of
from trainer.run.own_folder import open_to_owner
from trainer.run.warning import explained, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trainer.run.directory import RunDirectory
    from trainer.run.fold_result import FoldResult, Summary
    from trainer.run.job import RunOptions
    from trainer.runner.fold_queue import FoldQueue
    from trainer.runner.observer import RunObserver
    from trainer.runner.run_state import RunState


NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Of a file system that takes no further file."""


class FoldOutcomes:
    """A fold is finished by its whole result and by nothing else.

    Invariant: every fold in ``failures`` has a failure.json, unless the disk refused it or its result is out of reach.
    """

    def __init__(  # noqa: PLR0913 - a fold's end is recorded in every one of them
        self,
        directory: RunDirectory,
        options: RunOptions,
        *,
        folds: int,
        queue: FoldQueue,
        state: RunState,
        observer: RunObserver,
    ) -> None:
        self.failures: dict[int, FoldFailure] = {}
        """Of this run, by fold."""
        self.finished: dict[int, FoldResult] = {}
        """By fold, as its file was when the fold ended or was skipped."""
        self.no_room: str | None = None
        """Why the run's file system takes no further file; no fold can leave a result then."""
        self.unwritten: str | None = None
        """Why there is no summary of this run in its directory; None if there is one."""
        self._folds = folds
        layout = directory.layout
        self._present = {
            fold for fold in range(1, folds + 1) if os.path.lexists(layout.result(fold))
        }
        """Folds whose results were there before."""
        self._directory = directory
        self._options = options
        self._queue = queue
        self._state = state
        self._observer = observer

    def note_skipped(self, folds: Iterable[int]) -> None:
        """Take it that these folds finished in an earlier run."""
        for fold in folds:
            if (result := self._directory.result(fold)) is not None:
                self.finished[fold] = result

    def finish(self, result: FoldResult, *, exit_code: int) -> None:
        """Record that a fold left a whole result."""
        self.finished[result.fold] = result
        self._state.finish(result.fold, exit_code=exit_code, seconds=result.seconds)
        self._observer.on_fold_end(result)

    def retry(self, failure: FoldFailure) -> None:
        """Move the files of a failed fold aside and queue it again."""
        fold = failure.fold
        try:
            backup_dir = self._directory.set_aside([fold_name(fold)])
        except OSError as error:
            warn(f"fold {fold}: not tried again, its files cannot be set aside: {explained(error)}")
            self.fail(failure, is_written=True)
            return
        attempt = f"attempt {self._queue.attempts(fold) + 1} of {self._queue.most_attempts}"
        self._observer.on_message(
            f"fold {fold}: {attempt}, after {failure.root_cause} ({backup_dir})"
        )
        self._state.wait(fold)
        self._queue.retry(fold)

    def fail(self, failure: FoldFailure, *, is_written: bool = False) -> None:
        """Record a failure; in a run with one process, also the folds that are no longer reached.

        ``is_written``: its agent has written it, or has told that it cannot be.
        """
        self.failures[failure.fold] = failure
        if not is_written:
            self.write(failure)
        self._state.fail(failure, exit_code=failure.exit_code, seconds=failure.seconds)
        if failure.outcome != "interrupted":
            self._observer.on_fold_end(failure)
        if self._options.isolation == "none":
            reason = f"not reached: fold {failure.fold} ended the process"
            for later in self._queue.drop_all():
                self.failures[later] = not_run(later, "not reached", reason)
                self.write(self.failures[later])
                self._state.fail(self.failures[later], exit_code=failure.exit_code, seconds=None)

    def note_no_room(self, fold: int, why: str) -> None:
        """Take it that no further fold has room, unless the fold is on a file system of its own."""
        if not self._directory.is_apart(fold):
            self.no_room = why

    def hold(self) -> None:
        """Fail the folds that are left to run: there is no room for what they would leave."""
        for fold in self._queue.drop_all():
            reason = f"no room on the file system of the run: {self.no_room}"
            self.fail(not_run(fold, "not started", reason))

    def conclude(self, summary_of_files: Callable[[], Summary]) -> Summary:
        """Write the summary of the results that are there now; an earlier one that is not true does not stay."""
        open_to_owner(self._directory.path)
        self._disown_others()
        self._check(summary_of_files())
        summary = summary_of_files()
        try:
            try:
                summary.write(self._directory.path)
            except OSError:
                self._directory.remove_summary()  # which makes room on a full disk
                summary.write(self._directory.path)
        except OSError as error:
            self.unwritten = f"the summary cannot be written: {reason(error)}"
        self._state.end()
        return summary

    def _disown_others(self) -> None:
        """Move away what another fold has put in the place of a result: this fold has not finished, or not run."""
        for fold in range(1, self._folds + 1):
            if fold not in self.finished and (fold in self.failures or fold not in self._present):
                try:
                    self._directory.disown_result(fold)
                except OSError as error:
                    warn(f"fold {fold}: what lies in its result's place stays: {explained(error)}")

    def _check(self, summary: Summary) -> None:
        """Fail each fold whose result was changed or removed after its end, e.g. by the fold after it, or is out of reach."""
        for fold, result in self.finished.items():
            if result in summary.results:
                continue
            if (fault := fault_of(self._directory.layout.result(fold))) is not None:
                # It may be whole yet: it stays where it is, for a run that can read it.
                why = f"its result cannot be read any more: {reason(fault)}"
                self.fail(not_run(fold, "no result", why), is_written=True)
                continue
            try:
                self._directory.disown_result(fold)
            except OSError as error:
                warn(f"fold {fold}: what lies in its result's place stays: {explained(error)}")
            why = "its result was changed or removed after its end"
            self.fail(not_run(fold, "no result", why))

    def write(self, failure: FoldFailure) -> None:
        """Write failure.json; on a full disk the other folds still run."""
        try:
            failure.write(self._directory.fold(failure.fold))
        except OSError as error:
            if self.no_room is None:  # else it is known
                warn(f"fold {failure.fold}: {explained(error)}")
            if error.errno in NO_ROOM:
                self.note_no_room(failure.fold, reason(error))
