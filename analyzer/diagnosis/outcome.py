"""How a run ended, as far as its record says: the first thing that is said of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from analyzer.diagnosis.exit_status import is_running
from analyzer.diagnosis.run_end import folds_left, is_through
from analyzer.processes.process import has_result

if TYPE_CHECKING:
    from analyzer.processes.process import Process


class Outcome(enum.StrEnum):
    """How a run ended, worst first."""

    CRASHED = "crashed"
    STOPPED = "stopped"
    """Somebody or something ended it: a person, a scheduler, its time limit."""
    RUNNING = "running"
    """Its record has no ending: it runs on, or was cut off."""
    FINISHED = "finished"

    @property
    def severity(self) -> int:
        """Its rank, 0 for the worst."""
        return list(Outcome).index(self)


class Ending(NamedTuple):
    """An outcome, and what says so."""

    outcome: Outcome
    reason: str
    line: int | None = None
    """Of its log, where a line says so."""


def find_ending(process: Process, *, is_followed: bool) -> Ending:
    """Tell how a process ended; ``is_followed`` says that another one took its place."""
    crash, left = process.crash, process.exit
    if crash is not None:
        outcome = Outcome.STOPPED if crash.stops else Outcome.CRASHED
        return Ending(outcome, crash.text, crash.line)
    said = process.finished_by
    if said is not None and left is None and not has_result(process):
        return Ending(Outcome.FINISHED, said.text.strip(), said.line)
    for holds, words in (
        (has_result(process), "its result is whole"),
        (left is not None and "exit_code" in left.facts, "the process exited with 0"),
        (is_through(process, is_followed=is_followed), "its last fold is through"),
    ):
        if holds:
            return Ending(Outcome.FINISHED, words)
    return _without_word(process, is_followed=is_followed)


def _without_word(process: Process, *, is_followed: bool) -> Ending:
    """Tell the end of a process of which neither a log nor a runner says how it ended."""
    if process.interpreter_ended:
        left_over = 0 if is_followed else folds_left(process)
        where = f", after fold {process.folds[-1]} of {process.folds_planned}" if left_over else ""
        return Ending(Outcome.FINISHED, f"its interpreter shut down in order{where}")
    if process.exit is not None:
        return Ending(Outcome.RUNNING, "it has ended; how is not known: only its parent was told")
    if process.launcher_saw_end:
        return Ending(Outcome.FINISHED, "what launched it saw it end")
    if is_running(process):
        return Ending(Outcome.RUNNING, f"process {process.pid} runs on this host")
    if process.outlived_its_record:
        return Ending(Outcome.RUNNING, "its record was ended while it ran on")
    return Ending(Outcome.RUNNING, "no ending is recorded: it runs on, or was cut off")
