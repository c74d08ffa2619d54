"""`FoldRunner`: runs the folds of a plan, in one loop, and writes the summary.

A fold is finished by its whole result and by nothing else: the runner trusts only that and the exit
status.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.reading import Reading
from trainer.process.fold_launcher import FoldLauncher
from trainer.process.supervisor import adopts_orphans, kill_descendants
from trainer.run.fold_result import FoldResult, Summary, summarize
from trainer.run.job import TRAINING, RunOptions
from trainer.runner.fold_failure import not_run
from trainer.runner.fold_outcomes import FoldOutcomes
from trainer.runner.fold_queue import FoldQueue
from trainer.runner.observer import RunObserver
from trainer.runner.process_pool import ADMISSION_SECONDS, FoldNotStartedError, ProcessPool
from trainer.runner.run_state import RunState
from trainer.runner.signals import Interruptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from telemetry.journal.records import Record
    from trainer.process.fold_process import FoldProcess
    from trainer.process.launcher import ExitStatus
    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory
    from trainer.run.job import Job
    from trainer.run.resume_plan import Plan
    from trainer.runner.fold_failure import FoldFailure


class FoldRunner:
    """Runs the folds of a plan and keeps ``state`` up to date.

    Invariant: when `run` returns or raises, no process of it lives, and every fold that was begun has
    a whole result or a failure.json.
    """

    def __init__(  # noqa: PLR0913 - what to run, how, and who watches
        self,
        directory: RunDirectory,
        config: Config,
        plan: Plan,
        *,
        job: Job = TRAINING,
        options: RunOptions | None = None,
        observer: RunObserver | None = None,
        state: RunState | None = None,
        admission_seconds: float = ADMISSION_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._config = config
        self._job = job
        self._options = options or RunOptions()
        self._observer = observer or RunObserver()
        self._data_digest = plan.data_digest
        self._queue = FoldQueue(plan.to_run, retries=self._options.retries)
        self._clock = clock
        self._is_interrupted = False
        self._pool = ProcessPool(
            FoldLauncher(directory, config, job, self._options, log=self._observer.on_message),
            self._options,
            self._observer,
            admission_seconds=admission_seconds,
        )
        self.state = state or RunState(directory.name, folds=config.folds, observer=self._observer)
        self.state.begin(skipped=plan.skipped)
        self._outcomes = FoldOutcomes(
            directory,
            job,
            self._options,
            folds=config.folds,
            queue=self._queue,
            state=self.state,
            observer=self._observer,
        )
        self._outcomes.note_skipped(plan.skipped)

    @property
    def failures(self) -> Mapping[int, FoldFailure]:
        """The failures of this run, by fold."""
        return self._outcomes.failures

    @property
    def unwritten(self) -> str | None:
        """Why there is no summary of this run in its directory; None if there is one."""
        return self._outcomes.unwritten

    @property
    def _is_stopped(self) -> bool:
        """Whether no further fold is started."""
        has_failed = self._options.stops_on_failure and bool(self.failures)
        return self._is_interrupted or has_failed or self._outcomes.no_room is not None

    def run(self) -> Summary:
        """Run every fold of the plan; write failures and the summary.

        Raises:
            OSError: run.json or the first summary cannot be written; no fold was started.
            KeyboardInterrupt: The run was asked to end; failures and summary are written.
        """
        self._directory.write_config(self._config)
        self.summary().write(self._directory.path)  # in case this run is killed
        with Interruptions() as interruptions:
            try:
                while self._pool or (self._queue and not self._is_stopped):
                    self._step(interruptions)
            finally:
                self._end_all()
                self._pool.close()
                summary = self._outcomes.conclude(self.summary)
            if interruptions.count:
                raise KeyboardInterrupt
        return summary

    def summary(self) -> Summary:
        """Put the results together, those of skipped folds included, and none of a fold that failed."""
        found = self._directory.results(self._config, data_digest=self._data_digest)
        results = [result for result in found if result.fold not in self.failures]
        return summarize(self._config.folds, results)

    def _step(self, interruptions: Interruptions) -> None:
        if count := interruptions.take_count():
            self._is_interrupted = True
            self._pool.end("interrupted", at_once=count > 1)
        if not self._is_stopped:
            self._start_folds()
        if self._is_stopped or not self._queue:
            self._pool.dismiss_idle()
        self._pool.wait(interruptions.wakes, seconds=self._options.poll_seconds)
        for process in self._pool:
            self._poll(process)
        if self._outcomes.no_room is not None:
            self._outcomes.hold()

    def _start_folds(self) -> None:
        """Give the next folds to processes, as long as there are a slot and headroom."""
        while self._queue and not self._is_stopped:
            fold = self._queue.next
            try:
                if self._pool.busy >= self._options.parallel:
                    break
                process = self._pool.acquire(fold)
            except FoldNotStartedError as error:
                self._refuse(fold, error)
                continue
            if process is None:
                break
            process.give(self._queue.take())
            self.state.start(fold)
        if self._options.is_isolated and self._job.is_persistent and self._queue:
            try:
                self._pool.prestart(self._queue.next, self.state)
            except FoldNotStartedError as error:
                self._refuse(self._queue.next, error)

    def _refuse(self, fold: int, error: FoldNotStartedError) -> None:
        self._queue.drop(fold)
        self._outcomes.fail(not_run(fold, error.outcome, str(error)))

    def _poll(self, process: FoldProcess) -> None:
        status = process.poll()
        if process.fold is not None:
            self._forward_output(process, process.lines())
            timeout = self._options.timeout_seconds
            if timeout is not None and self._clock() - process.fold_began > timeout:
                process.end(f"timeout: it ran for more than {timeout:g} s")
        done = process.folds_done()
        if process.sample() or done or status is not None:
            self._apply_records(process, process.records())
        if status is not None:
            self._on_exit(process, status)
        elif process.fold in done:
            self._finish_in_place(process)

    def _finish_in_place(self, process: FoldProcess) -> None:
        """Record a fold whose process lives on."""
        if self._options.is_isolated:
            process.dismiss()  # the fold ends with it
            return
        fold, process.fold = process.fold, None
        if fold is not None:
            self._record_outcome(process, fold, None)

    def _forward_output(self, process: FoldProcess, lines: list[str]) -> None:
        if self._options.shows_output and process.fold is not None:
            for line in lines:
                self._observer.on_output(process.fold, line)

    def _apply_records(self, process: FoldProcess, records: Sequence[Record]) -> None:
        self._pool.note_records(records)
        fold = process.fold or process.reserved_for
        is_shared = not self._options.is_isolated
        for record in records:
            own = record.fold if is_shared and isinstance(record, Reading) else None
            self.state.apply(own if own in self.state else fold, record)
        self.state.publish()

    def _on_exit(self, process: FoldProcess, status: ExitStatus) -> None:
        """Record the end of a process, and of the fold that it ran."""
        others = self._pool.remove(process)
        self._forward_output(process, process.last_lines())
        process.close(status)
        if process.supervised.lost_supervisor and adopts_orphans():
            kill_descendants(others)
        self._apply_records(process, process.records())
        if process.fold is not None:
            self._record_outcome(process, process.fold, status)

    def _record_outcome(self, process: FoldProcess, fold: int, status: ExitStatus | None) -> None:
        """Finish the fold if it left a whole result; else retry it or record its failure."""
        outcome = self._outcomes.judge(process, fold, status)
        if isinstance(outcome, FoldResult):
            seconds = time.monotonic() - process.fold_began
            self._pool.note_finished(process.peaks, seconds=seconds)
            exit_code = 0 if status is None or process.has_lingered else status.exit_code
            self._outcomes.finish(outcome, exit_code=exit_code)
        elif self._queue.may_retry(fold) and not self._is_stopped:
            self._outcomes.retry(outcome)
        else:
            self._outcomes.fail(outcome)

    def _end_all(self) -> None:
        """End every process that an error has left running."""
        self._pool.end("interrupted", at_once=True)
        while self._pool:
            for process in self._pool:
                if (status := process.poll()) is not None:
                    self._on_exit(process, status)
            time.sleep(0.01)
