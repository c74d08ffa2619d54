"""`FoldOutcomes`: decides by its files how a fold ended, and writes that down."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from trainer.process.launcher import ExitStatus
from trainer.runner.fold_failure import explain

if TYPE_CHECKING:
    from trainer.process.fold_process import FoldProcess
    from trainer.run.directory import RunDirectory
    from trainer.run.fold_result import FoldResult
    from trainer.run.job import Job
    from trainer.runner.fold_failure import FoldFailure


class FoldOutcomes:
    """A fold is finished by its whole result and by nothing else."""

    def __init__(self, directory: RunDirectory, job: Job) -> None:
        self._directory = directory
        self._job = job

    def judge(
        self, process: FoldProcess, fold: int, status: ExitStatus | None
    ) -> FoldResult | FoldFailure:
        """Return the fold's result, or its failure, which is not written yet.

        ``status`` is None if the process lives on, to run another fold.
        """
        seconds = time.time() - process.fold_began
        if self._job.result and status and status.exit_code == 0 and process.end_reason is None:
            self.write(self._job.result(self._directory.fold(fold), fold, seconds))
        return self._directory.result(fold) or explain(
            fold,
            status or ExitStatus(0, None),
            fold_dir=process.fold_dir,
            pid=process.pid,
            end_reason=process.end_reason,
            seconds=seconds,
        )

    def write(self, outcome: FoldResult | FoldFailure) -> None:
        """Write result.json or failure.json; a full disk must not keep the other folds from running."""
        try:
            outcome.write(self._directory.fold(outcome.fold))
        except OSError as error:
            print(f"foldwatch: fold {outcome.fold}: {error}", file=sys.stderr)
