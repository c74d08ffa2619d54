"""`FoldOutcomes`: decides by its files how a fold ended, and records that: finished, retried or failed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from telemetry.journal.run_layout import fold_name
from trainer.process.launcher import ExitStatus
from trainer.runner.fold_failure import FoldFailure, explain, not_run

if TYPE_CHECKING:
    from trainer.process.fold_process import FoldProcess
    from trainer.run.directory import RunDirectory
    from trainer.run.fold_result import FoldResult
    from trainer.run.job import Job, RunOptions
    from trainer.runner.fold_queue import FoldQueue
    from trainer.runner.observer import RunObserver
    from trainer.runner.run_state import RunState


class FoldOutcomes:
    """A fold is finished by its whole result and by nothing else.

    Invariant: every fold in ``failures`` has a failure.json, unless the disk refused it.
    """

    def __init__(  # noqa: PLR0913 - a fold's end is recorded in every one of them
        self,
        directory: RunDirectory,
        job: Job,
        options: RunOptions,
        *,
        queue: FoldQueue,
        state: RunState,
        observer: RunObserver,
    ) -> None:
        self.failures: dict[int, FoldFailure] = {}
        """Of this run, by fold."""
        self._directory = directory
        self._job = job
        self._options = options
        self._queue = queue
        self._state = state
        self._observer = observer

    def judge(
        self, process: FoldProcess, fold: int, status: ExitStatus | None
    ) -> FoldResult | FoldFailure:
        """Return the fold's result, or its failure, which is not written yet.

        ``status`` is None if the process lives on, to run another fold.
        """
        seconds = time.time() - process.fold_began
        end_reason = process.end_reason
        if self._job.result:
            self._directory.disown_result(fold)
            if status and status.exit_code == 0 and end_reason is None:
                refused = self._write(self._job.result(self._directory.fold(fold), fold, seconds))
                end_reason = refused and f"no result: it could not be written: {refused}"
        return self._directory.result(fold) or explain(
            fold,
            status or ExitStatus(0, None),
            fold_dir=process.fold_dir,
            pid=process.pid,
            end_reason=end_reason,
            seconds=seconds,
        )

    def finish(self, result: FoldResult, *, exit_code: int) -> None:
        """Record that a fold left a whole result."""
        self._state.finish(result.fold, exit_code=exit_code, seconds=result.seconds)
        self._observer.on_fold_end(result)

    def retry(self, failure: FoldFailure) -> None:
        """Move the files of a failed fold aside and queue it again."""
        fold = failure.fold
        self._write(failure)
        backup_dir = self._directory.set_aside([fold_name(fold)])
        attempt = f"attempt {self._queue.attempts(fold) + 1} of {self._queue.most_attempts}"
        self._observer.on_message(
            f"fold {fold}: {attempt}, after {failure.root_cause} ({backup_dir})"
        )
        self._state.wait(fold)
        self._queue.retry(fold)

    def fail(self, failure: FoldFailure) -> None:
        """Record a failure; in a run with one process, also the folds that are no longer reached."""
        self._add(failure)
        self._state.fail(failure.fold, exit_code=failure.exit_code, seconds=failure.seconds)
        if failure.outcome != "interrupted":
            self._observer.on_fold_end(failure)
        if self._options.isolation == "none":
            reason = f"not reached: fold {failure.fold} ended the process"
            for later in self._queue.drop_all():
                self._add(not_run(later, "not reached", reason))
                self._state.fail(later, exit_code=failure.exit_code, seconds=None)

    def _add(self, failure: FoldFailure) -> None:
        self.failures[failure.fold] = failure
        self._write(failure)

    def _write(self, outcome: FoldResult | FoldFailure) -> str | None:
        """Write result.json or failure.json; on a full disk the other folds still run. Return why it failed."""
        try:
            outcome.write(self._directory.fold(outcome.fold))
        except OSError as error:
            print(f"foldwatch: fold {outcome.fold}: {error}", file=sys.stderr)
            return error.strerror or str(error)
        return None
