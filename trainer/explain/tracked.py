"""Runs a Python program and tracks what it allocates between two of its labels, then ends it.

    python -m trainer.explain.tracked PLAN SCRIPT ARGUMENTS...
    python -m trainer.explain.tracked PLAN -m MODULE ARGUMENTS...
    python -m trainer.explain.tracked PLAN          the folds of the `RunConfig` in the run directory

PLAN is a JSON object: ``begin`` and ``end``, each a fold and a stage, null for whichever comes first or last, or ``folds``,
of which the last is tracked; ``records``, the file that memray writes; and ``seen``, the file that is written once the
labels were seen.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from telemetry.recorder import setup
from telemetry.recorder.sampler import Sampler
from trainer.explain.marks import foldwatch_begin, foldwatch_end
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.reading import Reading

_PR_SET_PDEATHSIG = 1


SETTLE_SECONDS = 0.05
"""Longer than memray's clock ticks, by which it tells what was allocated before a moment and what after."""


class Window:
    """Marks the two labels, and ends the program at the second one."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._begin, self._end, self._seen = plan["begin"], plan["end"], plan["seen"]
        self._began_at: float | None = None

    def take(self, reading: Reading) -> None:
        """Take a label."""
        if self._began_at is None:
            if self._begin is None or _is_at(reading, self._begin):
                _mark(foldwatch_begin)
                self._began_at = time.monotonic()
        elif self._end is not None and _is_at(reading, self._end):
            write_seen(self._seen, time.monotonic() - self._began_at)
            _mark(foldwatch_end)
            raise SystemExit  # all is known; the rest of the folds would take their time


def _mark(allocate: Callable[[], None]) -> None:
    time.sleep(SETTLE_SECONDS)
    allocate()
    time.sleep(SETTLE_SECONDS)


def write_seen(path: str, seconds: float, *, untracked: float | None = None) -> None:
    """Say that both labels were seen, so many seconds apart, and how many a fold took that was not tracked."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "untracked": untracked}, file)


def _is_at(reading: Reading, wanted: list[Any]) -> bool:
    fold, stage = wanted
    return fold in {None, reading.fold} and reading.stage == stage


def main(arguments: list[str]) -> None:
    """Run the program; it ends as it would by itself, or at the second label."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with open(arguments[0], encoding="utf-8") as file:
        plan = json.load(file)
    # The run's record stays as it is, wherever the program has it written.
    setup.journal_path = _nowhere  # type: ignore[assignment]
    if plan["folds"]:
        _train(plan)
    else:
        _run_between_labels(plan, arguments[1:])


def _nowhere(_: object) -> None:
    """Stand in for where a journal is."""


def _train(plan: Mapping[str, Any]) -> None:
    """Train the folds, and track the last one."""
    from trainer.worker.fold_loop import Training  # noqa: PLC0415 - not in a program that is not of foldwatch

    directory = RunDirectory(plan["run_dir"])
    training = Training(directory.config())
    *before, tracked = plan["folds"]
    untracked = 0.0
    for fold in before:
        began = time.monotonic()
        training.train(fold, directory.fold(fold))
        untracked = time.monotonic() - began
    import memray  # noqa: PLC0415 - an extra

    began = time.monotonic()
    with memray.Tracker(plan["records"], trace_python_allocators=True):
        training.train(tracked, directory.fold(tracked))
    write_seen(plan["seen"], time.monotonic() - began, untracked=untracked)


def _run_between_labels(plan: Mapping[str, Any], program: list[str]) -> None:
    """Run a program of any kind, and mark the labels in its records."""
    window, checkpoint = Window(plan), Sampler.checkpoint

    def tracked(sampler: Sampler, text: str, **options: Any) -> Reading:
        reading = checkpoint(sampler, text, **options)
        window.take(reading)
        return reading

    Sampler.checkpoint = tracked  # type: ignore[assignment, method-assign] # it takes the same
    import memray  # noqa: PLC0415 - an extra

    # Around all of the program: memray tells callers only from where tracking began on.
    with memray.Tracker(plan["records"], trace_python_allocators=True):
        _run(program)


def _run(program: list[str]) -> None:
    if program[0] == "-m":
        sys.argv = program[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        sys.path.insert(0, os.path.dirname(os.path.abspath(program[0])))
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
