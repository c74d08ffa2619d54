"""Runs folds in processes of their own, watches them from outside, and knows how each ended.

Owns the life of a fold's process: launch, sampling of it, its end, and what is kept of it. The
runner trusts only the exit status and the result file. It must not know what a fold trains.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.log_text import strip_escapes
from telemetry.journal import FILE_NAME, Event, JournalFollower, JournalWriter
from telemetry.reader import Reader
from telemetry.reading import Reading
from telemetry.snapshot import FoldSnapshot, Snapshot
from telemetry.thread_log import clean_label
from trainer.environment import THREAD_CAPS
from trainer.fold_result import RESULT, FoldFailure, Summary, summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from io import BufferedWriter

    from telemetry.journal import Record
    from trainer.folds import Plan, RunConfig, RunDirectory

SAMPLE_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""Between the polite signal and the other one, when a run is interrupted."""
OUTPUT = "output.log"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended."""

    exit_code: int
    """As the shell says it: 128 + N for signal N."""
    signal: str | None
    by_runner: bool
    """Whether the runner ended it, as it does when it is interrupted itself."""

    @classmethod
    def of(cls, status: int, *, by_runner: bool) -> Ending:
        """Translate Popen's return code, negative for a signal."""
        if status >= 0:
            return cls(status, None, by_runner=by_runner)
        return cls(128 - status, _signal_name(-status), by_runner=by_runner)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal between the two that have names
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until a few moments' work is whole; they come right after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker_command(directory: RunDirectory, folds: Sequence[int]) -> list[str]:
    """Return the command that trains ``folds`` of the reference run."""
    # -P: a package of the user's own called trainer, in the current folder, is not ours.
    return [sys.executable, "-P", "-m", "trainer.fold_worker", directory.path, *map(str, folds)]


class FoldProcess:
    """One launched process: a session of its own, its output in a file, its journal beside it.

    Invariant: after `end` neither it nor anything left in its process group lives.
    """

    def __init__(
        self,
        directory: RunDirectory,
        folds: Sequence[int],
        *,
        place: str,
        command: Sequence[str],
        caps: Mapping[str, str] = THREAD_CAPS,
    ) -> None:
        """Launch ``command`` for ``folds`` with its files in ``place``. Raises OSError."""
        os.makedirs(place, exist_ok=True)
        self.folds = tuple(folds)
        self.journal_path = os.path.join(place, FILE_NAME)
        self.output_path = os.path.join(place, OUTPUT)
        self.began = time.time()
        with open(self.output_path, "ab") as output:
            self._process = self._launch(command, directory, output, caps)
        self.pid = self._process.pid
        self._reader = Reader(pid=self.pid)
        self._journal = JournalWriter(self.journal_path)

    def _launch(
        self,
        command: Sequence[str],
        directory: RunDirectory,
        output: BufferedWriter,
        caps: Mapping[str, str],
    ) -> subprocess.Popen[bytes]:
        environment = dict(caps) | os.environ
        environment |= {
            "FOLDWATCH_RUN_DIR": directory.path,
            "FOLDWATCH_RUN": directory.name,
            "FOLDWATCH_SUPERVISED": "1",
            "FOLDWATCH_RUNNER_PID": str(os.getpid()),
            "PYTHONUNBUFFERED": "1",
        }
        # One fold: its files are in fold-K/. All folds in one process: in the run's directory.
        if os.path.dirname(self.output_path) != directory.path:
            environment["FOLDWATCH_FOLD"] = str(self.folds[0])
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end; whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def sample(self) -> None:
        """Read the process from outside and append it to the journal; a process that is gone gives none."""
        reading = self._reader.read(in_full=False)
        if reading.rss_bytes is not None:
            self._write(reading)

    def end(self) -> Ending:
        """End what is left of its process group, and return how the process itself ended."""
        by_runner = self._process.poll() is None
        for number, grace in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
            if self._process.poll() is None:
                self._signal_group(number)
                try:
                    self._process.wait(grace)
                except subprocess.TimeoutExpired:
                    continue
        self._signal_group(signal.SIGKILL)
        ending = Ending.of(self._process.wait(), by_runner=by_runner)
        facts = {"exit_code": ending.exit_code, **self._reader.last_words()}
        if ending.signal is not None:
            facts |= {"signal": ending.signal}
        if by_runner:
            facts |= {"by_runner": True}
        self._write(Event(time=time.time(), pid=self.pid, name="exited", facts=facts))
        self._reader.close()
        self._journal.close()
        return ending

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # nothing is left of it, or only what is not ours

    def _write(self, record: Record) -> None:
        try:
            self._journal.write(record)
        except OSError as error:
            print(f"foldwatch: {self.journal_path}: {error}", file=sys.stderr)

    def last_words(self) -> str:
        """Return the last line that the process wrote, cleaned for a terminal; empty for none."""
        with open(self.output_path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.output_path) - 8192))
            text = strip_escapes(file.read().decode("utf-8", "replace"))
        lines = [clean_label(line) for line in text.replace("\r", "\n").split("\n")]
        return next((line for line in reversed(lines) if line), "")


class FoldRunner:
    """Runs the folds of a plan one after another and keeps ``snapshot`` up to date."""

    def __init__(  # noqa: PLR0913 - two of them are what to run, three are hooks with defaults
        self,
        directory: RunDirectory,
        config: RunConfig,
        plan: Plan,
        *,
        command: Callable[[RunDirectory, Sequence[int]], Sequence[str]] = worker_command,
        on_change: Callable[[Snapshot], None] = lambda _: None,
        on_end: Callable[[FoldSnapshot], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._config = config
        self._plan = plan
        self._command = command
        self._on_change = on_change
        self._on_end = on_end
        self._parts = {
            fold: FoldSnapshot(fold=fold, state="skipped" if fold in plan.skipped else "waiting")
            for fold in range(1, config.folds + 1)
        }
        self._publish()

    def run(self, *, is_isolated: bool) -> Summary:
        """Run every fold of the plan; write failures and the summary. Raises OSError."""
        self._directory.write_config(self._config)
        self.summary().write(self._directory.path)  # what is there now, should this run be killed
        try:
            if is_isolated:
                for fold in self._plan.to_run:
                    self._run_process([fold], place=self._directory.fold(fold))
            elif self._plan.to_run:
                self._run_process(self._plan.to_run, place=self._directory.path)
        finally:
            with uninterrupted():
                summary = self.summary()
                summary.write(self._directory.path)
        return summary

    def summary(self) -> Summary:
        """Put together what is finished, skipped folds included."""
        folds = range(1, self._config.folds + 1)
        results = [self._directory.result(fold) for fold in folds]
        digest = self._config.digest()
        return summarize(
            self._config.folds,
            [result for result in results if result and result.config_digest == digest],
        )

    @property
    def failed(self) -> list[int]:
        """Folds of this run that left no result."""
        return [fold for fold, part in self._parts.items() if part.state == "failed"]

    def _run_process(self, folds: Sequence[int], *, place: str) -> None:
        command = self._command(self._directory, folds)
        caps = {} if "caps" in self._config.without else THREAD_CAPS
        process = FoldProcess(self._directory, folds, place=place, command=command, caps=caps)
        follower = JournalFollower(process.journal_path)
        self._change(folds[0], state="running")
        try:
            while not process.wait(SAMPLE_SECONDS):
                process.sample()
                self._follow(follower, folds)
        finally:
            with uninterrupted():
                ending = process.end()
                self._follow(follower, folds)
                self._conclude(process, ending)

    def _follow(self, follower: JournalFollower, folds: Sequence[int]) -> None:
        for record in follower.poll():
            running = self._running(folds)
            named = record.fold if isinstance(record, Reading) else None
            if named is not None and named in folds and named != running:
                self._end_fold(running, exit_code=None)
                running = named
                self._change(running, state="running")
            self._parts[running] = self._parts[running].with_record(record)
        self._publish()

    def _running(self, folds: Sequence[int]) -> int:
        return next((fold for fold in folds if self._parts[fold].state == "running"), folds[0])

    def _end_fold(self, fold: int, *, exit_code: int | None, is_told: bool = True) -> None:
        result = self._directory.result(fold)
        self._change(
            fold,
            state="failed" if result is None else "finished",
            exit_code=0 if result is not None and exit_code is None else exit_code,
            seconds=None if result is None else result.seconds,
            ended_at=time.time(),
        )
        if is_told:
            self._on_end(self._parts[fold])

    def _conclude(self, process: FoldProcess, ending: Ending) -> None:
        running = self._running(process.folds)
        if self._parts[running].state == "running":
            self._end_fold(running, exit_code=ending.exit_code, is_told=not ending.by_runner)
        for fold in process.folds:
            if self._directory.result(fold) is not None:
                continue
            words = process.last_words() or "it wrote nothing"
            reason = f"ended by {ending.signal}; last line: {words}" if ending.signal else words
            if ending.exit_code == 0:
                reason = f"exited with 0 and left no {RESULT}"
            if ending.by_runner:
                reason = "interrupted"
            elif fold != running:
                reason = f"not reached: fold {running} ended the process"
            failure = FoldFailure(
                fold=fold,
                exit_code=ending.exit_code,
                signal=ending.signal,
                reason=reason,
                seconds=time.time() - process.began,
            )
            try:
                failure.write(self._directory.fold(fold))
            except OSError as error:  # a full disk must not keep the other folds from running
                print(f"foldwatch: fold {fold}: {error}", file=sys.stderr)
            self._change(fold, state="failed", exit_code=ending.exit_code)

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
        self._on_change(self.snapshot)
