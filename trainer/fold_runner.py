"""Runs the folds of a plan: which one when, in which process, and what becomes of each.

Owns the schedule. A fold is finished by its whole result and by nothing else: the runner trusts only
that and the exit status. It must not know what a fold trains, nor how a process is launched, watched
or ended.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.journal import Event
from telemetry.reading import Reading
from telemetry.snapshot import FoldSnapshot, Snapshot
from trainer.fold_failure import FoldFailure, explain, not_run
from trainer.fold_launcher import FoldLauncher
from trainer.fold_process import LINGERED
from trainer.fold_result import Summary, summarize
from trainer.forecast import no_room_to_go_on
from trainer.interruptions import Interruptions
from trainer.launch import Ending
from trainer.room import Room
from trainer.supervisor import adopts_orphans, kill_descendants
from trainer.work import TRAINING, RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.journal import Record
    from trainer.fold_process import FoldProcess
    from trainer.fold_result import FoldResult
    from trainer.folds import Config, Plan, RunDirectory
    from trainer.work import Work

TICK_SECONDS = 1.0
OUTPUT_TICK_SECONDS = 0.05
"""Where output is shown or read at: how late a line may be."""
ROOM_SECONDS = 30.0
"""How long a fold waits for headroom while nothing of ours is running; then it is refused."""
LAST_STAGES = frozenset({"after Stage 2 fit"})
LEAD_SECONDS = 10.0
"""Before a fold's end, by the length of the one before it: time enough to import TensorFlow."""


class FoldRunner:
    """Runs the folds of a plan and keeps ``snapshot`` up to date.

    Invariant: when `run` returns or raises, no process of it lives, and every fold that was begun has
    a whole result or a failure.json.
    """

    def __init__(  # noqa: PLR0913 - what to run, how, and hooks with defaults
        self,
        directory: RunDirectory,
        config: Config,
        plan: Plan,
        *,
        work: Work = TRAINING,
        options: RunOptions | None = None,
        on_change: Callable[[Snapshot], None] = lambda _: None,
        on_end: Callable[[FoldSnapshot], None] = lambda _: None,
        on_line: Callable[[int, str], None] = lambda _fold, _line: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.failures: dict[int, FoldFailure] = {}
        """Of this run, by fold."""
        self._directory = directory
        self._config = config
        self._work = work
        self._options = options or RunOptions()
        self._on_change, self._on_end, self._on_line, self._say = on_change, on_end, on_line, say
        self._data_digest = plan.data_digest
        self._queue = deque(plan.to_run)
        self._processes: list[FoldProcess] = []
        self._attempts: dict[int, int] = {}
        self._is_stopped = False
        self._waits_since: float | None = None
        self._typical_seconds: float | None = None
        self._prestarted: set[int] = set()
        self._said: set[str] = set()
        self._launcher = FoldLauncher(directory, config, work, self._options, say=say)
        self._parts = {
            fold: FoldSnapshot(fold=fold, state="skipped" if fold in plan.skipped else "waiting")
            for fold in range(1, config.folds + 1)
        }
        self._publish()

    @property
    def failed(self) -> list[int]:
        """Folds of this run that left no result."""
        return [fold for fold, part in self._parts.items() if part.state == "failed"]

    def run(self) -> Summary:
        """Run every fold of the plan; write failures and the summary.

        Raises OSError where run.json or the summary cannot be written, and KeyboardInterrupt, with
        all of that done, where somebody asked the run to end.
        """
        self._directory.write_config(self._config)
        self.summary().write(self._directory.path)  # what is there now, should this run be killed
        with Interruptions() as interruptions:
            self._room = Room()
            try:
                while self._processes or (self._queue and not self._is_stopped):
                    self._step(interruptions)
            finally:
                self._end_all()
                self._room.close()
                self._launcher.close()
                summary = self.summary()
                summary.write(self._directory.path)
            if interruptions.count:
                raise KeyboardInterrupt
        return summary

    def summary(self) -> Summary:
        """Put together what is finished, skipped folds included."""
        results = self._directory.results(self._config, data_digest=self._data_digest)
        return summarize(self._config.folds, results)

    def _step(self, interruptions: Interruptions) -> None:
        if count := interruptions.rested():
            self._is_stopped = True
            for process in self._processes:
                process.end("interrupted", at_once=count > 1)
        if not self._is_stopped:
            self._start_folds()
        if self._is_stopped or not self._queue:
            for process in self._processes:
                if process.fold is None and not process.is_dismissed:
                    process.dismiss()
        self._wait(interruptions)
        for process in list(self._processes):
            self._look_at(process)

    def _wait(self, interruptions: Interruptions) -> None:
        """Wait until something happens, or it is time to look."""
        with selectors.DefaultSelector() as selector:
            selector.register(interruptions.wakes, selectors.EVENT_READ)
            for process in self._processes:
                for connection in process.sockets():
                    selector.register(connection, selectors.EVENT_READ)
            watches = self._options.shows_output or self._options.pattern
            selector.select(OUTPUT_TICK_SECONDS if watches else TICK_SECONDS)

    # Starting

    def _start_folds(self) -> None:
        """Give the next folds to processes, as long as there is a place and room."""
        while self._queue:
            if sum(p.fold is not None for p in self._processes) >= self._options.parallel:
                break
            process = self._process_for(self._queue[0])
            if process is None:
                break
            fold = self._queue.popleft()
            self._attempts[fold] = self._attempts.get(fold, 0) + 1
            process.give(fold)
            self._change(fold, state="running")
        self._prestart()

    def _process_for(self, fold: int) -> FoldProcess | None:
        """Return the process that ``fold`` is to run in; None where it must wait, or was refused."""
        for process in self._processes:
            if process.fold is None and not process.is_dismissed:
                if process.reserved_for == fold:
                    return process
                if not self._options.is_isolated:
                    return process if self._goes_on(process, fold) else None
        if not self._options.is_isolated and self._processes:
            return None  # the one that is recycled must be gone
        return self._launch(fold) if self._has_room(fold) else None

    def _goes_on(self, process: FoldProcess, fold: int) -> bool:
        """Whether the process takes this fold too; else it is recycled, and that is told."""
        if self._options.isolation == "none" or not process.peaks:
            return True
        shortage = no_room_to_go_on(list(process.peaks.values()), process.limits)
        if shortage is None:
            return True
        words = f"fold {fold}: in a fresh process; in the one before, {shortage}"
        self._say(words)
        facts = {"fold": fold, "why": str(shortage)}
        process.write(Event(time=time.time(), pid=process.pid, name="recycled", facts=facts))
        process.dismiss()
        return False

    def _has_room(self, fold: int) -> bool:
        """Whether a fresh process for ``fold`` fits; waits while it may come to, else refuses."""
        shortage = self._room.for_a_fold()
        if shortage is None:
            self._waits_since = None
            return True
        self._waits_since = self._waits_since or time.monotonic()
        self._say_once(f"room for {fold}", f"fold {fold}: waits for room; {shortage}")
        is_over = time.monotonic() - self._waits_since > ROOM_SECONDS
        if is_over and not self._processes:
            self._queue.popleft()
            self._fail(fold, not_run(fold, "refused", f"refused, it would not fit: {shortage}"))
        return False

    def _launch(self, fold: int) -> FoldProcess | None:
        """Launch a process for ``fold``; None where that fails, which is the fold's failure."""
        try:
            process = self._launcher.launch(fold)
        except OSError as error:
            self._queue.remove(fold)
            self._fail(fold, not_run(fold, "not started", f"cannot be started: {error}"))
            return None
        self._processes.append(process)
        return process

    def _prestart(self) -> None:
        """Load the next worker while a fold is in its last stage, where it fits beside it."""
        if not (self._options.is_isolated and self._work.takes_orders and self._queue):
            return
        fold = self._queue[0]
        if fold in self._prestarted or not any(self._is_late(p) for p in self._processes):
            return
        self._prestarted.add(fold)  # once, whatever becomes of it
        if self._room.for_one_that_waits() is None:
            self._launch(fold)

    def _is_late(self, process: FoldProcess) -> bool:
        if process.fold is None:
            return False
        stages = self._parts[process.fold].checkpoints.keys()
        expected = self._typical_seconds
        seconds = time.time() - process.fold_began
        return bool(LAST_STAGES & stages) or (
            expected is not None and seconds > expected - LEAD_SECONDS
        )

    # Watching

    def _look_at(self, process: FoldProcess) -> None:
        ending = process.poll()
        if process.fold is not None:
            self._show(process, process.lines())
            timeout = self._options.timeout_seconds
            if timeout is not None and time.time() - process.fold_began > timeout:
                process.end(f"timeout: it ran for more than {timeout:g} s")
        done = process.folds_done()
        if process.sample() or done or ending is not None:
            self._take(process, process.records())
        if ending is not None:
            self._conclude(process, ending)
        elif process.fold in done:
            self._finish_in_place(process)

    def _finish_in_place(self, process: FoldProcess) -> None:
        """Go on after a fold that its process has survived."""
        if self._options.is_isolated:
            process.dismiss()  # the fold ends with it
            return
        fold, process.fold = process.fold, None
        if fold is not None:
            self._settle(process, fold, None)

    def _show(self, process: FoldProcess, lines: list[str]) -> None:
        if self._options.shows_output and process.fold is not None:
            for line in lines:
                self._on_line(process.fold, line)

    def _take(self, process: FoldProcess, records: Sequence[Record]) -> None:
        for record in records:
            fold = process.fold or process.reserved_for
            if isinstance(record, Reading):
                self._room.note_checkpoint(record)
                if not self._options.is_isolated and record.fold in self._parts:
                    fold = record.fold
            if fold is not None:
                self._parts[fold] = self._parts[fold].with_record(record)
        self._publish()

    # Ending

    def _conclude(self, process: FoldProcess, ending: Ending) -> None:
        """Take note of the end of a process, and of the fold that it ran."""
        if process.has_lingered:
            words = f"a fold's process was killed: {LINGERED}"
            self._say_once("lingers", f"{words}; a thread that is no daemon keeps one alive")
        self._processes.remove(process)
        self._show(process, process.last_lines())
        process.close(ending)
        if process.launched.is_lost and adopts_orphans():
            kill_descendants({other.launched.supervisor_pid for other in self._processes})
        self._take(process, process.records())
        if process.fold is not None:
            self._settle(process, process.fold, ending)

    def _settle(self, process: FoldProcess, fold: int, ending: Ending | None) -> None:
        """Decide by its result whether a fold is finished; retry or note the failure of one that is not."""
        seconds = time.time() - process.fold_began
        if self._work.result and ending and ending.exit_code == 0 and process.why_ended is None:
            self._write(self._work.result(self._directory.fold(fold), fold, seconds))
        result = self._directory.result(fold)
        if result is not None:
            self._typical_seconds = seconds
            self._room.note_fold(next(iter(process.peaks.values()), {}))
            self._change(
                fold,
                state="finished",
                exit_code=0 if ending is None or process.has_lingered else ending.exit_code,
                seconds=result.seconds,
                ended_at=time.time(),
            )
            self._on_end(self._parts[fold])
            return
        failure = explain(
            fold,
            ending or Ending(0, None),
            place=process.place,
            pid=process.pid,
            why_ended=process.why_ended,
            seconds=seconds,
        )
        is_final = self._attempts[fold] > self._options.retries or self._is_stopped
        self._fail(fold, failure) if is_final else self._retry(fold, failure)

    def _retry(self, fold: int, failure: FoldFailure) -> None:
        """Put what a fold left aside and queue it again."""
        self._write(failure)
        aside = self._directory.set_aside([f"fold-{fold}"])
        number, of = self._attempts[fold] + 1, self._options.retries + 1
        self._say(f"fold {fold}: attempt {number} of {of}, after {failure.root_cause} ({aside})")
        self._parts[fold] = FoldSnapshot(fold=fold, state="waiting")
        self._queue.appendleft(fold)

    def _fail(self, fold: int, failure: FoldFailure) -> None:
        self.failures[fold] = failure
        self._write(failure)
        self._change(
            fold,
            state="failed",
            exit_code=failure.exit_code,
            seconds=failure.seconds,
            ended_at=time.time(),
        )
        if failure.outcome != "interrupted":
            self._on_end(self._parts[fold])
        if self._options.stops_on_failure:
            self._is_stopped = True
        if self._options.isolation == "none":
            while self._queue:  # without isolation a fold takes those behind it along
                later = self._queue.popleft()
                words = f"not reached: fold {fold} ended the process"
                self.failures[later] = not_run(later, "not reached", words)
                self._write(self.failures[later])
                self._change(later, state="failed", exit_code=failure.exit_code)

    def _write(self, outcome: FoldResult | FoldFailure) -> None:
        try:
            outcome.write(self._directory.fold(outcome.fold))
        except OSError as error:  # a full disk must not keep the other folds from running
            print(f"foldwatch: fold {outcome.fold}: {error}", file=sys.stderr)

    def _end_all(self) -> None:
        """End what an error has left running."""
        for process in self._processes:
            process.end("interrupted", at_once=True)
        while self._processes:
            for process in list(self._processes):
                if (ending := process.poll()) is not None:
                    self._conclude(process, ending)
            time.sleep(0.01)

    # Telling

    def _say_once(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            self._say(text)

    def _change(self, fold: int, **changes: object) -> None:
        self._parts[fold] = replace(self._parts[fold], **changes)  # type: ignore[arg-type] # names are the fields'
        self._publish()

    def _publish(self) -> None:
        self.snapshot = Snapshot(
            run=self._directory.name,
            host=socket.gethostname(),
            rank=os.environ.get("RANK", ""),
            folds=self._config.folds,
            parts=tuple(self._parts.values()),
        )
        try:
            self._on_change(self.snapshot)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with who watches, folds go on
            self._say_once("watching", f"watching failed: {type(error).__name__}: {error}")
