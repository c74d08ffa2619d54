"""`FoldRunner`: runs the folds of a plan, in one loop, and writes the summary.

A fold is finished by its whole result and by nothing else. It runs below an agent (`trainer.agent`), and the runner knows
of it what its files say.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.reading import Reading
from trainer.agent.fold_failure import not_run
from trainer.agent.room import ADMISSION_SECONDS
from trainer.process.signals import Interruptions
from trainer.process.supervisor import adopts_orphans, end_orphans
from trainer.run.fold_result import FoldResult, Summary, summarize
from trainer.run.job import TRAINING, RunOptions
from trainer.runner.agent_death import end_without_outcome
from trainer.runner.attempt_pool import AttemptPool, FoldNotStartedError
from trainer.runner.fold_outcomes import FoldOutcomes
from trainer.runner.fold_queue import FoldQueue
from trainer.runner.local_engine import LocalEngine
from trainer.runner.observer import RunObserver
from trainer.runner.orders import Orders
from trainer.runner.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from telemetry.journal.records import Record
    from trainer.agent.fold_failure import FoldFailure
    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory
    from trainer.run.job import Job
    from trainer.run.resume_plan import Plan
    from trainer.runner.attempt import Attempt
    from trainer.runner.engine import Engine
    from trainer.runner.gpus import GpuPool


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
        engine: Engine | None = None,
        gpus: GpuPool | None = None,
        admission_seconds: float = ADMISSION_SECONDS,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._directory, self._config, self._job = directory, config, job
        self._options = options or RunOptions()
        self._observer = observer or RunObserver()
        self._data_digest = plan.data_digest
        self._queue = FoldQueue(plan.to_run, retries=self._options.retries)
        self._is_interrupted, self._may_go_on = False, may_go_on
        self._engine = engine or LocalEngine(self._options.limits, lock=self._options.lock)
        self._pool = AttemptPool(
            directory,
            Orders(directory, config, job, self._options),
            self._options,
            self._observer,
            engine=self._engine,
            gpus=gpus,
            admission_seconds=admission_seconds,
        )
        self.state = state or RunState(directory.name, folds=config.folds, observer=self._observer)
        self.state.begin(skipped=plan.skipped)
        self._outcomes = FoldOutcomes(
            directory,
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
        return summarize(self._config.folds, [r for r in found if r.fold not in self.failures])

    def _step(self, interruptions: Interruptions) -> None:
        if count := interruptions.take_count():
            self._is_interrupted = True
            self._pool.end("interrupted", at_once=count > 1)
        if not self._is_interrupted and not self._may_go_on():
            self._is_interrupted = True
            self._pool.end("interrupted: another run has taken its directory", at_once=True)
        if not self._is_stopped:
            self._start_folds()
        if self._is_stopped or not self._queue:
            self._pool.dismiss_idle()
        self._pool.wait(interruptions.wakes, seconds=self._options.poll_seconds)
        for attempt in self._pool:
            self._poll(attempt)
        self._pool.refuse_waiting()
        if self._outcomes.no_room is not None:
            self._outcomes.hold()

    def _start_folds(self) -> None:
        """Let attempts run the next folds, as long as there are a slot and room."""
        while self._queue and not self._is_stopped and self._pool.busy < self._options.parallel:
            fold = self._queue.next
            try:
                if not self._pool.start(fold, has_next=len(self._queue) > 1):
                    break
            except FoldNotStartedError as error:
                self._refuse(fold, error)
                continue
            self._queue.take()
        if self._options.is_isolated and self._job.is_persistent and self._queue:
            self._pool.start_ahead(self._queue.next, self.state)

    def _refuse(self, fold: int, error: FoldNotStartedError) -> None:
        self._queue.drop(fold)
        self._outcomes.fail(not_run(fold, error.outcome, str(error)))

    def _poll(self, attempt: Attempt) -> None:
        ended = attempt.poll()
        self._pool.pass_on_messages(attempt)
        if attempt.fold is not None and attempt.has_started:
            if attempt.shown_fold != attempt.fold:
                attempt.shown_fold = attempt.fold
                self.state.start(attempt.fold)
            self._pool.show_output(attempt)
        self._apply_records(attempt, attempt.records())
        if ended is not None:
            self._on_exit(attempt, ended)
        elif attempt.fold is not None and not self._options.is_isolated:
            outcome = attempt.outcome(attempt.fold, is_over=False)
            self._record_outcome(attempt, attempt.fold, outcome)

    def _apply_records(self, attempt: Attempt, records: Sequence[Record]) -> None:
        if not records:
            return
        self._pool.note_records(records)
        fold = attempt.fold or attempt.reserved_for
        for record in attempt.looks.with_looks(records):
            own = record.fold if isinstance(record, Reading) else None
            self.state.apply(
                fold if self._options.is_isolated or own not in self.state else own, record
            )
        self.state.publish()

    def _on_exit(self, attempt: Attempt, code: int) -> None:
        """Record the end of an agent, and of its fold."""
        others = self._pool.remove(attempt)
        attempt.close()
        fold = attempt.fold
        outcome = None if fold is None else attempt.outcome(fold, is_over=True)
        has_left = code < 0 or (outcome is None and attempt.has_started)
        if has_left and adopts_orphans():
            end_orphans(others)
        self._pool.show_output(attempt, is_over=True)
        self._apply_records(attempt, attempt.records())
        if fold is not None:
            if outcome is None and not (self._is_interrupted and not attempt.has_started):
                outcome = end_without_outcome(attempt, fold, code)
            self._record_outcome(attempt, fold, outcome)
        attempt.release()
        if has_left:
            self._engine.clean_up(attempt.order)

    def _record_outcome(
        self, attempt: Attempt, fold: int, outcome: FoldResult | FoldFailure | None
    ) -> None:
        """Finish the fold if it left a whole result; else retry it or record its failure."""
        if outcome is None:
            return
        attempt.fold = None
        if attempt.no_room is not None:
            self._outcomes.note_no_room(fold, attempt.no_room)
        if isinstance(outcome, FoldResult):
            seconds = time.monotonic() - attempt.fold_began
            self._pool.note_finished(attempt.peaks, seconds=seconds)
            self._outcomes.finish(outcome, exit_code=attempt.exit_code)
        elif self._queue.may_retry(fold) and not self._is_stopped:
            self._outcomes.retry(outcome)
        else:
            self._outcomes.fail(outcome, is_written=True)

    def _end_all(self) -> None:
        """End every attempt that an error has left running."""
        self._pool.end("interrupted", at_once=True)
        while self._pool:
            for attempt in self._pool:
                if (ended := attempt.poll()) is not None:
                    self._on_exit(attempt, ended)
            time.sleep(0.01)
